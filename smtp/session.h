/* One SMTP connection (RFC 5321), receiving or submission. session.c has its life and the loop that
 * takes commands; dispatch.c the table of commands and every refusal that a table can make; cmd_*.c
 * the commands. This header is for those files and for smtp_role.c. */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "net/stream.h"
#include "smtp/path.h"
#include "smtp/reply.h"
#include "smtp/server.h"
#include "smtp/transaction.h"
#include "storage/sasl.h"

/* What the next input is. The diagram stands in dispatch.c. */
enum smtp_state {
    SMTP_STATE_NEW,        /* no EHLO or HELO yet, or none since TLS began */
    SMTP_STATE_READY,
    SMTP_STATE_MAIL,       /* a sender is accepted */
    SMTP_STATE_RCPT,       /* and at least one recipient */
    SMTP_STATE_AUTH,       /* the next line is an answer in a login dialogue */
    SMTP_STATE_CHUNKS,     /* a BDAT was taken, and it was not the last */
    SMTP_STATE_DATA,       /* text of a letter */
    SMTP_STATE_BDAT,       /* text of a chunk */
    SMTP_STATE_HANDSHAKE,  /* TLS */
    SMTP_STATE_CLOSING,    /* the last reply is said */
    SMTP_STATE_COUNT
};

/* What the session waits for; reading pauses meanwhile, but for SMTP_WAIT_OUTPUT. */
enum smtp_wait {
    SMTP_WAIT_NOTHING,
    SMTP_WAIT_LOOKUP,   /* store_lookup, store_may_send_as: `request` */
    SMTP_WAIT_LOGIN,    /* auth_login: `request` */
    SMTP_WAIT_STORED,   /* the commit of the letter */
    SMTP_WAIT_ROOM,     /* the store is behind: its on_drained */
    SMTP_WAIT_GREETING, /* whether the peer speaks before it is greeted */
    SMTP_WAIT_OUTPUT,   /* the peer does not read our replies: on_writable */
};

/* The chunk of a BDAT. */
struct smtp_chunk {
    uint64_t size_bytes;
    uint64_t left;
    bool is_last;
    enum smtp_reply_name refusal;   /* not REPLY_OK: its bytes are dropped, then this is said */
    enum smtp_state state_before;
};

enum smtp_step { STEP_DONE, STEP_WAIT, STEP_CLOSE };

struct smtp_session {
    /* as long as the connection */
    struct smtp_server *server;   /* borrowed */
    struct stream *stream;        /* owned */
    uint64_t id;
    enum smtp_service service;
    uint64_t network;
    bool may_login_in_clear;      /* setting login.cleartext */
    bool is_unlimited;            /* setting smtp.unlimited-networks; the local socket */
    unsigned errors;
    unsigned idle_commands;       /* since a recipient was accepted */
    unsigned login_failures;

    enum smtp_state state;        /* set by smtp_session_set_state() alone */
    enum smtp_wait wait;
    uint64_t request;

    /* forgotten when TLS begins */
    bool is_extended;             /* EHLO or LHLO, not HELO */
    bool is_lmtp;                 /* LHLO: after its text each recipient gets a reply (RFC 2033) */
    struct buf hello;             /* owned */

    /* from login to the end */
    uint64_t login_session;       /* 0: not logged in */
    struct buf login_address;     /* owned */
    struct sasl *sasl;            /* owned; only while a login is under way */

    struct smtp_transaction transaction;
    struct smtp_mail_argument pending_mail; /* of MAIL while it waits; slices point into `pending` */
    struct smtp_rcpt_argument pending_rcpt;
    struct buf pending;           /* owned; the argument of MAIL or RCPT */
    struct buf canonical;         /* owned; the address that is looked up */
    struct smtp_chunk chunk;
    uint64_t period_bytes;        /* DATA, BDAT: received_bytes when the period began */
};

/* Owns fd. peer: its address when a front told it, else "". When there are too many connections the peer hears so and is gone. */
void smtp_session_start(struct smtp_server *server, enum smtp_service service, int fd, const char *peer);
/* The store takes bulk again. */
void smtp_session_on_room(struct smtp_session *s);
/* The server ends: now, if nothing is under way, else after the next reply. */
void smtp_session_stop(struct smtp_session *s);

/* ---- for the commands ---- */

void smtp_session_set_state(struct smtp_session *s, enum smtp_state state);
/* Says it; a 5xx counts as an error. */
void smtp_session_reply(struct smtp_session *s, enum smtp_reply_name name);
void smtp_session_reply_with(struct smtp_session *s, enum smtp_reply_name name, struct slice detail);
/* The outcome of a letter: in LMTP once for each recipient that was accepted (RFC 2033 section 4.2). Ends the
 * transaction. */
void smtp_session_outcome(struct smtp_session *s, enum smtp_reply_name name, struct slice detail);
/* A line as it is; EHLO's and the 334s. */
void smtp_session_write(struct smtp_session *s, struct slice line);
void smtp_session_wait(struct smtp_session *s, enum smtp_wait wait, uint64_t request);
/* What was waited for has come: reading goes on. `step` as a command returns it. */
void smtp_session_continue(struct smtp_session *s, enum smtp_step step);
/* Back to READY (or NEW), the transaction forgotten. */
void smtp_session_end_transaction(struct smtp_session *s);
bool smtp_session_is_submission(const struct smtp_session *s);
/* Whether a password may be taken as things stand. */
bool smtp_session_is_private(const struct smtp_session *s);
/* Our own host name, never empty. */
struct slice smtp_session_host(const struct smtp_session *s);

/* dispatch.c: one line in whatever state takes lines. */
enum smtp_step smtp_dispatch(struct smtp_session *s, struct slice line);

/* cmd_hello.c */
enum smtp_step smtp_cmd_ehlo(struct smtp_session *s, struct slice argument);
enum smtp_step smtp_cmd_helo(struct smtp_session *s, struct slice argument);
/* LHLO (RFC 2033 section 4.1); only on the local socket. */
enum smtp_step smtp_cmd_lhlo(struct smtp_session *s, struct slice argument);
enum smtp_step smtp_cmd_starttls(struct smtp_session *s, struct slice argument);
/* The handshake is done: all that was learnt in clear is forgotten. */
void smtp_session_forget_clear(struct smtp_session *s);
/* cmd_auth.c */
enum smtp_step smtp_cmd_auth(struct smtp_session *s, struct slice argument);
enum smtp_step smtp_auth_line(struct smtp_session *s, struct slice line);
void smtp_auth_end(struct smtp_session *s);
/* The dialogue is broken off: nobody is logged in. */
void smtp_auth_cancel(struct smtp_session *s);
/* cmd_envelope.c */
enum smtp_step smtp_cmd_mail(struct smtp_session *s, struct slice argument);
enum smtp_step smtp_cmd_rcpt(struct smtp_session *s, struct slice argument);
/* cmd_data.c */
enum smtp_step smtp_cmd_data(struct smtp_session *s, struct slice argument);
/* A letter begins; false when it cannot. */
bool smtp_data_begin(struct smtp_session *s);
/* Text of the letter; counted, and refused when it is too much. */
void smtp_data_take(struct smtp_session *s, struct slice piece);
/* The text has ended: refuses or delivers. */
enum smtp_step smtp_data_end(struct smtp_session *s);
enum smtp_step smtp_data_refuse(struct smtp_session *s, enum smtp_reply_name why);
enum smtp_step smtp_data_deliver(struct smtp_session *s);
/* submission.c: text of a letter that is submitted, its header completed on the way. */
void smtp_submission_take(struct smtp_session *s, struct slice piece);
/* The text has ended; perhaps within its header. */
void smtp_submission_end_header(struct smtp_session *s);
/* Delivers, or refuses, when the addresses of From and Sender have been looked at. */
enum smtp_step smtp_submission_check(struct smtp_session *s, const struct summary *summary);
/* Takes what input there is of a letter. STEP_DONE: the text has ended and was answered. STEP_WAIT: more
 * must come, or the store; *out_wants_input tells which. */
enum smtp_step smtp_data_run(struct smtp_session *s, bool *out_wants_input);
/* From now on so many bytes must come in so much time (limits.h). */
void smtp_data_start_period(struct smtp_session *s);
/* The deadline of a period has passed: true when the peer was fast enough to go on. */
bool smtp_data_period(struct smtp_session *s);
/* Whether what comes is text and no command. */
bool smtp_session_in_text(const struct smtp_session *s);
/* cmd_bdat.c; refusal: what the table says of it, REPLY_OK when it is welcome. */
enum smtp_step smtp_cmd_bdat(struct smtp_session *s, struct slice argument, enum smtp_reply_name refusal);
/* As smtp_data_run, for the bytes of a chunk. */
enum smtp_step smtp_bdat_run(struct smtp_session *s, bool *out_wants_input);

#endif
