/* Inside auth's administration: one job per M_ADMIN, which waits for hashes and for the store and ends
 * with one M_ADMIN_REPLY. auth_admin.c is the frame, auth_admin_user.c and auth_admin_app.c are the
 * operations, auth_admin_show.c what only reads. */
#ifndef STORAGE_AUTH_ADMIN_H
#define STORAGE_AUTH_ADMIN_H

#include "base/json.h"
#include "storage/auth_internal.h"

struct admin_job;
/* The next step: what was waited for came. Each ends by asking for something more or by finishing. */
typedef void (*admin_hashed_fn)(struct admin_job *j, const uint8_t *ph);
typedef void (*admin_stored_fn)(struct admin_job *j, const struct admin_reply *r);

struct admin_job {
    struct admin_job *next;
    struct auth *auth;
    uint64_t req;                        /* the supervisor's */
    struct buf body;                     /* owned; what request borrows from; wiped */
    struct admin_request request;
    struct credential_account account;
    struct credential credential;        /* what proved */
    struct vault_keys *keys;             /* locked arena, or NULL */
    char shown[CREDENTIAL_TEXT_MAX];     /* a new recovery code or app password; wiped */
    struct hash_job *hash;               /* borrowed while it is waited for */
    admin_hashed_fn on_hashed;
    uint64_t store_req;                  /* 0: not waiting for the store */
    struct buf store_body;               /* kept until the answer, for a store that was restarted */
    admin_stored_fn on_stored;
    struct timer *timer;
};

struct admin_op {
    const char *name;
    bool needs_account;                  /* "address" names one that exists; job->account is filled */
    void (*run)(struct admin_job *j);
};

/* Ends the job. text: printf's, for people. The JSON of a failure is made of it. */
void admin_job_fail(struct admin_job *j, enum err e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void admin_job_finish(struct admin_job *j, struct slice text, struct slice json);
/* Argon2id for the job; a failure ends it. */
void admin_job_hash(struct admin_job *j, struct slice password, const uint8_t *salt, uint64_t opslimit,
    uint64_t memlimit, admin_hashed_fn fn);
/* Asks the store; r->req is set here. A store that is away is waited for. */
void admin_job_store(struct admin_job *j, struct admin_request *r, admin_stored_fn fn);
struct slice admin_job_value(const struct admin_job *j, const char *key);
/* The value of a password key, checked; false: the job is over. */
bool admin_job_new_password(struct admin_job *j, struct slice *out);
/* Room for keys; false: the job is over. */
bool admin_job_keys(struct admin_job *j);

void admin_put_scopes(struct json *j, uint8_t scopes);
/* "imap,pop3,smtp" */
void admin_put_scope_text(struct buf *out, uint8_t scopes);

void admin_user_add(struct admin_job *j);
void admin_user_remove(struct admin_job *j);
void admin_user_password(struct admin_job *j);
void admin_user_recover(struct admin_job *j);
void admin_user_disable(struct admin_job *j);
void admin_user_enable(struct admin_job *j);
void admin_user_list(struct admin_job *j);
void admin_user_show(struct admin_job *j);
void admin_login_why(struct admin_job *j);
void admin_login_unblock(struct admin_job *j);
void admin_app_add(struct admin_job *j);
void admin_app_list(struct admin_job *j);
void admin_app_revoke(struct admin_job *j);

#endif
