/* Reading mail, in the retrieval role: the mail databases, opened read-only, and the vault keys of
 * one account. All changes go through storage/store_client.h; after one, or after a ring, re-read.
 *
 * No read transaction outlives a step of the caller's: a cursor is closed before control goes back
 * to the loop, and opened again at the next UID (cheap). Rows are a snapshot while it is open. */
#ifndef STORAGE_READER_H
#define STORAGE_READER_H

#include "message/summary.h"
#include "storage/listing.h"
#include "storage/seal.h"
#include "storage/store_client.h"

struct reader;
struct summary; /* message/summary.h */

/* folder: the data folder. Opens all that it needs, so that it works inside the sandbox. */
enum err reader_open(const char *folder, struct reader **out) MUST_CHECK;
void reader_close(struct reader *r);
/* Borrowed; NULL forgets them. */
void reader_set_keys(struct reader *r, const struct vault_keys *keys);
/* Whether mail.db gives out this vault's own key to seal new letters to. False: it was damaged, or somebody
 * put another in its place, and has read what came since. */
bool reader_has_true_key(struct reader *r);

#define MAILBOX_NAME_MAX 255    /* bytes of one component */
#define MAILBOX_DEPTH_MAX 20

enum special_use { SPECIAL_NONE, SPECIAL_INBOX, SPECIAL_DRAFTS, SPECIAL_SENT, SPECIAL_JUNK,
    SPECIAL_TRASH, SPECIAL_ARCHIVE };

struct mailbox_info {
    uint64_t id;
    uint64_t parent;          /* 0: top level */
    char name[MAILBOX_NAME_MAX + 1]; /* one component, UTF-8, NUL-ended; "INBOX" for the inbox; "" damaged */
    enum special_use special_use;
    bool is_subscribed;
    bool is_noselect;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint64_t highest_modseq;
    uint32_t recent_from;     /* UIDs from here on were not yet claimed as \Recent */
    uint64_t messages;
    uint64_t unseen;
    uint64_t deleted;
    uint64_t size_bytes;
};

/* All mailboxes of the account, parents before children. *out is malloc'ed. */
enum err reader_mailboxes(struct reader *r, uint64_t account, struct mailbox_info **out, size_t *out_n)
    MUST_CHECK;
enum err reader_mailbox(struct reader *r, uint64_t mailbox, struct mailbox_info *out) MUST_CHECK;

struct keyword_info {
    unsigned bit;
    char name[128];           /* NUL-ended */
};
/* Keywords of the account's vault. *out is malloc'ed. */
enum err reader_keywords(struct reader *r, uint64_t account, struct keyword_info **out, size_t *out_n)
    MUST_CHECK;

/* One mail as the cursor sees it. */
struct mail_row {
    uint32_t uid;
    uint64_t letter;
    uint64_t flags;
    uint64_t modseq;
    int64_t internal_date;
    int64_t saved_date;
    uint64_t size;             /* what RFC822.SIZE says: owner prefix + prefix + body */
};

enum mail_want {
    MAIL_WANT_ROW = 0,
    MAIL_WANT_SUMMARY = 1,     /* mail_cursor_summary() may be called */
    MAIL_WANT_CONTENT = 2      /* mail_cursor_read() may be called */
};

struct mail_cursor;

/* UIDs first..last (UINT32_MAX: to the end), ascending. One cursor at a time per reader. */
enum err mail_cursor_open(struct reader *r, uint64_t mailbox, uint32_t first, uint32_t last,
    unsigned want, struct mail_cursor **out) MUST_CHECK;
/* Only mails whose modseq is above `since`, ascending by UID; rows alone. Costs as much as there are
 * changes; holds no transaction. */
enum err mail_cursor_open_changed(struct reader *r, uint64_t mailbox, uint64_t since,
    struct mail_cursor **out) MUST_CHECK;
/* Every letter of the vault whose row id is above `after`, ascending, whichever mailbox it is in: of
 * the row only `letter` and `size` mean anything. */
enum err mail_cursor_open_vault(struct reader *r, uint64_t after, struct mail_cursor **out) MUST_CHECK;
/* ERR_NOT_FOUND at the end. ERR_AGAIN: the writer is in the way for a moment, close and come again. */
enum err mail_cursor_next(struct mail_cursor *c, struct mail_row *out) MUST_CHECK;
void mail_cursor_close(struct mail_cursor *c);

/* Of the row that next() gave last. The summary's strings borrow from memory that lives until the next
 * call of next, summary or close. ERR_DAMAGED: this letter's seal or record does not verify (logged
 * once); ERR_KEY_MISSING: another generation's or vault's. The caller gives the arrays back by
 * summary_clear(). ERR_UNSUPPORTED: stale version, re-parse. `prefix` is the
 * number of bytes that stand before the letter that was parsed (owner prefix and trace header): add it
 * to every offset of the summary and to header_size. */
enum err mail_cursor_summary(struct mail_cursor *c, bool envelope_only, struct summary *out,
    uint64_t *out_prefix) MUST_CHECK;
/* The letter's random id, which all mails that hold it share. */
enum err mail_cursor_letter_uid(struct mail_cursor *c, uint8_t out[LETTER_UID_BYTES]) MUST_CHECK;
/* Appends bytes from offset on, n at most, of the letter as clients see it (prefixes included). Opens
 * only the chunks that cover them, keeps the last one open. Fewer bytes than asked: the end. */
enum err mail_cursor_read(struct mail_cursor *c, uint64_t offset, size_t n, struct buf *out) MUST_CHECK;

/* The listing block that holds the UID; out->text is the caller's buffer (LISTING_TEXT_MAX), the rest is
 * filled in. ERR_NOT_FOUND: there is none, or it is damaged. No cursor may be open. */
enum err reader_listing(struct reader *r, uint64_t mailbox, uint32_t uid, struct listing *out) MUST_CHECK;

/* The same without a cursor, for one mail over many steps (a FETCH of a large body): a handle that
 * keeps the letter's keys and last chunk but no transaction. The letter stays readable for an hour
 * after it was expunged. */
struct letter_handle;
enum err letter_handle_open(struct reader *r, uint64_t mailbox, uint32_t uid, struct letter_handle **out)
    MUST_CHECK;
void letter_handle_close(struct letter_handle *h);
/* As mail_cursor_read. ERR_NOT_FOUND: the letter is gone for good. */
enum err letter_handle_read(struct letter_handle *h, uint64_t offset, size_t n, struct buf *out) MUST_CHECK;
enum err letter_handle_uid(const struct letter_handle *h, uint8_t out[LETTER_UID_BYTES]) MUST_CHECK;
const struct mail_row *letter_handle_row(const struct letter_handle *h);
/* As mail_cursor_summary; strings live as long as the handle. */
enum err letter_handle_summary(struct letter_handle *h, struct summary *out, uint64_t *out_prefix) MUST_CHECK;

/* The UIDs of a mailbox as runs, ascending. *out is malloc'ed. */
enum err reader_uid_runs(struct reader *r, uint64_t mailbox, struct uid_range **out, size_t *out_n)
    MUST_CHECK;
/* UIDs expunged with a modseq above `since`, as ranges. ERR_NOT_FOUND: not known so far back. */
enum err reader_vanished(struct reader *r, uint64_t mailbox, uint64_t since, struct uid_range **out,
    size_t *out_n) MUST_CHECK;
/* First UID without \Seen; 0: none. */
enum err reader_first_unseen(struct reader *r, uint64_t mailbox, uint32_t *out_uid) MUST_CHECK;

/* Bytes of the mails with \Deleted: walks all rows. */
enum err reader_deleted_bytes(struct reader *r, uint64_t mailbox, uint64_t *out) MUST_CHECK;

struct quota_info {
    uint64_t used_bytes;
    uint64_t used_count;
    uint64_t limit_bytes;      /* 0: none */
};
enum err reader_quota(struct reader *r, uint64_t account, struct quota_info *out) MUST_CHECK;

/* Wraps of the account's vault not yet adopted, at most max: K is opened, and wrapped anew under the
 * symmetric key, after the summary's seal verified. The caller sends them by store_adopt(). Each call
 * goes on behind the last one's letters; 0 of them: the end was reached, the next call begins anew. */
enum err reader_adoptions(struct reader *r, struct store_adoption *out, size_t max, size_t *out_n)
    MUST_CHECK;

#endif
