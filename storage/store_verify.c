/* `verify`: is what stands in the databases whole? SQLite's own check of both files, then what our
 * schema promises beyond its constraints. Seals are not opened here (the store holds no key): a damaged
 * seal shows when its owner reads that letter, and costs that letter alone. */
#include "storage/store.h"

#include "base/json.h"
#include "storage/store_sql.h"

struct promise {
    const char *name;       /* for JSON */
    const char *sentence;   /* for people, with the number before it */
    size_t sql;
};

static const struct promise promises[] = {
    {"mails_without_letter", "mails whose letter or key is missing", SQL_VERIFY_MAIL},
    {"expunged_without_letter", "expunged mails whose letter or key is missing", SQL_VERIFY_EXPUNGED},
    {"letters_without_chunks", "letters with missing chunks", SQL_VERIFY_CHUNKS},
    {"wrong_letter_references", "letters whose reference count is wrong", SQL_VERIFY_LETTER_REFS},
    {"wrong_wrap_references", "keys whose reference count is wrong", SQL_VERIFY_WRAP_REFS},
    {"wrong_mailbox_counters", "mailboxes whose counters are wrong", SQL_VERIFY_COUNTERS},
    {"wrong_account_counters", "accounts whose usage is wrong", SQL_VERIFY_ACCOUNTS},
    {"orphaned_chunks", "chunks that belong to no letter", SQL_VERIFY_ORPHANS},
};

static enum err count(struct db *d, size_t sql, int64_t *out)
{
    struct stmt *q = db_use(d, sql);
    enum err e = stmt_step(q);
    if (!e)
        *out = stmt_int(q, 0);
    stmt_reset(q);
    return e;
}

/* Letters in letters.db: each that mail.db knows must have its chunks there, and no others be there. */
static enum err check_large(struct store *s, int64_t *out_missing, int64_t *out_orphaned)
{
    int64_t expected = 0;
    int64_t found = 0;
    struct stmt *q = db_use(s->mail, SQL_VERIFY_LARGE);
    enum err e;
    while ((e = stmt_step(q)) == ERR_OK) {
        int64_t letter = stmt_int(q, 0);
        int64_t chunks = stmt_int(q, 1);
        struct stmt *b = db_use(s->letters, SQL_BIG_CHUNK_COUNT);
        stmt_bind_int(b, "first", letter * 65536);
        stmt_bind_int(b, "last", letter * 65536 + 65535);
        enum err f = stmt_step(b);
        int64_t have = f ? 0 : stmt_int(b, 0);
        stmt_reset(b);
        if (f)
            return f;
        bool is_being_swept = stmt_int(q, 2) != 0;
        *out_missing += have != chunks && !is_being_swept;
        expected += have;
    }
    if (e != ERR_NOT_FOUND)
        return e;
    e = count(s->letters, SQL_BIG_COMMITTED_COUNT, &found);
    *out_orphaned += found > expected ? found - expected : 0;
    return e;
}

static enum err check_promises(struct store *s, struct buf *text, struct json *j)
{
    enum err worst = ERR_OK;
    int64_t missing = 0;
    int64_t orphaned = 0;
    enum err e = check_large(s, &missing, &orphaned);
    for (size_t i = 0; !e && i < sizeof promises / sizeof *promises; i++) {
        int64_t n = 0;
        e = count(s->mail, promises[i].sql, &n);
        if (promises[i].sql == SQL_VERIFY_CHUNKS)
            n += missing;
        if (promises[i].sql == SQL_VERIFY_ORPHANS)
            n += orphaned;
        json_number(j, promises[i].name, n);
        if (n == 0)
            continue;
        worst = ERR_DAMAGED;
        buf_put_u64(text, (uint64_t)n);
        buf_printf(text, " %s\n", promises[i].sentence);
    }
    return e ? e : worst;
}

enum err store_verify(struct store *s, struct buf *text, struct buf *json)
{
    struct buf found;
    struct json j = json_of(json);
    buf_init(&found, 16384);
    enum err e = db_check(s->mail, &found);
    enum err f = db_check(s->letters, &found);
    json_object(&j, NULL);
    json_text(&j, "integrity", found.n ? buf_slice(&found) : SLICE("ok"));
    enum err g = check_promises(s, text, &j);
    enum err worst = e ? e : f ? f : g;
    json_bool(&j, "ok", worst == ERR_OK);
    json_end(&j);
    buf_put(text, buf_slice(&found));
    if (!worst)
        buf_put_str(text, "everything is in order\n");
    buf_clear(&found);
    return worst;
}
