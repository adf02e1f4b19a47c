/* Accounts as the store knows them: address, vault (public half), mailboxes, quota. Their secrets are in
 * credentials.db, which auth keeps. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "storage/reader.h"
#include "storage/store_admin.h"
#include "storage/store_sql.h"

#define ID_MAX ((1ULL << 48) - 1)
#define MAILBOX_ARG_MAX 2048

static bool id_arg(const struct store_admin *a, const char *key, int64_t *out)
{
    uint64_t value = 0;
    bool ok = slice_to_u64(store_admin_arg(a, key), ID_MAX, &value) && value > 0;
    *out = (int64_t)value;
    return ok;
}

struct new_account {
    int64_t id;
    int64_t vault;
    uint32_t generation;
    struct slice address;
    struct buf public_key;
};

static bool take_new_account(const struct store_admin *a, struct new_account *n)
{
    uint64_t generation = 0;
    n->address = store_admin_arg(a, "address");
    bool ok = id_arg(a, "account", &n->id) && id_arg(a, "vault", &n->vault) && n->address.n &&
        slice_to_u64(store_admin_arg(a, "generation"), UINT32_MAX, &generation);
    n->generation = (uint32_t)generation;
    return ok && hex_get(store_admin_arg(a, "public_key"), &n->public_key) == ERR_OK &&
        n->public_key.n == SEAL_KEY_BYTES;
}

/* "SPECIAL_USE HASH NAME" */
static enum err create_mailbox(struct store *s, const struct new_account *n, struct slice arg)
{
    struct buf hash;
    struct buf name;
    uint64_t special = 0;
    uint32_t uidvalidity = 0;
    buf_init(&hash, NAME_HASH_BYTES);
    buf_init(&name, MAILBOX_ARG_MAX);
    bool ok = slice_to_u64(slice_cut(&arg, ' '), SPECIAL_ARCHIVE, &special) &&
        hex_get(slice_cut(&arg, ' '), &hash) == ERR_OK && hash.n == NAME_HASH_BYTES &&
        hex_get(arg, &name) == ERR_OK;
    enum err e = ok ? store_new_uidvalidity(s, &uidvalidity) : ERR_SYNTAX;
    if (special == SPECIAL_INBOX && hash.n)
        memset(hash.p, 0, hash.n);
    if (!e) {
        struct stmt *q = db_use(s->mail, SQL_MAILBOX_INSERT);
        stmt_bind_int(q, "account", n->id);
        stmt_bind_int(q, "parent", 0);
        stmt_bind_int(q, "vault", n->vault);
        stmt_bind_blob(q, "name", buf_slice(&name));
        stmt_bind_blob(q, "hash", buf_slice(&hash));
        stmt_bind_int(q, "special", (int64_t)special);
        stmt_bind_int(q, "uidvalidity", uidvalidity);
        e = stmt_run(q);
    }
    buf_clear(&hash);
    buf_clear(&name);
    return e;
}

static enum err insert_account(struct store_admin *a, const struct new_account *n)
{
    struct store *s = a->store;
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_INSERT);
    stmt_bind_int(q, "id", n->id);
    stmt_bind_text(q, "address", n->address);
    stmt_bind_int(q, "now", clock_wall());
    stmt_bind_int(q, "quota", (int64_t)settings_number(s->settings, "account.quota"));
    stmt_bind_int(q, "vault", n->vault);
    enum err e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_VAULT_INSERT);
    stmt_bind_int(q, "id", n->vault);
    stmt_bind_int(q, "account", n->id);
    stmt_bind_int(q, "generation", n->generation);
    stmt_bind_blob(q, "key", buf_slice(&n->public_key));
    e = stmt_run(q);
    for (size_t i = 0; !e && i < a->request->count; i++)
        if (slice_equal(a->request->pairs[i].key, SLICE("mailbox")))
            e = create_mailbox(s, n, a->request->pairs[i].value);
    return e;
}

/* ERR_OK: the very same account is here already (a repeated request). ERR_NOT_FOUND: the address is free. */
static enum err find_same(struct store *s, const struct new_account *n)
{
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ADDRESS);
    stmt_bind_text(q, "address", n->address);
    enum err e = stmt_step(q);
    bool same = !e && stmt_int(q, 0) == n->id && stmt_int(q, 4) == n->vault;
    stmt_reset(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_VAULT_GET);
    stmt_bind_int(q, "id", n->vault);
    e = stmt_step(q);
    same = same && !e && slice_equal(stmt_bytes(q, 2), buf_slice(&n->public_key));
    stmt_reset(q);
    return same ? ERR_OK : ERR_EXISTS;
}

static enum err check_free(struct store *s, const struct new_account *n)
{
    struct slice domain = n->address;
    slice_cut(&domain, '@');
    while (slice_find_byte(domain, '@') < domain.n)
        slice_cut(&domain, '@'); /* a quoted local part may hold more */
    struct stmt *q = db_use(s->mail, SQL_DOMAIN_GET);
    stmt_bind_text(q, "name", domain);
    enum err e = stmt_step(q);
    stmt_reset(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_ALIAS_GET);
    stmt_bind_text(q, "address", n->address);
    e = stmt_step(q);
    stmt_reset(q);
    return e == ERR_OK ? ERR_EXISTS : e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err store_account_create(struct store_admin *a)
{
    struct new_account n = {0};
    buf_init(&n.public_key, SEAL_KEY_BYTES);
    enum err e = take_new_account(a, &n) ? find_same(a->store, &n) : ERR_SYNTAX;
    if (e == ERR_NOT_FOUND) {
        e = check_free(a->store, &n);
        if (e == ERR_NOT_FOUND)
            e = store_admin_refuse(a, e, "the domain of this address is not a domain of this server; "
                "add it first: letterlock domain add DOMAIN");
        else if (e == ERR_EXISTS)
            e = store_admin_refuse(a, e, "there is an alias of this address");
        if (!e)
            e = insert_account(a, &n);
        a->store->directory_changed = true;
    } else if (e == ERR_EXISTS) {
        e = store_admin_refuse(a, e, "there is an account of this address");
    }
    if (!e) {
        struct json j = json_of(&a->json);
        json_object(&j, NULL);
        json_number(&j, "account", n.id);
        json_number(&j, "vault", n.vault);
        json_end(&j);
    }
    buf_clear(&n.public_key);
    return e;
}

static enum err address_of(struct store *s, int64_t id, struct buf *out)
{
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ID);
    stmt_bind_int(q, "id", id);
    enum err e = stmt_step(q);
    if (!e && stmt_int(q, 1) == 2)
        e = ERR_NOT_FOUND;
    if (!e)
        buf_put(out, stmt_bytes(q, 0));
    stmt_reset(q);
    return e;
}

static enum err remove_mailboxes(struct store *s, int64_t account)
{
    for (;;) {
        struct stmt *q = db_use(s->mail, SQL_MAILBOX_OF_ACCOUNT);
        stmt_bind_int(q, "account", account);
        enum err e = stmt_step(q);
        uint64_t id = e ? 0 : (uint64_t)stmt_int(q, 0);
        stmt_reset(q);
        if (e)
            return e == ERR_NOT_FOUND ? ERR_OK : e;
        struct store_mailbox m;
        e = store_mailbox_get(s, (uint64_t)account, id, &m);
        if (!e)
            e = store_mailbox_drop(s, &m);
        if (e)
            return e;
    }
}

/* The mailboxes go now, their letters as the sweeper comes by. The row stays as a stone without name:
 * keys of letters that are not swept yet refer to its vault. */
enum err store_account_remove(struct store_admin *a)
{
    struct store *s = a->store;
    struct buf address;
    int64_t id = 0;
    buf_init(&address, 512);
    enum err e = id_arg(a, "account", &id) ? address_of(s, id, &address) : ERR_SYNTAX;
    if (!e)
        e = remove_mailboxes(s, id);
    if (!e)
        e = store_search_drop(s, (uint64_t)id);
    if (!e) {
        struct stmt *q = db_use(s->mail, SQL_ALIAS_DELETE_TARGET);
        stmt_bind_text(q, "target", buf_slice(&address));
        e = stmt_run(q);
    }
    if (!e) {
        struct stmt *q = db_use(s->mail, SQL_ACCOUNT_TOMBSTONE);
        stmt_bind_int(q, "id", id);
        e = stmt_run(q);
    }
    s->directory_changed = true;
    s->sweep_due = true;
    buf_clear(&address);
    return e ? e : store_admin_ok(a);
}

enum err store_account_disable(struct store_admin *a)
{
    struct buf address;
    int64_t id = 0;
    buf_init(&address, 512);
    bool on = slice_equal(store_admin_arg(a, "on"), SLICE("1"));
    enum err e = id_arg(a, "account", &id) ? address_of(a->store, id, &address) : ERR_SYNTAX;
    if (!e) {
        struct stmt *q = db_use(a->store->mail, SQL_ACCOUNT_STATE);
        stmt_bind_text(q, "address", buf_slice(&address));
        stmt_bind_int(q, "state", on ? 1 : 0);
        e = stmt_run(q);
    }
    buf_clear(&address);
    return e ? e : store_admin_ok(a);
}

static void put_account(struct store_admin *a, struct json *j, struct stmt *q)
{
    struct slice address = stmt_bytes(q, 1);
    json_object(j, NULL);
    json_text(j, "address", address);
    json_number(j, "account", stmt_int(q, 0));
    json_text(j, "state", stmt_int(q, 2) ? SLICE("disabled") : SLICE("active"));
    json_number(j, "created", stmt_int(q, 3));
    json_number(j, "quota_bytes", stmt_int(q, 4));
    json_number(j, "used_bytes", stmt_int(q, 5));
    json_number(j, "letters", stmt_int(q, 6));
    json_end(j);
    buf_printf(&a->text, "%.*s: %lld letters, %lld bytes\n", SLICE_FMT(address), (long long)stmt_int(q, 6),
        (long long)stmt_int(q, 5));
}

enum err store_account_list(struct store_admin *a)
{
    struct slice only = store_admin_arg(a, "address");
    struct json j = json_of(&a->json);
    struct stmt *q = db_use(a->store->mail, SQL_ACCOUNT_LIST);
    enum err e;
    json_array(&j, NULL);
    while ((e = stmt_step(q)) == ERR_OK)
        if (stmt_int(q, 2) != 2 && (only.n == 0 || slice_equal(only, stmt_bytes(q, 1))))
            put_account(a, &j, q);
    json_end(&j);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err store_account_quota(struct store_admin *a)
{
    struct buf address;
    uint64_t bytes = 0;
    buf_init(&address, 512);
    enum err e = store_admin_address(a, store_admin_arg(a, "address"), &address);
    if (!e && !slice_to_u64(store_admin_arg(a, "bytes"), INT64_MAX, &bytes))
        e = store_admin_refuse(a, ERR_SYNTAX, "the quota is a number of bytes; 0 is none");
    if (!e) {
        struct stmt *q = db_use(a->store->mail, SQL_ACCOUNT_QUOTA);
        stmt_bind_text(q, "address", buf_slice(&address));
        stmt_bind_int(q, "quota", (int64_t)bytes);
        e = stmt_run(q);
        if (!e && db_changes(a->store->mail) == 0)
            e = store_admin_refuse(a, ERR_NOT_FOUND, "there is no such account");
        a->store->directory_changed = true;
    }
    buf_clear(&address);
    return e ? e : store_admin_ok(a);
}
