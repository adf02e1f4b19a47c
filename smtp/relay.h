/* The relay from inside: what its files share.
 *
 *   relay_role.c        the process: start, channel, settings, the end
 *   relay_queue.c       letters and jobs in memory, destinations, when what is tried
 *   relay_store.c       what passes between relay and the store: work in, results out
 *   relay_content.c     a letter's text, chunk by chunk
 *   relay_resolve.c     where a destination is: routes, MX, addresses
 *   relay_connection.c  one connection: dial, greeting, EHLO, TLS, login, the end
 *   relay_send.c        one letter over a connection
 *   relay_dkim.c        the keys that sign, and the signing of one letter
 *   relay_report.c      what a report says (pure); relay_bounce.c sees to its delivery
 *
 * A *job* is one letter for one destination: up to RELAY_RECIPIENTS_MAX recipients. A *destination* is a
 * domain, or a route with all the domains that take it; back-off belongs to it. All that is due stands in
 * memory without its text, so that a destination that is down costs nothing but one timer. */
#ifndef SMTP_RELAY_H
#define SMTP_RELAY_H

#include "base/idmap.h"
#include "net/dial.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls.h"
#include "smtp/dkim.h"
#include "smtp/relay_reply.h"
#include "smtp/relay_text.h"
#include "storage/queue.h"
#include "storage/role.h"
#include "storage/settings.h"
#include "storage/store_client.h"

#define RELAY_RECIPIENTS_MAX 100        /* in one transaction (RFC 5321 section 4.5.3.1.8) */
#define RELAY_ROUTES_MAX 1000
#define RELAY_CONNECT_MS (30u * 1000)
/* RFC 5321 section 4.5.3.2, from the client's side */
#define RELAY_GREETING_MS (5u * 60 * 1000)
#define RELAY_COMMAND_MS (5u * 60 * 1000)
#define RELAY_DATA_MS (2u * 60 * 1000)
#define RELAY_BLOCK_MS (3u * 60 * 1000)
#define RELAY_END_MS (10u * 60 * 1000)
#define RELAY_HANDSHAKE_MS (60u * 1000)
#define RELAY_IDLE_MS (5u * 1000)       /* an open connection waits so long for another letter */
#define RELAY_STOP_MS (5u * 1000)

enum relay_outcome { RELAY_PENDING, RELAY_DELIVERED, RELAY_LATER, RELAY_FAILED };

struct relay_recipient {
    struct relay_recipient *next;
    uint64_t id;
    uint32_t attempts;
    uint8_t notify;
    bool is_noticed;
    enum relay_outcome outcome;
    char *answer;                 /* owned; NULL: none */
    const char *address;          /* the three stand behind the struct */
    const char *domain;
    const char *orcpt;
    char text[];
};

enum relay_job_state { JOB_QUEUED, JOB_SENDING, JOB_SETTLING, JOB_REPORTING };

struct relay_job {
    enum relay_job_state state;
    struct relay_letter *letter;
    struct relay_destination *destination;
    struct relay_job *next, *prev;         /* in the destination's queue, or a batch (next alone) */
    struct relay_job *next_of_letter;
    struct relay_recipient *recipients;
    struct relay_recipient **recipients_end;
    size_t count;
    unsigned lost;                          /* connections that ended before this letter began */
};

struct relay_letter {
    uint64_t id;
    struct queue_letter head;               /* sender, envid: owned copies */
    uint8_t uid[LETTER_UID_BYTES];
    int64_t created;
    uint64_t size;
    uint32_t prefix_size;
    uint32_t chunks;
    struct relay_job *jobs;
    unsigned uses;                          /* contents and reports that look at it */
};

struct relay_route {
    struct relay_route *next;
    char *destination;
    char *host;
    uint16_t port;
    enum route_tls tls;
    char *user;
    char *password;                         /* in the clear; wiped when freed */
};

struct relay_destination {
    struct relay *relay;
    char *name;                             /* a domain, or "route NAME" */
    const struct relay_route *route;        /* NULL: MX */
    struct relay_destination *next_same_hash;
    struct relay_job *first, *last;
    size_t queued;
    struct relay_connection *connections;
    unsigned connection_count;
    unsigned connecting;
    bool is_proven;                         /* a connection came so far that letters can go */
    bool in_clear;                          /* TLS was offered and failed: the next try goes without */
    uint32_t failures;                      /* in a row */
    int64_t next_try;                       /* milliseconds of the wall clock; 0: now */
    struct timer *timer;
    char *answer;                           /* why it failed */
    bool is_woken;
    struct relay_destination *next_woken;
};

enum relay_state {
    RELAY_DIALLING, RELAY_GREETING, RELAY_EHLO, RELAY_HELO, RELAY_STARTTLS, RELAY_HANDSHAKE,
    RELAY_AUTH, RELAY_AUTH_USER, RELAY_AUTH_PASSWORD, RELAY_IDLE,
    RELAY_SIGNING, RELAY_ENVELOPE, RELAY_TEXT, RELAY_END, RELAY_RSET, RELAY_QUIT
};

#define RELAY_HOSTS_MAX 6               /* mail exchangers that are tried */

struct relay_connection {
    struct relay *relay;
    struct relay_destination *destination;
    struct relay_connection *next;
    enum relay_state state;
    struct dial *dial;
    struct stream *stream;
    struct dial_address addresses[DIAL_ADDRESSES_MAX];
    size_t address_count;
    size_t host_of[DIAL_ADDRESSES_MAX];     /* whose address it is */
    char hosts[RELAY_HOSTS_MAX][DNS_NAME_MAX + 1];
    size_t host_count, host_at;
    enum dns_type asked_type;
    uint64_t question;                      /* 0: none is open */
    size_t which;                           /* the address that is connected */
    struct relay_reply reply;
    unsigned capabilities;
    uint64_t size_max;
    bool is_secure;
    bool in_clear;                          /* TLS failed on the connection before: not tried again */
    bool is_gone;
    char peer[300];                         /* "mx.example.net [192.0.2.1]" */
    uint64_t letters;
    bool is_check;                          /* of `relay check`: says how far it came, sends nothing */
    uint64_t check_req;
    /* the letter under way */
    struct relay_job *job;
    struct relay_content *content;
    struct relay_recipient *asked;          /* the next whose RCPT is to be sent */
    struct relay_recipient *answered;       /* and whose answer is to come */
    unsigned mail_code;                     /* 0: not answered yet */
    bool data_sent;
    struct relay_text text;
    size_t accepted;
    struct dkim_message *dkim;              /* owned; while it is signed */
    struct buf signature;                   /* of the letter; empty: none */
};

struct relay_config {
    struct buf host;
    uint64_t retry_first_ms, retry_longest_ms, notice_after_s, give_up_s;
    uint64_t max_connections, max_per_destination, letters_per_connection;
    uint16_t port;
};

struct relay {
    struct role_context *role;
    struct loop *loop;
    struct store_client *store;
    struct tls_context *tls;
    struct dns *dns;                        /* NULL: names cannot be looked up */
    struct relay_config config;
    struct vault_keys *keys;                /* of the queue; in the locked arena */
    uint8_t agreed_epoch[SEAL_KEY_BYTES];   /* the agreement made last, and its public half */
    uint8_t *agreed_key;                    /* in the locked arena */
    bool has_agreed;

    struct idmap letters;
    struct idmap destinations;              /* by hash of the name; chained */
    uint8_t hash_key[HASH_BYTES];
    struct relay_route *routes;
    struct relay_dkim_key *dkim_keys;
    struct relay_destination *woken;
    unsigned connection_count;
    unsigned sending;                       /* connections with a letter under way */
    struct relay_connection *connections_gone; /* freed at the turn's end */

    struct idmap contents;                  /* by cookie */
    uint64_t last_cookie;
    struct relay_batch *batches_first;      /* it may be under way; the others gather */
    uint64_t batch_request;                 /* 0: none under way */
    struct timer *batch_timer;
    uint32_t owed;                          /* recipients settled that the store may replace */
    bool has_begun;
    struct buf scratch, scratch2, scratch3;
    struct timer *stop_timer;
    bool is_stopping;
    uint64_t delivered, failed;
};

/* ---- relay_queue.c ---- */
void relay_queue_add(struct relay *r, const struct queue_work *w);
/* Where letters for the domain go; "*": the smarthost. */
struct relay_destination *relay_destination_of(struct relay *r, struct slice domain);
/* A destination of that name. */
struct relay_destination *relay_destination_get(struct relay *r, struct slice name);
void relay_destination_wake(struct relay_destination *d);
/* All letters of it wait now; tells the store. is_permanent: they fail. */
void relay_destination_failed(struct relay_destination *d, const char *answer, bool is_permanent);
/* A connection came so far that letters can go. */
void relay_destination_is_well(struct relay_destination *d);
/* The next job to send, taken off the queue; NULL: none, or not now. */
struct relay_job *relay_destination_take(struct relay_destination *d);
/* Back to the front: nothing was tried. */
void relay_job_put_back(struct relay_job *j);
/* Every recipient of the job has an outcome: results, reports, the end of the job. */
void relay_job_done(struct relay_job *j);
void relay_job_free(struct relay_job *j);
void relay_letter_release(struct relay *r, struct relay_letter *l);
void relay_recipient_set(struct relay_recipient *p, enum relay_outcome o, struct slice answer);
/* The same for all that have none yet. */
void relay_job_set(struct relay_job *j, enum relay_outcome o, struct slice answer);
void relay_pump(struct relay *r);
void relay_routes_replace(struct relay *r, struct relay_route *routes);
void relay_forget(struct relay *r, uint64_t letter);
/* domain: empty, every destination. */
void relay_retry(struct relay *r, struct slice domain);
int64_t relay_now_ms(void);

/* ---- relay_store.c ---- */
void relay_store_message(void *relay, uint16_t type, struct slice body);
void relay_store_attach(struct relay *r, int fd);
/* Adds a result to the batch that goes out at the turn's end; with `job`, the job is freed when it is
 * committed. */
void relay_result(struct relay *r, const struct queue_result *result);
void relay_result_job(struct relay *r, struct relay_job *j);
void relay_flush_results(struct relay *r);
/* The same, or a moment later while other letters are on the way. */
void relay_gather_results(struct relay *r);
bool relay_has_results(const struct relay *r);

/* ---- relay_content.c ---- */
struct relay_content;
/* on_more: relay_content_next() may be called again. */
struct relay_content *relay_content_open(struct relay *r, struct relay_letter *l, void (*on_more)(void *ctx),
    void *ctx);
void relay_content_close(struct relay_content *c);
/* ERR_OK: the next piece of text is appended to out. ERR_AGAIN: on_more comes. ERR_NOT_FOUND: the end.
 * ERR_CLOSED: the letter is in the queue no more. ERR_DAMAGED. */
enum err relay_content_next(struct relay_content *c, struct buf *out) MUST_CHECK;
void relay_content_came(struct relay *r, struct slice body);
void relay_content_ask_again(struct relay *r);

/* ---- relay_dkim.c ---- */
/* M_RELAY_DKIM */
void relay_dkim_take(struct relay *r, struct slice body);
/* The letter was fed to m whole: appends its signatures, or nothing when none of our keys is for its From. */
void relay_dkim_sign(const struct relay *r, struct dkim_message *m, uint64_t letter, struct buf *out);

/* ---- relay_connection.c ---- */
void relay_connection_start(struct relay_destination *d);
/* Of `relay check`: M_ADMIN_REPLY to this request tells what came of it. */
void relay_connection_check(struct relay_destination *d, uint64_t req);
/* All letters of the destination fail. */
void relay_connection_hopeless(struct relay_connection *c, const char *why);
/* An open connection without a letter; NULL: none. */
struct relay_connection *relay_connection_idle(struct relay_destination *d);
void relay_connection_quit(struct relay_connection *c);
void relay_connection_close(struct relay_connection *c);
/* It failed in earnest; `what` says when. */
void relay_connection_lost(struct relay_connection *c, const char *what, struct slice words);
void relay_connection_ready(struct relay_connection *c);
void relay_connection_set(struct relay_connection *c, enum relay_state state, uint64_t ms);
void relay_connections_free_gone(struct relay *r);

/* ---- relay_resolve.c ---- */
/* Finds the addresses of the destination; relay_connection_dial() or the failure follows, perhaps at once. */
void relay_resolve(struct relay_connection *c);
void relay_connection_dial(struct relay_connection *c);

/* ---- relay_send.c ---- */
void relay_send(struct relay_connection *c, struct relay_job *j);
/* A complete reply in ENVELOPE, TEXT, END or RSET. */
void relay_send_reply(struct relay_connection *c);
void relay_send_more(struct relay_connection *c);
/* What the connection's end means for the letter under way. */
void relay_send_lost(struct relay_connection *c, struct slice why);

/* ---- relay_bounce.c ---- */
/* Reports the failed recipients of the job, then frees it; DONE in the same commit. */
void relay_bounce(struct relay_job *j);
/* Reports that these wait; they go on waiting. */
void relay_notice(struct relay_job *j, const char *answer);

#endif
