/* The process of the `door` role: listeners, TLS, the channel to auth, the end. */
#include "retrieval/door_role.h"

#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "retrieval/door.h"
#include "storage/front.h"

/* Without usable certificates the old context goes on; without any there is no TLS. */
static void take_context(const struct role_context *role, const char *alpn, struct tls_context **context)
{
    struct tls_certificate certificates[ROLE_CERTIFICATES_MAX];
    struct tls_context *tls = NULL;
    for (size_t i = 0; i < role->certificate_count; i++)
        certificates[i] = (struct tls_certificate){buf_slice(&role->certificates[i].chain_pem),
            buf_slice(&role->certificates[i].key_pem)};
    enum err e = role->certificate_count ? tls_context_new(certificates, role->certificate_count, alpn, &tls)
                                         : ERR_NOT_FOUND;
    if (e) {
        log_event(LOG_WARNING, "no-certificate", LF("err", err_text(e)));
        return;
    }
    if (*context)
        tls_context_release(*context);
    *context = tls;
}

static void take_certificates(struct door *door)
{
    take_context(door->role, "imap", &door->imap_tls);
    take_context(door->role, "pop3", &door->pop3_tls);
}

static void on_certificates(struct role_context *c)
{
    take_certificates(c->state);
}

static void on_peer(void *ctx, int fd, const char *peer)
{
    door_session_start(ctx, fd, peer);
}

static void on_accept(void *ctx, int fd)
{
    struct door_listener *l = ctx;
    if (front_tells_peer(l->door->role->settings, l->name, fd))
        proxy_gate_take(l->door->gate, fd, on_peer, l);
    else
        on_peer(l, fd, "");
}

static void open_listeners(struct door *door)
{
    static const struct {
        const char *name;
        enum login_protocol protocol;
        bool is_implicit_tls;
    } kinds[] = {
        {"imap", LOGIN_IMAP, false},
        {"imaps", LOGIN_IMAP, true},
        {"pop3", LOGIN_POP3, false},
        {"pop3s", LOGIN_POP3, true},
    };
    struct role_context *role = door->role;
    for (size_t i = 0; i < role->listener_count; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            if (strcmp(role->listeners[i].name, kinds[k].name) != 0 || door->listener_count == DOOR_LISTENERS_MAX)
                continue;
            struct door_listener *l = &door->listeners[door->listener_count++];
            l->door = door;
            l->name = kinds[k].name;
            l->protocol = kinds[k].protocol;
            l->is_implicit_tls = kinds[k].is_implicit_tls;
            l->listener = listener_new(door->loop, role->listeners[i].fd, on_accept, l);
        }
    }
}

static enum err start(struct role_context *c)
{
    struct door *door = mem_new(sizeof *door);
    c->state = door;
    door->role = c;
    door->loop = c->loop;
    door->auth = auth_client_new(c->loop);
    door->last_id = random_u64() >> 16;
    take_certificates(door);
    door->gate = proxy_gate_new(c->loop);
    open_listeners(door);
    return ERR_OK;
}

static void on_channel(struct role_context *c, enum role peer, uint32_t instance, uint64_t account, int fd)
{
    struct door *door = c->state;
    (void)instance;
    (void)account;
    if (peer == ROLE_AUTH)
        auth_client_attach(door->auth, fd);
    else
        close(fd);
}

static void stop_now(void *ctx)
{
    struct door *door = ctx;
    role_stop(door->role);
}

static void on_stop(struct role_context *c)
{
    struct door *door = c->state;
    if (door->is_stopping)
        return;
    door->is_stopping = true;
    for (size_t i = 0; i < door->listener_count; i++)
        listener_free(door->listeners[i].listener);
    door->listener_count = 0;
    proxy_gate_free(door->gate);
    door->gate = NULL;
    for (struct door_session *s = door->sessions; s; s = s->next)
        door_session_stop(s);
    timer_start(timer_new(door->loop, stop_now, door), DOOR_STOP_MS);
    door_session_gone(door);
}

void door_session_gone(struct door *door)
{
    if (door->is_stopping && door->session_count == 0)
        role_stop(door->role);
}

const struct role_ops door_role_ops = {
    .role = ROLE_DOOR,
    .sandbox_rights = SANDBOX_ACCEPT,
    .start = start,
    .on_channel = on_channel,
    .on_certificates = on_certificates,
    .on_stop = on_stop,
};
