/* The outbound queue as its messages: what a submission adds to M_DELIVER, the work that the store hands
 * to relay, and what relay says became of it. Shared by smtp (letter_writer), the store and relay.
 *
 * A letter's content is stored once; for the queue its key K is wrapped for the queue's public key, the
 * secret half of which is a subkey of server.key that relay alone gets (docs/relay.md). A recipient's id is
 * letter * 65536 + number. Times of the queue are milliseconds of the wall clock. */
#ifndef STORAGE_QUEUE_H
#define STORAGE_QUEUE_H

#include "base/wire.h"
#include "storage/seal.h"

#define QUEUE_VAULT (1ULL << 48)          /* no account's vault has this id */
#define QUEUE_RECIPIENTS_MAX 10000
#define QUEUE_ADDRESS_MAX 328
#define QUEUE_ENVID_MAX 100               /* RFC 3461 section 4.4 */
#define QUEUE_ORCPT_MAX 500               /* RFC 3461 section 4.2 */
#define QUEUE_ANSWER_MAX 512              /* kept of the other side's words */
#define QUEUE_HELD_MAX 500000             /* recipients that relay holds at one time */

/* What a letter needs of the next server; of RFC 3461 the RET parameter. */
enum queue_flag {
    QUEUE_UTF8 = 1,        /* SMTPUTF8 was said */
    QUEUE_8BIT = 2,        /* bytes beyond ASCII in the body */
    QUEUE_UTF8_HEADER = 4, /* or in the header */
    QUEUE_RET_FULL = 8,
    QUEUE_RET_HEADERS = 16
};

/* NOTIFY of RFC 3461 section 4.1; 0: not said (failure and delay). */
enum queue_notify { QUEUE_NOTIFY_SUCCESS = 1, QUEUE_NOTIFY_FAILURE = 2, QUEUE_NOTIFY_DELAY = 4,
    QUEUE_NOTIFY_NEVER = 8 };

/* sender may be empty (the null reverse-path). wrap: K for QUEUE_VAULT under epoch_public. */
struct queue_letter {
    struct slice sender;
    uint8_t flags;
    struct slice envid;
    uint8_t epoch_public[SEAL_KEY_BYTES];
    uint8_t wrap[WRAP_BYTES];
};
void queue_letter_encode(const struct queue_letter *q, struct buf *out);
bool queue_letter_decode(struct wire *w, struct queue_letter *out);

/* address: as written; domain: its lower-case A-labels. */
struct queue_recipient {
    struct slice address;
    struct slice domain;
    uint8_t notify;
    struct slice orcpt;
};
void queue_recipient_encode(const struct queue_recipient *r, struct buf *out);
bool queue_recipient_decode(struct wire *w, struct queue_recipient *out);

/* One recipient that is due, with what relay needs to know of its letter (M_RELAY_WORK holds many). */
struct queue_work {
    uint64_t id;           /* of the recipient */
    uint32_t attempts;
    bool is_noticed;       /* the delay notice was sent */
    struct queue_recipient recipient;
    struct queue_letter letter;
    uint8_t uid[LETTER_UID_BYTES];
    int64_t created;       /* seconds */
    uint64_t size;
    uint32_t prefix_size;
    uint32_t chunks;
};
void queue_work_encode(const struct queue_work *q, struct buf *out);
bool queue_work_decode(struct wire *w, struct queue_work *out);

enum queue_result_kind {
    QUEUE_DONE = 1,        /* delivered, or failed and reported: the recipient goes */
    QUEUE_DEFER,           /* again at `next`, with the answer; attempts counts one more */
    QUEUE_NOTICED,         /* the delay notice was sent */
    QUEUE_DESTINATION,     /* a destination's failures in a row, next try and answer; failures 0: well again */
    QUEUE_RESULT_KINDS
};
struct queue_result {
    enum queue_result_kind kind;
    uint64_t id;           /* recipient; 0 for a destination */
    int64_t next;
    uint32_t failures;
    struct slice destination;
    struct slice answer;
};
void queue_result_encode(const struct queue_result *r, struct buf *out);
bool queue_result_decode(struct wire *w, struct queue_result *out);

/* One row of `route` (M_RELAY_ROUTES). destination: a domain, or "*". */
enum route_tls { ROUTE_TLS_MAY, ROUTE_TLS_NONE, ROUTE_TLS_MUST, ROUTE_TLS_VERIFY, ROUTE_TLS_IMPLICIT,
    ROUTE_TLS_COUNT };
const char *route_tls_name(enum route_tls t);
/* False: no such mode. */
bool route_tls_parse(struct slice name, enum route_tls *out);
#define ROUTE_HOST_MAX 255
#define ROUTE_USER_MAX 320
#define ROUTE_PASSWORD_MAX 1024
struct queue_route {
    struct slice destination;
    struct slice host;
    uint16_t port;
    enum route_tls tls;
    struct slice user;      /* empty: no login */
    struct slice password;  /* sealed (seal_blob, associated data: destination) */
};
void queue_route_encode(const struct queue_route *r, struct buf *out);
bool queue_route_decode(struct wire *w, struct queue_route *out);

/* The queue's pair from its subkey of server.key. */
void queue_keys_from(const uint8_t subkey[SEAL_KEY_BYTES], struct vault_keys *out);
/* What smtp knows of it. */
struct vault_public queue_public_of(const uint8_t public_key[SEAL_KEY_BYTES]);

#endif
