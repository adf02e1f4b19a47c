/* Sessions that auth opened: the table from which the store is told who acts for whom, also after it was
 * restarted, and from which sessions are ended when their credential goes. */
#include "base/log.h"
#include "storage/auth_internal.h"

void auth_session_put(struct auth *a, const struct auth_session *s)
{
    struct auth_session *copy = mem_new(sizeof *copy);
    *copy = *s;
    idmap_put(&a->sessions, s->id, copy);
}

bool auth_session_open(struct auth *a, uint64_t req, const struct auth_session *s)
{
    struct buf body;
    if (!a->store)
        return false;
    buf_init(&body, 64);
    wire_put_u64(&body, req);
    wire_put_u64(&body, s->id);
    wire_put_u8(&body, (uint8_t)s->role);
    wire_put_u32(&body, s->instance);
    wire_put_u64(&body, s->account);
    wire_put_u8(&body, s->scopes);
    auth_send(a->store, M_SESSION_OPEN, &body, NULL, 0);
    buf_clear(&body);
    return true;
}

static void tell_session(struct auth_peer *to, uint16_t type, uint64_t id)
{
    struct buf body;
    if (!to)
        return;
    buf_init(&body, 16);
    wire_put_u64(&body, id);
    auth_send(to, type, &body, NULL, 0);
    buf_clear(&body);
}

static void drop(struct auth *a, struct auth_session *s)
{
    tell_session(a->store, M_SESSION_CLOSE, s->id);
    idmap_remove(&a->sessions, s->id);
    free(s);
}

void auth_session_on_end(struct auth *a, struct auth_peer *from, uint64_t id)
{
    struct auth_session *s = idmap_find(&a->sessions, id);
    if (s && (s->role != from->role || s->instance != from->instance)) {
        log_event(LOG_ERROR, "foreign-session", LF("role", role_name(from->role)), LF_X("session", id));
        return;
    }
    /* One from before auth was restarted is unknown here; the store knows it. */
    if (!s)
        tell_session(a->store, M_SESSION_CLOSE, id);
    else
        drop(a, s);
}

struct gone {
    struct auth *auth;
    const struct auth_peer *peer;
    uint64_t account;
    int64_t credential;
};

static void drop_of_peer(void *ctx, uint64_t id, void *value)
{
    struct gone *g = ctx;
    struct auth_session *s = value;
    (void)id;
    if (s->role == g->peer->role && s->instance == g->peer->instance)
        drop(g->auth, s);
}

void auth_session_on_peer_gone(struct auth *a, const struct auth_peer *peer)
{
    struct gone g = {.auth = a, .peer = peer};
    idmap_each(&a->sessions, drop_of_peer, &g);
}

struct any {
    const struct auth_peer *peer;
    bool found;
};

static void look_at(void *ctx, uint64_t id, void *value)
{
    struct any *any = ctx;
    const struct auth_session *s = value;
    (void)id;
    any->found = any->found || (s->role == any->peer->role && s->instance == any->peer->instance);
}

bool auth_session_is_any(struct auth *a, const struct auth_peer *peer)
{
    struct any any = {.peer = peer};
    idmap_each(&a->sessions, look_at, &any);
    return any.found;
}

static void open_again(void *ctx, uint64_t id, void *value)
{
    (void)id;
    auth_session_open(ctx, 0, value);
}

void auth_session_on_store(struct auth *a)
{
    idmap_each(&a->sessions, open_again, a);
}

static void revoke_one(void *ctx, uint64_t id, void *value)
{
    struct gone *g = ctx;
    struct auth_session *s = value;
    if (s->account != g->account || (g->credential && s->credential != g->credential))
        return;
    if (s->role == ROLE_RETRIEVAL)
        tell_session(auth_find_peer(g->auth, ROLE_RETRIEVAL, s->instance), M_DETACH, id);
    drop(g->auth, s);
}

void auth_session_revoke(struct auth *a, uint64_t account, int64_t credential)
{
    struct gone g = {.auth = a, .account = account, .credential = credential};
    idmap_each(&a->sessions, revoke_one, &g);
}

static void free_one(void *ctx, uint64_t id, void *value)
{
    struct auth *a = ctx;
    idmap_remove(&a->sessions, id);
    free(value);
}

void auth_session_clear(struct auth *a)
{
    idmap_each(&a->sessions, free_one, a);
    idmap_clear(&a->sessions);
}
