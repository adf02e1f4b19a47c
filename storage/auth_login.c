/* Attempts to log in, each from its M_LOGIN to its one reply; the diagram stands in auth_internal.h.
 *
 *     HASHING ──proved──→ SPAWNING (door only) → OPENING → replied, freed
 *        └────refused──→ DELAYED (the brake) ────────────→ replied, freed
 *
 * Unknown names and wrong passwords take the same way: for a name that is unknown a salt is made of the
 * name, and the hash is compared with nothing. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "message/address.h"
#include "storage/auth_client.h"
#include "storage/auth_internal.h"

enum attempt_state { ATTEMPT_HASHING, ATTEMPT_SPAWNING, ATTEMPT_OPENING, ATTEMPT_DELAYED };

struct attempt {
    struct attempt *next;
    struct auth *auth;
    struct auth_peer *from;              /* borrowed; the attempt ends before it does. NULL: the command
                                            line asked, by session.open */
    enum attempt_state state;
    uint64_t req;                        /* the asking role's */
    uint64_t number;                     /* ours, towards the store */
    enum login_protocol protocol;
    bool is_secure;
    uint64_t network;                    /* for the queue of hashes */
    struct auth_guard guard;
    char peer[64];
    char tag[128];
    char address[CREDENTIAL_ADDRESS_BYTES];   /* canonical */
    uint8_t *password;                   /* in the locked arena; wiped as soon as it is judged */
    size_t password_n;
    bool is_scram;                       /* password is proof, then AuthMessage */
    uint8_t signature[HASH_BYTES];       /* SCRAM: ours, when it proved */
    bool is_address;
    bool is_known;                       /* account and credential are filled */
    struct credential_account account;
    struct credential credential;
    struct hash_job *job;                /* borrowed while HASHING */
    struct vault_keys *keys;             /* locked arena; NULL for smtp */
    struct auth_session session;
    enum err refusal;                    /* DELAYED */
    struct timer *timer;
};

static void password_wipe(struct attempt *t)
{
    secret_free(t->password, t->password_n);
    t->password = NULL;
}

static void attempt_free(struct attempt *t)
{
    struct auth *a = t->auth;
    struct attempt **at = &a->attempts;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    a->attempt_count--;
    if (t->job)
        auth_hash_cancel(a, t->job);
    password_wipe(t);
    secret_free(t->keys, sizeof *t->keys);
    timer_free(t->timer);
    secret_wipe(&t->credential, sizeof t->credential);
    free(t);
}

static void reply_send(struct auth_peer *to, uint64_t req, enum err e, const struct attempt *t, int fd)
{
    struct buf body;
    buf_init(&body, 512);
    wire_put_u64(&body, req);
    wire_put_u16(&body, (uint16_t)e);
    wire_put_u64(&body, e ? 0 : t->session.id);
    wire_put_u64(&body, e ? 0 : t->account.id);
    wire_put_bytes(&body, e ? SLICE_EMPTY : slice_str(t->account.address));
    wire_put_bytes(&body, e || !t->is_scram ? SLICE_EMPTY : slice_of(t->signature, sizeof t->signature));
    auth_send(to, M_LOGIN_REPLY, &body, &fd, fd >= 0 ? 1 : 0);
    buf_clear(&body);
}

/* The same for the command line. */
static void admin_reply_send(struct auth *a, uint64_t req, enum err e, int fd)
{
    struct slice text = SLICE_EMPTY;
    struct buf body;
    if (e)
        text = slice_str(e == ERR_BAD_CREDENTIALS ? "wrong address or password"
                : e == ERR_DENIED ? "this app password is not for imap" : err_text(e));
    buf_init(&body, 4096);
    admin_reply_encode(req, e, text, e ? SLICE("{\"error\":\"no session\"}") : SLICE("{}"), &body);
    if (channel_send(a->role->control, M_ADMIN_REPLY, buf_slice(&body), &fd, fd >= 0 ? 1 : 0) != ERR_OK)
        log_event(LOG_WARNING, "reply-not-sent", LF("to", "supervisor"));
    buf_clear(&body);
}

static void attempt_reply(const struct attempt *t, enum err e, int fd)
{
    if (t->from)
        reply_send(t->from, t->req, e, t, fd);
    else
        admin_reply_send(t->auth, t->req, e, fd);
}

static const char *protocol_name(enum login_protocol p)
{
    return p == LOGIN_SMTP ? "smtp" : p == LOGIN_IMAP ? "imap" : "pop3";
}

/* The one end of every attempt that fails. */
static void attempt_fail(struct attempt *t, enum err e)
{
    log_event(LOG_INFO, "login-failed", LF("protocol", protocol_name(t->protocol)), LF("peer", t->peer),
        LF("user", t->address), LF("reason", err_text(e)));
    attempt_reply(t, e, -1);
    attempt_free(t);
}

/* The credential did not prove: the answer waits as long as the brake says. */
static void attempt_refuse(struct attempt *t, enum err e)
{
    uint64_t delay = auth_guard_failed(t->auth, &t->guard);
    password_wipe(t);
    if (delay == 0) {
        attempt_fail(t, e);
        return;
    }
    t->state = ATTEMPT_DELAYED;
    t->refusal = e;
    timer_start(t->timer, delay);
}

static void on_timer(void *ctx)
{
    struct attempt *t = ctx;
    attempt_fail(t, t->state == ATTEMPT_DELAYED ? t->refusal : ERR_STORE_GONE);
}

/* ---- proved: process, store, reply ---- */

static void spawn_ask(struct attempt *t)
{
    struct buf body;
    for (const struct attempt *o = t->auth->attempts; o; o = o->next)
        if (o != t && o->state == ATTEMPT_SPAWNING && o->account.id == t->account.id)
            return;
    buf_init(&body, 16);
    wire_put_u64(&body, t->account.id);
    if (channel_send(t->auth->role->control, M_SPAWN, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_ERROR, "supervisor-gone", LF("meaning", "no process for a login"));
    buf_clear(&body);
}

static void open_ask(struct attempt *t)
{
    t->state = ATTEMPT_OPENING;
    /* Without a store it is asked as soon as there is one, or the attempt's time runs out. */
    auth_session_open(t->auth, t->number, &t->session);
}

static void attempt_open(struct attempt *t)
{
    uint64_t id = random_u64();
    t->number = ++t->auth->next_request;
    t->session = (struct auth_session){.id = id ? id : 1, .account = t->account.id,
        .credential = t->credential.id, .scopes = t->credential.scopes};
    if (t->from) {
        t->session.role = t->from->role;
        t->session.instance = t->from->instance;
    }
    if (t->protocol != LOGIN_SMTP) {
        const struct auth_peer *p = auth_find_retrieval(t->auth, t->account.id);
        if (!p) {
            t->state = ATTEMPT_SPAWNING;
            spawn_ask(t);
            return;
        }
        t->session.role = ROLE_RETRIEVAL;
        t->session.instance = p->instance;
    }
    open_ask(t);
}

static uint8_t scope_of(enum login_protocol p)
{
    return p == LOGIN_SMTP ? SCOPE_SMTP : p == LOGIN_IMAP ? SCOPE_IMAP : SCOPE_POP3;
}

/* The keys of t->keys are there (or not needed) and the credential proved. */
static void attempt_admit(struct attempt *t)
{
    struct auth *a = t->auth;
    password_wipe(t);
    if (auth_guard_bars_name(a, &t->guard)) {
        log_event(LOG_WARNING, "login-barred", LF("user", t->address), LF("peer", t->peer),
            LF("meaning", "right, but after too many failures and from a network that is new to it"));
        attempt_refuse(t, ERR_BAD_CREDENTIALS);
    } else if (t->account.state == ACCOUNT_DISABLED) {
        attempt_refuse(t, ERR_DISABLED);
    } else if (t->account.state != ACCOUNT_ACTIVE) {
        attempt_refuse(t, ERR_BAD_CREDENTIALS);
    } else if (!(t->credential.scopes & scope_of(t->protocol))) {
        attempt_refuse(t, ERR_DENIED);
    } else if (a->sessions.count >= AUTH_SESSIONS_MAX) {
        attempt_fail(t, ERR_LIMIT);
    } else {
        auth_guard_passed(a, &t->guard);
        credentials_touch(a->credentials, &t->credential);
        attempt_open(t);
    }
}

static enum err open_vault(struct attempt *t, const uint8_t *ph)
{
    t->keys = secret_new(sizeof *t->keys);
    if (!t->keys)
        return ERR_LIMIT;
    enum err e = credential_open_vault(&t->account, &t->credential, ph, t->keys);
    if (e == ERR_DAMAGED)
        log_event(LOG_ERROR, "vault-damaged", LF("account", t->account.address),
            LF("meaning", "the wrapped keys do not belong to the account's public key; login refused"));
    return e;
}

/* What a proof opens. Only a door's session needs keys; a main password's are remembered. */
static void attempt_proved(struct attempt *t, const uint8_t *ph)
{
    bool is_password = t->credential.kind == CREDENTIAL_PASSWORD;
    bool needs_keys = t->protocol != LOGIN_SMTP && (t->credential.scopes & scope_of(t->protocol));
    if (needs_keys || is_password) {
        enum err e = open_vault(t, ph);
        if (e) {
            attempt_fail(t, e == ERR_LIMIT ? ERR_LIMIT : ERR_BAD_CREDENTIALS);
            return;
        }
    }
    if (is_password && t->password)
        proof_cache_put(t->auth->proofs, t->account.id, t->credential.id,
            slice_of(t->password, t->password_n), t->keys, clock_mono_ms());
    attempt_admit(t);
}

/* ---- judging ---- */

static void on_hash(void *ctx, enum err e, const uint8_t *ph)
{
    struct attempt *t = ctx;
    t->job = NULL;
    if (e)
        attempt_fail(t, e);
    else if (t->is_known && credential_verifies(ph, t->credential.verifier))
        attempt_proved(t, ph);
    else
        attempt_refuse(t, ERR_BAD_CREDENTIALS);
}

/* A salt for an account that does not exist: always the same for the same name. */
static void fake_salt(const struct auth *a, const char *address, uint8_t out[HASH_BYTES])
{
    hash_blake2b(a->role->keys->fake_salt, slice_str(address), out);
}

static void judge_app(struct attempt *t, const char *canonical)
{
    uint8_t salt[HASH_BYTES];
    uint8_t ph[HASH_BYTES];
    fake_salt(t->auth, t->address, salt);
    credential_hash_text(t->is_known ? t->account.app_salt : salt, canonical, ph);
    enum err e = credentials_find_app(t->auth->credentials, t->is_known ? t->account.id : 0, ph,
        &t->credential);
    if (e == ERR_OK)
        attempt_proved(t, ph);
    else
        attempt_refuse(t, e == ERR_NOT_FOUND ? ERR_BAD_CREDENTIALS : ERR_STORE_GONE);
    secret_wipe(ph, sizeof ph);
}

/* True when the proof was remembered: the attempt goes on, or is over. */
static bool judge_remembered(struct attempt *t)
{
    struct vault_keys *keys = t->is_known ? secret_new(sizeof *keys) : NULL;
    if (!keys)
        return false;
    enum err e = proof_cache_get(t->auth->proofs, t->account.id, t->credential.id,
        slice_of(t->password, t->password_n), clock_mono_ms(), keys);
    if (e) {
        secret_free(keys, sizeof *keys);
        return false;
    }
    keys->vault = t->account.vault;
    keys->generation = t->account.generation;
    memcpy(keys->public_key, t->account.public_key, SEAL_KEY_BYTES);
    t->keys = keys;
    attempt_admit(t);
    return true;
}

static void judge_password(struct attempt *t)
{
    uint8_t salt[HASH_BYTES];
    if (t->is_known && credentials_get(t->auth->credentials, t->account.id, CREDENTIAL_PASSWORD,
            &t->credential) != ERR_OK)
        t->is_known = false;
    if (judge_remembered(t))
        return;
    fake_salt(t->auth, t->address, salt);
    struct hash_order order = {.network = t->network, .is_known = t->guard.known_at != 0 || t->guard.is_trusted,
        .password = slice_of(t->password, t->password_n),
        .salt = t->is_known ? t->credential.salt : salt,
        .opslimit = t->is_known ? t->credential.opslimit : ARGON2ID_OPSLIMIT,
        .memlimit = t->is_known ? t->credential.memlimit : ARGON2ID_MEMLIMIT};
    enum err e = auth_hash(t->auth, &order, on_hash, t, &t->job);
    if (e)
        attempt_fail(t, e);
}

static void judge_scram(struct attempt *t)
{
    uint8_t client_key[HASH_BYTES];
    struct slice proof = slice_of(t->password, t->password_n);
    enum err e = credentials_find_scram(t->auth->credentials, t->is_known ? t->account.id : 0,
        slice_from(proof, HASH_BYTES), proof.p, &t->credential, client_key, t->signature);
    if (e == ERR_OK)
        attempt_proved(t, client_key);
    else
        attempt_refuse(t, e == ERR_NOT_FOUND ? ERR_BAD_CREDENTIALS : ERR_STORE_GONE);
    secret_wipe(client_key, sizeof client_key);
}

static void judge(struct attempt *t)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    struct slice password = slice_of(t->password, t->password_n);
    t->is_known = t->is_address && credentials_find_account(t->auth->credentials, slice_str(t->address),
        &t->account) == ERR_OK;
    if (t->is_scram) {
        judge_scram(t);
        return;
    }
    if (credential_text_kind(password, canonical) != CREDENTIAL_APP) {
        judge_password(t);
        return;
    }
    judge_app(t, canonical);
    secret_wipe(canonical, sizeof canonical);
}

/* ---- beginning ---- */

/* The account's name as the database has it; true. What is no address stays as it came, and is nobody. */
static bool canonical_name(struct slice user, char out[CREDENTIAL_ADDRESS_BYTES])
{
    struct address parsed;
    struct buf canonical;
    buf_init(&canonical, CREDENTIAL_ADDRESS_BYTES - 1);
    bool is_address = address_parse(user, &parsed) == ERR_OK &&
        address_canonical(&parsed, &canonical) == ERR_OK;
    if (!is_address) {
        buf_reset(&canonical);
        buf_put(&canonical, slice_sub(user, 0, CREDENTIAL_ADDRESS_BYTES - 1));
    }
    struct slice text = buf_slice(&canonical);
    if (text.n)
        memcpy(out, text.p, text.n);
    out[slice_find_byte(text, 0)] = 0;
    buf_clear(&canonical);
    return is_address;
}

static bool copy_text(struct slice from, char *to, size_t size)
{
    if (from.n >= size || slice_find_byte(from, 0) != from.n)
        return false;
    if (from.n)
        memcpy(to, from.p, from.n);
    to[from.n] = 0;
    return true;
}

/* password, or proof and message. */
static struct attempt *attempt_new(struct auth *a, struct auth_peer *from, struct slice password,
    struct slice message)
{
    uint8_t *copy = secret_new(password.n + message.n);
    if (!copy)
        return NULL;
    struct attempt *t = mem_new(sizeof *t);
    if (password.n)
        memcpy(copy, password.p, password.n);
    if (message.n)
        memcpy(copy + password.n, message.p, message.n);
    t->auth = a;
    t->from = from;
    t->password = copy;
    t->password_n = password.n + message.n;
    t->number = ++a->next_request;
    t->timer = timer_new(a->role->loop, on_timer, t);
    timer_start(t->timer, LOGIN_ATTEMPT_MS);
    t->next = a->attempts;
    a->attempts = t;
    a->attempt_count++;
    return t;
}

enum err auth_login_begin(struct auth *a, struct auth_peer *from, struct slice body)
{
    struct wire w = wire_of(body);
    uint64_t req = wire_u64(&w);
    unsigned protocol = wire_u8(&w);
    bool is_secure = wire_u8(&w) != 0;
    struct slice peer = wire_bytes(&w);
    struct slice user = wire_bytes(&w);
    struct slice password = wire_bytes(&w);
    struct slice tag = wire_bytes(&w);
    struct slice message = wire_bytes(&w);
    struct slice proof = wire_bytes(&w);
    bool is_scram = proof.n > 0;
    bool fits = from->role == ROLE_SMTP ? protocol == LOGIN_SMTP
                                        : protocol == LOGIN_IMAP || protocol == LOGIN_POP3;
    if (!wire_done(&w) || !fits || user.n > LOGIN_USER_MAX || password.n > LOGIN_PASSWORD_MAX ||
        (is_scram && (proof.n != HASH_BYTES || message.n > SCRAM_MESSAGE_MAX)))
        return ERR_SYNTAX;
    struct attempt *t = NULL;
    if (a->attempt_count < LOGIN_ATTEMPTS_MAX)
        t = attempt_new(a, from, is_scram ? proof : password, is_scram ? message : SLICE_EMPTY);
    if (!t) {
        reply_send(from, req, ERR_LIMIT, NULL, -1);
        return ERR_OK;
    }
    t->req = req;
    t->protocol = (enum login_protocol)protocol;
    t->is_secure = is_secure;
    t->is_scram = is_scram;
    if (!copy_text(peer, t->peer, sizeof t->peer) || !copy_text(tag, t->tag, sizeof t->tag)) {
        attempt_free(t);
        return ERR_SYNTAX;
    }
    t->is_address = canonical_name(user, t->address);
    auth_guard_init(a, &t->guard, t->peer, t->address);
    memcpy(&t->network, t->guard.network, sizeof t->network);
    t->network |= 1;
    if (auth_guard_bars_network(a, &t->guard))
        attempt_refuse(t, ERR_BAD_CREDENTIALS);
    else
        judge(t);
    return ERR_OK;
}

/* What everybody may ask: known or not, the answer looks the same and is always the same. */
enum err auth_login_scram(struct auth *a, struct auth_peer *from, struct slice body)
{
    struct wire w = wire_of(body);
    uint64_t req = wire_u64(&w);
    struct slice user = wire_bytes(&w);
    struct credential_account account;
    char name[CREDENTIAL_ADDRESS_BYTES];
    uint8_t app_salt[HASH_BYTES];
    uint8_t salt[SCRAM_SALT_BYTES];
    struct buf reply;
    if (!wire_done(&w) || user.n > LOGIN_USER_MAX)
        return ERR_SYNTAX;
    bool is_address = canonical_name(user, name);
    fake_salt(a, name, app_salt);
    if (is_address && credentials_find_account(a->credentials, slice_str(name), &account) == ERR_OK)
        memcpy(app_salt, account.app_salt, sizeof app_salt);
    scram_salt(app_salt, salt);
    buf_init(&reply, 64);
    wire_put_u64(&reply, req);
    wire_put_bytes(&reply, slice_of(salt, sizeof salt));
    wire_put_u32(&reply, SCRAM_ROUNDS);
    auth_send(from, M_SCRAM_REPLY, &reply, NULL, 0);
    buf_clear(&reply);
    secret_wipe(app_salt, sizeof app_salt);
    return ERR_OK;
}

void auth_login_admin(struct auth *a, uint64_t req, struct slice user, struct slice password)
{
    struct attempt *t = NULL;
    if (user.n <= LOGIN_USER_MAX && password.n <= LOGIN_PASSWORD_MAX && a->attempt_count < LOGIN_ATTEMPTS_MAX)
        t = attempt_new(a, NULL, password, SLICE_EMPTY);
    if (!t) {
        admin_reply_send(a, req, ERR_LIMIT, -1);
        return;
    }
    t->req = req;
    t->protocol = LOGIN_IMAP;
    t->is_secure = true;
    ENSURE(copy_text(SLICE("command"), t->peer, sizeof t->peer) && copy_text(SLICE("login"), t->tag, sizeof t->tag));
    t->is_address = canonical_name(user, t->address);
    judge(t);
}

/* ---- what others say ---- */

void auth_login_on_spawned(struct auth *a, struct auth_peer *retrieval)
{
    for (struct attempt *t = a->attempts; t; t = t->next) {
        if (t->state != ATTEMPT_SPAWNING || t->account.id != retrieval->account)
            continue;
        t->session.role = ROLE_RETRIEVAL;
        t->session.instance = retrieval->instance;
        open_ask(t);
    }
}

void auth_login_on_no_retrieval(struct auth *a, uint64_t account)
{
    struct attempt *next;
    for (struct attempt *t = a->attempts; t; t = next) {
        next = t->next;
        if (t->state == ATTEMPT_SPAWNING && t->account.id == account)
            attempt_fail(t, ERR_LIMIT);
    }
}

bool auth_login_is_any(struct auth *a, const struct auth_peer *retrieval)
{
    for (const struct attempt *t = a->attempts; t; t = t->next)
        if (t->state == ATTEMPT_OPENING && t->session.role == ROLE_RETRIEVAL &&
            t->session.instance == retrieval->instance)
            return true;
    return false;
}

static enum err attach(struct attempt *t, struct auth_peer *retrieval, int fd)
{
    struct buf body;
    struct session_attach *m = secret_new(sizeof *m);
    if (!m)
        return ERR_LIMIT;
    m->session = t->session.id;
    m->account = t->account.id;
    m->protocol = t->protocol;
    m->is_secure = t->is_secure;
    m->scopes = t->session.scopes;
    memcpy(m->address, t->account.address, sizeof m->address);
    memcpy(m->peer, t->peer, sizeof m->peer);
    memcpy(m->tag, t->tag, sizeof m->tag);
    m->keys = *t->keys;
    buf_init(&body, 2048);
    session_attach_encode(m, &body);
    enum err e = channel_send(retrieval->channel, M_ATTACH, buf_slice(&body), &fd, 1);
    buf_wipe(&body);
    secret_free(m, sizeof *m);
    return e;
}

/* The store knows the session: for the door, the bytes' way is laid. */
static enum err connect_door(struct attempt *t, int *out_fd)
{
    struct auth_peer *retrieval = auth_find_peer(t->auth, ROLE_RETRIEVAL, t->session.instance);
    int fds[2];
    if (!retrieval)
        return ERR_STORE_GONE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return ERR_LIMIT;
    enum err e = attach(t, retrieval, fds[0]);
    close(fds[0]);
    if (e)
        close(fds[1]);
    else
        *out_fd = fds[1];
    return e;
}

static void attempt_succeed(struct attempt *t)
{
    int fd = -1;
    auth_session_put(t->auth, &t->session);
    enum err e = t->protocol == LOGIN_SMTP ? ERR_OK : connect_door(t, &fd);
    if (e) {
        auth_session_on_end(t->auth,
            &(struct auth_peer){.role = t->session.role, .instance = t->session.instance}, t->session.id);
        attempt_fail(t, e);
        return;
    }
    log_event(LOG_INFO, "login", LF("protocol", protocol_name(t->protocol)), LF("peer", t->peer),
        LF("account", t->account.address), LF("credential", t->credential.label),
        LF_X("session", t->session.id));
    attempt_reply(t, ERR_OK, fd);
    if (fd >= 0)
        close(fd);
    attempt_free(t);
}

void auth_login_on_opened(struct auth *a, uint64_t request, enum err err)
{
    for (struct attempt *t = a->attempts; t; t = t->next) {
        if (t->state != ATTEMPT_OPENING || t->number != request)
            continue;
        if (err)
            attempt_fail(t, err == ERR_NOT_FOUND ? ERR_BAD_CREDENTIALS : err);
        else
            attempt_succeed(t);
        return;
    }
}

void auth_login_on_store(struct auth *a)
{
    for (struct attempt *t = a->attempts; t; t = t->next)
        if (t->state == ATTEMPT_OPENING)
            open_ask(t);
}

void auth_login_on_peer_gone(struct auth *a, struct auth_peer *peer)
{
    struct attempt *next;
    for (struct attempt *t = a->attempts; t; t = next) {
        next = t->next;
        if (t->from == peer)
            attempt_free(t);
        else if (peer->role == ROLE_RETRIEVAL && t->state == ATTEMPT_OPENING &&
            t->session.role == ROLE_RETRIEVAL && t->session.instance == peer->instance)
            attempt_open(t);
    }
}

void auth_login_end_all(struct auth *a)
{
    while (a->attempts)
        attempt_fail(a->attempts, ERR_STORE_GONE);
}
