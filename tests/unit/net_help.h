/* What the tests of net/ share: a stream with a script of expectations, a peer on the other end of
 * a socket pair, and turns of the loop until something holds. */
#ifndef TESTS_UNIT_NET_HELP_H
#define TESTS_UNIT_NET_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"

#define TURNS_MAX 2000

struct side {
    struct loop *loop;
    struct stream *s;
    int peer;
    struct buf got;      /* what on_data took */
    unsigned data_calls;
    unsigned writable_calls;
    unsigned timeout_calls;
    unsigned closed_calls;
    unsigned secure_calls;
    enum err why;
    bool keep_input;     /* on_data consumes nothing */
    bool echo;
    struct tls_context *tls; /* on_data: starts TLS after the first line */
};

static inline void side_on_data(void *ctx)
{
    struct side *x = ctx;
    struct slice line;
    x->data_calls++;
    assert_int_equal(x->closed_calls, 0);
    if (x->tls && !stream_is_secure(x->s)) {
        if (stream_line(x->s, 100, false, &line) == ERR_OK) {
            stream_write_str(x->s, "220 ready\r\n");
            stream_start_tls(x->s, x->tls);
        }
        return;
    }
    if (x->keep_input)
        return;
    struct slice in = stream_input(x->s);
    buf_put(&x->got, in);
    if (x->echo)
        stream_write(x->s, in);
    stream_consume(x->s, in.n);
}

static inline void side_on_writable(void *ctx)
{
    ((struct side *)ctx)->writable_calls++;
}

static inline void side_on_secure(void *ctx)
{
    ((struct side *)ctx)->secure_calls++;
}

static inline void side_on_timeout(void *ctx)
{
    ((struct side *)ctx)->timeout_calls++;
}

static inline void side_on_closed(void *ctx, enum err why)
{
    struct side *x = ctx;
    x->closed_calls++;
    x->why = why;
}

static const struct stream_events side_events = {
    .on_data = side_on_data,
    .on_writable = side_on_writable,
    .on_secure = side_on_secure,
    .on_timeout = side_on_timeout,
    .on_closed = side_on_closed,
};

static inline void nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static inline void side_begin_with(struct side *x, int ours, int peer)
{
    *x = (struct side){.loop = loop_new(), .peer = peer};
    nonblocking(peer);
    buf_init(&x->got, 64 * 1024 * 1024);
    x->s = stream_new(x->loop, ours, &side_events, x);
}

static inline void side_begin(struct side *x)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    side_begin_with(x, fds[0], fds[1]);
}

/* Over TCP on loopback. */
static inline void tcp_pair(int fds[2])
{
    int l;
    struct sockaddr_in a = {0};
    socklen_t n = sizeof a;
    assert_int_equal(listener_bind("127.0.0.1:0", &l), ERR_OK);
    assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&a, n), 0);
    struct pollfd p = {.fd = l, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 1000), 1);
    fds[0] = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fds[0] >= 0);
    close(l);
}

static inline void side_end(struct side *x)
{
    stream_free(x->s);
    if (x->peer >= 0)
        close(x->peer);
    buf_clear(&x->got);
    loop_free(x->loop);
}

static inline void turns(struct loop *l, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        loop_turn(l, 0);
}

#define turn_until(loop_, condition) \
    do { \
        uint64_t give_up_ = clock_mono_ms() + 5000; \
        while (!(condition) && clock_mono_ms() < give_up_) \
            loop_turn((loop_), 5); \
        assert_true(condition); \
    } while (0)

static inline void peer_send(const struct side *x, struct slice bytes)
{
    assert_int_equal(send(x->peer, bytes.p, bytes.n, MSG_NOSIGNAL), (ssize_t)bytes.n);
}

/* Appends what the peer has received by now; false at end of file. */
static inline bool peer_take(const struct side *x, struct buf *into)
{
    uint8_t bytes[65536];
    ssize_t n;
    while ((n = recv(x->peer, bytes, sizeof bytes, 0)) > 0)
        buf_put_bytes(into, bytes, (size_t)n);
    return n < 0 && errno == EAGAIN;
}

#define assert_slice(actual, literal) \
    do { \
        struct slice a_ = (actual); \
        assert_int_equal(a_.n, sizeof(literal) - 1); \
        assert_memory_equal(a_.p, literal, sizeof(literal) - 1); \
    } while (0)

#endif
