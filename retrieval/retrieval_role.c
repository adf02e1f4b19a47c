/* The process of the `retrieval` role: one account's sessions, their keys, the reader and the store's
 * rings. Timeline: auth attaches sessions → keys come with the first → adoption runs in the background →
 * the last session ends, keys are wiped → RETRIEVAL_LINGER_MS without a new one → auth is asked whether
 * none is on the way, and closes the channel if so → the process ends. */
#include "retrieval/retrieval_role.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "message/decode.h"
#include "retrieval/imap/search_indexer.h"
#include "retrieval/session.h"

#define RETRIEVAL_LINGER_MS 5000
#define RETRIEVAL_STOP_MS 3000
#define ADOPTIONS_PER_STEP 100
#define ADOPT_FIRST_MS 500
#define ADOPT_NEXT_MS 20
/* Mail that comes in goes before its adoption, which costs the store as many pages as the mail itself when done
 * letter by letter, and a fraction of them a hundred at a time. */
#define ADOPT_QUIET_MS 1000
#define ADOPT_LATEST_MS 30000
#define SESSIONS_MAX 5000

/* ---- sessions ---- */

void retrieval_session_busy(struct retrieval_session *s)
{
    s->retrieval->last_turn_ms = clock_mono_us() / 1000;
}

void retrieval_session_again(struct retrieval_session *s)
{
    s->wants_turn = true;
    timer_start(s->retrieval->turn, 0);
}

void retrieval_session_end(struct retrieval_session *s)
{
    s->has_ended = true;
    timer_start(s->retrieval->turn, 0);
}

static void wipe_keys(struct retrieval *r)
{
    search_indexer_stop(r->indexer);
    reader_set_keys(r->reader, NULL);
    if (r->keys)
        secret_free(r->keys, sizeof *r->keys);
    r->keys = NULL;
    timer_stop(r->adopt);
}

static void tell_auth(struct retrieval *r, uint64_t session)
{
    struct buf body;
    if (!r->auth)
        return;
    buf_init(&body, 16);
    wire_put_u64(&body, session);
    if (channel_send(r->auth, M_DETACH, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_DEBUG, "detach-not-sent", LF_X("session", session));
    buf_clear(&body);
}

static void remove_session(struct retrieval *r, struct retrieval_session *s)
{
    uint64_t id = s->id;
    if (s->prev)
        s->prev->next = s->next;
    else
        r->sessions = s->next;
    if (s->next)
        s->next->prev = s->prev;
    r->session_count--;
    s->ops->free(s);
    tell_auth(r, id);
    if (r->session_count > 0)
        return;
    wipe_keys(r);
    if (r->role->stopping)
        role_stop(r->role);
    else
        timer_start(r->linger, RETRIEVAL_LINGER_MS);
}

/* Each session that asked gets one turn; those that ended are freed. A session may end another's turn
 * (it cannot free it), so that the list stands still meanwhile. */
static void on_turn(void *ctx)
{
    struct retrieval *r = ctx;
    for (struct retrieval_session *s = r->sessions; s; s = s->next) {
        if (s->has_ended || !s->wants_turn)
            continue;
        s->wants_turn = false;
        retrieval_session_busy(s);
        s->ops->on_turn(s);
    }
    for (struct retrieval_session *s = r->sessions, *next; s; s = next) {
        next = s->next;
        if (s->has_ended)
            remove_session(r, s);
    }
}

static void on_linger(void *ctx)
{
    struct retrieval *r = ctx;
    if (r->session_count > 0)
        return;
    if (!r->auth) {
        role_stop(r->role);
        return;
    }
    r->is_leaving = true;
    tell_auth(r, 0);
    timer_start(r->linger, RETRIEVAL_LINGER_MS); /* asked again, should a session come and go meanwhile */
}

/* ---- adoption: wraps of delivery become wraps of the vault's own ---- */

static void on_adopt(void *ctx);

static void on_adopted(void *ctx, const struct store_reply *reply)
{
    struct retrieval *r = ctx;
    r->is_adopting = false;
    if (reply->err != ERR_OK)
        log_event(LOG_WARNING, "adoption-failed", LF("err", err_text(reply->err)));
    else if (r->session_count > 0)
        timer_start(r->adopt, ADOPT_NEXT_MS);
}

static uint64_t adopting_session(const struct retrieval *r)
{
    for (const struct retrieval_session *s = r->sessions; s; s = s->next)
        if (!s->has_ended)
            return s->id;
    return 0;
}

static void adopt_soon(struct retrieval *r)
{
    if (r->is_adopting || timer_is_running(r->adopt))
        return;
    r->adopt_since_ms = clock_mono_us() / 1000;
    timer_start(r->adopt, ADOPT_FIRST_MS);
}

/* For how long mail that still comes in goes first. */
static uint32_t adopt_wait_ms(const struct retrieval *r)
{
    uint64_t now = clock_mono_us() / 1000;
    uint64_t quiet = now - r->last_mail_ms;
    return quiet < ADOPT_QUIET_MS && now - r->adopt_since_ms < ADOPT_LATEST_MS ? (uint32_t)(ADOPT_QUIET_MS - quiet) : 0;
}

static void on_adopt(void *ctx)
{
    struct retrieval *r = ctx;
    uint64_t session = adopting_session(r);
    size_t n = 0;
    if (r->is_adopting || !r->keys || !session)
        return;
    uint32_t wait = adopt_wait_ms(r);
    if (wait) {
        timer_start(r->adopt, wait);
        return;
    }
    struct store_adoption *a = mem_new(ADOPTIONS_PER_STEP * sizeof *a);
    enum err e = reader_adoptions(r->reader, a, ADOPTIONS_PER_STEP, &n);
    if (e == ERR_AGAIN) {
        timer_start(r->adopt, ADOPT_NEXT_MS);
    } else if (e == ERR_OK && n > 0) {
        r->is_adopting = true;
        store_adopt(r->store, session, r->keys->vault, a, n, on_adopted, r);
    }
    free(a);
}

/* ---- auth hands sessions over ---- */

static bool take_keys(struct retrieval *r, const struct vault_keys *keys)
{
    timer_stop(r->linger);
    r->is_leaving = false;
    if (r->keys)
        return r->keys->vault == keys->vault && r->keys->generation == keys->generation;
    r->keys = secret_new(sizeof *r->keys);
    if (!r->keys)
        return false;
    memcpy(r->keys, keys, sizeof *keys);
    reader_set_keys(r->reader, r->keys);
    if (!reader_has_true_key(r->reader))
        log_event(LOG_ERROR, "vault-key-differs", LF_U("vault", keys->vault), LF("meaning",
            "mail.db was damaged or tampered with: new letters are sealed to a key that is not the owner's"));
    return true;
}

static void begin_session(struct retrieval *r, const struct session_attach *a, int fd)
{
    struct retrieval_session *s = a->protocol == LOGIN_POP3 ? pop3_session_new(r, a, fd)
                                                            : imap_session_new(r, a, fd);
    s->retrieval = r;
    s->id = a->session;
    s->protocol = a->protocol;
    s->next = r->sessions;
    s->prev = NULL;
    if (r->sessions)
        r->sessions->prev = s;
    r->sessions = s;
    r->session_count++;
    retrieval_session_again(s);
    adopt_soon(r);
    search_indexer_wake(r->indexer);
}

static void on_attach(struct retrieval *r, struct slice body, const int *fds, size_t nfds)
{
    struct session_attach *a = secret_new(sizeof *a);
    enum err e = a ? session_attach_decode(body, a) : ERR_LIMIT;
    if (!e && (nfds != 1 || a->account != r->account || r->session_count >= SESSIONS_MAX))
        e = ERR_DENIED;
    if (!e && !take_keys(r, &a->keys))
        e = ERR_KEY_MISSING;
    if (e) {
        log_event(LOG_ERROR, "attach-refused", LF("err", err_text(e)));
        for (size_t i = 0; i < nfds; i++)
            close(fds[i]);
        if (a && a->session)
            tell_auth(r, a->session);
        if (r->session_count == 0)
            timer_start(r->linger, RETRIEVAL_LINGER_MS);
    } else {
        begin_session(r, a, fds[0]);
    }
    secret_free(a, sizeof *a);
}

/* A session that has ended by itself meanwhile is not found. */
static void on_revoked(struct retrieval *r, struct slice body)
{
    struct wire w = wire_of(body);
    uint64_t id = wire_u64(&w);
    for (struct retrieval_session *s = r->sessions; s; s = s->next)
        if (s->id == id && !s->has_ended)
            s->ops->on_revoked(s);
}

static void on_auth_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct retrieval *r = ctx;
    (void)c;
    if (type == M_ATTACH) {
        on_attach(r, body, fds, nfds);
        return;
    }
    if (type == M_DETACH)
        on_revoked(r, body);
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
}

static void on_auth_closed(void *ctx, struct channel *c)
{
    struct retrieval *r = ctx;
    channel_free(c);
    if (r->auth == c)
        r->auth = NULL;
    if (r->is_leaving && r->session_count == 0)
        role_stop(r->role);
}

/* ---- the store ---- */

static void on_ring(void *ctx, uint64_t mailbox, uint64_t modseq)
{
    struct retrieval *r = ctx;
    for (struct retrieval_session *s = r->sessions; s; s = s->next)
        if (!s->has_ended && s->ops->on_ring)
            s->ops->on_ring(s, mailbox, modseq);
    /* New mail came sealed for its delivery: adopt it while the keys are at hand. */
    if (!r->keys)
        return;
    r->last_mail_ms = clock_mono_us() / 1000;
    adopt_soon(r);
    search_indexer_wake(r->indexer);
}

static void on_drained(void *ctx)
{
    struct retrieval *r = ctx;
    for (struct retrieval_session *s = r->sessions; s; s = s->next)
        if (!s->has_ended && s->ops->on_drained)
            s->ops->on_drained(s);
}

static const struct store_client_events store_events = {.on_ring = on_ring, .on_drained = on_drained};
static const struct channel_events auth_events = {.on_message = on_auth_message, .on_closed = on_auth_closed};

/* ---- the role ---- */

static enum err start(struct role_context *c)
{
    struct retrieval *r = mem_new(sizeof *r);
    c->state = r;
    r->loop = c->loop;
    r->role = c;
    r->settings = c->settings;
    r->account = c->account;
    r->turn = timer_new(c->loop, on_turn, r);
    r->linger = timer_new(c->loop, on_linger, r);
    r->adopt = timer_new(c->loop, on_adopt, r);
    r->store = store_client_new(c->loop, &store_events, r);
    r->indexer = search_indexer_new(r);
    decode_init();
    timer_start(r->linger, RETRIEVAL_LINGER_MS);
    /* SQLite opens the WAL for writing where it can, also for a reader. Here it cannot. */
    enum err e = sandbox_only_read(c->folder);
    return e ? e : reader_open(c->folder, &r->reader);
}

static void on_channel(struct role_context *c, enum role peer, uint32_t instance, uint64_t account, int fd)
{
    struct retrieval *r = c->state;
    (void)instance;
    (void)account;
    if (peer == ROLE_STORE) {
        store_client_attach(r->store, fd);
    } else if (peer == ROLE_AUTH) {
        if (r->auth)
            channel_free(r->auth);
        r->auth = channel_new(c->loop, fd, &auth_events, r);
    } else {
        close(fd);
    }
}

static void on_settings(struct role_context *c)
{
    struct retrieval *r = c->state;
    r->settings = c->settings;
}

static void stop_now(void *ctx)
{
    struct retrieval *r = ctx;
    role_stop(r->role);
}

static void on_stop(struct role_context *c)
{
    struct retrieval *r = c->state;
    if (r->session_count == 0) {
        role_stop(c);
        return;
    }
    for (struct retrieval_session *s = r->sessions; s; s = s->next)
        if (!s->has_ended)
            s->ops->on_stop(s);
    struct timer *t = timer_new(c->loop, stop_now, r);
    timer_start(t, RETRIEVAL_STOP_MS);
}

const struct role_ops retrieval_role_ops = {
    .role = ROLE_RETRIEVAL,
    .sandbox_rights = SANDBOX_FILES_READ,
    .start = start,
    .on_channel = on_channel,
    .on_settings = on_settings,
    .on_stop = on_stop,
};
