/* The IMAP session: input, dispatch, and the way of a command; see session.h.
 *
 * Timeline of the callbacks: on_data, on_writable, a store reply, a ring or on_turn come from the loop
 * and all end in imap_advance(), which reads and runs until nothing more can be done now. Each is
 * harmless when nothing waits for it. on_closed comes last and gives the session back. */
#include "retrieval/imap/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "retrieval/imap/commands.h"
#include "retrieval/imap/session_parts.h"
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
    uid_set_clear(&s->saved);
    s->own_modseq = 0;
    s->is_dirty = false;
    if (!s->selected)
        return;
    view_clear(&s->selected->view);
    free(s->selected);
    s->selected = NULL;
    s->state = IMAP_STATE_AUTHENTICATED;
}

/* RFC 7162 section 3.1: told at once when a mailbox is selected already. */
void imap_enable_condstore(struct imap_session *s)
{
    if (s->has_condstore)
        return;
    s->has_condstore = true;
    if (!s->selected)
        return;
    buf_put_str(&s->out, "* OK [HIGHESTMODSEQ ");
    buf_put_u64(&s->out, s->selected->seen_modseq);
    buf_put_str(&s->out, "] Mod-sequences are told from now on\r\n");
}

bool imap_resolve_set(struct imap_session *s, struct uid_set *as_written, struct uid_set *out_uids)
{
    const struct view *v = &s->selected->view;
    if (as_written->is_saved) {
        view_select_uids(v, &s->saved, out_uids);
        return true;
    }
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

void imap_forget_command(struct imap_session *s)
{
    buf_clear(&s->command);
    buf_clear(&s->scratch);
    s->tag = SLICE_EMPTY;
    s->literal_left = 0;
}

void imap_end_command(struct imap_session *s)
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
    imap_forget_command(s);
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

static void start_deflate(struct imap_session *s)
{
    s->starts_deflate = false;
    s->has_deflate = stream_start_deflate(s->stream);
    if (!s->has_deflate && !s->is_closing) { /* OK is said: there is no way back */
        s->is_closing = true;
        stream_finish(s->stream);
    }
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
    imap_say_own_completion(s);
    imap_end_command(s);
    if (s->starts_deflate)
        start_deflate(s);
    if (s->state == IMAP_STATE_LOGOUT && !s->is_closing) {
        s->is_closing = true;
        stream_finish(s->stream);
    }
    return true;
}

/* --- events --- */

void imap_advance(struct imap_session *s)
{
    for (int i = 0; i < IMAP_COMMANDS_PER_TURN; i++) {
        if (s->base.has_ended || s->is_closing)
            return;
        bool goes_on = s->run ? run_piece(s) : imap_read_piece(s);
        if (!goes_on) {
            if (!s->is_closing)
                buf_clear(&s->out); /* idle sessions hold no buffers */
            return;
        }
    }
    retrieval_session_again(&s->base);
}

static void on_data(void *ctx)
{
    struct imap_session *s = ctx;
    retrieval_session_busy(&s->base);
    imap_advance(s);
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
    imap_end_command(s);
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
    buf_put_str(&s->out, " OK [");
    imap_put_capabilities(s);
    buf_put_str(&s->out, "] Logged in\r\n");
    imap_flush(s);
    return &s->base;
}
