/* Where an address delivers: accounts, aliases (to many, nested to STORE_ALIAS_DEPTH_MAX), domain
 * aliases, +detail, catch-all. Addresses are canonical (message/address.h) on both sides. */
#include "storage/store.h"

#include "message/address.h"
#include "storage/store_sql.h"

struct lookup {
    struct store *store;
    struct store_target *targets;
    size_t count;
    unsigned steps;        /* addresses looked at */
    bool whatever_quota;   /* asked who it is, not whether there is room */
    bool over_quota;
    bool disabled;
    enum err err;
};

static struct slice domain_of(struct slice address)
{
    for (size_t i = address.n; i-- > 0;)
        if (address.p[i] == '@')
            return slice_from(address, i + 1);
    return SLICE_EMPTY;
}

static enum err get_target_domain(struct store *s, struct slice domain, struct buf *out_target)
{
    struct stmt *q = db_use(s->mail, SQL_DOMAIN_GET);
    stmt_bind_text(q, "name", domain);
    enum err e = stmt_step(q);
    if (!e && !stmt_is_null(q, 0))
        buf_put(out_target, stmt_bytes(q, 0));
    stmt_reset(q);
    return e;
}

static enum err fill_target(struct store *s, int64_t account, int64_t vault, struct slice address,
    struct store_target *out)
{
    *out = (struct store_target){.account = (uint64_t)account};
    if (address.n >= sizeof out->address)
        return ERR_TOO_BIG;
    memcpy(out->address, address.p, address.n);
    struct stmt *q = db_use(s->mail, SQL_VAULT_GET);
    stmt_bind_int(q, "id", vault);
    enum err e = stmt_step(q);
    struct slice key = e ? SLICE_EMPTY : stmt_bytes(q, 2);
    if (!e && key.n != SEAL_KEY_BYTES)
        e = ERR_DAMAGED;
    if (!e) {
        out->vault.vault = (uint64_t)vault;
        out->vault.generation = (uint32_t)stmt_int(q, 1);
        memcpy(out->vault.public_key, key.p, SEAL_KEY_BYTES);
    }
    stmt_reset(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_INBOX_GET);
    stmt_bind_int(q, "account", account);
    e = stmt_step(q);
    if (!e)
        out->mailbox = (uint64_t)stmt_int(q, 0);
    stmt_reset(q);
    return e;
}

static void add_account(struct lookup *l, int64_t account, int64_t vault, struct slice address)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->targets[i].account == (uint64_t)account)
            return;
    if (l->count == STORE_TARGETS_MAX) {
        l->err = ERR_LIMIT;
        return;
    }
    enum err e = fill_target(l->store, account, vault, address, &l->targets[l->count]);
    if (e == ERR_NOT_FOUND) /* an account without its vault or INBOX: damage, not "no such address" */
        e = ERR_DAMAGED;
    if (e)
        l->err = e;
    else
        l->count++;
}

/* ERR_OK when the address is an account's (added, or counted as full or disabled). */
static enum err find_account(struct lookup *l, struct slice address)
{
    struct stmt *q = db_use(l->store->mail, SQL_ACCOUNT_BY_ADDRESS);
    stmt_bind_text(q, "address", address);
    enum err e = stmt_step(q);
    if (e) {
        stmt_reset(q);
        return e;
    }
    int64_t id = stmt_int(q, 0);
    int64_t state = stmt_int(q, 1);
    int64_t quota = stmt_int(q, 2);
    int64_t used = stmt_int(q, 3);
    int64_t vault = stmt_int(q, 4);
    stmt_reset(q);
    /* A disabled account cannot log in; letters still come in. One that is being removed takes none. */
    if (state == 2)
        l->disabled = true;
    else if (quota && used >= quota && !l->whatever_quota)
        l->over_quota = true;
    else
        add_account(l, id, vault, address);
    return ERR_OK;
}

static enum err resolve(struct lookup *l, struct slice address, unsigned depth);

/* Rows are copied before they are followed: following uses the same statement. */
static enum err find_aliases(struct lookup *l, struct slice address, unsigned depth)
{
    struct buf copy;
    buf_init(&copy, STORE_TARGETS_MAX * (ADDRESS_MAX + 8));
    struct stmt *q = db_use(l->store->mail, SQL_ALIAS_GET);
    stmt_bind_text(q, "address", address);
    enum err e;
    while ((e = stmt_step(q)) == ERR_OK)
        wire_put_bytes(&copy, stmt_bytes(q, 0));
    if (e == ERR_NOT_FOUND)
        e = buf_error(&copy);
    bool any = copy.n > 0;
    struct wire in = wire_of(buf_slice(&copy));
    while (!e && !wire_at_end(&in)) {
        enum err f = resolve(l, wire_bytes(&in), depth + 1);
        if (f && f != ERR_NOT_FOUND && f != ERR_DENIED)
            e = f;
    }
    buf_clear(&copy);
    return e ? e : any ? ERR_OK : ERR_NOT_FOUND;
}

static enum err find_exact(struct lookup *l, struct slice address, unsigned depth)
{
    enum err e = find_account(l, address);
    return e == ERR_NOT_FOUND ? find_aliases(l, address, depth) : e;
}

/* Within a domain of ours: the address itself, then without +detail, then the catch-all. */
static enum err find_in_domain(struct lookup *l, struct slice address, unsigned depth)
{
    struct buf other;
    struct slice detail;
    buf_init(&other, ADDRESS_MAX + 8);
    enum err e = find_exact(l, address, depth);
    if (e == ERR_NOT_FOUND && address_split_detail(address, &other, &detail))
        e = find_exact(l, buf_slice(&other), depth);
    if (e == ERR_NOT_FOUND) {
        buf_reset(&other);
        buf_put_byte(&other, '@');
        buf_put(&other, domain_of(address));
        e = find_aliases(l, buf_slice(&other), depth);
    }
    buf_clear(&other);
    return e;
}

static enum err resolve(struct lookup *l, struct slice address, unsigned depth)
{
    struct buf target;
    struct slice domain = domain_of(address);
    if (depth > STORE_ALIAS_DEPTH_MAX || ++l->steps > STORE_ALIAS_STEPS_MAX)
        return ERR_LIMIT;
    buf_init(&target, 2 * ADDRESS_MAX);
    enum err e = get_target_domain(l->store, domain, &target);
    if (e == ERR_NOT_FOUND)
        e = ERR_DENIED; /* not our domain */
    else if (!e && target.n) {
        struct buf renamed;
        buf_init(&renamed, 2 * ADDRESS_MAX);
        buf_put(&renamed, slice_sub(address, 0, address.n - domain.n));
        buf_put(&renamed, buf_slice(&target));
        e = find_in_domain(l, buf_slice(&renamed), depth);
        buf_clear(&renamed);
    } else if (!e) {
        e = find_in_domain(l, address, depth);
    }
    buf_clear(&target);
    return e;
}

enum err store_do_lookup(struct store *s, struct store_work *w)
{
    struct slice address = wire_bytes(&w->body);
    if (!wire_done(&w->body) || address.n > ADDRESS_MAX || address.n == 0)
        return ERR_SYNTAX;
    struct lookup l = {.store = s, .targets = mem_new(STORE_TARGETS_MAX * sizeof(struct store_target))};
    enum err e = resolve(&l, address, 0);
    if (!e)
        e = l.err;
    if (!e && s->room_needed)
        e = ERR_DISK_FULL;
    if (!e && l.count == 0)
        e = l.over_quota ? ERR_QUOTA : l.disabled ? ERR_DISABLED : ERR_NOT_FOUND;
    w->reply.targets = l.targets;
    w->reply.target_count = e ? 0 : l.count;
    return e;
}

/* The account's own address, an alias that leads to it directly, +detail of either, a catch-all of its
 * own. */
enum err store_owns(struct store *s, uint64_t account, struct slice address)
{
    struct lookup l = {.store = s, .whatever_quota = true,
        .targets = mem_new(STORE_TARGETS_MAX * sizeof(struct store_target))};
    enum err e = resolve(&l, address, 0);
    bool found = false;
    for (size_t i = 0; i < l.count; i++)
        found |= l.targets[i].account == account;
    free(l.targets);
    if (e == ERR_NOT_FOUND)
        e = ERR_DENIED;
    return e ? e : found ? ERR_OK : ERR_DENIED;
}

enum err store_leads_somewhere(struct store *s, struct slice address)
{
    struct lookup l = {.store = s, .whatever_quota = true,
        .targets = mem_new(STORE_TARGETS_MAX * sizeof(struct store_target))};
    enum err e = resolve(&l, address, 0);
    free(l.targets);
    if (!e)
        e = l.err;
    return e ? e : l.count ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_do_may_send_as(struct store *s, struct store_work *w)
{
    struct slice address = wire_bytes(&w->body);
    if (!wire_done(&w->body) || address.n > ADDRESS_MAX || address.n == 0)
        return ERR_SYNTAX;
    return store_owns(s, w->account, address);
}
