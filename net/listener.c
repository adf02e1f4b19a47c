/* Listening sockets: binding (the supervisor) and accepting (the roles); see listener.h. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "net/loop_internal.h"

struct listener {
    int fd; /* owned */
    void (*on_accept)(void *ctx, int fd);
    void *ctx;
    struct event ready;
    struct event room; /* tries again after descriptors ran out */
    bool paused;       /* by the owner */
    bool full;         /* no descriptor was to be had */
    bool warned;
    bool busy;         /* on_accept is on the stack */
    bool freed;
};

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void set_v6(union any_address *a, socklen_t *n, const struct in6_addr *host, uint16_t port)
{
    a->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *host};
    *n = sizeof a->v6;
}

static void set_v4(union any_address *a, socklen_t *n, struct in_addr host, uint16_t port)
{
    a->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = host};
    *n = sizeof a->v4;
}

static enum err parse_address(struct slice text, union any_address *a, socklen_t *n, bool *out_any)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;
    uint64_t port;
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !slice_to_u64(slice_from(text, colon), 65535, &port))
        return ERR_SYNTAX;
    struct slice h = slice_sub(text, 0, colon - 1);
    *out_any = slice_equal(h, SLICE("*"));
    bool bracketed = h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']';
    if (bracketed)
        h = slice_sub(h, 1, h.n - 2);
    if (h.n >= sizeof host)
        return ERR_SYNTAX;
    snprintf(host, sizeof host, "%.*s", SLICE_FMT(h));
    if (*out_any)
        set_v6(a, n, &in6addr_any, (uint16_t)port);
    else if (bracketed && inet_pton(AF_INET6, host, &v6) == 1)
        set_v6(a, n, &v6, (uint16_t)port);
    else if (!bracketed && inet_pton(AF_INET, host, &v4) == 1)
        set_v4(a, n, v4, (uint16_t)port);
    else
        return ERR_SYNTAX;
    return ERR_OK;
}

static enum err bind_error(int system_errno)
{
    if (system_errno == EADDRINUSE)
        return ERR_BUSY;
    return system_errno == EACCES || system_errno == EPERM ? ERR_DENIED : ERR_IO;
}

static enum err open_socket(const union any_address *a, socklen_t n, bool dual, int *out_fd)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int only_v6 = !dual;
    if (fd < 0)
        return errno == EAFNOSUPPORT ? ERR_UNSUPPORTED : ERR_IO;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (good && a->any.sa_family == AF_INET6)
        good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6) == 0;
    if (good && bind(fd, &a->any, n) == 0 && listen(fd, SOMAXCONN) == 0) {
        *out_fd = fd;
        return ERR_OK;
    }
    enum err e = errno == EADDRNOTAVAIL && dual ? ERR_UNSUPPORTED : bind_error(errno);
    close(fd);
    return e;
}

enum err listener_bind(const char *address, int *out_fd)
{
    union any_address a;
    socklen_t n;
    bool any;
    enum err e = parse_address(slice_str(address), &a, &n, &any);
    if (e)
        return e;
    e = open_socket(&a, n, any, out_fd);
    if (e == ERR_UNSUPPORTED && any) { /* a kernel without IPv6 */
        uint16_t port = ntohs(a.v6.sin6_port);
        set_v4(&a, &n, (struct in_addr){INADDR_ANY}, port);
        e = open_socket(&a, n, false, out_fd);
    }
    return e == ERR_UNSUPPORTED ? ERR_IO : e;
}

static enum err remove_old_socket(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    if (!S_ISSOCK(st.st_mode))
        return ERR_EXISTS;
    return unlink(path) == 0 ? ERR_OK : err_from_errno(errno);
}

enum err listener_bind_unix(const char *path, int type, unsigned mode, int *out_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct slice name = slice_str(path);
    if (name.n == 0 || name.n >= sizeof a.sun_path)
        return ERR_SYNTAX;
    memcpy(a.sun_path, name.p, name.n);
    enum err e = remove_old_socket(path);
    if (e)
        return e;
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    /* The mode is set before the name exists, so that there is no moment when others may connect;
     * umask may have taken bits away, which the second call gives back. */
    if (fchmod(fd, mode) == 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
        chmod(path, mode) == 0 && listen(fd, SOMAXCONN) == 0) {
        *out_fd = fd;
        return ERR_OK;
    }
    e = bind_error(errno);
    close(fd);
    return e;
}

static void arm(struct listener *s)
{
    if (s->paused || s->full)
        event_del(&s->ready);
    else
        loop_event_add(&s->ready);
}

static void on_room(evutil_socket_t fd, short what, void *ctx)
{
    struct listener *s = ctx;
    (void)fd;
    (void)what;
    s->full = false;
    arm(s);
}

/* ERR_OK: try again; ERR_AGAIN: nobody waits; ERR_LIMIT: not now, errno says why. */
static enum err accept_one(struct listener *s)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        s->on_accept(s->ctx, fd);
        return ERR_OK;
    }
    if (errno == EAGAIN)
        return ERR_AGAIN;
    return errno == EINTR || errno == ECONNABORTED ? ERR_OK : ERR_LIMIT;
}

/* Mostly EMFILE, ENFILE, ENOBUFS or ENOMEM; the others would make us spin as well. */
static void pause_for_room(struct listener *s, int system_errno)
{
    if (!s->warned)
        log_event(LOG_WARNING, "accept-paused", LF("why", strerror(system_errno)), LF("meaning",
            "new connections wait; when descriptors run out, raise LimitNOFILE"));
    s->warned = true;
    s->full = true;
    arm(s);
    loop_event_add_ms(&s->room, LISTENER_PAUSE_MS);
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct listener *s = ctx;
    enum err e = ERR_OK;
    (void)fd;
    (void)what;
    s->busy = true;
    for (int i = 0; i < LISTENER_BATCH && e == ERR_OK && !s->freed && !s->paused; i++)
        e = accept_one(s);
    s->busy = false;
    if (s->freed)
        free(s);
    else if (e == ERR_LIMIT)
        pause_for_room(s, errno);
}

struct listener *listener_new(struct loop *l, int fd, void (*on_accept)(void *ctx, int fd), void *ctx)
{
    struct listener *s = mem_new(sizeof *s);
    s->fd = fd;
    s->on_accept = on_accept;
    s->ctx = ctx;
    ENSURE(event_assign(&s->ready, loop_base(l), fd, EV_READ | EV_PERSIST, on_ready, s) == 0);
    ENSURE(event_assign(&s->room, loop_base(l), -1, 0, on_room, s) == 0);
    arm(s);
    return s;
}

void listener_pause(struct listener *s)
{
    s->paused = true;
    arm(s);
}

void listener_resume(struct listener *s)
{
    s->paused = false;
    arm(s);
}

void listener_free(struct listener *s)
{
    if (!s || s->freed)
        return;
    event_del(&s->ready);
    event_del(&s->room);
    close(s->fd);
    if (s->busy)
        s->freed = true;
    else
        free(s);
}
