/* APPEND and REPLACE (RFC 8508): letters stream from the client into the store, never all in memory. Several
 * letters of one APPEND (RFC 3502), and a replacement, wait in the store for one commit of all.
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
#define APPEND_LETTERS_MAX 4000 /* of one command; the store's own limit is in bytes (RFC 9738's kind of limit) */

struct append {
    bool is_replace;
    uint32_t number;            /* REPLACE: of the letter that goes */
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
    struct letter_group *group; /* owned; NULL: one letter, which needs no other commit than its own */
    unsigned held;
    uint64_t size_sum;
    uint32_t replaced_uid;
    struct buf tail;            /* owned: the line that announces the letter that comes */
    struct buf scratch;         /* owned: of its parsing */
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

/* [SP flag-list] [SP date-time] SP (literal / "UTF8" SP "(" literal8 ")") */
static void parse_letter(struct imap_cursor *c, struct append *w)
{
    w->date = INT64_MIN;
    w->flags = (struct imap_flags){0};
    imap_space(c);
    if (imap_peek(c) == '(') {
        imap_flag_list(c, &w->flags);
        imap_space(c);
    }
    if (imap_peek(c) == '"') {
        w->date = imap_date_time(c);
        imap_space(c);
    }
    w->has_utf8_form = imap_take_word(c, "UTF8");
    if (w->has_utf8_form) {
        imap_space(c);
        imap_open(c);
    }
    parse_announcement(c, w);
}

/* append: "APPEND" SP mailbox 1*append-message; append-message as above */
static void parse(struct imap_cursor *c, void *work)
{
    struct append *w = work;
    imap_space(c);
    w->name = imap_astring(c);
    parse_letter(c, w);
}

/* replace: "REPLACE" SP seq-number SP mailbox append-message */
static void parse_replace(struct imap_cursor *c, void *work)
{
    struct append *w = work;
    w->is_replace = true;
    imap_space(c);
    if (imap_take(c, '*'))
        w->number = UINT32_MAX;
    else
        w->number = imap_number(c);
    parse(c, w);
}

static void clear(struct imap_session *s, void *work)
{
    struct append *w = work;
    (void)s;
    letter_writer_free(w->writer);
    letter_group_free(w->group);
    buf_clear(&w->tail);
    buf_clear(&w->scratch);
}

/* Which letter goes. False: the completion is set. */
static bool find_replaced(struct imap_session *s, struct append *w)
{
    const struct view *v = &s->selected->view;
    bool is_last = w->number == UINT32_MAX;
    if (s->by_uid)
        w->replaced_uid = is_last ? view_last_uid(v) : view_number(v, w->number) ? w->number : 0;
    else if (is_last || (w->number && w->number <= view_count(v)))
        w->replaced_uid = is_last ? view_last_uid(v) : view_uid(v, w->number);
    if (!w->replaced_uid)
        imap_no(s, "[NONEXISTENT] There is no such letter to replace");
    return w->replaced_uid != 0;
}

/* False: the completion is set. */
static bool may_take_letter(struct imap_session *s, struct append *w)
{
    struct quota_info quota;
    uint64_t max = settings_number(s->base.retrieval->settings, "imap.append-max");
    if (w->literal.size > max) {
        imap_no(s, "[TOOBIG] A letter may have %llu bytes here", (unsigned long long)max);
        return false;
    }
    w->size_sum += w->literal.size;
    if (reader_quota(imap_reader(s), s->base.retrieval->account, &quota) == ERR_OK && quota.limit_bytes &&
        quota.used_bytes + w->size_sum > quota.limit_bytes) {
        imap_no(s, "[OVERQUOTA] There is no room left in the account");
        return false;
    }
    return true;
}

/* False: the completion is set. */
static bool may_append(struct imap_session *s, struct append *w)
{
    if (!mailbox_open_named(s, w->name, "TRYCREATE", &w->to))
        return false;
    if (w->is_replace && !find_replaced(s, w))
        return false;
    return may_take_letter(s, w);
}

static void accept_letter(struct imap_session *s, struct append *w)
{
    s->discard_left = 0;
    s->discard_line = false;
    w->left = w->literal.size;
    w->crlf = (struct crlf){0};
    if (w->is_replace && !w->group)
        w->group = letter_group_new(imap_store(s));
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

/* What a line that makes no sense here announces is dropped as it comes. */
static enum imap_step refuse_tail(struct imap_session *s, struct slice line)
{
    struct imap_literal another;
    if (imap_line_literal(line, &another) && !another.is_sync) {
        s->discard_left = another.size;
        s->discard_line = true;
    }
    return IMAP_STEP_DONE;
}

static void hold(struct imap_session *s, struct append *w)
{
    letter_group_hold(w->group, w->writer, s->base.retrieval->keys, w->to.id, w->bits, w->date);
    letter_writer_free(w->writer);
    w->writer = NULL;
    w->held++;
}

/* Another letter of the same command: it is announced, the one before is handed over. */
static enum imap_step next_letter(struct imap_session *s, struct append *w, struct slice line)
{
    struct imap_cursor c;
    struct append next = {0};
    buf_clear(&w->tail);
    buf_init(&w->tail, APPEND_TAIL_MAX);
    buf_put(&w->tail, line);
    buf_clear(&w->scratch);
    buf_init(&w->scratch, APPEND_TAIL_MAX);
    imap_cursor_init(&c, buf_slice(&w->tail), &w->scratch);
    parse_letter(&c, &next);
    if (imap_failed(&c) || w->is_replace) {
        imap_bad(s, "%s: %s", s->run->name, imap_failed(&c) ? c.error : "one letter replaces one");
        return refuse_tail(s, line);
    }
    if (w->held + 2 > APPEND_LETTERS_MAX) {
        imap_no(s, "[LIMIT] One APPEND may bring %u letters", APPEND_LETTERS_MAX);
        return refuse_tail(s, line);
    }
    if (!w->group)
        w->group = letter_group_new(imap_store(s));
    hold(s, w);
    w->flags = next.flags;
    w->date = next.date;
    w->literal = next.literal;
    w->has_utf8_form = next.has_utf8_form;
    refuse_tail(s, line); /* until it is accepted */
    if (!may_take_letter(s, w))
        return IMAP_STEP_DONE;
    w->bits = w->flags.bits;
    w->keyword_at = 0;
    w->phase = APPEND_KEYWORDS;
    return IMAP_STEP_AGAIN;
}

static enum imap_step commit(struct imap_session *s, struct append *w)
{
    if (!w->group && may_fly(s)) {
        fly(s, w);
        return IMAP_STEP_DONE;
    }
    w->phase = APPEND_COMMIT;
    imap_reply_reset(s);
    if (!w->group) {
        letter_append(w->writer, s->base.id, s->base.retrieval->keys, w->to.id, w->bits, w->date,
            imap_on_reply, s);
        return IMAP_STEP_WAIT;
    }
    hold(s, w);
    letter_group_commit(w->group, s->base.id, w->is_replace ? s->selected->mailbox : 0, w->replaced_uid,
        imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

/* The line behind the literal: nothing, or ")" of the UTF8 form; then another letter, or the end. */
static enum imap_step take_tail(struct imap_session *s, struct append *w)
{
    struct slice line;
    enum err e = stream_line(s->stream, APPEND_TAIL_MAX, true, &line);
    if (e == ERR_AGAIN)
        return IMAP_STEP_WAIT;
    if (e == ERR_TOO_BIG) {
        imap_bye(s, "The line is too long");
        return IMAP_STEP_CLOSE;
    }
    struct slice rest = line;
    if (e == ERR_OK && w->has_utf8_form && slice_starts(line, SLICE(")")))
        rest = slice_from(line, 1);
    else if (e != ERR_OK || w->has_utf8_form) {
        imap_bad(s, "%s: the letter was longer than announced", s->run->name);
        return e == ERR_OK ? refuse_tail(s, line) : IMAP_STEP_DONE;
    }
    if (w->literal.size == 0) { /* RFC 3502 section 6.3.11: a letter of no bytes cancels */
        imap_no(s, "[CANNOT] The letter is empty");
        return refuse_tail(s, line);
    }
    (void)letter_writer_finish(w->writer);
    return rest.n ? next_letter(s, w, rest) : commit(s, w);
}

/* RFC 8508 section 4.2: where the new letter is, told before the old one goes. */
static void say_replaced(struct imap_session *s)
{
    if (s->reply.err == ERR_NOT_FOUND) {
        imap_no(s, "[NONEXISTENT] The letter or the mailbox is gone; nothing was changed");
        return;
    }
    if (s->reply.err) {
        say_result(s, s->reply.err, 0, 0);
        return;
    }
    buf_printf(&s->out, "* OK [APPENDUID %u %llu] Replacement stored\r\n", s->reply.uidvalidity,
        (unsigned long long)s->reply.value);
    imap_ok(s, "REPLACE completed");
}

static enum imap_step committed(struct imap_session *s, struct append *w)
{
    const struct uid_set *uids = &s->reply.ranges;
    if (!s->reply.has_come)
        return IMAP_STEP_WAIT;
    if (s->selected && (w->is_replace || s->selected->mailbox == w->to.id))
        s->is_dirty = true;
    if (w->is_replace)
        say_replaced(s);
    else if (!s->reply.err && w->group && uids->n == 1 && uids->ranges[0].first < uids->ranges[0].last)
        imap_ok(s, "[APPENDUID %u %u:%u] APPEND completed", s->reply.uidvalidity, uids->ranges[0].first,
            uids->ranges[0].last);
    else
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

const struct imap_command imap_cmd_replace = {
    .name = "REPLACE",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_INPUT | IMAP_CMD_STREAMS | IMAP_CMD_WRITES,
    .work_size = sizeof(struct append),
    .parse = parse_replace,
    .step = step,
    .clear = clear,
};
