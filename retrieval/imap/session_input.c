/* What a client sends: lines and literals gather to a command, which is found in the table and parsed;
 * what nobody wants is dropped as it comes. See session.h. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/session_parts.h"

/* Refuses what was read of a command so far. */
static void refuse(struct imap_session *s)
{
    imap_say_own_completion(s);
    imap_forget_command(s);
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
    imap_say_own_completion(s);
    imap_end_command(s);
    return false;
}

/* The checks that the table stands for; NULL when the command may run. */
static const char *why_not(const struct imap_session *s, const struct imap_command *command)
{
    if (!command || imap_command_is_off(s, command))
        return "There is no such command";
    if (s->by_uid && !(command->flags & IMAP_CMD_UID))
        return "This command has no UID form";
    bool has_numbers = command->flags & IMAP_CMD_UID && command != &imap_cmd_expunge && !s->by_uid;
    if (has_numbers && s->is_uid_only)
        return "[UIDREQUIRED] With UIDONLY this command goes by UID";
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
        imap_say_own_completion(s);
        imap_end_command(s);
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
    if (imap_take_word(&c, "UID"))
        imap_space(&c);
    const struct imap_command *command = imap_command_find(imap_atom(&c));
    imap_space(&c);
    if (command == &imap_cmd_replace) {
        if (!imap_take(&c, '*'))
            imap_number(&c);
        imap_space(&c);
    }
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

bool imap_read_piece(struct imap_session *s)
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
