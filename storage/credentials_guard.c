/* What the brake on guessing keeps in credentials.db; see credentials.h and login_brake.h. */
#include "storage/credentials_internal.h"

#include "base/clock.h"

#define KNOWN_KEEP_S (180 * 86400) /* a network from which nobody came for so long is a stranger again */

static bool read_entry(struct stmt *s, enum brake_kind *out_kind, struct brake_entry *out)
{
    struct slice key = stmt_bytes(s, 1);
    int64_t kind = stmt_int(s, 0);
    int64_t failures = stmt_int(s, 2);
    if ((kind != BRAKE_NETWORK && kind != BRAKE_NAME) || key.n != BRAKE_KEY_BYTES || failures < 0 ||
        failures > UINT32_MAX)
        return false;
    *out_kind = (enum brake_kind)kind;
    *out = (struct brake_entry){.failures = (uint32_t)failures, .at = stmt_int(s, 3),
        .refused_until = stmt_int(s, 4)};
    memcpy(out->key, key.p, BRAKE_KEY_BYTES);
    return true;
}

static enum err sweep_known(struct credentials *c, int64_t now)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    struct stmt *s = db_use(c->db, SQL_KNOWN_SWEEP);
    stmt_bind_int(s, "before", now - KNOWN_KEEP_S);
    return credentials_finish(c, stmt_run(s));
}

enum err credentials_guard_load(struct credentials *c, struct login_brake *b)
{
    int64_t now = clock_wall();
    struct stmt *s = db_use(c->db, SQL_GUARD_ALL);
    enum brake_kind kind;
    struct brake_entry entry;
    enum err e;
    while ((e = stmt_step(s)) == ERR_OK)
        if (read_entry(s, &kind, &entry))
            login_brake_load(b, kind, &entry, now);
    stmt_reset(s);
    return e == ERR_NOT_FOUND ? sweep_known(c, now) : e;
}

static enum err save_one(struct credentials *c, enum brake_kind kind, const struct brake_entry *entry)
{
    bool is_empty = entry->failures == 0 && entry->refused_until == 0;
    struct stmt *s = db_use(c->db, is_empty ? SQL_GUARD_REMOVE : SQL_GUARD_PUT);
    stmt_bind_int(s, "kind", kind);
    stmt_bind_blob(s, "key", slice_of(entry->key, BRAKE_KEY_BYTES));
    if (!is_empty) {
        stmt_bind_int(s, "failures", entry->failures);
        stmt_bind_int(s, "at", entry->at);
        stmt_bind_int(s, "refused_until", entry->refused_until);
    }
    return stmt_run(s);
}

enum err credentials_guard_save(struct credentials *c, enum brake_kind kind, const struct brake_entry *list,
    size_t n)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    for (size_t i = 0; i < n && !e; i++)
        e = save_one(c, kind, &list[i]);
    return credentials_finish(c, e);
}

int64_t credentials_known_at(struct credentials *c, const uint8_t pair[BRAKE_KEY_BYTES])
{
    struct stmt *s = db_use(c->db, SQL_KNOWN_GET);
    stmt_bind_blob(s, "key", slice_of(pair, BRAKE_KEY_BYTES));
    int64_t at = stmt_step(s) == ERR_OK ? stmt_int(s, 0) : 0;
    stmt_reset(s);
    return at;
}

enum err credentials_note_known(struct credentials *c, const uint8_t pair[BRAKE_KEY_BYTES], int64_t now)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    struct stmt *s = db_use(c->db, SQL_KNOWN_PUT);
    stmt_bind_blob(s, "key", slice_of(pair, BRAKE_KEY_BYTES));
    stmt_bind_int(s, "at", now);
    return credentials_finish(c, stmt_run(s));
}

bool credentials_any_scram(struct credentials *c)
{
    struct stmt *s = db_use(c->db, SQL_SCRAM_ANY);
    bool any = stmt_step(s) == ERR_OK;
    stmt_reset(s);
    return any;
}
