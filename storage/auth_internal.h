/* Inside the auth role, which is four things around one struct:
 *
 *   auth_role.c      the process: channels to the others, who sent what
 *   auth_login.c     attempts: from M_LOGIN to its one reply
 *   auth_hash.c      the queue before the hash roles, fair by network
 *   auth_session.c   sessions that were opened, and how they end
 *   auth_admin*.c    user.* and app-password.* (storage/admin_ops.h)
 *
 * The way of an attempt: M_LOGIN → (proof known, or an app password: at once; else Argon2id by a hash
 * role) → refused, perhaps late (login_brake.h), or proved → for the door: the account's retrieval
 * process is asked for (M_SPAWN … M_SPAWNED) → the store is told (M_SESSION_OPEN … M_SESSION_OPENED)
 * → for the door: the keys and one end of a socket pair go to retrieval (M_ATTACH) → M_LOGIN_REPLY. */
#ifndef STORAGE_AUTH_INTERNAL_H
#define STORAGE_AUTH_INTERNAL_H

#include "base/idmap.h"
#include "storage/admin_ops.h"
#include "storage/credentials.h"
#include "storage/login_brake.h"
#include "storage/messages.h"
#include "storage/proof_cache.h"
#include "storage/session_attach.h"

#define LOGIN_QUEUE_MAX 256           /* passwords waiting for Argon2id */
#define LOGIN_QUEUE_NETWORK_MAX 32    /* of one network that never logged in properly */
#define LOGIN_ATTEMPTS_MAX 1024       /* in any state */
#define LOGIN_ATTEMPT_MS 30000        /* to its reply, brake and queue included */
#define AUTH_SESSIONS_MAX 20000
#define AUTH_ADMIN_JOBS_MAX 64
#define AUTH_ADMIN_JOB_MS 60000
#define HASH_WORKERS_MAX 4
#define PASSWORD_BYTES_MAX 512

/* A role at the other end of a channel. */
struct auth_peer {
    struct auth *auth;                /* borrowed */
    struct channel *channel;          /* owned */
    enum role role;
    uint32_t instance;
    uint64_t account;                 /* retrieval: whose */
    struct hash_job *job;             /* hash: what it works on; borrowed */
    struct auth_peer *next;
};

struct auth {
    struct role_context *role;        /* borrowed */
    struct credentials *credentials;  /* owned, as all below */
    struct proof_cache *proofs;
    struct login_brake *brake;
    struct timer *guard_timer;
    struct auth_peer *peers;
    struct auth_peer *store;          /* one of peers, or NULL */
    struct attempt *attempts;
    size_t attempt_count;
    struct hash_job *hash_queue;      /* oldest first */
    size_t hash_count;
    uint64_t hash_turn;
    struct idmap sessions;            /* id -> struct auth_session */
    struct admin_job *jobs;
    size_t job_count;
    uint64_t next_request;
    bool is_scram_of_use;             /* as smtp and the doors were told */
    struct timer *sweep;
};

/* ---- auth_role.c ---- */
struct auth_peer *auth_find_peer(struct auth *a, enum role role, uint32_t instance);
struct auth_peer *auth_find_retrieval(struct auth *a, uint64_t account);
/* Sends; a peer that is gone is told nothing, its end comes by on_closed. */
void auth_send(struct auth_peer *to, uint16_t type, const struct buf *body, const int *fds, size_t nfds);

/* Tells smtp and the doors whether SCRAM is of use, when that has changed. */
void auth_tell_scram(struct auth *a);

/* ---- auth_hash.c ---- */
/* ph is valid during the call; err: ERR_LIMIT, ERR_STORE_GONE (no hash role could do it). */
typedef void (*hash_done_fn)(void *ctx, enum err err, const uint8_t *ph);
struct hash_order {
    uint64_t network;                 /* 0: the administrator's, which waits for nobody */
    bool is_known;                    /* the account has logged in from there, or it is login.trusted */
    struct slice password;            /* copied into locked memory */
    const uint8_t *salt;
    uint64_t opslimit;
    uint64_t memlimit;
};
/* ERR_LIMIT: too many wait. The callback never comes inside this call. */
enum err auth_hash(struct auth *a, const struct hash_order *order, hash_done_fn fn, void *ctx,
    struct hash_job **out) MUST_CHECK;
/* The callback will not come. */
void auth_hash_cancel(struct auth *a, struct hash_job *job);
void auth_hash_on_reply(struct auth *a, struct auth_peer *worker, struct slice body);
void auth_hash_on_worker_gone(struct auth *a, struct auth_peer *worker);
/* Gives work to whoever is idle. */
void auth_hash_dispatch(struct auth *a);

/* ---- auth_guard.c ---- */
/* What an attempt is counted under. */
struct auth_guard {
    uint8_t network[BRAKE_KEY_BYTES];
    uint8_t name[BRAKE_KEY_BYTES];
    uint8_t pair[BRAKE_KEY_BYTES];
    bool has_network;
    bool is_trusted;                  /* login.trusted, or no network */
    int64_t known_at;                 /* when this name last logged in from this network; 0: never */
};
void auth_guard_start(struct auth *a);
void auth_guard_stop(struct auth *a);
void auth_guard_flush(struct auth *a);
void auth_guard_init(struct auth *a, struct auth_guard *g, const char *peer, const char *name);
bool auth_guard_bars_network(struct auth *a, const struct auth_guard *g);
bool auth_guard_bars_name(struct auth *a, const struct auth_guard *g);
/* Counts; how long the answer shall wait, in ms. */
uint64_t auth_guard_failed(struct auth *a, const struct auth_guard *g);
void auth_guard_passed(struct auth *a, const struct auth_guard *g);

/* ---- auth_login.c ---- */
enum err auth_login_begin(struct auth *a, struct auth_peer *from, struct slice body) MUST_CHECK;
enum err auth_login_scram(struct auth *a, struct auth_peer *from, struct slice body) MUST_CHECK;
/* session.open of admin_ops.h: an IMAP session for the command line; its descriptor goes with the reply. */
void auth_login_admin(struct auth *a, uint64_t req, struct slice user, struct slice password);
void auth_login_on_spawned(struct auth *a, struct auth_peer *retrieval);
void auth_login_on_no_retrieval(struct auth *a, uint64_t account);
/* Whether an attempt is about to be attached to that process. */
bool auth_login_is_any(struct auth *a, const struct auth_peer *retrieval);
void auth_login_on_opened(struct auth *a, uint64_t request, enum err err);
void auth_login_on_store(struct auth *a);
void auth_login_on_peer_gone(struct auth *a, struct auth_peer *peer);
void auth_login_end_all(struct auth *a);

/* ---- auth_session.c ---- */
struct auth_session {
    uint64_t id;
    uint64_t account;
    int64_t credential;
    enum role role;                   /* smtp or retrieval */
    uint32_t instance;
    uint8_t scopes;
};
void auth_session_put(struct auth *a, const struct auth_session *s);
/* M_SESSION_OPEN for s; req 0: nobody waits for the answer. False: no store now. */
bool auth_session_open(struct auth *a, uint64_t req, const struct auth_session *s);
/* The role says that it is over. A session that is not that role's is left alone. */
void auth_session_on_end(struct auth *a, struct auth_peer *from, uint64_t id);
bool auth_session_is_any(struct auth *a, const struct auth_peer *peer);
void auth_session_on_peer_gone(struct auth *a, const struct auth_peer *peer);
/* A store that is new hears of all that live. */
void auth_session_on_store(struct auth *a);
/* Ends those of an account; credential 0: all, else those that it opened. */
void auth_session_revoke(struct auth *a, uint64_t account, int64_t credential);
void auth_session_clear(struct auth *a);

/* ---- auth_admin.c ---- */
void auth_admin_begin(struct auth *a, struct slice body);
void auth_admin_on_store(struct auth *a);
/* A reply of the store's. */
enum err auth_admin_on_reply(struct auth *a, struct slice body) MUST_CHECK;
void auth_admin_end_all(struct auth *a);

#endif
