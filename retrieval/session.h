/* What the sessions of one account share in its retrieval process, and the face that an IMAP or a
 * POP3 session shows to it.
 *
 * Life of a session: auth hands a descriptor over (M_ATTACH) → imap_session_new() or
 * pop3_session_new() makes the session around it → the process calls ops as things happen → the
 * session, finding its stream closed or its work done, frees the stream and calls
 * retrieval_session_end() → from the loop, never inside the session's own call stack, the process
 * calls ops->free, tells auth (M_DETACH), and wipes the keys when it was the last one.
 *
 * All calls come from the loop. Nobody but this process's sessions uses the reader; a cursor is closed
 * before control goes back to the loop. */
#ifndef RETRIEVAL_SESSION_H
#define RETRIEVAL_SESSION_H

#include "message/summary.h"
#include "storage/reader.h"
#include "storage/role.h"
#include "storage/session_attach.h"
#include "storage/settings.h"
#include "storage/store_client.h"

struct retrieval_session;

struct session_ops {
    /* Frees the session's memory; its stream is gone already or is freed here. */
    void (*free)(struct retrieval_session *s);
    /* A piece of work that was asked for with retrieval_session_again(). */
    void (*on_turn)(struct retrieval_session *s);
    /* A mailbox changed; 0: the list of mailboxes. May be NULL. */
    void (*on_ring)(struct retrieval_session *s, uint64_t mailbox, uint64_t modseq);
    /* The store takes bulk again (APPEND). May be NULL. */
    void (*on_drained)(struct retrieval_session *s);
    /* The process is to end: say goodbye and end soon. */
    void (*on_stop)(struct retrieval_session *s);
    /* The credential that opened it was revoked, or the account disabled: say so and end now. */
    void (*on_revoked)(struct retrieval_session *s);
};

/* First member of a protocol's session. */
struct retrieval_session {
    const struct session_ops *ops;
    struct retrieval *retrieval;
    uint64_t id;                 /* what store and auth know it by */
    enum login_protocol protocol;
    bool wants_turn;
    bool has_ended;
    struct retrieval_session *next;
    struct retrieval_session *prev;
};

struct retrieval {
    struct loop *loop;           /* borrowed */
    struct role_context *role;   /* borrowed; NULL in unit tests */
    struct settings *settings;   /* borrowed */
    struct store_client *store;  /* owned */
    struct reader *reader;       /* owned */
    struct channel *auth;        /* owned; NULL while auth is being restarted */
    uint64_t account;
    struct vault_keys *keys;     /* owned, in the locked arena; NULL when no session is there */
    struct retrieval_session *sessions;
    size_t session_count;
    struct timer *turn;          /* runs on_turn of those that asked, and frees those that ended */
    struct timer *linger;
    struct timer *adopt;
    struct search_indexer *indexer; /* owned */
    bool is_adopting;
    uint64_t adopt_since_ms;     /* when there was the first to adopt, by the monotonic clock */
    uint64_t last_mail_ms;
    uint64_t last_turn_ms;       /* a command went on */
    unsigned listings_on_way;    /* blocks that the store has not yet answered for */
    bool is_leaving;             /* auth was asked whether nobody is on the way; then the process ends */
    struct imap_shared *imap;    /* what IMAP sessions share; owned by retrieval/imap */
};

/* A command went on: work of the background stands back. */
void retrieval_session_busy(struct retrieval_session *s);
/* ops->on_turn follows, from the loop, after what else is ready. Asking twice is asking once. */
void retrieval_session_again(struct retrieval_session *s);
/* The session is over; ops->free follows from the loop, and no other call. */
void retrieval_session_end(struct retrieval_session *s);

/* Each takes ownership of fd, copies what it needs of the attachment, sets ops of the base and returns
 * it; id, protocol and the links are the caller's to set. The keys are in r->keys. */
struct retrieval_session *imap_session_new(struct retrieval *r, const struct session_attach *a, int fd);
struct retrieval_session *pop3_session_new(struct retrieval *r, const struct session_attach *a, int fd);
/* Frees r->imap, which the first IMAP session made; r->imap may be NULL. */
void imap_shared_free(struct retrieval *r);

#endif
