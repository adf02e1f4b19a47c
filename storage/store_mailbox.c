/* Mailboxes and keywords: create, rename, delete, subscribe, \Recent. Names come sealed; all that the
 * store sees of one is its keyed hash, by which it keeps them unique among siblings. */
#include "storage/store.h"

#include "storage/reader.h"
#include "storage/store_sql.h"

#define SEALED_NAME_MAX (MAILBOX_NAME_MAX + SEAL_OVERHEAD_MAX + 64)

struct sealed_name {
    struct slice sealed;
    uint8_t hash[NAME_HASH_BYTES];
};

static bool take_name(struct wire *w, struct sealed_name *out)
{
    static const uint8_t inbox[NAME_HASH_BYTES];
    out->sealed = wire_bytes(w);
    wire_copy(w, out->hash, sizeof out->hash);
    /* The hash of zeros is the inbox's, which account.create alone makes. */
    return wire_done(w) && out->sealed.n <= SEALED_NAME_MAX && memcmp(out->hash, inbox, sizeof inbox) != 0;
}

static enum err find_by_name(struct store *s, uint64_t account, uint64_t parent, const struct sealed_name *n,
    int64_t *out_id, bool *out_noselect)
{
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_BY_NAME);
    stmt_bind_int(q, "account", (int64_t)account);
    stmt_bind_int(q, "parent", (int64_t)parent);
    stmt_bind_blob(q, "hash", slice_of(n->hash, sizeof n->hash));
    enum err e = stmt_step(q);
    if (!e) {
        *out_id = stmt_int(q, 0);
        *out_noselect = stmt_int(q, 1) != 0;
    }
    stmt_reset(q);
    return e;
}

/* The depth at which a child of parent would stand; ERR_NOT_FOUND: no such parent of the account.
 * ERR_DENIED when `self` is the parent or above it (a mailbox cannot move below itself). */
static enum err check_parent(struct store *s, uint64_t account, uint64_t parent, uint64_t self)
{
    for (unsigned depth = 1; parent; depth++) {
        if (depth > MAILBOX_DEPTH_MAX)
            return ERR_LIMIT;
        if (parent == self)
            return ERR_DENIED;
        struct stmt *q = db_use(s->mail, SQL_MAILBOX_PARENT);
        stmt_bind_int(q, "id", (int64_t)parent);
        stmt_bind_int(q, "account", (int64_t)account);
        enum err e = stmt_step(q);
        parent = e ? 0 : (uint64_t)stmt_int(q, 0);
        stmt_reset(q);
        if (e)
            return e;
    }
    return ERR_OK;
}

static enum err account_vault(struct store *s, uint64_t account, int64_t *out)
{
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ID);
    stmt_bind_int(q, "id", (int64_t)account);
    enum err e = stmt_step(q);
    if (!e)
        *out = stmt_int(q, 4);
    stmt_reset(q);
    return e;
}

static enum err set_noselect(struct store *s, uint64_t id, bool noselect, unsigned special, uint32_t uidvalidity)
{
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_NOSELECT);
    stmt_bind_int(q, "id", (int64_t)id);
    stmt_bind_int(q, "noselect", noselect);
    stmt_bind_int(q, "special", special);
    stmt_bind_int(q, "uidvalidity", uidvalidity);
    return stmt_run(q);
}

static enum err insert_mailbox(struct store *s, uint64_t account, uint64_t parent, const struct sealed_name *n,
    unsigned special, uint32_t uidvalidity)
{
    int64_t vault = 0;
    enum err e = account_vault(s, account, &vault);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_INSERT);
    stmt_bind_int(q, "account", (int64_t)account);
    stmt_bind_int(q, "parent", (int64_t)parent);
    stmt_bind_int(q, "vault", vault);
    stmt_bind_blob(q, "name", n->sealed);
    stmt_bind_blob(q, "hash", slice_of(n->hash, sizeof n->hash));
    stmt_bind_int(q, "special", special);
    stmt_bind_int(q, "uidvalidity", uidvalidity);
    return stmt_run(q);
}

/* Each special use is one mailbox's. */
static enum err check_special(struct store *s, uint64_t account, unsigned special)
{
    if (special == SPECIAL_NONE)
        return ERR_OK;
    if (special == SPECIAL_INBOX || special > SPECIAL_ARCHIVE)
        return ERR_SYNTAX;
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_SPECIAL);
    stmt_bind_int(q, "account", (int64_t)account);
    stmt_bind_int(q, "special", special);
    enum err e = stmt_step(q);
    stmt_reset(q);
    return e == ERR_NOT_FOUND ? ERR_OK : e ? e : ERR_DENIED;
}

enum err store_do_mailbox_create(struct store *s, struct store_work *w)
{
    struct sealed_name n;
    uint64_t parent = wire_u64(&w->body);
    unsigned special = wire_u8(&w->body);
    int64_t id = 0;
    bool noselect = false;
    uint32_t uidvalidity = 0;
    if (!take_name(&w->body, &n))
        return ERR_SYNTAX;
    enum err e = check_parent(s, w->account, parent, 0);
    if (!e)
        e = check_special(s, w->account, special);
    if (e)
        return e;
    e = find_by_name(s, w->account, parent, &n, &id, &noselect);
    if (!e && !noselect)
        return ERR_EXISTS;
    bool is_new = e == ERR_NOT_FOUND;
    if (e && !is_new)
        return e;
    e = store_new_uidvalidity(s, &uidvalidity);
    if (!e)
        e = is_new ? insert_mailbox(s, w->account, parent, &n, special, uidvalidity)
                   : set_noselect(s, (uint64_t)id, false, special, uidvalidity);
    if (e)
        return e;
    w->reply.value = (uint64_t)(is_new ? db_last_id(s->mail) : id);
    w->reply.uidvalidity = uidvalidity;
    store_ring(s, w->account, 0, 0);
    return ERR_OK;
}

enum err store_do_mailbox_rename(struct store *s, struct store_work *w)
{
    struct sealed_name n;
    struct store_mailbox m;
    int64_t other = 0;
    bool noselect = false;
    uint64_t id = wire_u64(&w->body);
    uint64_t parent = wire_u64(&w->body);
    if (!take_name(&w->body, &n))
        return ERR_SYNTAX;
    enum err e = store_mailbox_get(s, w->account, id, &m);
    if (!e && m.special_use == SPECIAL_INBOX)
        e = ERR_DENIED; /* the client moves its letters to a new mailbox instead (RFC 9051 6.3.6) */
    if (!e)
        e = check_parent(s, w->account, parent, id);
    if (e)
        return e;
    e = find_by_name(s, w->account, parent, &n, &other, &noselect);
    if (e != ERR_NOT_FOUND)
        return e ? e : ERR_EXISTS;
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_RENAME);
    stmt_bind_int(q, "id", (int64_t)id);
    stmt_bind_int(q, "parent", (int64_t)parent);
    stmt_bind_blob(q, "name", n.sealed);
    stmt_bind_blob(q, "hash", slice_of(n.hash, sizeof n.hash));
    e = stmt_run(q);
    if (!e)
        store_ring(s, w->account, 0, 0);
    return e;
}

/* All of its mails at once: the rows go to `expunged`, where the sweeper frees them in slices. */
static enum err empty_mailbox(struct store *s, const struct store_mailbox *m)
{
    uint64_t gone = 0;
    enum err e = store_expunge_all(s, m, &gone);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_EXPUNGED_OF_MAILBOX);
    stmt_bind_int(q, "mailbox", (int64_t)m->id);
    return stmt_run(q);
}

static enum err has_children(struct store *s, const struct store_mailbox *m, bool *out)
{
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_CHILDREN);
    stmt_bind_int(q, "account", (int64_t)m->account);
    stmt_bind_int(q, "id", (int64_t)m->id);
    enum err e = stmt_step(q);
    if (!e)
        *out = stmt_int(q, 0) > 0;
    stmt_reset(q);
    return e;
}

static enum err delete_row(struct store *s, uint64_t id)
{
    struct stmt *q = db_use(s->mail, SQL_VANISHED_DELETE);
    stmt_bind_int(q, "mailbox", (int64_t)id);
    enum err e = stmt_run(q);
    if (!e)
        e = store_listing_drop_all(s, (int64_t)id);
    if (e)
        return e;
    q = db_use(s->mail, SQL_MAILBOX_DELETE);
    stmt_bind_int(q, "id", (int64_t)id);
    return stmt_run(q);
}

enum err store_mailbox_drop(struct store *s, const struct store_mailbox *m)
{
    enum err e = empty_mailbox(s, m);
    return e ? e : delete_row(s, m->id);
}

enum err store_do_mailbox_delete(struct store *s, struct store_work *w)
{
    struct store_mailbox m;
    bool children = false;
    uint32_t uidvalidity = 0;
    uint64_t id = wire_u64(&w->body);
    if (!wire_done(&w->body))
        return ERR_SYNTAX;
    enum err e = store_mailbox_get(s, w->account, id, &m);
    if (!e && m.special_use == SPECIAL_INBOX)
        e = ERR_DENIED;
    if (!e)
        e = has_children(s, &m, &children);
    if (!e && children && m.noselect)
        e = ERR_NOT_EMPTY;
    if (!e)
        e = empty_mailbox(s, &m);
    if (!e)
        e = store_new_uidvalidity(s, &uidvalidity);
    if (!e)
        e = children ? set_noselect(s, id, true, SPECIAL_NONE, uidvalidity) : delete_row(s, id);
    if (!e) {
        store_ring(s, w->account, id, UINT64_MAX);
        store_ring(s, w->account, 0, 0);
    }
    return e;
}

enum err store_do_subscribe(struct store *s, struct store_work *w)
{
    struct store_mailbox m;
    uint64_t id = wire_u64(&w->body);
    uint8_t on = wire_u8(&w->body);
    if (!wire_done(&w->body) || on > 1)
        return ERR_SYNTAX;
    enum err e = store_mailbox_get(s, w->account, id, &m);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_SUBSCRIBE);
    stmt_bind_int(q, "id", (int64_t)id);
    stmt_bind_int(q, "on", on);
    e = stmt_run(q);
    if (!e)
        store_ring(s, w->account, 0, 0);
    return e;
}

enum err store_do_claim_recent(struct store *s, struct store_work *w)
{
    uint64_t id = wire_u64(&w->body);
    struct store_mailbox m;
    if (!wire_done(&w->body))
        return ERR_SYNTAX;
    enum err e = store_mailbox_get(s, w->account, id, &m);
    if (e)
        return e;
    w->reply.value = m.recent_from;
    w->reply.modseq = m.highest_modseq;
    if (m.recent_from >= m.uidnext)
        return ERR_OK;
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_RECENT);
    stmt_bind_int(q, "id", (int64_t)id);
    return stmt_run(q);
}

static enum err get_keyword(struct store *s, int64_t vault, const struct sealed_name *n, uint64_t *out)
{
    struct stmt *q = db_use(s->mail, SQL_KEYWORD_GET);
    stmt_bind_int(q, "vault", vault);
    stmt_bind_blob(q, "hash", slice_of(n->hash, sizeof n->hash));
    enum err e = stmt_step(q);
    if (!e)
        *out = (uint64_t)stmt_int(q, 0);
    stmt_reset(q);
    return e;
}

enum err store_do_keyword(struct store *s, struct store_work *w)
{
    struct sealed_name n;
    int64_t vault = 0;
    if (!take_name(&w->body, &n))
        return ERR_SYNTAX;
    enum err e = account_vault(s, w->account, &vault);
    if (!e)
        e = get_keyword(s, vault, &n, &w->reply.value);
    if (e != ERR_NOT_FOUND)
        return e;
    struct stmt *q = db_use(s->mail, SQL_KEYWORD_FREE);
    stmt_bind_int(q, "vault", vault);
    e = stmt_step(q);
    int64_t bit = e ? 0 : stmt_int(q, 0);
    stmt_reset(q);
    if (e)
        return e;
    if (bit > FLAG_KEYWORD_LAST)
        return ERR_LIMIT;
    q = db_use(s->mail, SQL_KEYWORD_INSERT);
    stmt_bind_int(q, "vault", vault);
    stmt_bind_int(q, "bit", bit);
    stmt_bind_blob(q, "name", n.sealed);
    stmt_bind_blob(q, "hash", slice_of(n.hash, sizeof n.hash));
    w->reply.value = (uint64_t)bit;
    return stmt_run(q);
}
