/* Asking auth who somebody is: used by smtp and door. Asynchronous; one channel per process; when auth
 * dies, pending requests end with ERR_STORE_GONE after the channel closes (temporary failure). */
#ifndef STORAGE_AUTH_CLIENT_H
#define STORAGE_AUTH_CLIENT_H

#include "storage/messages.h"

#define LOGIN_USER_MAX 320
#define LOGIN_PASSWORD_MAX 512

struct auth_client;

struct login {
    enum login_protocol protocol;
    bool is_secure;
    const char *peer;
    struct slice user;
    struct slice password;
    struct slice tag;       /* IMAP */
    struct slice message;   /* SCRAM, in place of a password: AuthMessage */
    struct slice proof;     /* 32 bytes */
};

struct login_reply {
    enum err err;           /* ERR_BAD_CREDENTIALS, ERR_DISABLED (said as bad credentials), ERR_LIMIT (slow
                               down), ERR_STORE_GONE, ERR_DENIED (scope) … */
    uint64_t session;       /* smtp: for store calls; end with auth_logout */
    uint64_t account;
    struct slice address;   /* the account's address; valid during the callback */
    struct slice signature; /* SCRAM: of the server; valid during the callback */
    struct slice salt;      /* auth_scram(): what to tell the client; valid during the callback */
    uint32_t rounds;
    int fd;                 /* door: the socket pair's end to carry bytes to and from; else -1. Owned by
                               the callee */
};

typedef void (*login_reply_fn)(void *ctx, const struct login_reply *r);

struct auth_client *auth_client_new(struct loop *l);
void auth_client_free(struct auth_client *c);
void auth_client_attach(struct auth_client *c, int fd);
/* Returns a number for auth_cancel(). The callback comes once, from the loop. A descriptor of a
 * cancelled request is closed by the client. */
uint64_t auth_login(struct auth_client *c, const struct login *l, login_reply_fn fn, void *ctx);
/* What SCRAM tells about a name, known or not: salt and rounds in the reply. ERR_STORE_GONE, ERR_LIMIT. */
uint64_t auth_scram(struct auth_client *c, struct slice user, login_reply_fn fn, void *ctx);
/* Whether SCRAM is to be offered, by the setting login.scram: "auto" means once there is an app password,
 * because clients that prefer it would fail with a main password. */
struct settings;
bool auth_offers_scram(const struct auth_client *c, const struct settings *s);
void auth_cancel(struct auth_client *c, uint64_t request);
void auth_logout(struct auth_client *c, uint64_t session);

#endif
