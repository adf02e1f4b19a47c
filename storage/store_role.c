/* The store's process: peers, sessions, and the dispatch of requests. Every request is checked here:
 * may this role send it (messages.h), is its session open for this very process, does the session's
 * scope allow it. What a request does is in store_*.c. */
#include "storage/store_role.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "storage/store.h"
#include "storage/store_queue.h"
#include "storage/store_sql.h"

#define SWEEP_EVERY_MS 1000
#define SESSIONS_MAX 100000

enum request_flag {
    REQUEST_CHANGE = 1,    /* carries rid; runs in the turn's transaction */
    REQUEST_SESSION = 2,   /* carries a session that must be this peer's */
    REQUEST_ADDS = 4       /* needs room that a full disk does not have */
};

struct request_type {
    enum err (*run)(struct store *s, struct store_work *w);
    unsigned flags;
    uint8_t scopes;        /* one of these is needed */
};

static const struct request_type *request_type(uint16_t type)
{
    static const struct request_type table[M_TYPE_MAX] = {
        [M_LOOKUP] = {store_do_lookup, 0, 0},
        [M_DONE] = {store_do_done, 0, 0},
        [M_MAY_SEND_AS] = {store_do_may_send_as, REQUEST_SESSION, SCOPE_SMTP},
        [M_DELIVER] = {store_do_deliver, REQUEST_CHANGE | REQUEST_ADDS, 0},
        [M_APPEND] = {store_do_append, REQUEST_CHANGE | REQUEST_SESSION | REQUEST_ADDS, SCOPE_IMAP},
        [M_APPEND_HELD] = {store_do_append_held, REQUEST_CHANGE | REQUEST_SESSION | REQUEST_ADDS, SCOPE_IMAP},
        [M_FLAGS] = {store_do_flags, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP | SCOPE_POP3},
        [M_EXPUNGE] = {store_do_expunge, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP | SCOPE_POP3},
        [M_COPY] = {store_do_copy, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP | SCOPE_POP3},
        [M_MAILBOX_CREATE] = {store_do_mailbox_create, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP},
        [M_MAILBOX_RENAME] = {store_do_mailbox_rename, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP},
        [M_MAILBOX_DELETE] = {store_do_mailbox_delete, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP},
        [M_SUBSCRIBE] = {store_do_subscribe, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP},
        [M_CLAIM_RECENT] = {store_do_claim_recent, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP},
        [M_KEYWORD] = {store_do_keyword, REQUEST_CHANGE | REQUEST_SESSION, SCOPE_IMAP},
        [M_ADOPT] = {store_do_adopt, REQUEST_CHANGE | REQUEST_SESSION | REQUEST_ADDS, SCOPE_IMAP | SCOPE_POP3},
        [M_RELAY_RESULT] = {store_do_relay_result, REQUEST_CHANGE, 0},
        [M_SUMMARY] = {store_do_summary, REQUEST_CHANGE | REQUEST_SESSION | REQUEST_ADDS, SCOPE_IMAP | SCOPE_POP3},
        [M_LISTING] = {store_do_listing, REQUEST_CHANGE | REQUEST_SESSION | REQUEST_ADDS, SCOPE_IMAP},
        [M_SEARCH] = {store_do_search, REQUEST_CHANGE | REQUEST_SESSION | REQUEST_ADDS, SCOPE_IMAP},
    };
    return type < M_TYPE_MAX && table[type].run ? &table[type] : NULL;
}

/* The session that the request names, if it is open for this very process. */
const struct store_session *store_session_find(const struct store *s, const struct store_peer *p, uint64_t id)
{
    const struct store_session *session = idmap_find(&s->sessions, id);
    if (!session || session->role != p->role || session->instance != p->instance)
        return NULL;
    return session;
}

static void work_free(struct store_work *w)
{
    store_reply_clear(&w->reply);
    free(w->ranges);
    free(w->failed);
    free(w);
}

static void work_finish(struct store *s, struct store_work *w, enum err e, bool is_change)
{
    w->reply.err = e;
    if (is_change && !e) {
        struct buf record;
        buf_init(&record, 4 * CHANNEL_MESSAGE_MAX);
        store_reply_encode(0, &w->reply, &record);
        struct stmt *q = db_use(s->mail, SQL_REQUEST_INSERT);
        stmt_bind_blob(q, "rid", slice_of(w->rid, sizeof w->rid));
        stmt_bind_int(q, "now", clock_wall());
        stmt_bind_blob(q, "result", buf_slice(&record));
        enum err f = stmt_run(q);
        if (f)
            s->turn_error = f;
        buf_clear(&record);
    }
    if (w->peer)
        store_queue_reply(s, w->peer, w->req, &w->reply, is_change);
    work_free(w);
}

/* Runs one slice behind a savepoint. */
static enum err run_change(struct store *s, const struct request_type *type, struct store_work *w)
{
    enum err e = store_begin(s);
    if (!e)
        e = stmt_run(db_use(s->mail, SQL_SAVEPOINT));
    if (e)
        return e;
    enum err result = type->run(s, w);
    if (result && result != ERR_AGAIN)
        e = stmt_run(db_use(s->mail, SQL_ROLLBACK_TO));
    if (!e)
        e = stmt_run(db_use(s->mail, SQL_RELEASE));
    if (e)
        s->turn_error = result == ERR_DISK_FULL ? ERR_DISK_FULL : e; /* SQLite rolled all of it back */
    return result ? result : e;
}

static void work_later(struct store *s, struct store_work *w)
{
    w->next = NULL;
    w->is_resumed = true;
    *s->works_last = w;
    s->works_last = &w->next;
    s->work_count++;
    loop_again(s->loop);
}

static void work_run(struct store *s, struct store_work *w)
{
    const struct request_type *type = request_type(w->type);
    bool is_change = type->flags & REQUEST_CHANGE;
    enum err e = is_change ? run_change(s, type, w) : type->run(s, w);
    if (e == ERR_AGAIN && is_change && !s->turn_error)
        work_later(s, w);
    else
        work_finish(s, w, e, is_change);
}

static void run_works(struct store *s)
{
    struct store_work *w = s->works_first;
    s->works_first = NULL;
    s->works_last = &s->works_first;
    s->work_count = 0;
    while (w) {
        struct store_work *next = w->next;
        w->body = wire_of(SLICE_EMPTY);
        work_run(s, w);
        w = next;
    }
}

static void cut_off(struct store_peer *p, const char *reason)
{
    log_event(LOG_ERROR, "peer-cut-off", LF("role", role_name(p->role)), LF_U("instance", p->instance),
        LF("reason", reason));
    p->is_closed = true;
    channel_free(p->channel);
    p->channel = NULL;
}

static void on_request(struct store *s, struct store_peer *p, uint16_t type, struct slice body)
{
    const struct request_type *t = request_type(type);
    struct store_work *w = mem_new(sizeof *w);
    struct wire in = wire_of(body);
    w->peer = p;
    w->type = type;
    w->req = wire_u64(&in);
    if (t->flags & REQUEST_CHANGE)
        wire_copy(&in, w->rid, sizeof w->rid);
    enum err e = ERR_OK;
    if (t->flags & REQUEST_SESSION) {
        const struct store_session *session = store_session_find(s, p, wire_u64(&in));
        if (session && session->scopes & t->scopes)
            w->account = session->account;
        else
            e = ERR_DENIED;
    }
    if (!e && t->flags & REQUEST_ADDS && s->room_needed)
        e = ERR_DISK_FULL;
    if (in.failed) {
        work_free(w);
        cut_off(p, "malformed request");
        return;
    }
    w->body = in;
    if (e || s->work_count >= STORE_WORKS_MAX)
        work_finish(s, w, e ? e : ERR_BUSY, false);
    else
        work_run(s, w);
}

static void on_session_open(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    struct buf out;
    struct store_session *session = mem_new(sizeof *session);
    uint64_t req = wire_u64(&in);
    session->id = wire_u64(&in);
    session->role = wire_u8(&in);
    session->instance = wire_u32(&in);
    session->account = wire_u64(&in);
    session->scopes = wire_u8(&in);
    enum err e = wire_done(&in) && !idmap_find(&s->sessions, session->id) ? ERR_OK : ERR_SYNTAX;
    if (!e && s->sessions.count >= SESSIONS_MAX)
        e = ERR_LIMIT;
    if (!e) {
        struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ID);
        stmt_bind_int(q, "id", (int64_t)session->account);
        e = stmt_step(q);
        if (!e && stmt_int(q, 1) != 0)
            e = ERR_DISABLED;
        stmt_reset(q);
    }
    if (e)
        free(session);
    else
        idmap_put(&s->sessions, session->id, session);
    buf_init(&out, 64);
    wire_put_u64(&out, req);
    wire_put_u16(&out, (uint16_t)e);
    if (channel_send(p->channel, M_SESSION_OPENED, buf_slice(&out), NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "reply-not-sent", LF("to", "auth"));
    buf_clear(&out);
}

static void on_session_close(struct store *s, struct slice body)
{
    struct wire in = wire_of(body);
    uint64_t id = wire_u64(&in);
    if (wire_done(&in))
        free(idmap_remove(&s->sessions, id));
}

static void on_admin(struct store *s, struct store_peer *p, struct slice body)
{
    struct admin_request request;
    if (admin_request_decode(body, &request) != ERR_OK) {
        log_event(LOG_ERROR, "malformed-admin-request");
        return;
    }
    struct store_admin a = {.store = s, .request = &request, .from_auth = p != NULL};
    buf_init(&a.text, CHANNEL_MESSAGE_MAX / 2);
    buf_init(&a.json, CHANNEL_MESSAGE_MAX / 2);
    enum err e = store_begin(s);
    if (!e)
        e = stmt_run(db_use(s->mail, SQL_SAVEPOINT));
    if (!e) {
        e = store_admin_run(&a);
        enum err f = e ? stmt_run(db_use(s->mail, SQL_ROLLBACK_TO)) : ERR_OK;
        if (!f)
            f = stmt_run(db_use(s->mail, SQL_RELEASE));
        if (f)
            s->turn_error = f;
    }
    if (!buf_ok(&a.text) || !buf_ok(&a.json))
        e = ERR_TOO_BIG;
    store_queue_admin_reply(s, p, request.req, e, buf_slice(&a.text), buf_slice(&a.json));
    buf_clear(&a.text);
    buf_clear(&a.json);
}

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct store_peer *p = ctx;
    struct store *s = p->store;
    (void)c;
    (void)fds;
    if (nfds > 0 || !message_allowed(p->role, ROLE_STORE, type)) {
        cut_off(p, "sent what its role may not");
        return;
    }
    if (request_type(type))
        on_request(s, p, type, body);
    else if (type == M_STAGE)
        store_on_stage(s, p, body);
    else if (type == M_STAGE_TARGETS)
        store_on_stage_targets(s, p, body);
    else if (type == M_STAGE_RECIPIENTS)
        store_on_stage_recipients(s, p, body);
    else if (type == M_APPEND_HOLD)
        store_on_append_hold(s, p, body);
    else if (type == M_RELAY_WANT)
        store_on_relay_want(s, p, body);
    else if (type == M_RELAY_FETCH)
        store_on_relay_fetch(s, p, body);
    else if (type == M_STAGE_DROP)
        store_on_stage_drop(s, p, body);
    else if (type == M_SESSION_OPEN)
        on_session_open(s, p, body);
    else if (type == M_SESSION_CLOSE)
        on_session_close(s, body);
    else if (type == M_ADMIN)
        on_admin(s, p, body);
}

struct forget {
    struct store *store;
    const struct store_peer *peer;
};

static void forget_session(void *ctx, uint64_t id, void *value)
{
    struct forget *f = ctx;
    struct store_session *session = value;
    /* Sessions of auth's making die with auth's word, not with its channel: they live on. */
    if (session->role == f->peer->role && session->instance == f->peer->instance)
        free(idmap_remove(&f->store->sessions, id));
}

/* Locks, leases and half-written letters die with the role that held them. */
static void peer_free(struct store *s, struct store_peer *p)
{
    struct forget f = {s, p};
    idmap_each(&s->sessions, forget_session, &f);
    for (struct store_work *w = s->works_first; w; w = w->next)
        if (w->peer == p)
            w->peer = NULL;
    for (size_t i = 0; i < s->reply_count;) {
        if (s->replies[i].peer == p) {
            buf_clear(&s->replies[i].body);
            s->replies[i] = s->replies[--s->reply_count];
        } else {
            i++;
        }
    }
    while (p->stages)
        store_stage_end(s, p, p->stages);
    for (struct store_peer **at = &s->peers; *at; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    store_queue_forget_relay(s, p);
    if (p->channel)
        channel_free(p->channel);
    free(p);
}

static void on_closed(void *ctx, struct channel *c)
{
    struct store_peer *p = ctx;
    (void)c;
    peer_free(p->store, p);
}

/* There is room for more work again. */
static void on_drained(void *ctx, struct channel *c)
{
    struct store_peer *p = ctx;
    (void)c;
    if (p->role != ROLE_RELAY)
        return;
    store_queue_tick(p->store);
    loop_again(p->store->loop);
}

static void on_channel(struct role_context *role, enum role peer, uint32_t instance, uint64_t account, int fd)
{
    static const struct channel_events events = {.on_message = on_message, .on_drained = on_drained,
        .on_closed = on_closed};
    struct store *s = role->state;
    struct store_peer *p = mem_new(sizeof *p);
    p->store = s;
    p->role = peer;
    p->instance = instance;
    p->account = account;
    p->next = s->peers;
    p->channel = channel_new(s->loop, fd, &events, p);
    s->peers = p;
}

static void on_turn_end(void *ctx)
{
    struct store *s = ctx;
    run_works(s);
    if (s->sweep_due) {
        s->sweep_due = store_sweep(s);
        if (s->sweep_due)
            loop_again(s->loop);
    }
    store_end_turn(s);
    for (struct store_peer *p = s->peers, *next; p; p = next) {
        next = p->next;
        if (p->is_closed)
            peer_free(s, p);
    }
    if (s->is_stopping) {
        /* No turn comes after this one: what follows would find no databases. */
        loop_on_turn_end(s->loop, NULL, NULL);
        store_close(s);
        role_stop(s->role);
    }
}

static void on_sweep_timer(void *ctx)
{
    struct store *s = ctx;
    s->sweep_due = true;
    store_checkpoint_idle(s);
    store_queue_tick(s);
    store_room_check(s);
    timer_start(s->sweep_timer, SWEEP_EVERY_MS);
}

static enum err start(struct role_context *role)
{
    struct store *s = mem_new(sizeof *s);
    s->role = role;
    s->loop = role->loop;
    s->works_last = &s->works_first;
    role->state = s;
    enum err e = store_open(s, role->folder);
    if (e)
        return e;
    loop_on_turn_end(s->loop, on_turn_end, s);
    s->sweep_timer = timer_new(s->loop, on_sweep_timer, s);
    timer_start(s->sweep_timer, SWEEP_EVERY_MS);
    return ERR_OK;
}

static void on_control(struct role_context *role, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct store *s = role->state;
    (void)fds;
    (void)nfds;
    if (type == M_ADMIN)
        on_admin(s, NULL, body);
    else if (type == M_SNAPSHOT)
        s->settings_changed = true; /* the turn's end sends it */
}

static void on_stop(struct role_context *role)
{
    struct store *s = role->state;
    /* What else this turn holds is still done; the databases close at its end. */
    s->is_stopping = true;
    loop_again(s->loop);
}

const struct role_ops store_role_ops = {
    .role = ROLE_STORE,
    .sandbox_rights = SANDBOX_FILES_READ | SANDBOX_FILES_WRITE,
    .start = start,
    .on_channel = on_channel,
    .on_control = on_control,
    .on_stop = on_stop,
};
