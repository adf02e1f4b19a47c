/* The store: the one writer of mail.db and letters.db. Inside storage/ only; others ask by
 * storage/store_client.h.
 *
 * A turn: every request that came is run inside one transaction (each behind a savepoint of its own, so
 * that one that fails leaves nothing), then the transaction commits, then all replies and rings go out.
 * What does not fit into STORE_SLICE_ROWS rows goes on in the next turn, after the others. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/idmap.h"
#include "storage/admin_ops.h"
#include "storage/db.h"
#include "storage/letter_message.h"
#include "storage/messages.h"
#include "storage/settings.h"

#define MAIL_PAGE_BYTES 4096
#define LETTERS_PAGE_BYTES 65536
#define STORE_SLICE_ROWS 2000
#define STORE_ALIAS_DEPTH_MAX 10
#define STORE_ALIAS_STEPS_MAX 1000       /* addresses looked at for one: many aliases to many aliases */
#define STORE_TARGETS_MAX 100            /* accounts that one address may lead to */
#define STORE_STAGES_PER_PEER_MAX 4096
#define STORE_HELD_BYTES_MAX (16u << 20) /* of letters held for one commit, per peer */
#define STORE_WORKS_MAX 10000            /* requests waiting for their next slice */
#define STORE_REQUEST_KEEP_S 120         /* four times a client's patience */
#define STORE_CHECKPOINT_BYTES (8u << 20) /* of WAL: what a restart reads, what is not yet copied back */

struct store_peer {
    struct store *store;
    struct channel *channel;
    enum role role;
    uint32_t instance;
    uint64_t account;
    struct store_peer *next;
    struct store_stage *stages;
    size_t stage_count;
    size_t held_bytes;                   /* of all its groups */
    uint64_t credit_bytes;               /* bulk taken this turn, told after the commit */
    bool is_closed;
};

struct store_session {
    uint64_t id;
    enum role role;
    uint32_t instance;
    uint64_t account;
    uint8_t scopes;
};

/* A letter being staged: chunks go to letters.db as they come. */
struct store_stage {
    uint64_t id;                         /* the sender's */
    int64_t letter;                      /* our row id to be */
    uint8_t uid[LETTER_UID_BYTES];
    uint32_t chunks;                     /* body chunks so far, in order */
    bool has_prefix;
    bool failed;                         /* no room, or out of order: the commit will say so */
    enum err why;
    uint64_t bytes;
    struct buf targets;                  /* M_STAGE_TARGETS */
    struct buf recipients;               /* M_STAGE_RECIPIENTS */
    struct buf held;                     /* M_APPEND_HOLD: the bodies, as wire bytes */
    uint32_t held_count;
    struct store_stage *next;
};

/* One request on its way through the turn(s). */
struct store_work {
    struct store_peer *peer;             /* NULL once the peer is gone: finish without reply */
    uint16_t type;
    uint64_t req;
    uint8_t rid[16];
    uint64_t account;                    /* of the request's session, checked; 0: none needed */
    struct wire body;                    /* only in the first slice; fields behind the session */
    struct store_reply reply;            /* arrays owned: freed by store_reply_clear */
    /* Of those that take several turns: */
    bool is_resumed;
    int64_t state[4];                    /* what the handler keeps of the body */
    struct uid_range *ranges;
    size_t range_count;
    size_t range_at;
    uint32_t uid_at;
    uint64_t modseq;
    struct uid_range *failed;
    size_t failed_count;
    size_t failed_cap;
    struct store_work *next;
};

struct store_ring {
    uint64_t account;
    uint64_t mailbox;
    uint64_t modseq;
};

struct store_pending_reply {
    struct store_peer *peer;
    uint64_t req;
    struct buf body;
    bool is_change;                      /* turned into an error when the commit fails */
    bool is_admin;                       /* M_ADMIN_REPLY; peer NULL: on the control channel */
};

/* Handing out work to relay; store_queue.c. */
struct store_queue {
    struct store_peer *peer;             /* relay; NULL: it has not asked (yet) */
    bool is_due;                         /* look for work at the end of this turn */
    bool has_new;                        /* letters entered the queue in this turn */
    uint32_t credit;                     /* so many recipients more */
    int64_t cursor_next;                 /* all up to (cursor_next, cursor_id) is with relay */
    int64_t cursor_id;
};

struct store {
    struct role_context *role;
    struct loop *loop;
    struct db *mail;
    struct db *letters;
    struct store_peer *peers;
    struct idmap sessions;
    struct store_work *works_first;      /* waiting for their next slice */
    struct store_work **works_last;
    size_t work_count;
    bool mail_dirty;                     /* a transaction is open */
    bool letters_dirty;
    enum err turn_error;                 /* the transaction is lost: everything in this turn fails */
    bool directory_changed;
    bool settings_changed;
    bool certificates_changed;
    bool sweep_due;
    bool is_stopping;                    /* the databases close at the end of this turn */
    bool room_needed;                    /* the disk is full: nothing that adds is taken (store_room.c) */
    int reserve_fd;
    struct store_ring *rings;
    size_t ring_count;
    size_t ring_cap;
    struct store_pending_reply *replies;
    size_t reply_count;
    size_t reply_cap;
    int64_t next_letter;
    int64_t *unstage;                    /* letters whose stage has ended; the first unstage_ready of them */
    size_t unstage_count;                /* in turns that are committed */
    size_t unstage_ready;
    size_t unstage_cap;
    uint64_t commits;
    uint64_t commits_at_tick;            /* as it was a sweep timer ago */
    uint64_t mail_checkpoint_bytes;      /* of WAL, from which the next checkpoint is tried */
    uint64_t letters_checkpoint_bytes;
    uint64_t delivered;
    struct timer *sweep_timer;
    struct store_queue queue;
    bool routes_changed;
    bool dkim_changed;
    struct settings *settings;           /* the stored ones; role->settings is a copy */
};

/* Opens both databases, sweeps what a crash left, loads the settings. */
enum err store_open(struct store *s, const char *folder) MUST_CHECK;
void store_close(struct store *s);
/* Opens the turn's transaction if it is not. */
enum err store_begin(struct store *s) MUST_CHECK;
enum err store_begin_letters(struct store *s) MUST_CHECK;
/* Commits, sends replies and rings, checkpoints. The loop's turn-end hook. */
void store_end_turn(void *store);
/* Copies both WALs back when nothing was committed since the last call: what a restart has to read, and
 * old pages on the disk, stay few. */
void store_checkpoint_idle(struct store *s);
/* The reserve for a full disk: opened at start, looked after every second, let go when a commit met a full
 * disk. */
enum err store_room_open(struct store *s, const char *folder) MUST_CHECK;
void store_room_close(struct store *s);
void store_room_check(struct store *s);
void store_room_lost(struct store *s);
void store_ring(struct store *s, uint64_t account, uint64_t mailbox, uint64_t modseq);
void store_queue_admin_reply(struct store *s, struct store_peer *peer, uint64_t req, enum err err,
    struct slice text, struct slice json);
void store_queue_reply(struct store *s, struct store_peer *peer, uint64_t req, const struct store_reply *r,
    bool is_change);

/* Handlers (store_*.c). ERR_AGAIN: not finished, call again next turn. The reply's fields are filled by the
 * handler, its err by the caller. */
enum err store_do_lookup(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_may_send_as(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_deliver(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_append(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_append_held(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_flags(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_expunge(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_copy(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_mailbox_create(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_mailbox_rename(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_mailbox_delete(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_subscribe(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_claim_recent(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_keyword(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_adopt(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_listing(struct store *s, struct store_work *w) MUST_CHECK;
/* Blocks that hold the UID; all of a mailbox. */
enum err store_listing_drop(struct store *s, int64_t mailbox, int64_t uid) MUST_CHECK;
enum err store_listing_drop_all(struct store *s, int64_t mailbox) MUST_CHECK;
enum err store_do_summary(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_search(struct store *s, struct store_work *w) MUST_CHECK;
enum err store_do_done(struct store *s, struct store_work *w) MUST_CHECK;

void store_on_stage(struct store *s, struct store_peer *p, struct slice body);
void store_on_stage_targets(struct store *s, struct store_peer *p, struct slice body);
void store_on_stage_recipients(struct store *s, struct store_peer *p, struct slice body);
void store_on_append_hold(struct store *s, struct store_peer *p, struct slice body);
void store_on_stage_drop(struct store *s, struct store_peer *p, struct slice body);
struct store_stage *store_stage_find(struct store_peer *p, uint64_t id);
/* Takes the stage off its peer. Its chunks stay if the turn's commit makes the letter known. */
void store_stage_end(struct store *s, struct store_peer *p, struct store_stage *stage);
/* A group's letters, out of it; and forgetting what was staged of them. */
struct buf store_stage_take_held(struct store_peer *p, struct store_stage *group);
void store_held_drop(struct store *s, struct store_peer *p, struct buf *held);
/* Forgets one ended stage, and its chunks when mail.db does not know the letter; true: there is more. */
bool store_unstage(struct store *s);

/* One slice of sweeping; true when there is more. */
bool store_sweep(struct store *s);
/* What a crash left half-written. */
enum err store_recover(struct store *s) MUST_CHECK;

/* A mailbox of that account; ERR_NOT_FOUND for another's as for none. */
struct store_mailbox {
    uint64_t id;
    uint64_t account;
    uint64_t vault;
    uint64_t parent;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint64_t highest_modseq;
    unsigned special_use;
    bool noselect;
    uint32_t recent_from;
};
/* Every mail of a mailbox, as an expunge. */
/* Empties the mailbox and takes its row away. */
enum err store_mailbox_drop(struct store *s, const struct store_mailbox *m) MUST_CHECK;
enum err store_expunge_all(struct store *s, const struct store_mailbox *m, uint64_t *out_count) MUST_CHECK;
/* That one mail, whatever its flags; ERR_NOT_FOUND: it is gone already. */
enum err store_expunge_one(struct store *s, const struct store_mailbox *m, uint32_t uid) MUST_CHECK;
enum err store_mailbox_get(struct store *s, uint64_t account, uint64_t id, struct store_mailbox *out)
    MUST_CHECK;
/* The open session of that id if it belongs to this very peer, else NULL. */
const struct store_session *store_session_find(const struct store *s, const struct store_peer *p, uint64_t id);
/* ERR_QUOTA when `bytes` more would be over the account's quota, ERR_DISABLED, ERR_NOT_FOUND. */
enum err store_account_room(struct store *s, uint64_t account, uint64_t bytes) MUST_CHECK;
enum err store_account_use(struct store *s, uint64_t account, int64_t bytes, int64_t count) MUST_CHECK;
/* One reference to the letter less; with the last one it is freed. */
enum err store_letter_unref(struct store *s, int64_t letter) MUST_CHECK;
/* Whether the canonical address leads to this account: ERR_OK or ERR_DENIED. */
enum err store_owns(struct store *s, uint64_t account, struct slice address) MUST_CHECK;
/* Whether it leads to any account, may that one be full. ERR_DENIED: not in a domain of ours;
 * ERR_NOT_FOUND: to none; ERR_LIMIT: in a circle, or to more than STORE_TARGETS_MAX. */
enum err store_leads_somewhere(struct store *s, struct slice address) MUST_CHECK;
/* A UIDVALIDITY larger than every one before. */
enum err store_new_uidvalidity(struct store *s, uint32_t *out) MUST_CHECK;

/* ERR_NOT_FOUND when the vault is not that account's. */
enum err store_check_vault(struct store *s, uint64_t account, uint64_t vault) MUST_CHECK;
/* Takes the search index of the account's vault away. */
enum err store_search_drop(struct store *s, uint64_t account) MUST_CHECK;

/* Runs one op of admin_ops.h that is the store's, as the control channel or auth asked for it. Text for
 * people and JSON are appended. */
struct store_admin {
    struct store *store;
    const struct admin_request *request;
    bool from_auth;
    struct buf text;
    struct buf json;
};
enum err store_admin_run(struct store_admin *a) MUST_CHECK;
void store_snapshot(struct store *s, struct buf *out);
enum err store_repair(struct store *s, struct buf *text, struct buf *json) MUST_CHECK;
enum err store_verify(struct store *s, struct buf *text, struct buf *json) MUST_CHECK;

#endif
