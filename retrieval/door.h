/* Inside the door: one session a connection.
 *
 * Life: accepted → (implicit TLS) → greeting → lines, until a login is asked for → the stream pauses while
 * auth decides → refused: back to lines; or a descriptor comes: from then on bytes go both ways
 * (door_carry.c) until either side ends. DOOR_LOGIN_MS after it was accepted a connection without a
 * login is ended, whatever it sends. */
#ifndef RETRIEVAL_DOOR_H
#define RETRIEVAL_DOOR_H

#include "base/buf.h"
#include "net/proxy_gate.h"
#include "net/listener.h"
#include "net/stream.h"
#include "storage/auth_client.h"
#include "storage/role.h"
#include "storage/sasl.h"

#define DOOR_LOGIN_MS 60000          /* from accept to a login that succeeds */
#define DOOR_LINE_MAX 8192           /* one line before login; SASL responses are the longest */
#define DOOR_COMMAND_MAX 16384       /* a command with its literals */
#define DOOR_BAD_MAX 10              /* commands that are refused, failed logins included */
#define DOOR_STOP_MS 3000
#define DOOR_LISTENERS_MAX 8

struct door_listener {
    struct door *door;
    const char *name;
    struct listener *listener;       /* owned */
    enum login_protocol protocol;
    bool is_implicit_tls;
};

struct door {
    struct role_context *role;
    struct loop *loop;
    struct auth_client *auth;        /* owned */
    struct tls_context *imap_tls;    /* owned; NULL: no certificate. Two, for their ALPN names */
    struct tls_context *pop3_tls;
    struct door_listener listeners[DOOR_LISTENERS_MAX];
    size_t listener_count;
    struct proxy_gate *gate;         /* owned; connections of a front until they tell their client */
    struct door_session *sessions;
    size_t session_count;
    uint64_t last_id;
    bool is_stopping;
    bool was_full;
};

enum door_state { DOOR_GREET, DOOR_LINES, DOOR_SASL, DOOR_ASKING, DOOR_CARRY, DOOR_ENDING };

/* What a connection needs only until it is logged in. */
struct door_before {
    struct buf command;              /* IMAP: lines and literals; wiped */
    struct buf tag;                  /* IMAP */
    struct buf user;                 /* POP3 USER */
    uint64_t literal_left;
    struct sasl sasl;                /* while has_sasl */
    bool has_sasl;
    int granted_fd;                  /* SCRAM: to retrieval, until the client has read our proof; else -1 */
    unsigned bad_count;
    bool is_tls_next;                /* STARTTLS was said: on_secure begins anew */
};

struct door_session {
    struct door *door;
    struct stream *client;           /* owned */
    struct stream *inner;            /* owned; to the retrieval process */
    struct door_before *before;      /* owned; NULL once logged in */
    uint64_t id;
    uint64_t request;                /* to auth; 0: none */
    enum login_protocol protocol;
    enum door_state state;
    bool is_over;                    /* is freed at this turn's end */
    struct door_session *next;
    struct door_session *prev;
};

/* Owns fd. peer: its address when a front told it, else "". */
void door_session_start(struct door_listener *l, int fd, const char *peer);
/* Says goodbye and ends. */
void door_session_stop(struct door_session *s);
void door_session_gone(struct door *door);
/* Both streams have ended: freed from the loop. */
void door_session_over(struct door_session *s);

/* --- for the protocols --- */

void door_say(struct door_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether LOGIN and the like may be used: under TLS, or from a network of login.cleartext. */
bool door_may_login(const struct door_session *s);
bool door_may_start_tls(const struct door_session *s);
void door_start_tls(struct door_session *s);
void door_login(struct door_session *s, struct slice user, struct slice password);
/* door_sasl.c: a dialogue begins (base64: the initial response) or goes on with a line; challenges are
 * said there, in the form that IMAP and POP3 share. ERR_UNSUPPORTED: no such mechanism. ERR_CLOSED: the
 * client gave up. ERR_SYNTAX: not what the mechanism needs. ERR_BAD_CREDENTIALS: acting for another. */
enum err door_sasl_begin(struct door_session *s, struct slice mechanism, bool has_initial, struct slice base64)
    MUST_CHECK;
enum err door_sasl_line(struct door_session *s, struct slice base64) MUST_CHECK;
void door_sasl_end(struct door_session *s);
/* The names to announce, each after `before`; at most DOOR_NAMES_MAX bytes, NUL-ended. */
#define DOOR_NAMES_MAX 128
void door_sasl_names(const struct door_session *s, const char *before, const char *after, char out[DOOR_NAMES_MAX]);
/* What auth said; the session's stream is paused until then. */
void door_sasl_granted(struct door_session *s, const struct login_reply *r);
/* From here on bytes are carried. Owns fd. */
void door_enter(struct door_session *s, int fd);
void door_on_login(void *ctx, const struct login_reply *r);
/* Counts; the session ends when there were too many. */
void door_bad(struct door_session *s);
void door_end(struct door_session *s);

/* Protocols: called with what the state says. */
void door_imap_greet(struct door_session *s);
/* True: it took something; call again. */
bool door_imap_input(struct door_session *s);
void door_imap_refused(struct door_session *s, enum err why);
void door_imap_bye(struct door_session *s, const char *text);
void door_pop3_greet(struct door_session *s);
bool door_pop3_input(struct door_session *s);
void door_pop3_refused(struct door_session *s, enum err why);
void door_pop3_bye(struct door_session *s, const char *text);

/* The login succeeded: fd leads to the retrieval process. */
void door_carry_begin(struct door_session *s, int fd);
void door_carry_out(struct door_session *s);   /* client -> retrieval */
void door_carry_in(struct door_session *s);    /* retrieval -> client */

#endif
