/* What the files of the reader share: its statements, the epochs' agreed keys, and the view of one
 * letter (keys and what is open of it) that cursor and handle have in common. */
#ifndef STORAGE_READER_INTERNAL_H
#define STORAGE_READER_INTERNAL_H

#include "base/idmap.h"
#include "storage/db.h"
#include "storage/letter_writer.h"
#include "storage/reader.h"

enum reader_mail_sql {
    READ_TOUCH,
    READ_MAILBOXES,
    READ_MAILBOX,
    READ_MAILBOX_VAULT,
    READ_VANISHED_FLOOR,
    READ_KEYWORDS,
    READ_QUOTA,
    READ_VAULT_PUBLIC,
    READ_ROWS,
    READ_LETTERS,
    READ_CHANGED,
    READ_UIDS,
    READ_UIDS_GONE,
    READ_DELETED_BYTES,
    READ_FIRST_UNSEEN,
    READ_FIRST_UNSEEN_FROM_END,
    READ_VANISHED,
    READ_LETTER,
    READ_EXPUNGED_LETTER,
    READ_SUMMARY, READ_LISTING,
    READ_CHUNK,
    READ_EPOCH,
    READ_UNADOPTED,
    READ_VAULT_LETTERS,
    READ_SEARCH_SEGMENTS,
    READ_SEARCH_BLOCK,
    READ_SEARCH_LAST,
    READ_SEARCH_MISSING,
    READ_MAIL_SQL_COUNT
};
extern const char *const reader_mail_sql[READ_MAIL_SQL_COUNT];

enum reader_letters_sql { READ_LETTERS_TOUCH, READ_LETTERS_CHUNK, READ_LETTERS_SQL_COUNT };
extern const char *const reader_letters_sql[READ_LETTERS_SQL_COUNT];

/* Columns of READ_LETTERS, READ_LETTER and READ_EXPUNGED_LETTER; READ_ROWS and READ_CHANGED end at COLUMN_SIZE. */
enum letter_column {
    COLUMN_UID, COLUMN_LETTER, COLUMN_FLAGS, COLUMN_MODSEQ, COLUMN_DATE, COLUMN_SAVED, COLUMN_SIZE,
    COLUMN_LETTER_UID, COLUMN_BODY_SIZE, COLUMN_TRACE_SIZE, COLUMN_CHUNKS, COLUMN_PLACE,
    COLUMN_VAULT, COLUMN_GENERATION, COLUMN_EPOCH, COLUMN_KEY, COLUMN_OWNER, COLUMN_OWNER_SIZE,
    COLUMN_SUMMARY
};

/* One letter: what its rows say, checked, its keys, and what of its text is open. */
struct letter_view {
    struct reader *reader;
    struct letter_keys *keys;    /* owned, in the locked arena */
    /* of one letter */
    bool is_loaded;
    enum err state;              /* why it cannot be opened; ERR_OK */
    uint64_t letter;
    uint64_t vault;
    uint64_t body_size;
    uint32_t trace_size;
    uint32_t owner_size;
    uint32_t chunks;
    bool in_letters;             /* place 1 */
    bool has_all_keys;           /* not the summary's alone */
    bool has_owner;
    struct buf owner;            /* owned */
    bool has_chunk;
    uint32_t chunk_number;
    struct buf chunk;            /* owned */
};

/* The agreed keys of epochs that were met last; a fixed table in the locked arena. Entry 0 is for the
 * vault's own wrap key, under the name EPOCH_OWN. */
struct epoch_entry {
    uint64_t epoch;
    uint8_t public_key[SEAL_KEY_BYTES];
    uint8_t agreed[SEAL_KEY_BYTES];
};
#define EPOCH_ENTRIES 256
#define EPOCH_OWN UINT64_MAX

struct mail_cursor {
    struct reader *reader;
    bool is_open;
    unsigned want;
    uint64_t vault;
    struct stmt *stmt;           /* NULL: rows come from `changed` */
    bool is_started;
    bool has_row;
    struct mail_row row;
    struct mail_row *changed;    /* owned */
    size_t changed_count;
    size_t changed_next;
    struct letter_view view;
    struct buf record;           /* the summary that is open */
};

struct reader {
    struct db *mail;
    struct db *letters;
    const struct vault_keys *keys;      /* borrowed; NULL: none */
    struct epoch_entry *epochs;         /* owned, EPOCH_ENTRIES; NULL: the arena is full */
    struct idmap damaged;               /* letters and mailboxes that were logged */
    uint64_t adopt_after;               /* letter where reader_adoptions() goes on */
    struct mail_cursor cursor;
};

/* The first step of a statement, which takes the snapshot: tries again for a few milliseconds when the
 * writer is in the way. ERR_AGAIN when it still is. */
enum err reader_first_step(struct stmt *s) MUST_CHECK;
/* One log line per letter (or mailbox) and process. */
void reader_note_damage(struct reader *r, const char *what, uint64_t id);
/* ERR_NOT_FOUND: no such mailbox. */
enum err reader_mailbox_vault(struct reader *r, uint64_t mailbox, uint64_t *out) MUST_CHECK;

/* K and the summary subkey of a letter from its wrap; letter_keys_complete() makes the others. epoch 0:
 * adopted. ERR_KEY_MISSING, ERR_DAMAGED, ERR_AGAIN. */
struct stored_wrap {
    uint64_t vault;
    uint32_t generation;
    uint64_t epoch;
    struct slice uid;
    struct slice wrap;
};
enum err reader_unwrap(struct reader *r, const struct stored_wrap *w, struct letter_keys *out) MUST_CHECK;
void reader_forget_epochs(struct reader *r);

/* ERR_LIMIT: the locked arena is full. */
enum err letter_view_init(struct letter_view *v, struct reader *r) MUST_CHECK;
void letter_view_clear(struct letter_view *v);
/* Forgets the letter; memory stays. */
void letter_view_reset(struct letter_view *v);
/* From a row of those statements, which the statement stands on. Remembers its
 * answer until reset. */
enum err letter_view_load(struct letter_view *v, struct stmt *s, const struct mail_row *row) MUST_CHECK;
/* Opens the owner prefix from the same row, once. */
enum err letter_view_load_owner(struct letter_view *v, struct stmt *s) MUST_CHECK;
/* As mail_cursor_read. */
enum err letter_view_read(struct letter_view *v, uint64_t offset, size_t n, struct buf *out) MUST_CHECK;
/* Bytes before the letter that was parsed. */
uint64_t letter_view_prefix(const struct letter_view *v);
/* Opens a sealed summary into record (emptied first) and decodes it. */
enum err letter_view_summary(struct letter_view *v, struct slice sealed, bool envelope_only,
    struct buf *record, struct summary *out) MUST_CHECK;

/* Row columns COLUMN_UID..COLUMN_SIZE; ERR_DAMAGED for numbers that cannot be. */
enum err mail_row_read(struct stmt *s, struct mail_row *out) MUST_CHECK;

/* Grows an array by doubling. */
struct range_list {
    struct uid_range *items;
    size_t n;
    size_t cap;
};
void range_list_add(struct range_list *l, uint32_t first, uint32_t last);
/* Sorts and joins what touches or overlaps. */
void range_list_tidy(struct range_list *l);

#endif
