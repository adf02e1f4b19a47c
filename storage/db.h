/* SQLite, as thin as it can be: open with our rules, named statements prepared once, bind, step, read.
 * Only storage/ uses it; no SQL stands elsewhere and none is built by formatting.
 *
 * Rules (docs/architecture.md): WAL; synchronous=FULL asserted on writers; one writer per database, which
 * alone checkpoints; readers are opened read-only with readonly_shm and query_only; no mmap; the WAL
 * file is never removed. A failing write or fsync is sticky in db_error(). */
#ifndef STORAGE_DB_H
#define STORAGE_DB_H

#include "base/buf.h"

struct db;
struct stmt;

/* DB_IMMUTABLE: a file that nobody has open, read without its WAL (a backup). */
enum db_mode { DB_WRITER, DB_READER, DB_IMMUTABLE };

struct db_config {
    const char *folder;
    const char *file;          /* "mail.db" */
    enum db_mode mode;
    const char *schema;        /* applied to a new file, in one transaction with user_version */
    int version;               /* PRAGMA user_version that is expected; older: migrations run */
    unsigned page_bytes;       /* for a new file */
    unsigned cache_kib;
};

/* ERR_NOT_FOUND: a reader found no file. ERR_UNSUPPORTED: a newer version. ERR_BUSY, ERR_IO,
 * ERR_DAMAGED. Creates with mode 0600 and syncs the folder. */
enum err db_open(const struct db_config *config, struct db **out) MUST_CHECK;
void db_close(struct db *d);

/* sqls[i] becomes statement i. Logs and fails on the first that does not prepare. */
enum err db_prepare(struct db *d, const char *const *sqls, size_t n) MUST_CHECK;
/* The statement, reset and with its bindings cleared. */
struct stmt *db_use(struct db *d, size_t index);

/* Parameters are ":name" without the colon. */
void stmt_bind_int(struct stmt *s, const char *name, int64_t value);
void stmt_bind_null(struct stmt *s, const char *name);
/* Not copied: must live until the statement is stepped to its end or reset. */
void stmt_bind_blob(struct stmt *s, const char *name, struct slice value);
void stmt_bind_text(struct stmt *s, const char *name, struct slice value);
/* ERR_OK: a row. ERR_NOT_FOUND: no (more) rows. Else what went wrong (ERR_DISK_FULL, ERR_BUSY → ERR_AGAIN
 * on readers, ERR_EXISTS for a constraint, ERR_DAMAGED, ERR_IO). */
enum err stmt_step(struct stmt *s) MUST_CHECK;
/* Steps a statement that gives no rows. */
enum err stmt_run(struct stmt *s) MUST_CHECK;
void stmt_reset(struct stmt *s);
int64_t stmt_int(struct stmt *s, int column);
bool stmt_is_null(struct stmt *s, int column);
/* Valid until the next step or reset. */
struct slice stmt_bytes(struct stmt *s, int column);

enum err db_begin(struct db *d) MUST_CHECK;      /* writers: IMMEDIATE */
enum err db_commit(struct db *d) MUST_CHECK;     /* durable when it returns ERR_OK */
void db_rollback(struct db *d);
bool db_in_transaction(const struct db *d);
int64_t db_changes(struct db *d);
int64_t db_last_id(struct db *d);
/* Copies as much of the WAL into the database as readers allow; *out_wal_frames is what remains. */
enum err db_checkpoint(struct db *d, int *out_wal_frames) MUST_CHECK;
/* What a checkpoint would have to copy, as far as this writer's commits tell. */
uint64_t db_wal_bytes(const struct db *d);
/* PRAGMA integrity_check and foreign_key_check; appends what it found, a line each; ERR_DAMAGED if any. */
enum err db_check(struct db *d, struct buf *out) MUST_CHECK;
/* Calls fn during long statements and copies. */
typedef void (*db_progress_fn)(void *ctx, const char *file, uint64_t done, uint64_t all);
void db_on_progress(struct db *d, db_progress_fn fn, void *ctx);
/* The database as this reader's open transaction sees it, into a new file; synced. ERR_EXISTS. */
enum err db_copy(struct db *d, const char *folder, const char *file) MUST_CHECK;
/* An I/O error that was met while writing or syncing; sticky. ERR_OK: none. ERR_DISK_FULL is not sticky. */
enum err db_error(const struct db *d);

#endif
