/* See inspect.h. */
#include "storage/inspect.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "storage/schema.h"
#include "storage/store.h"
#include "storage/store_sql.h"

#define SNAPSHOT_TRIES 200
#define SNAPSHOT_PAUSE_NS 2000000
#define CACHE_KIB 8192
#define UID_GAP 1000000            /* more than a mailbox gets between a backup and its restore */
#define MODSEQ_GAP (1LL << 32)

enum { SNAP_TOUCH, SNAP_KEYS, SNAP_COUNT };

static const char *const credentials_sql[SNAP_COUNT] = {
    [SNAP_TOUCH] = "SELECT count(*) FROM sqlite_schema",
    [SNAP_KEYS] = "SELECT vault, public_key FROM account",
};

struct inspection {
    struct db *mail;        /* statements of the store's, for its verify */
    struct db *letters;
    struct db *credentials;
    inspect_progress_fn fn;
    void *ctx;
};

/* What tells one state of letters.db from the next: chunks only grow upwards, and each end of a stage
 * changes the count of stages. */
struct mark {
    int64_t chunk;
    int64_t staged;
    int64_t count;
};

static enum err one(struct db *d, size_t sql, int64_t *out)
{
    struct stmt *q = db_use(d, sql);
    enum err e = stmt_step(q);
    if (e == ERR_OK)
        *out = stmt_int(q, 0);
    stmt_reset(q);
    return e;
}

static enum err mark_read(struct db *letters, struct mark *out)
{
    enum err e = one(letters, SQL_BIG_CHUNK_MAX, &out->chunk);
    if (e == ERR_OK)
        e = one(letters, SQL_BIG_MAX, &out->staged);
    return e ? e : one(letters, SQL_BIG_STAGED_COUNT, &out->count);
}

static void release(struct inspection *i)
{
    db_rollback(i->mail);
    db_rollback(i->letters);
    db_rollback(i->credentials);
}

/* mail.db between two looks at a letters.db that stood still. */
static enum err snapshot_once(struct inspection *i)
{
    struct mark before, after;
    int64_t ignored;
    enum err e = db_begin(i->letters);
    if (e == ERR_OK)
        e = mark_read(i->letters, &before);
    db_rollback(i->letters);
    if (e == ERR_OK)
        e = db_begin(i->mail);
    if (e == ERR_OK)
        e = one(i->mail, SQL_LETTER_MAX, &ignored);
    if (e == ERR_OK)
        e = db_begin(i->letters);
    if (e == ERR_OK)
        e = mark_read(i->letters, &after);
    if (e == ERR_OK)
        e = db_begin(i->credentials);
    if (e == ERR_OK)
        e = one(i->credentials, SNAP_TOUCH, &ignored);
    return e ? e : memcmp(&before, &after, sizeof before) == 0 ? ERR_OK : ERR_AGAIN;
}

static enum err snapshot(struct inspection *i)
{
    enum err e = ERR_AGAIN;
    for (int n = 0; n < SNAPSHOT_TRIES && e == ERR_AGAIN; n++) {
        if (n > 0)
            nanosleep(&(struct timespec){.tv_nsec = SNAPSHOT_PAUSE_NS}, NULL);
        e = snapshot_once(i);
        if (e)
            release(i);
    }
    return e;
}

static void on_progress(void *ctx, const char *file, uint64_t done, uint64_t all)
{
    struct inspection *i = ctx;
    if (i->fn)
        i->fn(i->ctx, file, done, all);
}

static enum err open_one(struct inspection *i, const char *folder, const char *file, int version, struct db **out)
{
    const struct db_config config = {.folder = folder, .file = file, .mode = DB_READER, .version = version,
        .cache_kib = CACHE_KIB};
    enum err e = db_open(&config, out);
    if (e == ERR_OK)
        db_on_progress(*out, on_progress, i);
    return e;
}

enum err inspection_open(const char *folder, inspect_progress_fn fn, void *ctx, struct inspection **out)
{
    struct inspection *i = mem_new(sizeof *i);
    i->fn = fn;
    i->ctx = ctx;
    enum err e = open_one(i, folder, "mail.db", SCHEMA_MAIL_VERSION, &i->mail);
    if (e == ERR_OK)
        e = db_prepare(i->mail, mail_sql, SQL_MAIL_COUNT);
    if (e == ERR_OK)
        e = open_one(i, folder, "letters.db", SCHEMA_LETTERS_VERSION, &i->letters);
    if (e == ERR_OK)
        e = db_prepare(i->letters, letters_sql, SQL_LETTERS_COUNT);
    if (e == ERR_OK)
        e = open_one(i, folder, "credentials.db", SCHEMA_CREDENTIALS_VERSION, &i->credentials);
    if (e == ERR_OK)
        e = db_prepare(i->credentials, credentials_sql, SNAP_COUNT);
    if (e == ERR_OK)
        e = snapshot(i);
    if (e) {
        inspection_close(i);
        return e;
    }
    *out = i;
    return ERR_OK;
}

void inspection_close(struct inspection *i)
{
    if (!i)
        return;
    db_close(i->mail);
    db_close(i->letters);
    db_close(i->credentials);
    free(i);
}

static bool is_same_key(struct db *mail, int64_t vault, struct slice key)
{
    struct stmt *q = db_use(mail, SQL_VAULT_GET);
    stmt_bind_int(q, "id", vault);
    enum err e = stmt_step(q);
    bool is_same = e == ERR_NOT_FOUND || (e == ERR_OK && slice_equal(stmt_bytes(q, 2), key));
    stmt_reset(q); /* not found: an account that is being made or removed */
    return is_same;
}

/* Both databases know each vault's public key: auth's is proved at each login, the store's is what new
 * letters are sealed to. */
static enum err check_keys(struct inspection *i, struct buf *text, struct buf *json)
{
    struct stmt *q = db_use(i->credentials, SNAP_KEYS);
    uint64_t differing = 0;
    enum err e;
    while ((e = stmt_step(q)) == ERR_OK)
        differing += !is_same_key(i->mail, stmt_int(q, 0), stmt_bytes(q, 1));
    stmt_reset(q);
    if (e != ERR_NOT_FOUND || differing == 0)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    buf_reset(text);
    buf_put_u64(text, differing);
    buf_put_str(text, " accounts whose key is not the same in mail.db and credentials.db: new letters may be"
        " sealed to a stranger\n");
    buf_reset(json);
    buf_printf(json, "{\"ok\":false,\"accounts_with_two_keys\":%llu}", (unsigned long long)differing);
    return ERR_DAMAGED;
}

enum err inspection_verify(struct inspection *i, struct buf *text, struct buf *json)
{
    struct store *s = mem_new(sizeof *s); /* verify looks at its two databases alone */
    struct buf found;
    s->mail = i->mail;
    s->letters = i->letters;
    buf_init(&found, 65536);
    enum err e = store_verify(s, text, json);
    enum err f = db_check(i->credentials, &found);
    if (f) {
        buf_put_str(text, "credentials.db is damaged: restore it from a backup\n");
        buf_put(text, buf_slice(&found));
        buf_reset(json);
        buf_put_str(json, "{\"ok\":false,\"error\":\"credentials.db is damaged\"}");
    }
    if (!e && !f)
        e = check_keys(i, text, json);
    buf_clear(&found);
    free(s);
    return f ? f : e;
}

static enum err sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : ERR_IO;
    if (fd >= 0)
        close(fd);
    return e;
}

enum err inspection_copy(struct inspection *i, const char *to_folder)
{
    enum err e = db_copy(i->mail, to_folder, "mail.db");
    if (e == ERR_OK)
        e = db_copy(i->letters, to_folder, "letters.db");
    if (e == ERR_OK)
        e = db_copy(i->credentials, to_folder, "credentials.db");
    return e ? e : sync_folder(to_folder);
}

enum err backup_check(const char *folder, struct buf *text)
{
    static const struct {
        const char *file;
        int version;
    } files[] = {{"mail.db", SCHEMA_MAIL_VERSION}, {"letters.db", SCHEMA_LETTERS_VERSION},
        {"credentials.db", SCHEMA_CREDENTIALS_VERSION}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const struct db_config config = {.folder = folder, .file = files[i].file, .mode = DB_IMMUTABLE,
            .version = files[i].version, .cache_kib = CACHE_KIB};
        struct db *d = NULL;
        enum err e = db_open(&config, &d);
        if (e)
            buf_printf(text, "%s: %s\n", files[i].file, err_text(e));
        else
            e = db_check(d, text);
        db_close(d);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Counters first: vanished takes its numbers from them. */
static const char *const renumber_sql[] = {
    ("UPDATE mailbox SET uidnext = min(uidnext + :uids, 4294967295), highest_modseq = highest_modseq + :modseqs"
        " WHERE noselect = 0"),
    ("INSERT OR REPLACE INTO vanished(mailbox, first, last, modseq) SELECT id, uidnext - :uids, uidnext - 1,"
        " highest_modseq FROM mailbox WHERE noselect = 0 AND uidnext > :uids"),
};

enum err backup_renumber(const char *folder, const char *mail_file)
{
    const struct db_config config = {.folder = folder, .file = mail_file, .mode = DB_WRITER,
        .version = SCHEMA_MAIL_VERSION, .page_bytes = 4096, .cache_kib = CACHE_KIB};
    struct db *d = NULL;
    enum err e = db_open(&config, &d);
    if (e == ERR_OK)
        e = db_prepare(d, renumber_sql, 2);
    if (e == ERR_OK)
        e = db_begin(d);
    for (size_t n = 0; n < 2 && e == ERR_OK; n++) {
        struct stmt *q = db_use(d, n);
        stmt_bind_int(q, "uids", UID_GAP);
        if (n == 0)
            stmt_bind_int(q, "modseqs", MODSEQ_GAP);
        e = stmt_run(q);
    }
    if (e == ERR_OK)
        e = db_commit(d);
    int frames = 0;
    if (e == ERR_OK)
        e = db_checkpoint(d, &frames);
    db_close(d);
    return e;
}
