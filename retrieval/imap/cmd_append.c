/* APPEND: the letter streams from the client into the store, never all in memory.
 *
 * When the client has sent more already and no mailbox is selected, the next command is read while the
 * letter is on its way ("flying"), so that one commit serves many pipelined APPENDs (RFC 3501 section
 * 5.5). Their completions come in the order of the commits; other commands wait for them.
 *
 * The session dispatches the command when the line that announces the letter is there. Until the
 * literal is accepted here, the session is set to discard it (session.c, expect_refused_literal), so
 * that every refusal before that needs nothing more than a completion. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/crlf.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/mailbox_tree.h"
#include "storage/letter_writer.h"

#define APPEND_TAIL_MAX 4096

struct append {
    struct slice name;
    struct imap_flags flags;
    int64_t date;
    struct imap_literal literal;
    bool has_utf8_form;         /* UTF8 (~{n} … ) (RFC 6855 section 4) */
    /* while it runs */
    enum { APPEND_BEGIN, APPEND_KEYWORDS, APPEND_LETTER, APPEND_TAIL, APPEND_COMMIT } phase;
    struct mailbox_info to;
    size_t keyword_at;
    uint64_t bits;
    struct letter_writer *writer; /* owned */
    uint64_t left;
    struct crlf crlf;
};

/* literal, its bytes still to come: ["~"] "{" number ["+"] "}" at the very end */
static void parse_announcement(struct imap_cursor *c, struct append *w)
{
    struct slice rest = slice_from(c->text, c->at);
    if (!imap_failed(c) && (slice_starts(rest, SLICE("{")) || slice_starts(rest, SLICE("~{"))) &&
        slice_find_byte(rest, '}') == rest.n - 1 && imap_line_literal(rest, &w->literal))
        c->at = c->text.n;
    else
        imap_fail(c, "the letter is missing: a literal was expected");
}

/* append: "APPEND" SP mailbox [SP flag-list] [SP date-time] SP (literal / "UTF8" SP "(" literal8 ")") */
static void parse(struct imap_cursor *c, void *work)
{
    struct append *w = work;
    w->date = INT64_MIN;
    imap_space(c);
    w->name = imap_astring(c);
    imap_space(c);
    if (imap_peek(c) == '(') {
        imap_flag_list(c, &w->flags);
        imap_space(c);
    }
    if (imap_peek(c) == '"') {
        w->date = imap_date_time(c);
        imap_space(c);
    }
    if (imap_take_word(c, "UTF8")) {
        w->has_utf8_form = true;
        imap_space(c);
        imap_open(c);
    }
    parse_announcement(c, w);
}

static void clear(struct imap_session *s, void *work)
{
    struct append *w = work;
    (void)s;
    letter_writer_free(w->writer);
}

/* False: the completion is set. */
static bool may_append(struct imap_session *s, struct append *w)
{
    struct quota_info quota;
    if (!mailbox_open_named(s, w->name, "TRYCREATE", &w->to))
        return false;
    uint64_t max = settings_number(s->base.retrieval->settings, "imap.append-max");
    if (w->literal.size > max) {
        imap_no(s, "[TOOBIG] A letter may have %llu bytes here", (unsigned long long)max);
        return false;
    }
    if (reader_quota(imap_reader(s), s->base.retrieval->account, &quota) == ERR_OK && quota.limit_bytes &&
        quota.used_bytes + w->literal.size > quota.limit_bytes) {
        imap_no(s, "[OVERQUOTA] There is no room left in the account");
        return false;
    }
    return true;
}

static void accept_letter(struct imap_session *s, struct append *w)
{
    s->discard_left = 0;
    s->discard_line = false;
    w->left = w->literal.size;
    w->writer = letter_writer_new(imap_store(s));
    w->phase = APPEND_LETTER;
    if (w->literal.is_sync)
        buf_put_str(&s->out, "+ OK\r\n");
}

/* What is left of the letter is dropped as it comes. */
static enum imap_step give_up(struct imap_session *s, struct append *w)
{
    s->discard_left = w->left;
    s->discard_line = true;
    return IMAP_STEP_DONE;
}

static enum imap_step take_letter(struct imap_session *s, struct append *w)
{
    while (w->left > 0) {
        if (letter_writer_is_full(w->writer))
            return IMAP_STEP_WAIT; /* on_drained goes on */
        struct slice in = slice_sub(stream_input(s->stream), 0, (size_t)w->left);
        if (in.n == 0)
            return IMAP_STEP_WAIT;
        size_t n = in.n;
        if (!w->literal.is_binary && slice_find_byte(in, 0) != in.n) {
            imap_bad(s, "A letter must not hold NUL");
            return give_up(s, w);
        }
        struct slice piece;
        while (crlf_next(&w->crlf, &in, &piece))
            letter_writer_feed(w->writer, piece);
        w->left -= n;
        stream_consume(s->stream, n);
    }
    w->phase = APPEND_TAIL;
    return IMAP_STEP_DONE;
}

static void say_result(struct imap_session *s, enum err e, uint32_t uidvalidity, uint64_t uid)
{
    if (e == ERR_NOT_FOUND)
        imap_no(s, "[TRYCREATE] There is no such mailbox");
    else if (e != ERR_OK)
        imap_no_err(s, e, "storing the letter");
    else
        imap_ok(s, "[APPENDUID %u %llu] APPEND completed", uidvalidity, (unsigned long long)uid);
}

/* --- letters on their way while the session reads on --- */

struct imap_flying {
    struct imap_session *session; /* borrowed */
    struct letter_writer *writer; /* owned */
    char *tag;                    /* owned */
    struct imap_flying *next;
};

static void flying_free(struct imap_flying *f)
{
    struct imap_flying **at = &f->session->flying;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->session->flying_count--;
    letter_writer_free(f->writer);
    free(f->tag);
    free(f);
}

void imap_append_forget(struct imap_session *s)
{
    while (s->flying)
        flying_free(s->flying);
}

static void on_landed(void *ctx, const struct store_reply *r)
{
    struct imap_flying *f = ctx;
    struct imap_session *s = f->session;
    say_result(s, r->err, r->uidvalidity, r->value);
    imap_say_completion(s, slice_str(f->tag));
    flying_free(f);
    imap_advance(s);
}

static bool may_fly(struct imap_session *s)
{
    return !s->selected && s->flying_count < IMAP_FLYING_MAX && stream_input(s->stream).n > 0;
}

static void fly(struct imap_session *s, struct append *w)
{
    struct imap_flying *f = mem_new(sizeof *f);
    *f = (struct imap_flying){.session = s, .writer = w->writer, .tag = mem_strdup(s->tag),
        .next = s->flying};
    s->flying = f;
    s->flying_count++;
    w->writer = NULL;
    letter_append(f->writer, s->base.id, s->base.retrieval->keys, w->to.id, w->bits, w->date, on_landed, f);
}

/* The line behind the literal: empty, or ")" of the UTF8 form. */
static enum imap_step take_tail(struct imap_session *s, struct append *w)
{
    struct slice line;
    struct imap_literal another;
    enum err e = stream_line(s->stream, APPEND_TAIL_MAX, true, &line);
    if (e == ERR_AGAIN)
        return IMAP_STEP_WAIT;
    if (e == ERR_TOO_BIG) {
        imap_bye(s, "The line is too long");
        return IMAP_STEP_CLOSE;
    }
    bool is_good = e == ERR_OK && (w->has_utf8_form ? slice_equal(line, SLICE(")")) : line.n == 0);
    if (!is_good) {
        if (e == ERR_OK && imap_line_literal(line, &another) && !another.is_sync) {
            s->discard_left = another.size;
            s->discard_line = true;
        }
        imap_bad(s, "APPEND: one letter at a time, and nothing behind it");
        return IMAP_STEP_DONE;
    }
    if (w->literal.size == 0) { /* RFC 3502 section 6.3.11: a letter of no bytes cancels */
        imap_no(s, "[CANNOT] The letter is empty");
        return IMAP_STEP_DONE;
    }
    (void)letter_writer_finish(w->writer);
    if (may_fly(s)) {
        fly(s, w);
        return IMAP_STEP_DONE;
    }
    w->phase = APPEND_COMMIT;
    imap_reply_reset(s);
    letter_append(w->writer, s->base.id, s->base.retrieval->keys, w->to.id, w->bits, w->date,
        imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

static enum imap_step committed(struct imap_session *s, struct append *w)
{
    if (!s->reply.has_come)
        return IMAP_STEP_WAIT;
    if (s->selected && s->selected->mailbox == w->to.id)
        s->is_dirty = true;
    say_result(s, s->reply.err, s->reply.uidvalidity, s->reply.value);
    return IMAP_STEP_DONE;
}

static enum imap_step take_all(struct imap_session *s, struct append *w)
{
    if (w->phase == APPEND_LETTER) {
        enum imap_step step = take_letter(s, w);
        if (step != IMAP_STEP_DONE || w->phase != APPEND_TAIL)
            return step;
    }
    if (w->phase == APPEND_TAIL)
        return take_tail(s, w);
    return committed(s, w);
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct append *w = work;
    bool has_failed;
    if (w->phase >= APPEND_LETTER)
        return take_all(s, w);
    if (w->phase == APPEND_BEGIN) {
        if (!may_append(s, w))
            return IMAP_STEP_DONE;
        w->bits = w->flags.bits;
        w->phase = APPEND_KEYWORDS;
    }
    if (imap_keywords_resolve(s, &w->flags, &w->keyword_at, &w->bits, &has_failed) == IMAP_STEP_WAIT)
        return IMAP_STEP_WAIT;
    if (has_failed)
        return IMAP_STEP_DONE;
    accept_letter(s, w);
    return take_all(s, w);
}

const struct imap_command imap_cmd_append = {
    .name = "APPEND",
    .states = IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_INPUT | IMAP_CMD_STREAMS,
    .work_size = sizeof(struct append),
    .parse = parse,
    .step = step,
    .clear = clear,
};
