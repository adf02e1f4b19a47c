/* Streams: descriptor, byte queues, deadlines, and the order of the callbacks; see stream.h. TLS
 * itself is stream_tls.c's matter, lines are stream_line.c's.
 *
 * Callbacks come from four places only, each run by the loop: the readable, writable and timer
 * events and the work task. API functions change fields and, where a callback must follow, queue
 * the work task (poke). After each callback the stream may be gone: leave() says so. */
#include "net/stream_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/peer.h"

static void settle(struct stream *s);
static void flush_output(struct stream *s);

/* ---- callbacks ---- */

/* True when the stream is still there and open. */
static bool leave(struct stream *s)
{
    s->busy--;
    if (s->freed && s->busy == 0) {
        free(s);
        return false;
    }
    return !s->freed && s->state != STREAM_CLOSED;
}

static bool call(struct stream *s, void (*fn)(void *ctx))
{
    s->busy++;
    if (fn)
        fn(s->ctx);
    return leave(s);
}

static void release(struct stream *s)
{
    if (s->state == STREAM_CLOSED)
        return;
    s->state = STREAM_CLOSED;
    event_del(&s->rd);
    event_del(&s->wr);
    event_del(&s->timer);
    loop_cancel(s->loop, &s->work);
    loop_cancel(s->loop, &s->flush);
    tls_link_free(s->tls);
    s->tls = NULL;
    deflate_link_free(s->deflate);
    s->deflate = NULL;
    fifo_clear(&s->in);
    fifo_clear(&s->out);
    close(s->fd);
    s->fd = -1;
}

static void close_with(struct stream *s, enum err why)
{
    if (s->tls && s->state == STREAM_OPEN && (why == ERR_CLOSED || why == ERR_TIMEOUT)) {
        bool progress = false;
        tls_link_goodbye(s->tls);
        bool sent = tls_link_transmit(s->tls, &s->out, &progress) == ERR_OK;
        (void)sent; /* a courtesy: nobody waits for it */
    }
    release(s);
    s->busy++;
    s->events->on_closed(s->ctx, why);
    leave(s);
}

/* ---- time ---- */

static uint64_t next_due(const struct stream *s)
{
    uint64_t due = s->linger_due;
    if (s->deadline && (!due || s->deadline < due))
        due = s->deadline;
    if (s->idle_ms && (!due || s->last_activity + s->idle_ms < due))
        due = s->last_activity + s->idle_ms;
    return due;
}

/* Activity only moves the mark; the timer is set again when it goes off too early. */
static void arm_timer(struct stream *s)
{
    uint64_t due = next_due(s);
    if (!due || s->state == STREAM_CLOSED || (s->timer_due && s->timer_due <= due))
        return;
    uint64_t now = clock_mono_ms();
    s->timer_due = due;
    loop_event_add_ms(&s->timer, due > now ? due - now : 1);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct stream *s = ctx;
    uint64_t now = clock_mono_ms();
    (void)fd;
    (void)what;
    s->timer_due = 0;
    bool linger = s->linger_due && s->linger_due <= now;
    bool total = s->deadline && s->deadline <= now;
    bool idle = s->idle_ms && s->last_activity + s->idle_ms <= now;
    if (!linger && !total && !idle) {
        arm_timer(s);
        return;
    }
    if (total)
        s->deadline = 0;
    if (idle)
        s->idle_ms = 0;
    if (linger || s->state == STREAM_ENDING || s->state == STREAM_LINGER || !s->events->on_timeout)
        close_with(s, s->why ? s->why : ERR_TIMEOUT);
    else if (call(s, s->events->on_timeout))
        settle(s);
}

void stream_set_idle_timeout(struct stream *s, uint64_t ms)
{
    s->idle_ms = ms;
    s->last_activity = clock_mono_ms();
    arm_timer(s);
}

void stream_set_deadline(struct stream *s, uint64_t ms)
{
    s->deadline = ms ? clock_mono_ms() + ms : 0;
    arm_timer(s);
}

static void mark_activity(struct stream *s)
{
    if (s->idle_ms)
        s->last_activity = clock_mono_ms();
}

/* ---- reading ---- */

static size_t input_room(const struct stream *s)
{
    size_t held = fifo_size(&s->in);
    return held < s->in_max ? s->in_max - held : 0;
}

static bool wants_input(const struct stream *s)
{
    if (s->eof || s->why)
        return false;
    return s->state == STREAM_HANDSHAKE || s->state == STREAM_LINGER ||
           (s->state == STREAM_OPEN && !s->paused && input_room(s) > 0);
}

static void read_on(struct stream *s)
{
    if (!s->reading)
        loop_event_add(&s->rd);
    s->reading = true;
}

static void read_off(struct stream *s)
{
    if (s->reading)
        event_del(&s->rd);
    s->reading = false;
}

static enum err receive_plain(struct stream *s, uint8_t *p, size_t n, size_t *out_n)
{
    ssize_t got = recv(s->fd, p, n, MSG_DONTWAIT);
    if (got > 0) {
        *out_n = (size_t)got;
        return ERR_OK;
    }
    if (got == 0)
        return ERR_CLOSED;
    return errno == EINTR ? ERR_AGAIN : err_from_errno(errno);
}

static enum err receive_wire(struct stream *s, uint8_t *p, size_t n, size_t *out_n)
{
    return s->tls ? tls_link_receive(s->tls, p, n, out_n) : receive_plain(s, p, n, out_n);
}

static enum err receive(struct stream *s, uint8_t *p, size_t n, size_t *out_n)
{
    if (!s->deflate)
        return receive_wire(s, p, n, out_n);
    if (!deflate_link_has_buffered(s->deflate)) {
        size_t room;
        size_t got = 0;
        uint8_t *to = deflate_link_buffer(s->deflate, &room);
        enum err e = receive_wire(s, to, room, &got);
        if (e)
            return e;
        deflate_link_received(s->deflate, got);
    }
    return deflate_link_inflate(s->deflate, p, n, out_n);
}

/* Whether there is more to read without new bytes from the socket. */
static bool has_buffered(const struct stream *s)
{
    return (s->tls && tls_link_has_buffered(s->tls)) || (s->deflate && deflate_link_has_buffered(s->deflate));
}

/* Reads up to STREAM_READ_STEP into the input. ERR_OK: stopped for a limit; ERR_AGAIN: the socket
 * has no more. */
static enum err fill_input(struct stream *s)
{
    size_t budget = STREAM_READ_STEP;
    while (budget > 0 && input_room(s) > 0) {
        size_t got = 0;
        size_t want = s->read_step < budget ? s->read_step : budget;
        if (want > input_room(s))
            want = input_room(s);
        uint8_t *p = fifo_reserve(&s->in, want);
        enum err e = receive(s, p, want, &got);
        if (e)
            return e;
        fifo_added(&s->in, got);
        s->deliver = true;
        budget -= got;
        if (got < want && !s->tls && !s->deflate)
            return ERR_AGAIN; /* a short read has emptied the socket: spare the call that says so */
        if (got == want && s->read_step < STREAM_READ_STEP)
            s->read_step *= 2;
    }
    return ERR_OK;
}

static void pump_input(struct stream *s)
{
    mark_activity(s);
    enum err e = fill_input(s);
    if (e == ERR_AGAIN && !s->deliver)
        s->read_step = STREAM_READ_LEAST;
    if (e && e != ERR_AGAIN) {
        s->eof = true;
        s->why = s->why ? s->why : e;
    }
    settle(s);
}

/* After our end: what the peer still says is read and dropped, so that closing does not make the
 * kernel reset the connection and take the last reply with it. */
static void drain(struct stream *s)
{
    uint8_t dropped[8192];
    for (;;) {
        ssize_t got = recv(s->fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0 || (size_t)got >= s->linger_left)
            break;
        s->linger_left -= (size_t)got;
        if ((size_t)got < sizeof dropped)
            return;
    }
    close_with(s, s->why ? s->why : ERR_CLOSED);
}

static void step_handshake(struct stream *s)
{
    enum err e = tls_link_handshake(s->tls);
    bool progress = false;
    enum err sent = tls_link_transmit(s->tls, &s->out, &progress);
    mark_activity(s);
    if (e && e != ERR_AGAIN) {
        close_with(s, e);
        return;
    }
    if (sent && sent != ERR_AGAIN) {
        close_with(s, sent);
        return;
    }
    if (sent == ERR_AGAIN && !s->writing) {
        s->writing = true;
        loop_event_add(&s->wr);
    }
    if (e == ERR_OK) {
        s->state = STREAM_OPEN;
        tls_link_describe(s->tls, s->tls_text, sizeof s->tls_text);
        if (fifo_size(&s->out))
            loop_queue_flush(s->loop, &s->flush);
        if (!call(s, s->events->on_secure))
            return;
    }
    settle(s);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct stream *s = ctx;
    (void)fd;
    (void)what;
    if (!wants_input(s)) {
        read_off(s); /* pausing is lazy: most pauses end before the peer says more */
        return;
    }
    if (s->tls)
        tls_link_wake(s->tls);
    if (s->state == STREAM_LINGER)
        drain(s);
    else if (s->state == STREAM_HANDSHAKE)
        step_handshake(s);
    else
        pump_input(s);
}

/* A session that paused hears of the peer's end after it resumed and took the rest of the input. */
static bool end_is_due(const struct stream *s, bool has_to_deliver)
{
    if (s->state == STREAM_HANDSHAKE)
        return s->why != ERR_OK;
    return s->state == STREAM_OPEN && s->why && !has_to_deliver && (!s->paused || !s->eof);
}

/* Brings events and tasks in line with the fields; tells of input and of the end. */
static void settle(struct stream *s)
{
    if (s->state == STREAM_OPEN && s->deliver && !s->paused && fifo_size(&s->in) > 0) {
        s->deliver = false;
        if (!call(s, s->events->on_data))
            return;
    }
    fifo_trim(&s->in);
    if (s->tls)
        tls_link_trim(s->tls);
    bool again = s->state == STREAM_OPEN && s->deliver && !s->paused && fifo_size(&s->in) > 0;
    if (end_is_due(s, again)) {
        if (s->why != ERR_CLOSED || stream_output_pending(s) == 0)
            close_with(s, s->why);
        else
            stream_finish(s); /* a peer that shut only its own side still gets its answers */
        return;
    }
    if (again || (wants_input(s) && s->state != STREAM_LINGER && has_buffered(s)))
        loop_queue_work(s->loop, &s->work);
    if (wants_input(s))
        read_on(s);
    arm_timer(s);
}

static void run_work(void *ctx)
{
    struct stream *s = ctx;
    if (s->tls && wants_input(s) && s->state == STREAM_HANDSHAKE)
        step_handshake(s);
    else if (wants_input(s) && s->state == STREAM_OPEN && has_buffered(s))
        pump_input(s);
    else
        settle(s);
}

/* Inside a callback there is nothing to do: what runs it settles after it. */
static void poke(struct stream *s)
{
    if (s->busy == 0 && s->state != STREAM_CLOSED)
        loop_queue_work(s->loop, &s->work);
}

void stream_pause(struct stream *s)
{
    s->paused = true;
}

void stream_resume(struct stream *s)
{
    s->paused = false;
    s->deliver = true;
    poke(s);
}

void stream_set_input_max(struct stream *s, size_t max)
{
    s->in_max = max;
    poke(s);
}

struct slice stream_input(struct stream *s)
{
    return fifo_slice(&s->in);
}

void stream_consume(struct stream *s, size_t n)
{
    bool was_full = input_room(s) == 0;
    if (s->state == STREAM_CLOSED)
        return;
    fifo_consume(&s->in, n);
    if (was_full)
        poke(s);
}

/* ---- writing ---- */

enum err stream_send_fifo(int fd, struct fifo *f, bool *out_progress)
{
    if (fifo_size(f) == 0)
        return ERR_OK;
    struct slice all = fifo_slice(f);
    ssize_t sent = send(fd, all.p, all.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EINTR ? ERR_AGAIN : err_from_errno(errno);
    *out_progress = *out_progress || sent > 0;
    fifo_consume(f, (size_t)sent);
    if (fifo_size(f) > 0)
        return ERR_AGAIN;
    fifo_clear(f);
    return ERR_OK;
}

size_t stream_output_pending(const struct stream *s)
{
    return fifo_size(&s->out) + (s->tls ? tls_link_pending(s->tls) : 0);
}

size_t stream_output_room(struct stream *s)
{
    size_t pending = stream_output_pending(s);
    if (pending < STREAM_OUTPUT_HIGH)
        return STREAM_OUTPUT_HIGH - pending;
    s->over_high = true;
    return 0;
}

void stream_write(struct stream *s, struct slice bytes)
{
    if ((s->state != STREAM_OPEN && s->state != STREAM_HANDSHAKE) || bytes.n == 0)
        return;
    if (bytes.n > STREAM_OUTPUT_MAX || stream_output_pending(s) > STREAM_OUTPUT_MAX - bytes.n) {
        s->why = ERR_TOO_BIG;
        fifo_clear(&s->out);
        loop_queue_work(s->loop, &s->work);
        return;
    }
    if (s->deflate)
        deflate_link_put(s->deflate, bytes, &s->out);
    else
        fifo_put(&s->out, bytes);
    if (stream_output_pending(s) >= STREAM_OUTPUT_HIGH)
        s->over_high = true;
    if (!s->writing && s->state == STREAM_OPEN)
        loop_queue_flush(s->loop, &s->flush);
}

void stream_write_str(struct stream *s, const char *nul_ended)
{
    stream_write(s, slice_str(nul_ended));
}

/* All is sent: shut our side and wait for the peer's end. */
static void begin_linger(struct stream *s)
{
    if (s->eof || !s->tcp || shutdown(s->fd, SHUT_WR) != 0) {
        close_with(s, s->why ? s->why : ERR_CLOSED);
        return;
    }
    s->state = STREAM_LINGER;
    s->linger_left = STREAM_LINGER_BYTES;
    read_on(s);
}

static void flush_output(struct stream *s)
{
    bool progress = false;
    enum err e = s->tls ? tls_link_transmit(s->tls, &s->out, &progress)
                        : stream_send_fifo(s->fd, &s->out, &progress);
    if (progress)
        mark_activity(s);
    if (e && e != ERR_AGAIN) {
        close_with(s, e);
        return;
    }
    if (e == ERR_AGAIN && !s->writing)
        loop_event_add(&s->wr);
    else if (e == ERR_OK && s->writing)
        event_del(&s->wr);
    s->writing = e == ERR_AGAIN;
    if (s->state == STREAM_ENDING && e == ERR_OK) {
        begin_linger(s);
    } else if (s->state == STREAM_OPEN && s->over_high &&
               stream_output_pending(s) <= STREAM_OUTPUT_LOW) {
        s->over_high = false;
        if (call(s, s->events->on_writable))
            settle(s);
    }
}

static void run_flush(void *ctx)
{
    flush_output(ctx);
}

static void on_write_ready(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    flush_output(ctx);
}

/* ---- birth and end ---- */

static void learn_peer(struct stream *s)
{
    static const int on = 1;
    peer_of_socket(s->fd, s->peer);
    if (s->peer[0] == '\0')
        return;
    s->tcp = true;
    /* What is sent is gathered already; a delay would only hold back the rest of a reply. */
    if (setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        s->tcp = false;
}

struct stream *stream_new(struct loop *l, int fd, const struct stream_events *events, void *ctx)
{
    struct stream *s = mem_new(sizeof *s);
    ENSURE(events->on_data && events->on_closed);
    s->loop = l;
    s->fd = fd;
    s->events = events;
    s->ctx = ctx;
    s->in_max = STREAM_INPUT_DEFAULT;
    s->read_step = STREAM_READ_LEAST;
    s->work = (struct loop_task){.fn = run_work, .ctx = s};
    s->flush = (struct loop_task){.fn = run_flush, .ctx = s};
    struct event_base *base = loop_base(l);
    ENSURE(event_assign(&s->rd, base, fd, EV_READ | EV_PERSIST, on_readable, s) == 0);
    ENSURE(event_assign(&s->wr, base, fd, EV_WRITE | EV_PERSIST, on_write_ready, s) == 0);
    ENSURE(event_assign(&s->timer, base, -1, 0, on_timer, s) == 0);
    learn_peer(s);
    read_on(s);
    return s;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    release(s);
    if (s->busy)
        s->freed = true;
    else
        free(s);
}

void stream_finish(struct stream *s)
{
    if (s->state != STREAM_OPEN && s->state != STREAM_HANDSHAKE)
        return;
    if (s->state == STREAM_HANDSHAKE)
        fifo_clear(&s->out); /* there are no keys to send it under */
    else if (s->tls)
        tls_link_goodbye(s->tls);
    s->state = STREAM_ENDING;
    fifo_consume(&s->in, fifo_size(&s->in));
    s->linger_due = clock_mono_ms() + STREAM_LINGER_MS;
    arm_timer(s);
    if (!s->writing)
        loop_queue_flush(s->loop, &s->flush);
}

void stream_start_tls(struct stream *s, struct tls_context *tls)
{
    if (s->state != STREAM_OPEN || s->tls)
        return;
    s->dropped_clear = fifo_size(&s->in) > 0;
    fifo_clear(&s->in);
    s->deliver = false;
    s->skipping_line = false;
    s->paused = false;
    loop_queue_work(s->loop, &s->work); /* sends what was pending, or closes */
    if (s->why)
        return; /* the peer has gone meanwhile */
    s->tls = tls_link_new(tls, s->fd, &s->out);
    if (s->tls)
        s->state = STREAM_HANDSHAKE;
    else
        s->why = ERR_INTERNAL;
}

bool stream_start_deflate(struct stream *s)
{
    if (s->state != STREAM_OPEN || s->deflate || fifo_size(&s->in) > 0)
        return false;
    s->deflate = deflate_link_new();
    return s->deflate != NULL;
}

void stream_start_tls_client(struct stream *s, struct tls_context *tls, struct slice host)
{
    stream_start_tls(s, tls);
    if (s->tls && s->state == STREAM_HANDSHAKE && host.n > 0)
        tls_link_ask_for(s->tls, host);
}

enum err stream_verify_peer(const struct stream *s, struct slice host)
{
    return stream_is_secure(s) ? tls_link_verify(s->tls, host) : ERR_DENIED;
}

bool stream_is_secure(const struct stream *s)
{
    return s->tls && tls_link_is_secure(s->tls);
}

bool stream_dropped_clear_input(const struct stream *s)
{
    return s->dropped_clear;
}

const char *stream_tls_description(const struct stream *s)
{
    return s->tls_text;
}

void stream_set_peer(struct stream *s, const char *address)
{
    snprintf(s->peer, sizeof s->peer, "%s", address);
}

const char *stream_peer(const struct stream *s)
{
    return s->peer;
}

enum err stream_channel_binding(struct stream *s, enum stream_binding kind, uint8_t *out, size_t *out_n)
{
    return stream_is_secure(s) ? tls_link_binding(s->tls, kind, out, out_n) : ERR_UNSUPPORTED;
}
