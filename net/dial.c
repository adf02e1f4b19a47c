/* Connecting; see dial.h. One address after the other: the relay asks for few, and the next one comes as
 * soon as one refuses. */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

struct dial {
    struct loop *loop;
    struct dial_address addresses[DIAL_ADDRESSES_MAX];
    size_t count;
    size_t at;
    uint64_t each_ms;
    int fd;
    struct watch *watch;
    struct timer *timer;  /* of one try; also what brings the first one into the loop */
    enum err err;
    const char *why;
    dial_fn fn;
    void *ctx;
};

bool dial_address_parse(struct slice text, uint16_t port, struct dial_address *out)
{
    struct in6_addr any;
    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = slice_sub(text, 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof out->text)
        return false;
    char copy[DIAL_ADDRESS_TEXT] = "";
    memcpy(copy, text.p, text.n);
    if (inet_pton(AF_INET, copy, &any) != 1 && inet_pton(AF_INET6, copy, &any) != 1)
        return false;
    memcpy(out->text, copy, sizeof copy);
    out->port = port;
    return true;
}

static socklen_t make_address(const struct dial_address *a, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, a->text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, a->text, &v6->sin6_addr) != 1)
        return 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(a->port);
    return sizeof *v6;
}

static void drop_try(struct dial *d)
{
    watch_free(d->watch);
    d->watch = NULL;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void dial_cancel(struct dial *d)
{
    if (!d)
        return;
    drop_try(d);
    timer_free(d->timer);
    free(d);
}

static void finish(struct dial *d, enum err e, int fd)
{
    dial_fn fn = d->fn;
    void *ctx = d->ctx;
    size_t which = d->at;
    const char *why = d->why;
    d->fd = -1;
    dial_cancel(d);
    fn(ctx, e, why, fd, which);
}

static void try_next(struct dial *d);

static void try_failed(struct dial *d, int system_errno)
{
    d->err = err_from_errno(system_errno);
    d->why = strerror(system_errno);
    drop_try(d);
    d->at++;
    try_next(d);
}

static void on_writable(void *ctx, bool readable, bool writable)
{
    struct dial *d = ctx;
    int error = 0;
    socklen_t n = sizeof error;
    (void)readable;
    (void)writable;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error) {
        try_failed(d, error);
        return;
    }
    watch_free(d->watch);
    d->watch = NULL;
    finish(d, ERR_OK, d->fd);
}

static enum err open_socket(struct dial *d, const struct sockaddr_storage *address)
{
    int on = 1;
    d->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (d->fd < 0)
        return ERR_IO;
    if (setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        return ERR_IO;
    return ERR_OK;
}

static void try_next(struct dial *d)
{
    struct sockaddr_storage address;
    timer_stop(d->timer);
    if (d->at >= d->count) {
        d->at = d->count ? d->count - 1 : 0;
        finish(d, d->err ? d->err : ERR_NOT_FOUND, -1);
        return;
    }
    socklen_t n = make_address(&d->addresses[d->at], &address);
    if (n == 0) {
        try_failed(d, EAFNOSUPPORT);
    } else if (open_socket(d, &address) != ERR_OK ||
               (connect(d->fd, (struct sockaddr *)&address, n) != 0 && errno != EINPROGRESS)) {
        try_failed(d, errno);
    } else {
        timer_start(d->timer, d->each_ms);
        d->watch = watch_new(d->loop, d->fd, false, true, on_writable, d);
    }
}

static void on_timer(void *ctx)
{
    struct dial *d = ctx;
    if (d->fd < 0)
        try_next(d);
    else
        try_failed(d, ETIMEDOUT);
}

struct dial *dial_start(struct loop *l, const struct dial_address *addresses, size_t n, uint64_t each_ms,
    dial_fn fn, void *ctx)
{
    struct dial *d = mem_new(sizeof *d);
    d->loop = l;
    d->count = n < DIAL_ADDRESSES_MAX ? n : DIAL_ADDRESSES_MAX;
    memcpy(d->addresses, addresses, d->count * sizeof *addresses);
    d->each_ms = each_ms;
    d->fd = -1;
    d->why = "there is no address to connect to";
    d->fn = fn;
    d->ctx = ctx;
    d->timer = timer_new(l, on_timer, d);
    timer_start(d->timer, 0);
    return d;
}
