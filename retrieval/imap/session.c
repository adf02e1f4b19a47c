/* The IMAP session: input, dispatch, and the way of a command; see session.h.
 *
 * Timeline of the callbacks: on_data, on_writable, a store reply, a ring or on_turn come from the loop
 * and all end in imap_advance(), which reads and runs until nothing more can be done now. Each is
 * harmless when nothing waits for it. on_closed comes last and gives the session back. */
#include "retrieval/imap/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "retrieval/imap/commands.h"
#include "retrieval/imap/sync.h"

static struct imap_session *session_of(struct retrieval_session *base)
{
    return (struct imap_session *)base; /* base is the first member */
}

struct store_client *imap_store(struct imap_session *s)
{
    return s->base.retrieval->store;
}

struct reader *imap_reader(struct imap_session *s)
{
    return s->base.retrieval->reader;
}

/* --- output --- */

void imap_flush(struct imap_session *s)
{
    if (!buf_ok(&s->out)) { /* more than one step may say: our own mistake, and the client's loss */
        log_event(LOG_ERROR, "imap-output-overflow", LF_X("session", s->base.id));
        s->is_closing = true;
        stream_finish(s->stream);
        buf_clear(&s->out);
        return;
    }
    if (s->out.n == 0)
        return;
    s->sent_bytes += s->out.n;
    stream_write(s->stream, buf_slice(&s->out));
    buf_reset(&s->out);
}

size_t imap_room(struct imap_session *s)
{
    size_t room = stream_output_room(s->stream);
    return room > s->out.n ? room - s->out.n : 0;
}

void imap_slice_begin(struct imap_session *s)
{
    s->slice_started_us = clock_mono_us();
}

bool imap_slice_is_over(const struct imap_session *s)
{
    return clock_mono_us() - s->slice_started_us > IMAP_SLICE_US;
}

static void complete(struct imap_session *s, const char *status, const char *format, va_list args)
{
    char text[512];
    int n = vsnprintf(text, sizeof(text), format, args);
    ENSURE(n >= 0 && (size_t)n < sizeof(text));
    buf_reset(&s->completion);
    buf_put_str(&s->completion, status);
    buf_put_str(&s->completion, text);
}

void imap_ok(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complete(s, "OK ", format, args);
    va_end(args);
    s->bad_count = 0;
}

void imap_no(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complete(s, "NO ", format, args);
    va_end(args);
}

void imap_bad(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complete(s, "BAD ", format, args);
    va_end(args);
    s->bad_count++;
}

void imap_no_err(struct imap_session *s, enum err e, const char *what)
{
    static const struct {
        enum err e;
        const char *code;
    } codes[] = {
        {ERR_NOT_FOUND, "[NONEXISTENT] "},
        {ERR_EXISTS, "[ALREADYEXISTS] "},
        {ERR_QUOTA, "[OVERQUOTA] "},
        {ERR_DISK_FULL, "[UNAVAILABLE] "},
        {ERR_TOO_BIG, "[TOOBIG] "},
        {ERR_LIMIT, "[LIMIT] "},
        {ERR_DENIED, "[NOPERM] "},
        {ERR_BUSY, "[INUSE] "},
        {ERR_DAMAGED, "[SERVERBUG] "},
        {ERR_KEY_MISSING, "[UNAVAILABLE] "},
        {ERR_STORE_GONE, "[UNAVAILABLE] "},
        {ERR_SYNTAX, "[CANNOT] "},
        {ERR_NOT_EMPTY, "[HASCHILDREN] "},
    };
    const char *code = err_is_temporary(e) ? "[UNAVAILABLE] " : "";
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].e == e)
            code = codes[i].code;
    imap_no(s, "%s%s failed: %s", code, what, err_text(e));
}

void imap_bye(struct imap_session *s, const char *text)
{
    buf_put_str(&s->out, "* BYE ");
    buf_put_str(&s->out, text);
    buf_put_str(&s->out, "\r\n");
    imap_flush(s);
    if (!s->is_closing) {
        s->is_closing = true;
        stream_finish(s->stream);
    }
}

/* --- store replies --- */

void imap_reply_reset(struct imap_session *s)
{
    uid_set_clear(&s->reply.ranges);
    uid_set_clear(&s->reply.ranges2);
    s->reply = (struct imap_reply){0};
}

static void copy_ranges(struct uid_set *out, const struct uid_range *ranges, size_t n)
{
    if (n == 0)
        return;
    out->ranges = mem_new(n * sizeof(*ranges));
    memcpy(out->ranges, ranges, n * sizeof(*ranges));
    out->n = out->cap = n;
}

void imap_on_reply(void *ctx, const struct store_reply *r)
{
    struct imap_session *s = ctx;
    imap_reply_reset(s);
    s->request = 0;
    s->reply.has_come = true;
    s->reply.err = r->err;
    s->reply.modseq = r->modseq;
    s->reply.value = r->value;
    s->reply.uidvalidity = r->uidvalidity;
    copy_ranges(&s->reply.ranges, r->ranges, r->range_count);
    copy_ranges(&s->reply.ranges2, r->ranges2, r->range2_count);
    imap_advance(s);
}

/* --- the selected mailbox --- */

void imap_unselect(struct imap_session *s)
{
    imap_sync_clear(s);
    uid_set_clear(&s->own_uids);
    s->own_modseq = 0;
    s->is_dirty = false;
    if (!s->selected)
        return;
    view_clear(&s->selected->view);
    free(s->selected);
    s->selected = NULL;
    s->state = IMAP_STATE_AUTHENTICATED;
}

bool imap_resolve_set(struct imap_session *s, struct uid_set *as_written, struct uid_set *out_uids)
{
    const struct view *v = &s->selected->view;
    sequence_set_resolve(as_written, s->by_uid ? view_last_uid(v) : view_count(v));
    if (s->by_uid) {
        view_select_uids(v, as_written, out_uids);
        return true;
    }
    if (view_select_numbers(v, as_written, out_uids))
        return true;
    imap_bad(s, "A message number is beyond the %u messages of the mailbox", view_count(v));
    return false;
}

/* --- the end of a command --- */

static void forget_command(struct imap_session *s)
{
    buf_clear(&s->command);
    buf_clear(&s->scratch);
    s->tag = SLICE_EMPTY;
    s->literal_left = 0;
}

static void end_command(struct imap_session *s)
{
    if (s->run && s->run->clear)
        s->run->clear(s, s->work);
    free(s->work);
    s->work = NULL;
    s->run = NULL;
    s->by_uid = false;
    s->is_stepping_done = false;
    imap_reply_reset(s);
    uid_set_clear(&s->own_uids);
    s->own_modseq = 0;
    forget_command(s);
}

void imap_say_completion(struct imap_session *s, struct slice tag)
{
    if (tag.n)
        buf_put(&s->out, tag);
    else
        buf_put_byte(&s->out, '*');
    buf_put_byte(&s->out, ' ');
    buf_put(&s->out, buf_slice(&s->completion));
    buf_put_str(&s->out, "\r\n");
    buf_clear(&s->completion);
    imap_flush(s);
    if (s->bad_count >= IMAP_BAD_MAX)
        imap_bye(s, "Too many commands that make no sense");
}

static void say_completion(struct imap_session *s)
{
    if (s->completion.n)
        imap_say_completion(s, s->tag);
}

/* --- running --- */

static bool stopped_at(struct imap_session *s, enum imap_step step)
{
    imap_flush(s);
    /* No room arms on_writable. Some may be there again: the socket took what was flushed. */
    bool has_room = step == IMAP_STEP_ROOM && stream_output_room(s->stream) > 0;
    if (step == IMAP_STEP_AGAIN || has_room)
        retrieval_session_again(&s->base);
    if (step == IMAP_STEP_CLOSE && !s->is_closing) {
        s->is_closing = true;
        stream_finish(s->stream);
    }
    return false;
}

static enum imap_step tell_changes(struct imap_session *s)
{
    if (!s->selected || (!s->is_dirty && !s->sync && !(s->run->flags & IMAP_CMD_SYNC)))
        return IMAP_STEP_DONE;
    bool keeps = (s->run->flags & IMAP_CMD_KEEPS_NUMBERS) && !s->by_uid;
    return imap_sync_step(s, !keeps);
}

/* One piece of the running command; true when it is over. */
static bool run_piece(struct imap_session *s)
{
    if (s->request != 0)
        return false; /* the reply will step on */
    if (s->flying && s->run != &imap_cmd_append)
        return false; /* the last of them will step on */
    imap_slice_begin(s);
    if (!s->is_stepping_done) {
        enum imap_step step = s->run->step(s, s->work);
        if (step != IMAP_STEP_DONE)
            return stopped_at(s, step);
        s->is_stepping_done = true;
    }
    enum imap_step step = tell_changes(s);
    if (step != IMAP_STEP_DONE)
        return stopped_at(s, step);
    say_completion(s);
    end_command(s);
    if (s->state == IMAP_STATE_LOGOUT && !s->is_closing) {
        s->is_closing = true;
        stream_finish(s->stream);
    }
    return true;
}

/* --- reading --- */

/* Refuses what was read of a command so far. */
static void refuse(struct imap_session *s)
{
    say_completion(s);
    forget_command(s);
}

static void bad_command(struct imap_session *s, const char *why)
{
    imap_bad(s, "%s", why);
    refuse(s);
}

static bool begin_command(struct imap_session *s, const struct imap_command *command, struct imap_cursor *c)
{
    s->work = command->work_size ? mem_new(command->work_size) : NULL;
    s->run = command;
    command->parse(c, s->work);
    imap_end(c);
    if (!imap_failed(c))
        return true;
    imap_bad(s, "%s: %s", command->name, c->error);
    say_completion(s);
    end_command(s);
    return false;
}

/* The checks that the table stands for; NULL when the command may run. */
static const char *why_not(const struct imap_session *s, const struct imap_command *command)
{
    if (!command)
        return "There is no such command";
    if (s->by_uid && !(command->flags & IMAP_CMD_UID))
        return "This command has no UID form";
    if (!(command->states & s->state))
        return "Select a mailbox first";
    return NULL;
}

static void dispatch(struct imap_session *s)
{
    struct imap_cursor c;
    buf_reset(&s->scratch);
    s->scratch.max = s->command.n + 1;
    imap_cursor_init(&c, buf_slice(&s->command), &s->scratch);
    s->command_count++;
    s->tag = imap_tag(&c);
    if (imap_failed(&c))
        s->tag = SLICE_EMPTY;
    imap_space(&c);
    s->by_uid = imap_take_word(&c, "UID");
    if (s->by_uid)
        imap_space(&c);
    struct slice name = imap_atom(&c);
    if (imap_failed(&c)) {
        bad_command(s, c.error);
        return;
    }
    const struct imap_command *command = imap_command_find(name);
    const char *refusal = why_not(s, command);
    if (refusal) {
        bad_command(s, refusal);
        return;
    }
    if (!begin_command(s, command, &c))
        return;
    if ((command->flags & IMAP_CMD_WRITES) && s->selected && s->selected->is_read_only) {
        imap_no(s, "[CANNOT] The mailbox is open for reading only");
        say_completion(s);
        end_command(s);
    }
}

/* Whether the command at hand streams the literal that its line announced. APPEND's first literal is
 * the mailbox name when nothing stands before it. */
static bool is_streamed(struct imap_session *s)
{
    struct imap_cursor c;
    struct buf no_scratch;
    buf_init(&no_scratch, 0);
    imap_cursor_init(&c, buf_slice(&s->command), &no_scratch);
    imap_tag(&c);
    imap_space(&c);
    const struct imap_command *command = imap_command_find(imap_atom(&c));
    imap_space(&c);
    if (imap_failed(&c) || !command || !(command->flags & IMAP_CMD_STREAMS))
        return false;
    return imap_peek(&c) != '{' || slice_find(buf_slice(&s->command), SLICE("\r\n")) != SIZE_MAX;
}

/* What follows if nobody takes the literal: only a client that does not wait sends it. */
static void expect_refused_literal(struct imap_session *s, const struct imap_literal *l)
{
    s->discard_left = l->is_sync ? 0 : l->size;
    s->discard_line = !l->is_sync;
}

static void on_literal(struct imap_session *s, const struct imap_literal *l)
{
    if (is_streamed(s)) {
        expect_refused_literal(s, l); /* APPEND takes that back when it accepts */
        dispatch(s);
        return;
    }
    if (l->size > IMAP_LITERAL_MAX || s->command.n + l->size > IMAP_COMMAND_MAX) {
        struct imap_cursor c;
        imap_cursor_init(&c, buf_slice(&s->command), &s->scratch);
        s->tag = imap_tag(&c);
        expect_refused_literal(s, l);
        imap_bad(s, "[TOOBIG] A literal may have %u bytes here", IMAP_LITERAL_MAX);
        refuse(s);
        return;
    }
    buf_put_str(&s->command, "\r\n");
    s->literal_left = l->size;
    if (l->is_sync) {
        buf_put_str(&s->out, "+ OK\r\n");
        imap_flush(s);
    }
}

static bool discard(struct imap_session *s)
{
    if (s->discard_left > IMAP_DISCARD_MAX) {
        imap_bye(s, "The literal is far too large");
        return false;
    }
    struct slice in = stream_input(s->stream);
    size_t n = in.n < s->discard_left ? in.n : (size_t)s->discard_left;
    stream_consume(s->stream, n);
    s->discard_left -= n;
    return n > 0;
}

static bool gather_literal(struct imap_session *s)
{
    struct slice in = slice_sub(stream_input(s->stream), 0, (size_t)s->literal_left);
    buf_put(&s->command, in);
    s->literal_left -= in.n;
    size_t n = in.n;
    stream_consume(s->stream, n);
    return n > 0;
}

static void on_line(struct imap_session *s, struct slice line)
{
    struct imap_literal l;
    bool has_literal = imap_line_literal(line, &l);
    if (s->discard_line) {
        s->discard_line = false;
        if (has_literal)
            expect_refused_literal(s, &l);
        return;
    }
    if (line.n == 0 && s->command.n == 0)
        return; /* an empty line between commands */
    buf_put(&s->command, line);
    if (!buf_ok(&s->command)) {
        buf_clear(&s->command);
        bad_command(s, "The command is too long");
        return;
    }
    if (has_literal)
        on_literal(s, &l);
    else
        dispatch(s);
}

/* Takes one piece of input; false when more must come first. */
static bool read_piece(struct imap_session *s)
{
    if (s->discard_left)
        return discard(s);
    if (s->literal_left)
        return gather_literal(s);
    struct slice line;
    enum err e = stream_line(s->stream, IMAP_LINE_MAX, true, &line);
    if (e == ERR_AGAIN)
        return false;
    if (e == ERR_TOO_BIG) {
        imap_bye(s, "The line is too long");
        return false;
    }
    if (e != ERR_OK) {
        bad_command(s, "A line must not hold NUL or a bare CR");
        return true;
    }
    on_line(s, line);
    return true;
}

void imap_advance(struct imap_session *s)
{
    for (int i = 0; i < IMAP_COMMANDS_PER_TURN; i++) {
        if (s->base.has_ended || s->is_closing)
            return;
        bool goes_on = s->run ? run_piece(s) : read_piece(s);
        if (!goes_on) {
            if (!s->is_closing)
                buf_clear(&s->out); /* idle sessions hold no buffers */
            return;
        }
    }
    retrieval_session_again(&s->base);
}

/* --- events --- */

static void on_data(void *ctx)
{
    imap_advance(ctx);
}

static void on_timeout(void *ctx)
{
    struct imap_session *s = ctx;
    if (!s->is_closing)
        imap_bye(s, "Nothing was heard from you for too long");
}

static void on_closed(void *ctx, enum err why)
{
    struct imap_session *s = ctx;
    log_event(LOG_INFO, "imap-end", LF_X("session", s->base.id), LF("account", s->address),
        LF("peer", s->peer), LF_U("commands", s->command_count), LF_U("sent", s->sent_bytes),
        LF("why", s->state == IMAP_STATE_LOGOUT ? "logout" : err_text(why)));
    stream_free(s->stream);
    s->stream = NULL;
    retrieval_session_end(&s->base);
}

static const struct stream_events stream_events = {
    .on_data = on_data,
    .on_writable = on_data,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

static void on_turn(struct retrieval_session *base)
{
    imap_advance(session_of(base));
}

static void on_ring(struct retrieval_session *base, uint64_t mailbox, uint64_t modseq)
{
    struct imap_session *s = session_of(base);
    (void)modseq;
    if (!s->selected || (mailbox != 0 && mailbox != s->selected->mailbox))
        return;
    s->is_dirty = true;
    if (s->run && (s->run->flags & IMAP_CMD_INPUT))
        imap_advance(s); /* IDLE tells at once */
}

static void on_drained(struct retrieval_session *base)
{
    imap_advance(session_of(base));
}

static void on_stop(struct retrieval_session *base)
{
    struct imap_session *s = session_of(base);
    if (!s->is_closing)
        imap_bye(s, "The server is going down; come back soon");
}

static void on_revoked(struct retrieval_session *base)
{
    struct imap_session *s = session_of(base);
    if (!s->is_closing)
        imap_bye(s, "This login was revoked");
}

static void session_free(struct retrieval_session *base)
{
    struct imap_session *s = session_of(base);
    if (s->request)
        store_cancel(imap_store(s), s->request);
    end_command(s);
    imap_append_forget(s);
    imap_unselect(s);
    buf_clear(&s->completion);
    buf_clear(&s->out);
    if (s->stream)
        stream_free(s->stream);
    free(s);
}

static const struct session_ops session_ops = {
    .free = session_free,
    .on_turn = on_turn,
    .on_ring = on_ring,
    .on_drained = on_drained,
    .on_stop = on_stop,
    .on_revoked = on_revoked,
};

struct retrieval_session *imap_session_new(struct retrieval *r, const struct session_attach *a, int fd)
{
    struct imap_session *s = mem_new(sizeof(*s));
    s->base.ops = &session_ops;
    s->base.retrieval = r;
    s->state = IMAP_STATE_AUTHENTICATED;
    buf_init(&s->command, IMAP_COMMAND_MAX + IMAP_LINE_MAX);
    buf_init(&s->scratch, 0);
    buf_init(&s->completion, IMAP_COMPLETION_MAX);
    buf_init(&s->out, IMAP_OUTPUT_MAX);
    (void)snprintf(s->address, sizeof(s->address), "%s", a->address);
    (void)snprintf(s->peer, sizeof(s->peer), "%s", a->peer);
    s->stream = stream_new(r->loop, fd, &stream_events, s);
    stream_set_input_max(s->stream, IMAP_LINE_MAX + 2);
    stream_set_idle_timeout(s->stream, IMAP_IDLE_TIMEOUT_MS);
    buf_put_str(&s->out, a->tag);
    buf_put_str(&s->out, " OK [CAPABILITY ");
    buf_put_str(&s->out, imap_capabilities);
    buf_put_str(&s->out, "] Logged in\r\n");
    imap_flush(s);
    return &s->base;
}
