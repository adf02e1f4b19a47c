/* One POP3 session behind the login (RFC 1939 TRANSACTION and UPDATE states).
 *
 * Life: made → the maildrop is read, in slices → "+OK" → commands, one after the other → QUIT: what was
 * marked is expunged, and only then "+OK". A connection that ends otherwise deletes nothing. The
 * maildrop is one session's at a time. */
#ifndef RETRIEVAL_POP3_SESSION_H
#define RETRIEVAL_POP3_SESSION_H

#include "net/stream.h"
#include "retrieval/pop3/pop3_maildrop.h"
#include "retrieval/pop3/pop3_stuff.h"
#include "retrieval/session.h"

#define POP3_LINE_MAX 512                   /* RFC 2449 section 4 asks for 255 */
#define POP3_IDLE_MS (10 * 60 * 1000)       /* RFC 1939 section 3 */
#define POP3_MAILS_MAX 1000000              /* what a maildrop shows */
#define POP3_ROWS_PER_TURN 5000
#define POP3_OUTPUT_STEP (64 * 1024)
#define POP3_BAD_MAX 50

enum pop3_state { POP3_LOADING, POP3_READY, POP3_SENDING, POP3_LISTING, POP3_UPDATING, POP3_ENDING };

struct pop3_mail {
    uint32_t uid;
    bool is_deleted;
    uint64_t size;
};

struct pop3_session {
    struct retrieval_session base;          /* first */
    struct stream *stream;                  /* owned */
    enum pop3_state state;
    uint64_t mailbox;
    uint32_t uidvalidity;
    uint64_t archive;                       /* where DELE files letters away; 0: it deletes */
    struct pop3_mail *mails;                /* owned */
    size_t count;
    size_t cap;
    uint32_t next_uid;                      /* while loading */
    unsigned bad_count;
    struct letter_handle *letter;           /* owned; RETR and TOP */
    uint64_t at;
    struct pop3_stuff stuff;
    size_t list_at;                         /* LIST and UIDL of all */
    bool is_uidl;
    size_t update_at;                       /* QUIT */
    uint64_t request;
    bool is_locked;                         /* this session holds the maildrop */
    char address[328];
};

/* pop3_commands.c */
void pop3_run(struct pop3_session *s, struct slice line);
void pop3_send_more(struct pop3_session *s);
void pop3_list_more(struct pop3_session *s);

/* pop3_session.c */
void pop3_say(struct pop3_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pop3_bad(struct pop3_session *s, const char *text);
void pop3_end(struct pop3_session *s);
/* Back to commands. */
void pop3_ready(struct pop3_session *s);
void pop3_update(struct pop3_session *s);

#endif
