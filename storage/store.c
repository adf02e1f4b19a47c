/* Opening and closing the store, and what several of its parts share; see store.h. */
#include "storage/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/schema.h"
#include "storage/store_sql.h"

#define MAIL_CACHE_KIB (16 * 1024)
#define LETTERS_CACHE_KIB 1024

static enum err open_databases(struct store *s, const char *folder)
{
    const struct db_config mail = {folder, "mail.db", DB_WRITER, schema_mail_v1, SCHEMA_MAIL_VERSION,
        MAIL_PAGE_BYTES, MAIL_CACHE_KIB};
    const struct db_config letters = {folder, "letters.db", DB_WRITER, schema_letters_v1,
        SCHEMA_LETTERS_VERSION, LETTERS_PAGE_BYTES, LETTERS_CACHE_KIB};
    enum err e = db_open(&mail, &s->mail);
    if (!e)
        e = db_open(&letters, &s->letters);
    if (!e)
        e = db_prepare(s->mail, mail_sql, SQL_MAIL_COUNT);
    return e ? e : db_prepare(s->letters, letters_sql, SQL_LETTERS_COUNT);
}

static enum err query_one(struct db *d, size_t index, int64_t *out)
{
    struct stmt *q = db_use(d, index);
    enum err e = stmt_step(q);
    if (!e)
        *out = stmt_int(q, 0);
    stmt_reset(q);
    return e;
}

/* Row ids of letters are never given twice, also not one that only a crashed stage or the search index
 * knew. */
static enum err find_next_letter(struct store *s)
{
    int64_t in_mail = 0;
    int64_t staged = 0;
    int64_t chunk = 0;
    int64_t indexed = 0;
    enum err e = query_one(s->mail, SQL_LETTER_MAX, &in_mail);
    if (!e)
        e = query_one(s->mail, SQL_SEARCH_MAX, &indexed);
    if (!e)
        e = query_one(s->letters, SQL_BIG_MAX, &staged);
    if (!e)
        e = query_one(s->letters, SQL_BIG_CHUNK_MAX, &chunk);
    int64_t most = in_mail > staged ? in_mail : staged;
    if (chunk / 65536 > most)
        most = chunk / 65536;
    s->next_letter = (most > indexed ? most : indexed) + 1;
    return e;
}

static enum err load_settings(struct store *s)
{
    s->settings = settings_new();
    struct stmt *q = db_use(s->mail, SQL_SETTING_LIST);
    enum err e;
    while ((e = stmt_step(q)) == ERR_OK) {
        enum err f = settings_set(s->settings, stmt_bytes(q, 0), stmt_bytes(q, 1));
        if (f)
            log_event(LOG_WARNING, "setting-ignored", LF_S("name", stmt_bytes(q, 0)),
                LF("reason", err_text(f)));
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err store_open(struct store *s, const char *folder)
{
    s->reserve_fd = -1;
    enum err e = open_databases(s, folder);
    if (!e)
        e = find_next_letter(s);
    if (!e)
        e = store_recover(s);
    if (!e)
        e = store_room_open(s, folder);
    return e ? e : load_settings(s);
}

static void free_session(void *ctx, uint64_t id, void *value)
{
    struct store *s = ctx;
    (void)value;
    free(idmap_remove(&s->sessions, id));
}

void store_close(struct store *s)
{
    idmap_each(&s->sessions, free_session, s);
    idmap_clear(&s->sessions);
    settings_free(s->settings);
    store_room_close(s);
    db_close(s->letters);
    db_close(s->mail);
    s->letters = s->mail = NULL;
}

enum err store_mailbox_get(struct store *s, uint64_t account, uint64_t id, struct store_mailbox *out)
{
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_GET);
    stmt_bind_int(q, "id", (int64_t)id);
    enum err e = stmt_step(q);
    if (!e) {
        *out = (struct store_mailbox){.id = id,
            .account = (uint64_t)stmt_int(q, 0),
            .vault = (uint64_t)stmt_int(q, 1),
            .parent = (uint64_t)stmt_int(q, 2),
            .uidvalidity = (uint32_t)stmt_int(q, 3),
            .uidnext = (uint32_t)stmt_int(q, 4),
            .highest_modseq = (uint64_t)stmt_int(q, 5),
            .special_use = (unsigned)stmt_int(q, 6),
            .noselect = stmt_int(q, 7) != 0,
            .recent_from = (uint32_t)stmt_int(q, 8)};
        if (out->account != account)
            e = ERR_NOT_FOUND;
    }
    stmt_reset(q);
    return e;
}

enum err store_account_room(struct store *s, uint64_t account, uint64_t bytes)
{
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ID);
    stmt_bind_int(q, "id", (int64_t)account);
    enum err e = stmt_step(q);
    if (!e) {
        uint64_t quota = (uint64_t)stmt_int(q, 2);
        uint64_t used = (uint64_t)stmt_int(q, 3);
        if (stmt_int(q, 1) == 2)
            e = ERR_NOT_FOUND;
        else if (quota && (bytes > quota || used > quota - bytes))
            e = ERR_QUOTA;
    }
    stmt_reset(q);
    return e;
}

enum err store_account_use(struct store *s, uint64_t account, int64_t bytes, int64_t count)
{
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_USE);
    stmt_bind_int(q, "id", (int64_t)account);
    stmt_bind_int(q, "bytes", bytes);
    stmt_bind_int(q, "count", count);
    return stmt_run(q);
}

enum err store_new_uidvalidity(struct store *s, uint32_t *out)
{
    int64_t now = clock_wall();
    struct stmt *q = db_use(s->mail, SQL_COUNTER_RAISE);
    stmt_bind_text(q, "name", SLICE("uidvalidity"));
    stmt_bind_int(q, "least", now > 0 && now < UINT32_MAX ? now : 1);
    enum err e = stmt_step(q);
    if (!e) {
        int64_t value = stmt_int(q, 0);
        if (value < 1 || value > UINT32_MAX)
            e = ERR_LIMIT;
        else
            *out = (uint32_t)value;
    }
    stmt_reset(q);
    return e;
}

enum err store_do_done(struct store *s, struct store_work *w)
{
    uint8_t rid[16];
    struct store_reply found;
    wire_copy(&w->body, rid, sizeof rid);
    if (!wire_done(&w->body))
        return ERR_SYNTAX;
    struct stmt *q = db_use(s->mail, SQL_REQUEST_FIND);
    stmt_bind_blob(q, "rid", slice_of(rid, sizeof rid));
    enum err e = stmt_step(q);
    if (!e) {
        struct wire record = wire_of(stmt_bytes(q, 0));
        wire_u64(&record);
        if (store_reply_decode(&record, &found))
            w->reply = found;
        else
            e = ERR_DAMAGED;
    }
    stmt_reset(q);
    return e;
}
