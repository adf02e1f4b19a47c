/* Opening the databases for reading, and what is asked of them in one row; see reader.h. The other
 * parts: reader_sql.c (statements), reader_mailbox.c (mailboxes, UIDs, what vanished), reader_keys.c
 * (unwrapping and adoption), letter_view.c (the text of a letter), mail_cursor.c and letter_handle.c.
 *
 * Only the retrieval role uses it. It never writes: a hijacked session process cannot, either, for
 * the files are open read-only and the sandbox knows no writing. */
#include "storage/reader_internal.h"

#include <time.h>

#include "base/log.h"
#include "base/secret.h"
#include "storage/schema.h"

#define MAIL_CACHE_KIB 4096
#define LETTERS_CACHE_KIB 512
#define STEP_TRIES 40
#define STEP_PAUSE_NS 500000   /* 20 ms in all */
#define DAMAGE_NOTED_MAX 1000

enum err reader_first_step(struct stmt *s)
{
    for (int i = 0; i < STEP_TRIES; i++) {
        enum err e = stmt_step(s);
        if (e != ERR_AGAIN)
            return e;
        nanosleep(&(struct timespec){.tv_nsec = STEP_PAUSE_NS}, NULL);
    }
    return ERR_AGAIN;
}

/* SQLite opens -wal and -shm at the first read: later the sandbox would forbid it. */
static enum err touch(struct db *d, size_t index)
{
    struct stmt *s = db_use(d, index);
    enum err e = reader_first_step(s);
    stmt_reset(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err open_mail(struct reader *r, const char *folder)
{
    struct db_config config = {.folder = folder, .file = "mail.db", .mode = DB_READER,
        .version = SCHEMA_MAIL_VERSION, .cache_kib = MAIL_CACHE_KIB};
    enum err e = db_open(&config, &r->mail);
    if (!e)
        e = db_prepare(r->mail, reader_mail_sql, READ_MAIL_SQL_COUNT);
    return e ? e : touch(r->mail, READ_TOUCH);
}

static enum err open_letters(struct reader *r, const char *folder)
{
    struct db_config config = {.folder = folder, .file = "letters.db", .mode = DB_READER,
        .version = SCHEMA_LETTERS_VERSION, .cache_kib = LETTERS_CACHE_KIB};
    enum err e = db_open(&config, &r->letters);
    if (!e)
        e = db_prepare(r->letters, reader_letters_sql, READ_LETTERS_SQL_COUNT);
    return e ? e : touch(r->letters, READ_LETTERS_TOUCH);
}

enum err reader_open(const char *folder, struct reader **out)
{
    struct reader *r = mem_new(sizeof *r);
    enum err e = letter_view_init(&r->cursor.view, r);
    buf_init(&r->cursor.record, SUMMARY_BYTES_MAX);
    r->cursor.reader = r;
    r->epochs = secret_new(EPOCH_ENTRIES * sizeof *r->epochs);
    if (!e)
        e = open_mail(r, folder);
    if (!e)
        e = open_letters(r, folder);
    if (e) {
        reader_close(r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    if (r->cursor.is_open)
        mail_cursor_close(&r->cursor);
    letter_view_clear(&r->cursor.view);
    buf_wipe(&r->cursor.record);
    secret_free(r->epochs, EPOCH_ENTRIES * sizeof *r->epochs);
    idmap_clear(&r->damaged);
    db_close(r->mail);
    db_close(r->letters);
    free(r);
}

void reader_set_keys(struct reader *r, const struct vault_keys *keys)
{
    r->keys = keys;
    r->adopt_after = 0;
    letter_view_reset(&r->cursor.view);
    reader_forget_epochs(r);
}

bool reader_has_true_key(struct reader *r)
{
    struct stmt *s = db_use(r->mail, READ_VAULT_PUBLIC);
    stmt_bind_int(s, "vault", (int64_t)r->keys->vault);
    enum err e = reader_first_step(s);
    bool is_true = e != ERR_OK && e != ERR_NOT_FOUND; /* what cannot be read now is not called wrong */
    if (e == ERR_OK)
        is_true = slice_equal(stmt_bytes(s, 0), slice_of(r->keys->public_key, SEAL_KEY_BYTES));
    stmt_reset(s);
    return is_true;
}

void reader_note_damage(struct reader *r, const char *what, uint64_t id)
{
    if (r->damaged.count >= DAMAGE_NOTED_MAX || idmap_find(&r->damaged, id))
        return;
    idmap_put(&r->damaged, id, r);
    log_event(LOG_ERROR, "damaged", LF("what", what), LF_U("id", id));
}

enum err reader_mailbox_vault(struct reader *r, uint64_t mailbox, uint64_t *out)
{
    struct stmt *s = db_use(r->mail, READ_MAILBOX_VAULT);
    stmt_bind_int(s, "id", (int64_t)mailbox);
    enum err e = reader_first_step(s);
    if (!e)
        *out = (uint64_t)stmt_int(s, 0);
    stmt_reset(s);
    return e;
}

static uint64_t not_negative(int64_t v)
{
    return v < 0 ? 0 : (uint64_t)v;
}

enum err reader_quota(struct reader *r, uint64_t account, struct quota_info *out)
{
    struct stmt *s = db_use(r->mail, READ_QUOTA);
    stmt_bind_int(s, "account", (int64_t)account);
    enum err e = reader_first_step(s);
    if (!e)
        *out = (struct quota_info){not_negative(stmt_int(s, 0)), not_negative(stmt_int(s, 1)),
            not_negative(stmt_int(s, 2))};
    stmt_reset(s);
    return e;
}
