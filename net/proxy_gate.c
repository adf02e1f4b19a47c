/* See proxy_gate.h. */
#include "net/proxy_gate.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "net/loop_internal.h"
#include "net/peer.h"
#include "net/proxy_header.h"

struct waiting {
    struct proxy_gate *gate;
    struct waiting *next, **link;
    int fd; /* owned */
    struct event ready;
    struct event late;
    proxy_fn fn;
    void *ctx;
};

struct proxy_gate {
    struct loop *loop;
    struct waiting *first;
    size_t count;
};

/* The descriptor is the caller's. */
static void forget(struct waiting *w)
{
    event_del(&w->ready);
    event_del(&w->late);
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->gate->count--;
    free(w);
}

static void refuse(int fd, const char *why)
{
    char front[INET6_ADDRSTRLEN];
    peer_of_socket(fd, front);
    log_event(LOG_WARNING, "proxy-refused", LF("front", front), LF("why", why));
    close(fd);
}

static void drop(struct waiting *w, const char *why)
{
    int fd = w->fd;
    forget(w);
    refuse(fd, why);
}

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    drop(ctx, "no PROXY header came in time");
}

static void hand_over(struct waiting *w, const struct proxy_header *h)
{
    uint8_t header[PROXY_HEADER_MAX];
    struct waiting copy = *w;
    /* All of it is there: it was looked at. */
    if (recv(w->fd, header, h->n, 0) != (ssize_t)h->n) {
        drop(w, "the connection broke");
        return;
    }
    forget(w);
    copy.fn(copy.ctx, copy.fd, h->peer);
}

/* Edge-triggered, so that half a header does not keep the loop awake. */
static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct waiting *w = ctx;
    uint8_t bytes[PROXY_HEADER_MAX];
    struct proxy_header h;
    (void)what;
    ssize_t n = recv((int)fd, bytes, sizeof bytes, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(w, "the connection ended before its PROXY header");
        return;
    }
    enum err e = proxy_header_parse(slice_of(bytes, (size_t)n), &h);
    if (e == ERR_OK)
        hand_over(w, &h);
    else if (e != ERR_AGAIN)
        drop(w, e == ERR_TOO_BIG ? "the PROXY header is too long" : "no PROXY header, though the setting proxy.networks names the peer");
}

struct proxy_gate *proxy_gate_new(struct loop *l)
{
    struct proxy_gate *g = mem_new(sizeof *g);
    g->loop = l;
    return g;
}

void proxy_gate_free(struct proxy_gate *g)
{
    while (g && g->first) {
        close(g->first->fd);
        forget(g->first);
    }
    free(g);
}

void proxy_gate_take(struct proxy_gate *g, int fd, proxy_fn fn, void *ctx)
{
    if (g->count == PROXY_WAITING_MAX) {
        refuse(fd, "too many connections wait for their PROXY header");
        return;
    }
    struct waiting *w = mem_new(sizeof *w);
    *w = (struct waiting){.gate = g, .next = g->first, .link = &g->first, .fd = fd, .fn = fn, .ctx = ctx};
    if (w->next)
        w->next->link = &w->next;
    g->first = w;
    g->count++;
    ENSURE(event_assign(&w->ready, loop_base(g->loop), fd, EV_READ | EV_PERSIST | EV_ET, on_ready, w) == 0);
    ENSURE(event_assign(&w->late, loop_base(g->loop), -1, 0, on_late, w) == 0);
    loop_event_add(&w->ready);
    loop_event_add_ms(&w->late, PROXY_WAIT_MS);
}
