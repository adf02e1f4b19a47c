/* What the store does for listing blocks (listing.h): it keeps them for the mailbox's owner, and drops
 * those whose mails go. */
#include "storage/store.h"

#include "storage/listing.h"
#include "storage/store_sql.h"

enum err store_do_listing(struct store *s, struct store_work *w)
{
    struct store_mailbox m;
    uint64_t mailbox = wire_u64(&w->body);
    uint32_t first = wire_u32(&w->body);
    uint32_t last = wire_u32(&w->body);
    struct slice sealed = wire_bytes(&w->body);
    if (!wire_done(&w->body) || first == 0 || last < first || last - first >= LISTING_SPAN_MAX || sealed.n == 0 || sealed.n > LISTING_SEALED_MAX)
        return ERR_SYNTAX;
    enum err e = store_mailbox_get(s, w->account, mailbox, &m);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_LISTING_PUT);
    stmt_bind_int(q, "mailbox", (int64_t)mailbox);
    stmt_bind_int(q, "first", first);
    stmt_bind_int(q, "last", last);
    stmt_bind_blob(q, "data", sealed);
    return stmt_run(q);
}

/* A freed letter is not to live on in a block: those that hold the UID go (two where sessions made them at
 * one time). */
enum err store_listing_drop(struct store *s, int64_t mailbox, int64_t uid)
{
    struct stmt *q = db_use(s->mail, SQL_LISTING_DROP);
    stmt_bind_int(q, "mailbox", mailbox);
    stmt_bind_int(q, "uid", uid);
    stmt_bind_int(q, "from", uid - LISTING_SPAN_MAX);
    return stmt_run(q);
}

enum err store_listing_drop_all(struct store *s, int64_t mailbox)
{
    struct stmt *q = db_use(s->mail, SQL_LISTING_DROP_ALL);
    stmt_bind_int(q, "mailbox", mailbox);
    return stmt_run(q);
}
