/* Asking the store: used by smtp and retrieval (and auth), asynchronous, one channel per process.
 *
 * Every call takes a callback that comes exactly once, from the loop, unless store_cancel() came
 * before. When the store dies, changes that were sent are asked for again by their request id on the
 * new channel ("done?"), and repeated if they were not; look-ups are simply repeated. After
 * STORE_PATIENCE_MS without a store the callback comes with ERR_STORE_GONE (451, or NO). */
#ifndef STORAGE_STORE_CLIENT_H
#define STORAGE_STORE_CLIENT_H

#include "base/buf.h"
#include "net/channel.h"
#include "storage/seal.h"

#define STORE_PATIENCE_MS 30000
#define STORE_RANGES_MAX 4000    /* UID ranges in one request; senders split what is longer */

struct store_client;

struct uid_range {
    uint32_t first;
    uint32_t last;  /* inclusive */
};

/* Flag bits of `mail` (the 64-bit set). 0-4 are IMAP's system flags; 8-15 are fixed readable
 * keywords; from FLAG_KEYWORD_FIRST on each vault has its own sealed names. */
#define FLAG_ANSWERED (1ULL << 0)
#define FLAG_FLAGGED (1ULL << 1)
#define FLAG_DELETED (1ULL << 2)
#define FLAG_SEEN (1ULL << 3)
#define FLAG_DRAFT (1ULL << 4)
#define FLAG_JUNK (1ULL << 8)
#define FLAG_NOTJUNK (1ULL << 9)
#define FLAG_FORWARDED (1ULL << 10)
#define FLAG_MDNSENT (1ULL << 11)
#define FLAG_PHISHING (1ULL << 12)
#define FLAG_IMPORTANT (1ULL << 13)
#define FLAG_KEYWORD_FIRST 16
#define FLAG_KEYWORD_LAST 62

struct store_target {
    uint64_t account;
    uint64_t mailbox;
    struct vault_public vault;
    char address[328];            /* NUL-ended; what Delivered-To says */
};

struct store_reply {
    enum err err;
    uint64_t modseq;              /* highest modseq of the (destination) mailbox after the change */
    uint64_t value;               /* as the call says */
    uint32_t uidvalidity;         /* append, copy, move: of the destination */
    const struct uid_range *ranges;   /* as the call says; valid during the callback */
    size_t range_count;
    const struct uid_range *ranges2;
    size_t range2_count;
    const struct store_target *targets; /* lookup */
    size_t target_count;
};

typedef void (*store_reply_fn)(void *ctx, const struct store_reply *r);

struct store_client_events {
    /* A mailbox of our account changed: re-read it. mailbox 0: the list of mailboxes did. */
    void (*on_ring)(void *ctx, uint64_t mailbox, uint64_t modseq);
    /* Addresses, domains or vaults changed: drop what was cached of look-ups. */
    void (*on_directory_changed)(void *ctx);
    /* Any other message of the store (the queue's, for relay). May be NULL. */
    void (*on_message)(void *ctx, uint16_t type, struct slice body);
    /* Bulk may go on (letter_writer uses it itself). */
    void (*on_drained)(void *ctx);
};

struct store_client *store_client_new(struct loop *l, const struct store_client_events *events, void *ctx);
void store_client_free(struct store_client *c);
/* The first channel, or a new one after the store was restarted. Owns fd. */
void store_client_attach(struct store_client *c, int fd);
/* The callback of this request will not come. What it changes may still happen. */
void store_cancel(struct store_client *c, uint64_t request);
bool store_client_is_full(const struct store_client *c);

/* Each returns the request's number for store_cancel(). Slices and arrays are copied. */

/* Where a canonical address (message/address.h) delivers. err: ERR_OK with 1..n targets;
 * ERR_NOT_FOUND (our domain, no such address), ERR_DENIED (not our domain), ERR_DISABLED, ERR_QUOTA
 * (over quota: all of its targets are), ERR_DISK_FULL. */
uint64_t store_lookup(struct store_client *c, struct slice canonical, store_reply_fn fn, void *ctx);
/* May this session (smtp scope) send as this canonical address? ERR_OK or ERR_DENIED. */
uint64_t store_may_send_as(struct store_client *c, uint64_t session, struct slice canonical,
    store_reply_fn fn, void *ctx);

/* IMAP. session must be open for the account with scope imap (or pop3 for flags and expunge). All
 * are durable when the callback comes. */
enum store_flag_op { STORE_FLAGS_SET, STORE_FLAGS_ADD, STORE_FLAGS_REMOVE };
struct store_flags {
    uint64_t session;
    uint64_t mailbox;
    enum store_flag_op op;
    uint64_t flags;
    uint64_t unchanged_since;         /* UINT64_MAX: whatever (RFC 7162 section 3.1.3) */
    const struct uid_range *uids;
    size_t uid_count;
};
/* ranges: UIDs that failed unchanged_since. */
uint64_t store_change_flags(struct store_client *c, const struct store_flags *f, store_reply_fn fn, void *ctx);
/* UIDs with FLAG_DELETED among uids (uid_count 0: all), or, with `whatever`, all of uids.
 * value: how many. */
uint64_t store_expunge(struct store_client *c, uint64_t session, uint64_t mailbox, bool whatever,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx);
/* All of uids, in one commit or not at all. */
uint64_t store_expunge_whole(struct store_client *c, uint64_t session, uint64_t mailbox,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx);
/* ranges: source UIDs, ranges2: their new UIDs, in the same order. uidvalidity: destination's. All or
 * nothing; UIDs that do not exist are passed over. ERR_NOT_FOUND: no such destination. */
uint64_t store_copy(struct store_client *c, uint64_t session, uint64_t from, uint64_t to, bool move,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx);
/* parent 0: top level. name: one component, UTF-8; the client seals it with keys. value: mailbox id. */
uint64_t store_mailbox_create(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    uint64_t parent, struct slice name, store_reply_fn fn, void *ctx);
/* With a special use (enum special_use of reader.h, not the inbox's). ERR_DENIED: another mailbox has it. */
uint64_t store_mailbox_create_for(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    uint64_t parent, struct slice name, unsigned special_use, store_reply_fn fn, void *ctx);
uint64_t store_mailbox_rename(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    uint64_t mailbox, uint64_t new_parent, struct slice new_name, store_reply_fn fn, void *ctx);
/* ERR_NOT_EMPTY: it has children (it is emptied and becomes \Noselect then: ERR_OK). */
uint64_t store_mailbox_delete(struct store_client *c, uint64_t session, uint64_t mailbox, store_reply_fn fn, void *ctx);
uint64_t store_mailbox_subscribe(struct store_client *c, uint64_t session, uint64_t mailbox, bool on,
    store_reply_fn fn, void *ctx);
/* RFC 3501 \Recent: raises the watermark to UIDNEXT; value: the UID from which on mails are recent for
 * this session. */
uint64_t store_claim_recent(struct store_client *c, uint64_t session, uint64_t mailbox, store_reply_fn fn, void *ctx);
/* The bit of a keyword in the account's vault, made when it is new. value: the bit (0-62). ERR_LIMIT
 * when all are taken. The fixed ones ($Junk …) never come here. */
uint64_t store_keyword(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    struct slice keyword, store_reply_fn fn, void *ctx);
/* Wraps rewritten under the vault's symmetric key (adoption): n times (letter row, WRAP_BYTES). */
struct store_adoption {
    uint64_t letter;
    uint8_t wrap[WRAP_BYTES];
};
uint64_t store_adopt(struct store_client *c, uint64_t session, uint64_t vault,
    const struct store_adoption *a, size_t n, store_reply_fn fn, void *ctx);
/* A summary re-made because the stored one was stale or damaged. */
uint64_t store_replace_summary(struct store_client *c, uint64_t session, uint64_t letter,
    struct slice sealed, store_reply_fn fn, void *ctx);
/* The search index (storage/search_segment.h): begin makes a segment (value: its id) and forgets what of
 * this vault was not finished; blocks follow; the end makes it visible and drops the segments behind `from`,
 * whose letters it holds too. ERR_EXISTS: no segment ended at `from`, or another goes as far. */
enum store_search_op { STORE_SEARCH_BEGIN, STORE_SEARCH_BLOCK, STORE_SEARCH_END };
struct store_search {
    enum store_search_op op;
    uint64_t session;
    uint64_t vault;
    uint64_t segment;
    uint64_t number;           /* of the block; end: from */
    uint64_t upto;             /* end: row id of the last letter; begin: generation */
    struct slice sealed;       /* block; end: directory */
};
/* A listing block (listing.h), sealed; a cache that may be lost. */
uint64_t store_put_listing(struct store_client *c, uint64_t session, uint64_t mailbox, uint32_t first,
    uint32_t last, struct slice sealed, store_reply_fn fn, void *ctx);
uint64_t store_search_write(struct store_client *c, const struct store_search *w, store_reply_fn fn, void *ctx);

#endif
