/* Start, maildrop, lock, update and end of a POP3 session; see pop3_session.h. */
#include "retrieval/pop3/pop3_session.h"

#include <stdarg.h>

#include "base/log.h"

static struct pop3_session *of(struct retrieval_session *base)
{
    return (struct pop3_session *)base;
}

void pop3_say(struct pop3_session *s, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ENSURE(n >= 0 && (size_t)n < sizeof line);
    stream_write(s->stream, slice_of(line, (size_t)n));
}

void pop3_end(struct pop3_session *s)
{
    s->state = POP3_ENDING;
    s->is_locked = false; /* who logs in as soon as we have answered shall not be refused */
    stream_finish(s->stream);
}

void pop3_bad(struct pop3_session *s, const char *text)
{
    pop3_say(s, "-ERR %s\r\n", text);
    if (++s->bad_count >= POP3_BAD_MAX)
        pop3_end(s);
}

void pop3_ready(struct pop3_session *s)
{
    s->state = POP3_READY;
    retrieval_session_again(&s->base);
}

/* --- the maildrop --- */

static bool is_locked_by_other(const struct pop3_session *s)
{
    for (const struct retrieval_session *o = s->base.retrieval->sessions; o; o = o->next)
        if (o != &s->base && !o->has_ended && o->protocol == LOGIN_POP3 &&
            ((const struct pop3_session *)o)->is_locked)
            return true;
    return false;
}

static enum err find_mailbox(struct pop3_session *s)
{
    struct mailbox_info *boxes = NULL;
    struct pop3_maildrop drop;
    size_t n = 0;
    enum err e = reader_mailboxes(s->base.retrieval->reader, s->base.retrieval->account, &boxes, &n);
    if (e)
        return e;
    e = pop3_maildrop_find(s->base.retrieval->settings, slice_str(s->address), boxes, n, &drop);
    if (!e) {
        s->mailbox = drop.mailbox;
        s->uidvalidity = drop.uidvalidity;
        s->archive = drop.archive;
    }
    free(boxes);
    return e;
}

static void add_mail(struct pop3_session *s, const struct mail_row *row)
{
    if (s->count == s->cap) {
        s->cap = s->cap * 2 + 64;
        s->mails = mem_resize(s->mails, s->cap * sizeof *s->mails);
    }
    s->mails[s->count++] = (struct pop3_mail){.uid = row->uid, .size = row->size};
    s->next_uid = row->uid + 1;
}

/* ERR_OK: there is more. ERR_NOT_FOUND: all is read. */
static enum err load_rows(struct pop3_session *s)
{
    struct mail_cursor *c;
    struct mail_row row;
    enum err e = mail_cursor_open(s->base.retrieval->reader, s->mailbox, s->next_uid, UINT32_MAX, MAIL_WANT_ROW,
        &c);
    if (e)
        return e;
    for (size_t i = 0; i < POP3_ROWS_PER_TURN && !e; i++) {
        e = s->count < POP3_MAILS_MAX ? mail_cursor_next(c, &row) : ERR_NOT_FOUND;
        if (!e)
            add_mail(s, &row);
    }
    mail_cursor_close(c);
    return e;
}

static enum err lock_and_find(struct pop3_session *s)
{
    if (is_locked_by_other(s))
        return ERR_BUSY;
    s->is_locked = true;
    s->next_uid = 1;
    return find_mailbox(s);
}

static void load(struct pop3_session *s)
{
    enum err e = s->mailbox ? ERR_OK : lock_and_find(s);
    if (e == ERR_BUSY) {
        pop3_say(s, "-ERR [IN-USE] another POP3 session has this maildrop\r\n");
        pop3_end(s);
        return;
    }
    if (!e)
        e = load_rows(s);
    if (e == ERR_OK || e == ERR_AGAIN) {
        retrieval_session_again(&s->base);
    } else if (e != ERR_NOT_FOUND || !s->mailbox) {
        log_event(LOG_ERROR, "maildrop-not-read", LF_X("session", s->base.id), LF("err", err_text(e)));
        pop3_say(s, e == ERR_NOT_FOUND
            ? "-ERR [SYS/PERM] the mailbox that the settings pop3.mailboxes or pop3.file-away name is not there\r\n"
            : "-ERR [SYS/TEMP] the maildrop could not be read\r\n");
        pop3_end(s);
    } else {
        pop3_say(s, "+OK %zu messages\r\n", s->count);
        pop3_ready(s);
    }
}

/* --- QUIT --- */

static void on_expunged(void *ctx, const struct store_reply *r)
{
    struct pop3_session *s = ctx;
    s->request = 0;
    if (r->err) {
        pop3_say(s, "-ERR [SYS/TEMP] not all marked messages could be deleted\r\n");
        pop3_end(s);
    } else {
        pop3_update(s);
    }
}

static size_t collect_deleted(struct pop3_session *s, struct uid_range *ranges)
{
    size_t n = 0;
    for (; s->update_at < s->count; s->update_at++) {
        const struct pop3_mail *m = &s->mails[s->update_at];
        if (!m->is_deleted)
            continue;
        if (n > 0 && ranges[n - 1].last + 1 == m->uid) {
            ranges[n - 1].last = m->uid;
            continue;
        }
        if (n == STORE_RANGES_MAX)
            break;
        ranges[n++] = (struct uid_range){m->uid, m->uid};
    }
    return n;
}

/* One request is one piece: all its marks or none. It holds as many runs of marks as a message can; a
 * maildrop with more takes several. */
void pop3_update(struct pop3_session *s)
{
    struct uid_range *ranges = mem_new(STORE_RANGES_MAX * sizeof *ranges);
    size_t n = collect_deleted(s, ranges);
    s->state = POP3_UPDATING;
    if (n == 0) {
        pop3_say(s, "+OK until next time\r\n");
        pop3_end(s);
    } else if (s->archive) {
        s->request = store_copy(s->base.retrieval->store, s->base.id, s->mailbox, s->archive, true, ranges, n,
            on_expunged, s);
    } else {
        s->request = store_expunge_whole(s->base.retrieval->store, s->base.id, s->mailbox, ranges, n,
            on_expunged, s);
    }
    free(ranges);
}

/* --- events --- */

static void take_line(struct pop3_session *s, struct slice line)
{
    /* The line lives until the stream is next used, which answering does. */
    struct buf copy;
    buf_init(&copy, POP3_LINE_MAX);
    buf_put(&copy, line);
    pop3_run(s, buf_slice(&copy));
    buf_clear(&copy);
}

static void read_commands(struct pop3_session *s)
{
    struct slice line;
    while (s->state == POP3_READY) {
        enum err e = stream_line(s->stream, POP3_LINE_MAX, true, &line);
        if (e == ERR_AGAIN)
            return;
        if (e == ERR_TOO_BIG) {
            pop3_say(s, "-ERR this line is too long\r\n");
            pop3_end(s);
        } else if (e) {
            pop3_bad(s, "this line has bytes that no line may have");
        } else {
            take_line(s, line);
        }
    }
}

static void go_on(struct pop3_session *s)
{
    if (s->state == POP3_SENDING)
        pop3_send_more(s);
    else if (s->state == POP3_LISTING)
        pop3_list_more(s);
    if (s->state == POP3_READY)
        read_commands(s);
}

static void on_data(void *ctx)
{
    struct pop3_session *s = ctx;
    retrieval_session_busy(&s->base);
    if (s->state == POP3_READY)
        read_commands(s);
}

static void on_writable(void *ctx)
{
    struct pop3_session *s = ctx;
    retrieval_session_busy(&s->base);
    go_on(s);
}

static void on_timeout(void *ctx)
{
    struct pop3_session *s = ctx;
    pop3_say(s, "-ERR idle for too long; nothing was deleted\r\n");
    pop3_end(s);
}

static void on_closed(void *ctx, enum err why)
{
    struct pop3_session *s = ctx;
    (void)why;
    stream_free(s->stream);
    s->stream = NULL;
    if (s->request)
        store_cancel(s->base.retrieval->store, s->request);
    s->request = 0;
    log_event(LOG_INFO, "pop3-end", LF_X("session", s->base.id), LF("account", s->address),
        LF_U("messages", s->count));
    retrieval_session_end(&s->base);
}

static void on_turn(struct retrieval_session *base)
{
    struct pop3_session *s = of(base);
    if (!s->stream || s->state == POP3_ENDING)
        return;
    if (s->state == POP3_LOADING)
        load(s);
    else
        go_on(s);
}

static void on_stop(struct retrieval_session *base)
{
    struct pop3_session *s = of(base);
    if (!s->stream || s->state == POP3_ENDING || s->state == POP3_UPDATING)
        return;
    if (s->state == POP3_READY)
        pop3_say(s, "-ERR [SYS/TEMP] the server is stopping; nothing was deleted\r\n");
    pop3_end(s);
}

static void on_revoked(struct retrieval_session *base)
{
    struct pop3_session *s = of(base);
    if (!s->stream || s->state == POP3_ENDING || s->state == POP3_UPDATING)
        return;
    if (s->state == POP3_READY)
        pop3_say(s, "-ERR [AUTH] this login was revoked; nothing was deleted\r\n");
    pop3_end(s);
}

static void session_free(struct retrieval_session *base)
{
    struct pop3_session *s = of(base);
    if (s->request)
        store_cancel(base->retrieval->store, s->request);
    if (s->letter)
        letter_handle_close(s->letter);
    if (s->stream)
        stream_free(s->stream);
    free(s->mails);
    free(s);
}

struct retrieval_session *pop3_session_new(struct retrieval *r, const struct session_attach *a, int fd)
{
    static const struct session_ops ops = {.free = session_free, .on_turn = on_turn, .on_stop = on_stop,
        .on_revoked = on_revoked};
    static const struct stream_events events = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_timeout = on_timeout,
        .on_closed = on_closed,
    };
    struct pop3_session *s = mem_new(sizeof *s);
    s->base.ops = &ops;
    s->base.retrieval = r;
    snprintf(s->address, sizeof s->address, "%s", a->address);
    s->stream = stream_new(r->loop, fd, &events, s);
    stream_set_idle_timeout(s->stream, POP3_IDLE_MS);
    return &s->base;
}
