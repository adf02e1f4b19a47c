/* What the store does for the search index: it keeps sealed blocks that it cannot read. A session begins a
 * segment, sends its blocks, and ends it; only then readers see it. See docs/search.md. */
#include "storage/store.h"

#include "storage/search_segment.h"
#include "storage/store_sql.h"

static enum err drop_segment(struct store *s, int64_t id)
{
    struct stmt *q = db_use(s->mail, SQL_SEARCH_BLOCK_DELETE);
    stmt_bind_int(q, "first", id * 65536);
    stmt_bind_int(q, "last", id * 65536 + 65535);
    enum err e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_SEARCH_DELETE);
    stmt_bind_int(q, "id", id);
    return stmt_run(q);
}

/* Every segment that the statement finds, one after the other. */
static enum err drop_found(struct store *s, size_t statement, const char *name, uint64_t value)
{
    for (;;) {
        struct stmt *q = db_use(s->mail, statement);
        stmt_bind_int(q, name, (int64_t)value);
        enum err e = stmt_step(q);
        int64_t id = e ? 0 : stmt_int(q, 0);
        stmt_reset(q);
        if (!e)
            e = drop_segment(s, id);
        if (e)
            return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
}

enum err store_search_drop(struct store *s, uint64_t account)
{
    return drop_found(s, SQL_SEARCH_OF_ACCOUNT, "account", account);
}

static enum err begin(struct store *s, uint64_t vault, uint64_t generation, uint64_t *out_segment)
{
    enum err e = drop_found(s, SQL_SEARCH_UNFINISHED, "vault", vault);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_SEARCH_INSERT);
    stmt_bind_int(q, "vault", (int64_t)vault);
    stmt_bind_int(q, "generation", (int64_t)generation);
    e = stmt_run(q);
    if (!e)
        *out_segment = (uint64_t)db_last_id(s->mail);
    return e;
}

/* It is that vault's, and not finished. */
static enum err check_segment(struct store *s, uint64_t vault, uint64_t segment)
{
    struct stmt *q = db_use(s->mail, SQL_SEARCH_GET);
    stmt_bind_int(q, "id", (int64_t)segment);
    enum err e = stmt_step(q);
    if (!e && (uint64_t)stmt_int(q, 0) != vault)
        e = ERR_NOT_FOUND;
    stmt_reset(q);
    return e;
}

static enum err put_block(struct store *s, uint64_t segment, uint64_t number, struct slice sealed)
{
    if (number >= SEARCH_DIRECTORY)
        return ERR_SYNTAX;
    struct stmt *q = db_use(s->mail, SQL_SEARCH_BLOCK_INSERT);
    stmt_bind_int(q, "id", (int64_t)(segment * 65536 + number));
    stmt_bind_blob(q, "data", sealed);
    return stmt_run(q);
}

/* The segment goes on where another ended (or begins), and further than all did. */
static enum err check_end(struct store *s, const struct store_search *w)
{
    struct stmt *q = db_use(s->mail, SQL_SEARCH_UPTO);
    stmt_bind_int(q, "vault", (int64_t)w->vault);
    stmt_bind_int(q, "from", (int64_t)w->number);
    enum err e = stmt_step(q);
    if (!e && ((uint64_t)stmt_int(q, 0) >= w->upto || (w->number && !stmt_int(q, 1))))
        e = ERR_EXISTS;
    stmt_reset(q);
    return !e && w->upto >= (uint64_t)s->next_letter ? ERR_SYNTAX : e;
}

/* What was behind `from` is in the new segment too. */
static enum err drop_replaced(struct store *s, const struct store_search *w)
{
    for (;;) {
        struct stmt *q = db_use(s->mail, SQL_SEARCH_REPLACED);
        stmt_bind_int(q, "vault", (int64_t)w->vault);
        stmt_bind_int(q, "from", (int64_t)w->number);
        enum err e = stmt_step(q);
        int64_t id = e ? 0 : stmt_int(q, 0);
        stmt_reset(q);
        if (!e)
            e = drop_segment(s, id);
        if (e)
            return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
}

static enum err end(struct store *s, const struct store_search *w)
{
    enum err e = check_end(s, w);
    if (!e)
        e = drop_replaced(s, w);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_SEARCH_FINISH);
    stmt_bind_int(q, "id", (int64_t)w->segment);
    stmt_bind_int(q, "upto", (int64_t)w->upto);
    stmt_bind_blob(q, "directory", w->sealed);
    return stmt_run(q);
}

enum err store_do_search(struct store *s, struct store_work *w)
{
    struct store_search x = {.op = (enum store_search_op)wire_u8(&w->body)};
    x.vault = wire_u64(&w->body);
    x.segment = wire_u64(&w->body);
    x.number = wire_u64(&w->body);
    x.upto = wire_u64(&w->body);
    x.sealed = wire_bytes(&w->body);
    bool is_begin = x.op == STORE_SEARCH_BEGIN;
    if (!wire_done(&w->body) || x.op > STORE_SEARCH_END || x.sealed.n > SEARCH_SEALED_MAX ||
        (x.sealed.n == 0) != is_begin || x.upto > INT64_MAX || x.number > INT64_MAX || x.segment > INT64_MAX / 65536 - 1)
        return ERR_SYNTAX;
    enum err e = store_check_vault(s, w->account, x.vault);
    if (!e && is_begin)
        return begin(s, x.vault, x.upto, &w->reply.value);
    if (!e)
        e = check_segment(s, x.vault, x.segment);
    if (e)
        return e;
    return x.op == STORE_SEARCH_BLOCK ? put_block(s, x.segment, x.number, x.sealed) : end(s, &x);
}
