/* The auth role as a process: what it opens, its channels, and who may send it what. */
#include "storage/auth_role.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "storage/auth_internal.h"

#define SWEEP_MS 30000

struct auth_peer *auth_find_peer(struct auth *a, enum role role, uint32_t instance)
{
    for (struct auth_peer *p = a->peers; p; p = p->next)
        if (p->role == role && p->instance == instance)
            return p;
    return NULL;
}

struct auth_peer *auth_find_retrieval(struct auth *a, uint64_t account)
{
    for (struct auth_peer *p = a->peers; p; p = p->next)
        if (p->role == ROLE_RETRIEVAL && p->account == account)
            return p;
    return NULL;
}

void auth_send(struct auth_peer *to, uint16_t type, const struct buf *body, const int *fds, size_t nfds)
{
    enum err e = channel_send(to->channel, type, buf_slice(body), fds, nfds);
    if (e && e != ERR_CLOSED)
        log_event(LOG_ERROR, "message-not-sent", LF_U("type", type), LF("reason", err_text(e)));
}

static void tell_scram(struct auth_peer *to)
{
    struct buf body;
    if (to->role != ROLE_SMTP && to->role != ROLE_DOOR)
        return;
    buf_init(&body, 8);
    wire_put_u8(&body, to->auth->is_scram_of_use);
    auth_send(to, M_SCRAM_OFFER, &body, NULL, 0);
    buf_clear(&body);
}

void auth_tell_scram(struct auth *a)
{
    bool is_of_use = credentials_any_scram(a->credentials);
    if (is_of_use == a->is_scram_of_use)
        return;
    a->is_scram_of_use = is_of_use;
    for (struct auth_peer *p = a->peers; p; p = p->next)
        tell_scram(p);
}

/* ---- what comes ---- */

static void peer_free(struct auth_peer *p);

/* Session 0: a retrieval process without sessions asks whether one is on the way to it. If not, its
 * channel is closed, upon which it ends. */
static void leave_message(struct auth *a, struct auth_peer *from)
{
    if (from->role == ROLE_RETRIEVAL && !auth_session_is_any(a, from) && !auth_login_is_any(a, from))
        peer_free(from);
}

static enum err session_message(struct auth *a, struct auth_peer *from, struct slice body)
{
    struct wire w = wire_of(body);
    uint64_t session = wire_u64(&w);
    if (!wire_done(&w))
        return ERR_SYNTAX;
    if (session)
        auth_session_on_end(a, from, session);
    else
        leave_message(a, from);
    return ERR_OK;
}

static enum err opened_message(struct auth *a, struct slice body)
{
    struct wire w = wire_of(body);
    uint64_t req = wire_u64(&w);
    enum err e = (enum err)wire_u16(&w);
    if (!wire_done(&w) || (unsigned)e >= ERR_COUNT)
        return ERR_SYNTAX;
    if (req)
        auth_login_on_opened(a, req, e);
    else if (e)
        log_event(LOG_WARNING, "session-not-opened-again", LF("reason", err_text(e)));
    return ERR_OK;
}

static enum err peer_message(struct auth *a, struct auth_peer *from, uint16_t type, struct slice body)
{
    if (!message_allowed(from->role, ROLE_AUTH, type))
        return ERR_DENIED;
    switch (type) {
    case M_LOGIN:
        return auth_login_begin(a, from, body);
    case M_SCRAM:
        return auth_login_scram(a, from, body);
    case M_LOGOUT:
    case M_DETACH:
        return session_message(a, from, body);
    case M_HASH_REPLY:
        auth_hash_on_reply(a, from, body);
        return ERR_OK;
    case M_SESSION_OPENED:
        return opened_message(a, body);
    case M_ADMIN_REPLY:
        return auth_admin_on_reply(a, body);
    default:
        return ERR_DENIED;
    }
}

/* ---- peers ---- */

static void peer_free(struct auth_peer *p)
{
    struct auth *a = p->auth;
    struct auth_peer **at = &a->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (a->store == p)
        a->store = NULL;
    auth_hash_on_worker_gone(a, p);
    auth_login_on_peer_gone(a, p);
    if (p->role == ROLE_SMTP || p->role == ROLE_RETRIEVAL)
        auth_session_on_peer_gone(a, p);
    channel_free(p->channel);
    free(p);
}

static void on_closed(void *ctx, struct channel *c)
{
    (void)c;
    peer_free(ctx);
}

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct auth_peer *p = ctx;
    (void)c;
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    enum err e = peer_message(p->auth, p, type, body);
    if (!e)
        return;
    log_event(LOG_ERROR, "message-refused", LF("from", role_name(p->role)), LF_U("type", type),
        LF("reason", err_text(e)));
    peer_free(p);
}

static struct auth_peer *peer_new(struct auth *a, enum role role, uint32_t instance, uint64_t account,
    int fd)
{
    static const struct channel_events events = {.on_message = on_message, .on_closed = on_closed};
    struct auth_peer *old = role == ROLE_STORE ? a->store : auth_find_peer(a, role, instance);
    if (old)
        peer_free(old);
    struct auth_peer *p = mem_new(sizeof *p);
    *p = (struct auth_peer){.auth = a, .role = role, .instance = instance, .account = account};
    p->channel = channel_new(a->role->loop, fd, &events, p);
    p->next = a->peers;
    a->peers = p;
    return p;
}

static void on_channel(struct role_context *c, enum role peer, uint32_t instance, uint64_t account, int fd)
{
    struct auth *a = c->state;
    struct auth_peer *p = peer_new(a, peer, instance, account, fd);
    tell_scram(p);
    if (peer == ROLE_HASH)
        auth_hash_dispatch(a);
    if (peer == ROLE_RETRIEVAL)
        auth_login_on_spawned(a, p);
    if (peer != ROLE_STORE)
        return;
    a->store = p;
    auth_session_on_store(a);
    auth_login_on_store(a);
    auth_admin_on_store(a);
}

static enum err spawned_message(struct role_context *c, struct slice body, const int *fds, size_t nfds)
{
    struct wire w = wire_of(body);
    uint64_t account = wire_u64(&w);
    uint32_t instance = wire_u32(&w);
    if (!wire_done(&w) || nfds > 1)
        return ERR_SYNTAX;
    if (nfds == 0) { /* none could be started */
        auth_login_on_no_retrieval(c->state, account);
        return ERR_OK;
    }
    on_channel(c, ROLE_RETRIEVAL, instance, account, fds[0]);
    return ERR_OK;
}

static void on_control(struct role_context *c, uint16_t type, struct slice body, const int *fds, size_t nfds)
{
    if (type == M_SPAWNED && spawned_message(c, body, fds, nfds) == ERR_OK)
        return;
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    if (type == M_ADMIN)
        auth_admin_begin(c->state, body);
    else
        log_event(LOG_ERROR, "message-refused", LF("from", "supervisor"), LF_U("type", type));
}

/* ---- life ---- */

static void sweep(void *ctx)
{
    struct auth *a = ctx;
    proof_cache_sweep(a->proofs, clock_mono_ms());
    timer_start(a->sweep, SWEEP_MS);
}

static enum err start(struct role_context *c)
{
    struct credentials *credentials;
    enum err e = credentials_open(c->folder, &credentials);
    if (e)
        return e;
    struct auth *a = mem_new(sizeof *a);
    a->role = c;
    a->credentials = credentials;
    a->proofs = proof_cache_new();
    auth_guard_start(a);
    a->is_scram_of_use = credentials_any_scram(credentials);
    a->sweep = timer_new(c->loop, sweep, a);
    timer_start(a->sweep, SWEEP_MS);
    c->state = a;
    return ERR_OK;
}

static void on_stop(struct role_context *c)
{
    struct auth *a = c->state;
    auth_admin_end_all(a);
    auth_login_end_all(a);
    while (a->peers)
        peer_free(a->peers);
    auth_session_clear(a);
    timer_free(a->sweep);
    proof_cache_free(a->proofs);
    auth_guard_stop(a);
    credentials_close(a->credentials);
    free(a);
    c->state = NULL;
    role_stop(c);
}

const struct role_ops auth_role_ops = {
    .role = ROLE_AUTH,
    .sandbox_rights = SANDBOX_FILES_READ | SANDBOX_FILES_WRITE,
    .start = start,
    .on_channel = on_channel,
    .on_control = on_control,
    .on_stop = on_stop,
};
