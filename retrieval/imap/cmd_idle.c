/* IDLE (RFC 2177): changes are told as they happen, until the client says DONE. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/sync.h"

#define IDLE_LINE_MAX 1024

struct idle {
    bool has_begun;
};

static void parse(struct imap_cursor *c, void *work)
{
    (void)c;
    (void)work;
}

/* DONE when the client ended it, WAIT while it goes on. */
static enum imap_step read_done(struct imap_session *s)
{
    struct slice line;
    enum err e = stream_line(s->stream, IDLE_LINE_MAX, true, &line);
    if (e == ERR_AGAIN)
        return IMAP_STEP_WAIT;
    if (e == ERR_TOO_BIG) {
        imap_bye(s, "The line is too long");
        return IMAP_STEP_CLOSE;
    }
    if (e == ERR_OK && slice_equal_nocase(line, SLICE("DONE")))
        imap_ok(s, "IDLE completed");
    else
        imap_bad(s, "DONE was expected");
    return IMAP_STEP_DONE;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct idle *idle = work;
    if (!idle->has_begun) {
        idle->has_begun = true;
        buf_put_str(&s->out, "+ idling\r\n");
        s->is_dirty = true; /* a change may have come since the last command */
    }
    if (s->selected && (s->is_dirty || s->sync)) {
        enum imap_step told = imap_sync_step(s, true);
        if (told != IMAP_STEP_DONE)
            return told;
    }
    return read_done(s);
}

const struct imap_command imap_cmd_idle = {
    .name = "IDLE",
    .states = IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_INPUT,
    .work_size = sizeof(struct idle),
    .parse = parse,
    .step = step,
};
