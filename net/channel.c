/* Messages between roles over a seqpacket socket; see channel.h.
 *
 * A message is one packet: type (u16, little-endian), body. The socket keeps the order and the
 * borders; what it does not take waits in a list. Both directions wipe what they held, because keys
 * pass here. Callbacks come from the loop only; after each the channel may be gone. */
#include "net/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/loop_internal.h"

#define HEAD_BYTES 2
#define SOCKET_BUFFER_BYTES (1024 * 1024)
#define QUEUE_LOW (CHANNEL_QUEUE_HIGH / 2)

struct queued {
    struct queued *next;
    int fds[CHANNEL_FDS_MAX]; /* owned */
    size_t nfds;
    size_t n;
    uint8_t bytes[]; /* the packet */
};

struct channel {
    struct loop *loop; /* borrowed */
    const struct channel_events *events;
    void *ctx;
    int fd; /* owned */
    struct event rd;
    struct event wr;
    struct loop_task work; /* tells of the end when a send found it */
    struct queued *first;  /* owned */
    struct queued **end;
    size_t queued_bytes;
    bool was_full;  /* on_drained is owed */
    bool writing;   /* wr is added */
    bool send_dead; /* nothing can be sent any more; what came may still be read */
    bool cut;       /* we end it: nothing is read any more either */
    bool closed;    /* on_closed was called */
    bool busy;      /* a callback is on the stack */
    bool freed;
};

/* One packet that came, not yet judged. */
struct packet {
    struct slice body;
    uint16_t type;
    int fds[CHANNEL_FDS_MAX];
    size_t nfds;
};

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

/* Bulk goes in packets of 64 KiB: with room for some the sender's process is not woken for each. */
static void widen(int fd)
{
    int bytes = SOCKET_BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0)
        log_event(LOG_DEBUG, "socket-buffer-kept", LF("meaning", "the kernel's default is used"));
}

enum err channel_pair(int out_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_IO;
    widen(fds[0]);
    widen(fds[1]);
    out_fds[0] = fds[0];
    out_fds[1] = fds[1];
    return ERR_OK;
}

/* ---- sending ---- */

union fd_control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

static void attach_fds(struct msghdr *m, union fd_control *control, const int *fds, size_t nfds)
{
    memset(control, 0, sizeof *control);
    m->msg_control = control->bytes;
    m->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
}

static void *without_const(const void *p)
{
    return (void *)(uintptr_t)p; /* struct iovec serves reading too and so has no const */
}

static enum err send_packet(int fd, struct slice head, struct slice body, const int *fds, size_t nfds)
{
    union fd_control control;
    struct iovec parts[2] = {{without_const(head.p), head.n}, {without_const(body.p), body.n}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = body.n ? 2 : 1};
    ssize_t sent;
    if (nfds)
        attach_fds(&m, &control, fds, nfds);
    do
        sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return ERR_OK;
    return errno == EAGAIN ? ERR_AGAIN : ERR_CLOSED;
}

static void drop_first(struct channel *c)
{
    struct queued *q = c->first;
    c->first = q->next;
    if (!c->first)
        c->end = &c->first;
    c->queued_bytes -= q->n;
    close_fds(q->fds, q->nfds);
    explicit_bzero(q->bytes, q->n);
    free(q);
}

static void stop_writing(struct channel *c)
{
    if (c->writing)
        event_del(&c->wr);
    c->writing = false;
}

static void stop_sending(struct channel *c)
{
    c->send_dead = true;
    while (c->first)
        drop_first(c);
    stop_writing(c);
    /* Whatever made the send fail: the peer learns of it, and our read side comes to an end once
     * what the peer had sent is read. */
    if (shutdown(c->fd, SHUT_RDWR) != 0 && !c->closed) {
        c->cut = true;
        loop_queue_work(c->loop, &c->work);
    }
}

/* Sends what the socket takes of the queue. ERR_AGAIN: some is left. */
static enum err send_queue(struct channel *c)
{
    while (c->first) {
        struct queued *q = c->first;
        enum err e = send_packet(c->fd, slice_of(q->bytes, q->n), SLICE_EMPTY, q->fds, q->nfds);
        if (e == ERR_CLOSED)
            stop_sending(c);
        if (e)
            return e;
        drop_first(c);
    }
    stop_writing(c);
    return ERR_OK;
}

static enum err copy_fds(struct queued *q, const int *fds, size_t nfds)
{
    for (size_t i = 0; i < nfds; i++) {
        q->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (q->fds[i] < 0)
            return ERR_LIMIT;
        q->nfds = i + 1;
    }
    return ERR_OK;
}

static enum err enqueue(struct channel *c, struct slice head, struct slice body, const int *fds,
    size_t nfds)
{
    struct queued *q = mem_resize(NULL, sizeof *q + head.n + body.n);
    q->next = NULL;
    q->nfds = 0;
    q->n = head.n + body.n;
    memcpy(q->bytes, head.p, head.n);
    if (body.n)
        memcpy(q->bytes + head.n, body.p, body.n);
    enum err e = copy_fds(q, fds, nfds);
    if (e) {
        close_fds(q->fds, q->nfds);
        free(q);
        return e;
    }
    *c->end = q;
    c->end = &q->next;
    c->queued_bytes += q->n;
    if (!c->writing)
        loop_event_add(&c->wr);
    c->writing = true;
    return ERR_OK;
}

enum err channel_send(struct channel *c, uint16_t type, struct slice body, const int *fds, size_t nfds)
{
    uint8_t head[HEAD_BYTES] = {(uint8_t)type, (uint8_t)(type >> 8)};
    ENSURE(nfds <= CHANNEL_FDS_MAX);
    if (body.n > CHANNEL_MESSAGE_MAX - HEAD_BYTES)
        return ERR_TOO_BIG;
    if (c->send_dead || c->cut)
        return ERR_CLOSED;
    enum err e = ERR_AGAIN;
    if (!c->first)
        e = send_packet(c->fd, slice_of(head, sizeof head), body, fds, nfds);
    if (e == ERR_AGAIN)
        e = enqueue(c, slice_of(head, sizeof head), body, fds, nfds);
    if (c->queued_bytes > CHANNEL_QUEUE_MAX) {
        log_event(LOG_ERROR, "channel-cut", LF("why", "the peer does not read"));
        c->cut = true;
        e = ERR_CLOSED;
    }
    if (e == ERR_CLOSED) {
        stop_sending(c);
        loop_queue_work(c->loop, &c->work);
    }
    c->was_full = c->was_full || c->queued_bytes >= CHANNEL_QUEUE_HIGH;
    return e;
}

bool channel_is_full(const struct channel *c)
{
    return c->queued_bytes >= CHANNEL_QUEUE_HIGH;
}

enum err channel_flush(struct channel *c, unsigned ms)
{
    uint64_t end = clock_mono_ms() + ms;
    for (;;) {
        uint64_t now = clock_mono_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};
        enum err e = c->send_dead ? ERR_CLOSED : send_queue(c);
        if (e == ERR_CLOSED)
            loop_queue_work(c->loop, &c->work);
        if (e != ERR_AGAIN)
            return e;
        if (now >= end)
            return ERR_TIMEOUT;
        if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
            return ERR_IO;
    }
}

/* ---- receiving ---- */

static void take_fds(struct msghdr *m, struct packet *out)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        ENSURE(n <= CHANNEL_FDS_MAX - out->nfds);
        memcpy(out->fds + out->nfds, CMSG_DATA(c), n * sizeof(int));
        out->nfds += n;
    }
}

/* area has CHANNEL_MESSAGE_MAX bytes; the packet's body lies in it. ERR_CLOSED: end of file or a
 * dead socket; ERR_SYNTAX: not a message; ERR_BAD_STATE: the kernel reports that the peer dropped
 * what we sent, while what it sent before may still be read. */
static enum err receive_packet(int fd, uint8_t *area, struct packet *out)
{
    union fd_control control;
    struct iovec part = {area, CHANNEL_MESSAGE_MAX};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes};
    *out = (struct packet){.nfds = 0};
    ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_AGAIN;
    if (got < 0)
        return errno == ECONNRESET ? ERR_BAD_STATE : ERR_CLOSED;
    take_fds(&m, out);
    if (got == 0 && out->nfds == 0)
        return ERR_CLOSED;
    if (got < HEAD_BYTES || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        close_fds(out->fds, out->nfds);
        return ERR_SYNTAX;
    }
    out->type = (uint16_t)(area[0] | area[1] << 8);
    out->body = slice_of(area + HEAD_BYTES, (size_t)got - HEAD_BYTES);
    return ERR_OK;
}

/* True when the channel is still there. */
static bool leave(struct channel *c)
{
    c->busy = false;
    if (!c->freed)
        return true;
    free(c);
    return false;
}

static void tell_closed(struct channel *c)
{
    if (c->closed)
        return;
    c->closed = true;
    c->cut = true;
    stop_sending(c);
    event_del(&c->rd);
    c->busy = true;
    c->events->on_closed(c->ctx, c);
    leave(c);
}

/* Reads a batch. ERR_OK: the channel goes on; ERR_CLOSED: it ends; ERR_BAD_STATE: it was freed. */
static enum err read_batch(struct channel *c)
{
    static uint8_t area[CHANNEL_MESSAGE_MAX]; /* one loop, one callback at a time */
    for (int i = 0; i < CHANNEL_BATCH && !c->cut; i++) {
        struct packet p;
        enum err e = receive_packet(c->fd, area, &p);
        if (e == ERR_BAD_STATE) {
            stop_sending(c);
            continue;
        }
        if (e == ERR_SYNTAX)
            log_event(LOG_ERROR, "channel-cut", LF("why", "the peer sent a malformed message"));
        if (e)
            return e == ERR_AGAIN ? ERR_OK : ERR_CLOSED;
        c->busy = true;
        c->events->on_message(c->ctx, c, p.type, p.body, p.fds, p.nfds);
        explicit_bzero(area, p.body.n + HEAD_BYTES);
        if (!leave(c))
            return ERR_BAD_STATE;
    }
    return c->cut ? ERR_CLOSED : ERR_OK;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct channel *c = ctx;
    (void)fd;
    (void)what;
    if (read_batch(c) == ERR_CLOSED)
        tell_closed(c);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct channel *c = ctx;
    (void)fd;
    (void)what;
    if (send_queue(c) == ERR_CLOSED || !c->was_full || c->queued_bytes > QUEUE_LOW)
        return; /* the read side sees the end and tells of it */
    c->was_full = false;
    c->busy = true;
    if (c->events->on_drained)
        c->events->on_drained(c->ctx, c);
    leave(c);
}

/* A send has failed. What the peer sent before it went is read first, by the readable event, which
 * ends with end of file; only of a peer that we cut off nothing more is read. */
static void run_work(void *ctx)
{
    struct channel *c = ctx;
    if (c->cut)
        tell_closed(c);
}

/* ---- birth and end ---- */

struct channel *channel_new(struct loop *l, int fd, const struct channel_events *events, void *ctx)
{
    struct channel *c = mem_new(sizeof *c);
    ENSURE(events->on_message && events->on_closed);
    c->loop = l;
    c->fd = fd;
    c->events = events;
    c->ctx = ctx;
    c->end = &c->first;
    c->work = (struct loop_task){.fn = run_work, .ctx = c};
    ENSURE(event_assign(&c->rd, loop_base(l), fd, EV_READ | EV_PERSIST, on_readable, c) == 0);
    ENSURE(event_assign(&c->wr, loop_base(l), fd, EV_WRITE | EV_PERSIST, on_writable, c) == 0);
    ENSURE(evutil_make_socket_nonblocking(fd) == 0);
    loop_event_add(&c->rd);
    return c;
}

void channel_set_ctx(struct channel *c, void *ctx)
{
    c->ctx = ctx;
}

void channel_free(struct channel *c)
{
    if (!c || c->freed)
        return;
    c->closed = c->cut = true;
    stop_sending(c);
    event_del(&c->rd);
    loop_cancel(c->loop, &c->work);
    close(c->fd);
    if (c->busy)
        c->freed = true;
    else
        free(c);
}

enum err channel_wait_message(int fd, uint16_t *out_type, struct buf *body, int *fds, size_t *inout_nfds)
{
    uint8_t *area = mem_resize(NULL, CHANNEL_MESSAGE_MAX);
    struct packet p = {.nfds = 0};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    enum err e;
    while ((e = receive_packet(fd, area, &p)) == ERR_AGAIN || e == ERR_BAD_STATE)
        if (poll(&wait, 1, -1) < 0 && errno != EINTR)
            break;
    if (e == ERR_OK && p.nfds > *inout_nfds) {
        close_fds(p.fds, p.nfds);
        e = ERR_SYNTAX;
    }
    if (e == ERR_OK) {
        buf_put(body, p.body);
        *out_type = p.type;
        *inout_nfds = p.nfds;
        memcpy(fds, p.fds, p.nfds * sizeof *fds);
    }
    explicit_bzero(area, p.body.n + HEAD_BYTES);
    free(area);
    return e;
}
