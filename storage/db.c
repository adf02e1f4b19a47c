/* SQLite behind storage/db.h: the one place that decides how the databases are opened and what an
 * error of SQLite's means to us. */
#include "storage/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define PATH_BYTES_MAX 4096
#define STATEMENTS_MAX 256
#define PROGRESS_STEPS 200000   /* of SQLite's machine, between two calls */
#define COPY_PAGES 512          /* of a copy, between two calls */

struct stmt {
    sqlite3_stmt *handle;
    struct db *db;
};

struct db {
    sqlite3 *handle;
    enum db_mode mode;
    char file[64];
    struct stmt statements[STATEMENTS_MAX];
    size_t statement_count;
    enum err sticky;
    bool in_transaction;
    int wal_frames;             /* in the WAL after the last commit; 0: all are copied back */
    unsigned page_bytes;
    db_progress_fn progress;
    void *progress_ctx;
};

static enum err note_failure(struct db *d, int code)
{
    int system = sqlite3_system_errno(d->handle);
    if (code == SQLITE_FULL || ((code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT)))
        return ERR_DISK_FULL;
    log_event(LOG_ERROR, "database-io", LF("file", d->file), LF_U("code", (uint64_t)code),
        LF("reason", sqlite3_errstr(code)), LF_U("errno", (uint64_t)system));
    if (d->mode == DB_WRITER && !d->sticky)
        d->sticky = ERR_IO;
    return ERR_IO;
}

/* What a result code of SQLite's means; logs what is not everyday. */
static enum err err_of(struct db *d, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_BUSY:
    case SQLITE_READONLY: /* a reader met the writer resetting the WAL: come again */
    case SQLITE_PROTOCOL:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    case SQLITE_CONSTRAINT:
        return ERR_EXISTS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        log_event(LOG_ERROR, "database-damaged", LF("file", d->file),
            LF("reason", sqlite3_errmsg(d->handle)));
        return ERR_DAMAGED;
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
    case SQLITE_IOERR:
        return note_failure(d, code);
    default:
        log_event(LOG_ERROR, "database-error", LF("file", d->file), LF_U("code", (uint64_t)code),
            LF("reason", sqlite3_errmsg(d->handle)));
        return ERR_INTERNAL;
    }
}

static enum err sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    enum err e = fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    close(fd);
    return e;
}

/* The file with our mode, before SQLite makes it with the umask's. */
static enum err make_file(const char *path, bool *out_is_new)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    struct stat st;
    if (stat(path, &st) != 0)
        return err_from_errno(errno);
    *out_is_new = st.st_size == 0;
    return ERR_OK;
}

static enum err run_sql(struct db *d, const char *sql)
{
    return err_of(d, sqlite3_exec(d->handle, sql, NULL, NULL, NULL));
}

static enum err query_int(struct db *d, const char *sql, int64_t *out)
{
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(d->handle, sql, -1, &s, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(s);
        if (code == SQLITE_ROW)
            *out = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
    }
    return code == SQLITE_ROW ? ERR_OK : err_of(d, code);
}

/* PRAGMAs take no parameters, so this is the one text that is put together; both values are ours. */
static enum err set_pragma(struct db *d, const char *name, int64_t value)
{
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA %s = %lld", name, (long long)value);
    return run_sql(d, sql);
}

static enum err apply_schema(struct db *d, const struct db_config *config)
{
    enum err e = run_sql(d, "BEGIN IMMEDIATE");
    if (!e)
        e = run_sql(d, config->schema);
    if (!e)
        e = set_pragma(d, "user_version", config->version);
    if (!e)
        e = run_sql(d, "COMMIT");
    return e;
}

static enum err check_version(struct db *d, const struct db_config *config)
{
    int64_t version = 0;
    enum err e = query_int(d, "PRAGMA user_version", &version);
    if (e)
        return e;
    if (version == 0 && d->mode == DB_WRITER)
        return apply_schema(d, config);
    if (version != config->version) {
        log_event(LOG_ERROR, "database-version", LF("file", d->file), LF_U("found", (uint64_t)version),
            LF_U("expected", (uint64_t)config->version));
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

static int note_wal(void *ctx, sqlite3 *handle, const char *name, int frames)
{
    struct db *d = ctx;
    (void)handle;
    (void)name;
    d->wal_frames = frames;
    return SQLITE_OK;
}

static enum err setup_writer(struct db *d, const struct db_config *config, bool is_new)
{
    int on = 1;
    int64_t level = 0;
    enum err e = ERR_OK;
    if (is_new)
        e = set_pragma(d, "page_size", config->page_bytes);
    if (!e)
        e = run_sql(d, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
            "PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"
            "PRAGMA mmap_size = 0");
    if (!e)
        e = set_pragma(d, "cache_size", -(int64_t)config->cache_kib);
    if (!e)
        e = query_int(d, "PRAGMA synchronous", &level);
    ENSURE(e || level == 2);
    sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
    sqlite3_wal_hook(d->handle, note_wal, d);
    d->page_bytes = config->page_bytes;
    sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return e;
}

static enum err setup_reader(struct db *d, const struct db_config *config)
{
    enum err e = run_sql(d, "PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY");
    sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return e ? e : set_pragma(d, "cache_size", -(int64_t)config->cache_kib);
}

/* Percent-escapes what means something in a URI filename. */
static void put_uri(struct buf *out, const char *path)
{
    buf_put_str(out, "file:");
    for (const char *c = path; *c; c++) {
        if (*c == '?' || *c == '#' || *c == '%')
            buf_printf(out, "%%%02x", (unsigned)*c);
        else
            buf_put_byte(out, (uint8_t)*c);
    }
}

static enum err open_handle(struct db *d, const char *path)
{
    struct buf uri;
    buf_init(&uri, 3 * PATH_BYTES_MAX);
    put_uri(&uri, path);
    if (d->mode == DB_READER)
        buf_put_str(&uri, "?mode=ro&readonly_shm=1");
    if (d->mode == DB_IMMUTABLE)
        buf_put_str(&uri, "?mode=ro&immutable=1");
    buf_put_byte(&uri, 0);
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
        (d->mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    int code = sqlite3_open_v2((const char *)uri.p, &d->handle, flags, NULL);
    buf_clear(&uri);
    return err_of(d, code);
}

enum err db_open(const struct db_config *config, struct db **out)
{
    char path[PATH_BYTES_MAX];
    bool is_new = false;
    snprintf(path, sizeof path, "%s/%s", config->folder, config->file);
    struct db *d = mem_new(sizeof *d);
    d->mode = config->mode;
    snprintf(d->file, sizeof d->file, "%s", config->file);
    enum err e = ERR_OK;
    if (d->mode == DB_WRITER)
        e = make_file(path, &is_new);
    else if (access(path, R_OK) != 0)
        e = err_from_errno(errno);
    if (!e)
        e = open_handle(d, path);
    if (!e)
        e = d->mode == DB_WRITER ? setup_writer(d, config, is_new) : setup_reader(d, config);
    if (!e)
        e = check_version(d, config);
    if (!e && d->mode == DB_WRITER)
        e = sync_folder(config->folder);
    if (e) {
        db_close(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->statement_count; i++)
        sqlite3_finalize(d->statements[i].handle);
    sqlite3_close(d->handle);
    free(d);
}

enum err db_prepare(struct db *d, const char *const *sqls, size_t n)
{
    ENSURE(n <= STATEMENTS_MAX && d->statement_count == 0);
    for (size_t i = 0; i < n; i++) {
        struct stmt *s = &d->statements[i];
        int code = sqlite3_prepare_v3(d->handle, sqls[i], -1, SQLITE_PREPARE_PERSISTENT, &s->handle, NULL);
        if (code != SQLITE_OK) {
            log_event(LOG_ERROR, "statement", LF("sql", sqls[i]), LF("reason", sqlite3_errmsg(d->handle)));
            return err_of(d, code);
        }
        s->db = d;
        d->statement_count = i + 1;
    }
    return ERR_OK;
}

struct stmt *db_use(struct db *d, size_t index)
{
    ENSURE(index < d->statement_count);
    struct stmt *s = &d->statements[index];
    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    return s;
}

static int parameter(struct stmt *s, const char *name)
{
    char full[32] = ":";
    snprintf(full + 1, sizeof full - 1, "%s", name);
    int index = sqlite3_bind_parameter_index(s->handle, full);
    ENSURE(index > 0);
    return index;
}

void stmt_bind_int(struct stmt *s, const char *name, int64_t value)
{
    ENSURE(sqlite3_bind_int64(s->handle, parameter(s, name), value) == SQLITE_OK);
}

void stmt_bind_null(struct stmt *s, const char *name)
{
    ENSURE(sqlite3_bind_null(s->handle, parameter(s, name)) == SQLITE_OK);
}

void stmt_bind_blob(struct stmt *s, const char *name, struct slice value)
{
    /* An empty blob is not NULL, also when the slice has no pointer. */
    const void *p = value.p ? (const void *)value.p : "";
    ENSURE(sqlite3_bind_blob64(s->handle, parameter(s, name), p, value.n, SQLITE_STATIC) == SQLITE_OK);
}

void stmt_bind_text(struct stmt *s, const char *name, struct slice value)
{
    const char *p = value.p ? (const char *)value.p : "";
    ENSURE(sqlite3_bind_text64(s->handle, parameter(s, name), p, value.n, SQLITE_STATIC, SQLITE_UTF8) ==
        SQLITE_OK);
}

enum err stmt_step(struct stmt *s)
{
    int code = sqlite3_step(s->handle);
    if (code == SQLITE_ROW)
        return ERR_OK;
    enum err e = err_of(s->db, code);
    sqlite3_reset(s->handle);
    return e ? e : ERR_NOT_FOUND;
}

enum err stmt_run(struct stmt *s)
{
    enum err e = stmt_step(s);
    sqlite3_reset(s->handle);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

void stmt_reset(struct stmt *s)
{
    sqlite3_reset(s->handle);
}

int64_t stmt_int(struct stmt *s, int column)
{
    return sqlite3_column_int64(s->handle, column);
}

bool stmt_is_null(struct stmt *s, int column)
{
    return sqlite3_column_type(s->handle, column) == SQLITE_NULL;
}

struct slice stmt_bytes(struct stmt *s, int column)
{
    const void *p = sqlite3_column_blob(s->handle, column);
    return slice_of(p, (size_t)sqlite3_column_bytes(s->handle, column));
}

enum err db_begin(struct db *d)
{
    enum err e = run_sql(d, d->mode == DB_WRITER ? "BEGIN IMMEDIATE" : "BEGIN");
    d->in_transaction = e == ERR_OK;
    return e;
}

enum err db_commit(struct db *d)
{
    enum err e = run_sql(d, "COMMIT");
    if (!e)
        d->in_transaction = false;
    return e;
}

void db_rollback(struct db *d)
{
    /* SQLite may have rolled back by itself (disk full); then there is nothing left to undo. */
    if (!sqlite3_get_autocommit(d->handle))
        sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
    d->in_transaction = false;
}

bool db_in_transaction(const struct db *d)
{
    return d->in_transaction;
}

int64_t db_changes(struct db *d)
{
    return sqlite3_changes64(d->handle);
}

int64_t db_last_id(struct db *d)
{
    return sqlite3_last_insert_rowid(d->handle);
}

enum err db_checkpoint(struct db *d, int *out_wal_frames)
{
    int in_wal = 0;
    int copied = 0;
    int code = sqlite3_wal_checkpoint_v2(d->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &copied);
    *out_wal_frames = in_wal - copied;
    if (code == SQLITE_OK && in_wal == copied)
        d->wal_frames = 0; /* the next commit begins the file anew */
    return code == SQLITE_BUSY ? ERR_OK : err_of(d, code);
}

uint64_t db_wal_bytes(const struct db *d)
{
    return (uint64_t)d->wal_frames * d->page_bytes;
}

static enum err check_one(struct db *d, const char *sql, const char *fine, struct buf *out)
{
    sqlite3_stmt *s;
    enum err found = ERR_OK;
    int code = sqlite3_prepare_v2(d->handle, sql, -1, &s, NULL);
    if (code != SQLITE_OK)
        return err_of(d, code);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        if (text && fine && strcmp(text, fine) == 0)
            continue;
        found = ERR_DAMAGED;
        buf_printf(out, "%s: %s\n", d->file, text ? text : "?");
    }
    sqlite3_finalize(s);
    return found ? found : err_of(d, code);
}

enum err db_check(struct db *d, struct buf *out)
{
    enum err e = check_one(d, "PRAGMA integrity_check(100)", "ok", out);
    enum err f = check_one(d, "PRAGMA foreign_key_check", NULL, out);
    return e ? e : f;
}

enum err db_error(const struct db *d)
{
    return d->sticky;
}

static int on_progress(void *ctx)
{
    struct db *d = ctx;
    d->progress(d->progress_ctx, d->file, 0, 0);
    return 0;
}

void db_on_progress(struct db *d, db_progress_fn fn, void *ctx)
{
    d->progress = fn;
    d->progress_ctx = ctx;
    sqlite3_progress_handler(d->handle, PROGRESS_STEPS, on_progress, d);
}

static enum err sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    return e;
}

static enum err copy_pages(struct db *d, sqlite3 *to)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", d->handle, "main");
    if (!b)
        return err_of(d, sqlite3_errcode(to));
    int code;
    while ((code = sqlite3_backup_step(b, COPY_PAGES)) == SQLITE_OK) {
        uint64_t all = (uint64_t)sqlite3_backup_pagecount(b);
        if (d->progress)
            d->progress(d->progress_ctx, d->file, all - (uint64_t)sqlite3_backup_remaining(b), all);
    }
    int end = sqlite3_backup_finish(b);
    return err_of(d, code == SQLITE_DONE ? end : code);
}

enum err db_copy(struct db *d, const char *folder, const char *file)
{
    char path[PATH_BYTES_MAX];
    sqlite3 *to = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_from_errno(errno);
    close(fd);
    int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) /* synced as a whole, at the end */
        code = sqlite3_exec(to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL, NULL);
    enum err e = code == SQLITE_OK ? copy_pages(d, to) : err_of(d, code);
    sqlite3_close(to);
    return e ? e : sync_file(path);
}
