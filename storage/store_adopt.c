/* What an owner's session rewrites in the background: wraps under the vault's own key (adoption), and
 * summaries that were stale or damaged. */
#include "storage/store.h"

#include "message/summary.h"
#include "storage/store_sql.h"

#define SUMMARY_SEALED_MAX (SUMMARY_BYTES_MAX + 1024)

static enum err adopt_one(struct store *s, uint64_t vault, uint64_t letter, struct slice wrap)
{
    struct stmt *q = db_use(s->mail, SQL_WRAP_ADOPT);
    stmt_bind_int(q, "letter", (int64_t)letter);
    stmt_bind_int(q, "vault", (int64_t)vault);
    stmt_bind_blob(q, "key", wrap);
    return stmt_run(q);
}

enum err store_check_vault(struct store *s, uint64_t account, uint64_t vault)
{
    struct stmt *q = db_use(s->mail, SQL_VAULT_GET);
    stmt_bind_int(q, "id", (int64_t)vault);
    enum err e = stmt_step(q);
    if (!e && (uint64_t)stmt_int(q, 0) != account)
        e = ERR_NOT_FOUND;
    stmt_reset(q);
    return e;
}

enum err store_do_adopt(struct store *s, struct store_work *w)
{
    uint64_t vault = wire_u64(&w->body);
    uint32_t n = wire_u32(&w->body);
    enum err e = store_check_vault(s, w->account, vault);
    for (uint32_t i = 0; !e && i < n; i++) {
        uint64_t letter = wire_u64(&w->body);
        struct slice wrap = wire_fixed(&w->body, WRAP_BYTES);
        e = w->body.failed ? ERR_SYNTAX : adopt_one(s, vault, letter, wrap);
    }
    return e ? e : wire_done(&w->body) ? ERR_OK : ERR_SYNTAX;
}

/* Any session whose account holds the letter may replace its summary: it holds K, and the summary is
 * sealed under K, so that it can harm nobody who does not hold K as well. */
enum err store_do_summary(struct store *s, struct store_work *w)
{
    uint64_t letter = wire_u64(&w->body);
    struct slice sealed = wire_bytes(&w->body);
    if (!wire_done(&w->body) || sealed.n == 0 || sealed.n > SUMMARY_SEALED_MAX)
        return ERR_SYNTAX;
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ID);
    stmt_bind_int(q, "id", (int64_t)w->account);
    enum err e = stmt_step(q);
    int64_t vault = e ? 0 : stmt_int(q, 4);
    stmt_reset(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_WRAP_HELD);
    stmt_bind_int(q, "letter", (int64_t)letter);
    stmt_bind_int(q, "vault", vault);
    e = stmt_step(q);
    stmt_reset(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_LETTER_SUMMARY);
    stmt_bind_int(q, "id", (int64_t)letter);
    stmt_bind_blob(q, "summary", sealed);
    return stmt_run(q);
}
