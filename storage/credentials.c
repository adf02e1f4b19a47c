/* The credential database; see credentials.h. Rows are read into structs at once and no statement
 * stays open between calls. */
#include "storage/credentials_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "storage/schema.h"

#define CREDENTIALS_PAGE_BYTES 4096
#define CREDENTIALS_CACHE_KIB 512

#define ACCOUNT_COLUMNS "id, address, state, app_salt, vault, generation, public_key, created"
#define CREDENTIAL_COLUMNS \
    "id, account, kind, label, scopes, salt, opslimit, memlimit, verifier, wrap, created, last_used"

static const char *const sqls[SQL_COUNT] = {
    [SQL_ACCOUNT_BY_ADDRESS] = "SELECT " ACCOUNT_COLUMNS " FROM account WHERE address = :address",
    [SQL_ACCOUNT_ALL] = "SELECT " ACCOUNT_COLUMNS " FROM account ORDER BY address",
    [SQL_ACCOUNT_ADD] = ("INSERT INTO account(" ACCOUNT_COLUMNS ") VALUES(:id, :address, :state, :app_salt,"
        " :vault, :generation, :public_key, :created)"),
    [SQL_ACCOUNT_STATE] = "UPDATE account SET state = :state WHERE id = :id",
    [SQL_ACCOUNT_REMOVE] = "DELETE FROM account WHERE id = :id",
    [SQL_CREDENTIAL_OF] = ("SELECT " CREDENTIAL_COLUMNS " FROM credential WHERE account = :account"
        " ORDER BY kind, label"),
    [SQL_CREDENTIAL_COUNT] = "SELECT count(*) FROM credential WHERE account = :account",
    [SQL_CREDENTIAL_ADD] = ("INSERT INTO credential(account, kind, label, scopes, salt, opslimit, memlimit,"
        " verifier, wrap, created) VALUES(:account, :kind, :label, :scopes, :salt, :opslimit, :memlimit,"
        " :verifier, :wrap, :created)"),
    [SQL_CREDENTIAL_REMOVE] = ("DELETE FROM credential WHERE account = :account AND kind = :kind"
        " AND label = :label"),
    [SQL_CREDENTIAL_REMOVE_ALL] = "DELETE FROM credential WHERE account = :account",
    [SQL_CREDENTIAL_TOUCH] = "UPDATE credential SET last_used = :now WHERE id = :id",
    [SQL_SCRAM_OF] = ("SELECT s.credential, s.stored_key, s.server_key, s.wrap FROM credential AS k"
        " JOIN scram AS s ON s.credential = k.id WHERE k.account = :account"),
    [SQL_SCRAM_ADD] = ("INSERT INTO scram(credential, form, stored_key, server_key, wrap)"
        " VALUES((SELECT id FROM credential WHERE account = :account AND kind = :kind AND label = :label),"
        " :form, :stored_key, :server_key, :wrap)"),
    [SQL_SCRAM_ANY] = "SELECT credential FROM scram LIMIT 1",
    [SQL_GUARD_ALL] = "SELECT kind, key, failures, at, refused_until FROM guard",
    [SQL_GUARD_PUT] = ("INSERT OR REPLACE INTO guard(kind, key, failures, at, refused_until)"
        " VALUES(:kind, :key, :failures, :at, :refused_until)"),
    [SQL_GUARD_REMOVE] = "DELETE FROM guard WHERE kind = :kind AND key = :key",
    [SQL_KNOWN_GET] = "SELECT at FROM known WHERE key = :key",
    [SQL_KNOWN_PUT] = "INSERT OR REPLACE INTO known(key, at) VALUES(:key, :at)",
    [SQL_KNOWN_SWEEP] = "DELETE FROM known WHERE at < :before",
};

enum err credentials_open(const char *folder, struct credentials **out)
{
    const struct db_config config = {.folder = folder, .file = "credentials.db", .mode = DB_WRITER,
        .schema = schema_credentials_v1, .version = SCHEMA_CREDENTIALS_VERSION,
        .page_bytes = CREDENTIALS_PAGE_BYTES, .cache_kib = CREDENTIALS_CACHE_KIB};
    struct db *db;
    enum err e = db_open(&config, &db);
    if (!e) {
        e = db_prepare(db, sqls, SQL_COUNT);
        if (e)
            db_close(db);
    }
    if (e)
        return e;
    *out = mem_new(sizeof **out);
    (*out)->db = db;
    return ERR_OK;
}

void credentials_close(struct credentials *c)
{
    if (!c)
        return;
    db_close(c->db);
    free(c);
}

/* True when the column fits exactly; a row is no more trusted than a peer. */
static bool copy_exact(struct slice from, void *to, size_t n)
{
    if (from.n != n)
        return false;
    memcpy(to, from.p, n);
    return true;
}

static bool copy_text(struct slice from, char *to, size_t size)
{
    if (from.n >= size)
        return false;
    if (from.n)
        memcpy(to, from.p, from.n);
    to[from.n] = 0;
    return true;
}

static enum err read_account(struct stmt *s, struct credential_account *out)
{
    struct credential_account a = {.id = (uint64_t)stmt_int(s, 0),
        .state = (enum account_state)stmt_int(s, 2), .vault = (uint64_t)stmt_int(s, 4),
        .generation = (uint32_t)stmt_int(s, 5), .created = stmt_int(s, 7)};
    bool good = copy_text(stmt_bytes(s, 1), a.address, sizeof a.address);
    good = good && copy_exact(stmt_bytes(s, 3), a.app_salt, sizeof a.app_salt);
    good = good && copy_exact(stmt_bytes(s, 6), a.public_key, sizeof a.public_key);
    if (!good)
        return ERR_DAMAGED;
    *out = a;
    return ERR_OK;
}

static enum err read_credential(struct stmt *s, struct credential *out)
{
    struct credential k = {.id = stmt_int(s, 0), .account = (uint64_t)stmt_int(s, 1),
        .kind = (enum credential_kind)stmt_int(s, 2), .scopes = (uint8_t)stmt_int(s, 4),
        .opslimit = (uint64_t)stmt_int(s, 6), .memlimit = (uint64_t)stmt_int(s, 7),
        .created = stmt_int(s, 10), .last_used = stmt_int(s, 11)};
    bool good = copy_text(stmt_bytes(s, 3), k.label, sizeof k.label);
    good = good && copy_exact(stmt_bytes(s, 8), k.verifier, sizeof k.verifier);
    if (k.kind == CREDENTIAL_PASSWORD)
        good = good && copy_exact(stmt_bytes(s, 5), k.salt, sizeof k.salt);
    struct slice wrap = stmt_bytes(s, 9);
    good = good && wrap.n <= sizeof k.wrap;
    if (!good)
        return ERR_DAMAGED;
    if (wrap.n)
        memcpy(k.wrap, wrap.p, wrap.n);
    k.wrap_n = wrap.n;
    *out = k;
    return ERR_OK;
}

enum err credentials_find_account(struct credentials *c, struct slice canonical_address,
    struct credential_account *out)
{
    struct stmt *s = db_use(c->db, SQL_ACCOUNT_BY_ADDRESS);
    stmt_bind_text(s, "address", canonical_address);
    enum err e = stmt_step(s);
    if (!e)
        e = read_account(s, out);
    stmt_reset(s);
    return e;
}

enum err credentials_each_account(struct credentials *c, credential_account_fn fn, void *ctx)
{
    struct stmt *s = db_use(c->db, SQL_ACCOUNT_ALL);
    struct credential_account a;
    enum err e;
    while ((e = stmt_step(s)) == ERR_OK && (e = read_account(s, &a)) == ERR_OK)
        fn(ctx, &a);
    stmt_reset(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err credentials_of(struct credentials *c, uint64_t account, struct credential **out, size_t *out_n)
{
    struct credential *list = NULL;
    size_t n = 0;
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_OF);
    stmt_bind_int(s, "account", (int64_t)account);
    enum err e;
    while ((e = stmt_step(s)) == ERR_OK && n < CREDENTIALS_PER_ACCOUNT_MAX) {
        list = mem_resize(list, (n + 1) * sizeof *list);
        e = read_credential(s, &list[n]);
        if (e)
            break;
        n++;
    }
    stmt_reset(s);
    if (e && e != ERR_NOT_FOUND) {
        free(list);
        return e;
    }
    *out = list;
    *out_n = n;
    return ERR_OK;
}

enum err credentials_get(struct credentials *c, uint64_t account, enum credential_kind kind,
    struct credential *out)
{
    struct credential *list;
    size_t n;
    enum err e = credentials_of(c, account, &list, &n);
    if (e)
        return e;
    e = ERR_NOT_FOUND;
    for (size_t i = 0; i < n && e; i++) {
        if (list[i].kind != kind)
            continue;
        *out = list[i];
        e = ERR_OK;
    }
    free(list);
    return e;
}

enum err credentials_find_app(struct credentials *c, uint64_t account, const uint8_t ph[HASH_BYTES],
    struct credential *out)
{
    struct credential *list;
    size_t n;
    enum err e = credentials_of(c, account, &list, &n);
    if (e)
        return e;
    e = ERR_NOT_FOUND;
    for (size_t i = 0; i < n; i++) {
        if (list[i].kind != CREDENTIAL_APP || !credential_verifies(ph, list[i].verifier))
            continue;
        *out = list[i];
        e = ERR_OK;
    }
    free(list);
    return e;
}

/* ---- SCRAM ---- */

struct scram_found {
    int64_t credential;
    struct credential_scram form;
};

static enum err read_scram(struct stmt *s, struct scram_found *out)
{
    struct slice wrap = stmt_bytes(s, 3);
    out->credential = stmt_int(s, 0);
    bool good = copy_exact(stmt_bytes(s, 1), out->form.stored_key, HASH_BYTES) &&
        copy_exact(stmt_bytes(s, 2), out->form.server_key, HASH_BYTES) && wrap.n <= sizeof out->form.wrap;
    if (!good)
        return ERR_DAMAGED;
    if (wrap.n)
        memcpy(out->form.wrap, wrap.p, wrap.n);
    out->form.wrap_n = wrap.n;
    return ERR_OK;
}

/* As many proofs are tried for every account, so that the time tells nothing of who exists. */
static void try_dummies(size_t n, struct slice auth_message, const uint8_t proof[HASH_BYTES])
{
    uint8_t none[HASH_BYTES] = {0};
    uint8_t key[HASH_BYTES];
    for (; n < CREDENTIALS_PER_ACCOUNT_MAX; n++)
        if (scram_proves(none, auth_message, proof, key))
            secret_wipe(key, sizeof key);
}

static enum err find_form(struct credentials *c, uint64_t account, struct slice auth_message,
    const uint8_t proof[HASH_BYTES], struct scram_found *out, uint8_t out_client_key[HASH_BYTES])
{
    enum err found = ERR_NOT_FOUND, e;
    size_t n = 0;
    struct stmt *s = db_use(c->db, SQL_SCRAM_OF);
    stmt_bind_int(s, "account", (int64_t)account);
    while ((e = stmt_step(s)) == ERR_OK) {
        struct scram_found at;
        uint8_t key[HASH_BYTES];
        e = read_scram(s, &at);
        if (e)
            break;
        n++;
        if (!scram_proves(at.form.stored_key, auth_message, proof, key))
            continue;
        *out = at;
        memcpy(out_client_key, key, HASH_BYTES);
        secret_wipe(key, sizeof key);
        found = ERR_OK;
    }
    stmt_reset(s);
    try_dummies(n, auth_message, proof);
    return e == ERR_NOT_FOUND ? found : e;
}

enum err credentials_find_scram(struct credentials *c, uint64_t account, struct slice auth_message,
    const uint8_t proof[HASH_BYTES], struct credential *out, uint8_t out_client_key[HASH_BYTES],
    uint8_t out_signature[HASH_BYTES])
{
    struct scram_found found;
    struct credential *list = NULL;
    size_t n = 0;
    enum err e = find_form(c, account, auth_message, proof, &found, out_client_key);
    if (!e)
        e = credentials_of(c, account, &list, &n);
    if (e)
        return e;
    e = ERR_NOT_FOUND;
    for (size_t i = 0; i < n && e; i++) {
        if (list[i].id != found.credential)
            continue;
        *out = list[i];
        memcpy(out->wrap, found.form.wrap, sizeof out->wrap);
        out->wrap_n = found.form.wrap_n;
        scram_sign(found.form.server_key, auth_message, out_signature);
        e = ERR_OK;
    }
    free(list);
    return e;
}

/* ---- changes ---- */

enum err credentials_finish(struct credentials *c, enum err e)
{
    int remaining;
    if (!e)
        e = db_commit(c->db);
    if (e)
        db_rollback(c->db);
    else if (db_checkpoint(c->db, &remaining) != ERR_OK)
        log_event(LOG_WARNING, "credentials-checkpoint-failed", LF_U("frames", 0));
    return e;
}

static enum err insert_account(struct credentials *c, const struct credential_account *a)
{
    struct stmt *s = db_use(c->db, SQL_ACCOUNT_ADD);
    stmt_bind_int(s, "id", (int64_t)a->id);
    stmt_bind_text(s, "address", slice_str(a->address));
    stmt_bind_int(s, "state", a->state);
    stmt_bind_blob(s, "app_salt", slice_of(a->app_salt, sizeof a->app_salt));
    stmt_bind_int(s, "vault", (int64_t)a->vault);
    stmt_bind_int(s, "generation", a->generation);
    stmt_bind_blob(s, "public_key", slice_of(a->public_key, sizeof a->public_key));
    stmt_bind_int(s, "created", a->created);
    return stmt_run(s);
}

static enum err insert_credential(struct credentials *c, const struct credential *k)
{
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_ADD);
    stmt_bind_int(s, "account", (int64_t)k->account);
    stmt_bind_int(s, "kind", k->kind);
    stmt_bind_text(s, "label", slice_str(k->label));
    stmt_bind_int(s, "scopes", k->scopes);
    if (k->kind == CREDENTIAL_PASSWORD) {
        stmt_bind_blob(s, "salt", slice_of(k->salt, sizeof k->salt));
        stmt_bind_int(s, "opslimit", (int64_t)k->opslimit);
        stmt_bind_int(s, "memlimit", (int64_t)k->memlimit);
    }
    stmt_bind_blob(s, "verifier", slice_of(k->verifier, sizeof k->verifier));
    if (k->wrap_n)
        stmt_bind_blob(s, "wrap", slice_of(k->wrap, k->wrap_n));
    stmt_bind_int(s, "created", k->created);
    return stmt_run(s);
}

static enum err delete_credential(struct credentials *c, uint64_t account, enum credential_kind kind,
    struct slice label)
{
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_REMOVE);
    stmt_bind_int(s, "account", (int64_t)account);
    stmt_bind_int(s, "kind", kind);
    stmt_bind_text(s, "label", label);
    return stmt_run(s);
}

enum err credentials_add_account(struct credentials *c, const struct credential_account *a,
    const struct credential *list, size_t n)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    e = insert_account(c, a);
    for (size_t i = 0; i < n && !e; i++)
        e = insert_credential(c, &list[i]);
    return credentials_finish(c, e);
}

/* A statement of one row, alone in its transaction. ERR_NOT_FOUND when it changed none. */
static enum err run_alone(struct credentials *c, struct stmt *s)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    e = stmt_run(s);
    if (!e && db_changes(c->db) == 0)
        e = ERR_NOT_FOUND;
    return credentials_finish(c, e);
}

enum err credentials_set_state(struct credentials *c, uint64_t account, enum account_state state)
{
    struct stmt *s = db_use(c->db, SQL_ACCOUNT_STATE);
    stmt_bind_int(s, "id", (int64_t)account);
    stmt_bind_int(s, "state", state);
    return run_alone(c, s);
}

enum err credentials_remove_account(struct credentials *c, uint64_t account)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_REMOVE_ALL);
    stmt_bind_int(s, "account", (int64_t)account);
    e = stmt_run(s);
    if (!e) {
        s = db_use(c->db, SQL_ACCOUNT_REMOVE);
        stmt_bind_int(s, "id", (int64_t)account);
        e = stmt_run(s);
    }
    return credentials_finish(c, e);
}

static enum err check_count(struct credentials *c, uint64_t account)
{
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_COUNT);
    stmt_bind_int(s, "account", (int64_t)account);
    enum err e = stmt_step(s);
    if (!e && stmt_int(s, 0) >= CREDENTIALS_PER_ACCOUNT_MAX)
        e = ERR_LIMIT;
    stmt_reset(s);
    return e;
}

enum err credentials_add(struct credentials *c, const struct credential *k)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    e = check_count(c, k->account);
    if (!e)
        e = insert_credential(c, k);
    return credentials_finish(c, e);
}

static enum err insert_form(struct credentials *c, const struct credential *k, int form,
    const struct credential_scram *f)
{
    struct stmt *s = db_use(c->db, SQL_SCRAM_ADD);
    stmt_bind_int(s, "account", (int64_t)k->account);
    stmt_bind_int(s, "kind", k->kind);
    stmt_bind_text(s, "label", slice_str(k->label));
    stmt_bind_int(s, "form", form);
    stmt_bind_blob(s, "stored_key", slice_of(f->stored_key, HASH_BYTES));
    stmt_bind_blob(s, "server_key", slice_of(f->server_key, HASH_BYTES));
    if (f->wrap_n)
        stmt_bind_blob(s, "wrap", slice_of(f->wrap, f->wrap_n));
    return stmt_run(s);
}

enum err credentials_add_app(struct credentials *c, const struct credential *k,
    const struct credential_scram forms[CREDENTIAL_FORMS])
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    e = check_count(c, k->account);
    if (!e)
        e = insert_credential(c, k);
    for (int i = 0; i < CREDENTIAL_FORMS && !e; i++)
        e = insert_form(c, k, i, &forms[i]);
    return credentials_finish(c, e);
}

enum err credentials_replace(struct credentials *c, const struct credential *list, size_t n)
{
    enum err e = db_begin(c->db);
    if (e)
        return e;
    for (size_t i = 0; i < n && !e; i++) {
        e = delete_credential(c, list[i].account, list[i].kind, slice_str(list[i].label));
        if (!e)
            e = insert_credential(c, &list[i]);
    }
    return credentials_finish(c, e);
}

enum err credentials_remove(struct credentials *c, uint64_t account, enum credential_kind kind,
    struct slice label)
{
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_REMOVE);
    stmt_bind_int(s, "account", (int64_t)account);
    stmt_bind_int(s, "kind", kind);
    stmt_bind_text(s, "label", label);
    return run_alone(c, s);
}

void credentials_touch(struct credentials *c, const struct credential *k)
{
    int64_t now = clock_wall();
    if (k->last_used && now >= k->last_used && now - k->last_used < CREDENTIAL_TOUCH_SECONDS)
        return;
    struct stmt *s = db_use(c->db, SQL_CREDENTIAL_TOUCH);
    stmt_bind_int(s, "id", k->id);
    stmt_bind_int(s, "now", now);
    if (run_alone(c, s) != ERR_OK)
        log_event(LOG_WARNING, "last-used-not-noted", LF_U("account", k->account));
}

/* ---- between rows and keys ---- */

enum err credential_open_vault(const struct credential_account *a, const struct credential *k,
    const uint8_t ph[HASH_BYTES], struct vault_keys *out)
{
    if (!k->wrap_n)
        return ERR_KEY_MISSING;
    enum err e = credential_unwrap(ph, a->id, k->kind, slice_of(k->wrap, k->wrap_n), out);
    if (!e && !vault_keys_match(out, a->public_key))
        e = ERR_DAMAGED;
    if (e)
        return e;
    out->vault = a->vault;
    out->generation = a->generation;
    memcpy(out->public_key, a->public_key, SEAL_KEY_BYTES);
    return ERR_OK;
}

enum err credential_make(const struct credential_account *a, enum credential_kind kind, struct slice label,
    uint8_t scopes, const uint8_t ph[HASH_BYTES], const struct vault_keys *keys, struct credential *out)
{
    struct credential k = {.account = a->id, .kind = kind, .scopes = scopes, .created = clock_wall()};
    if (!copy_text(label, k.label, sizeof k.label))
        return ERR_TOO_BIG;
    credential_verifier(ph, k.verifier);
    if (keys) {
        struct buf wrap;
        buf_init(&wrap, CREDENTIAL_WRAP_MAX);
        enum err e = credential_wrap(ph, a->id, kind, keys, &wrap);
        if (!e) {
            memcpy(k.wrap, wrap.p, wrap.n);
            k.wrap_n = wrap.n;
        }
        buf_clear(&wrap);
        if (e)
            return e;
    }
    *out = k;
    return ERR_OK;
}

static enum err make_form(const struct credential_account *a, struct slice text,
    const struct vault_keys *keys, struct credential_scram *out)
{
    uint8_t salt[SCRAM_SALT_BYTES];
    struct scram_keys scram;
    enum err e = ERR_OK;
    scram_salt(a->app_salt, salt);
    scram_derive(text, slice_of(salt, sizeof salt), SCRAM_ROUNDS, &scram);
    *out = (struct credential_scram){0};
    memcpy(out->stored_key, scram.stored_key, HASH_BYTES);
    memcpy(out->server_key, scram.server_key, HASH_BYTES);
    if (keys) {
        struct buf wrap;
        buf_init(&wrap, CREDENTIAL_WRAP_MAX);
        e = credential_wrap(scram.client_key, a->id, CREDENTIAL_APP, keys, &wrap);
        if (!e)
            memcpy(out->wrap, wrap.p, wrap.n);
        out->wrap_n = wrap.n;
        buf_clear(&wrap);
    }
    secret_wipe(&scram, sizeof scram);
    return e;
}

enum err credential_make_forms(const struct credential_account *a, const char *shown,
    const struct vault_keys *keys, struct credential_scram out[CREDENTIAL_FORMS])
{
    char canonical[CREDENTIAL_TEXT_MAX];
    if (credential_text_kind(slice_str(shown), canonical) != CREDENTIAL_APP)
        return ERR_SYNTAX;
    enum err e = make_form(a, slice_str(shown), keys, &out[0]);
    if (!e)
        e = make_form(a, slice_str(canonical), keys, &out[1]);
    secret_wipe(canonical, sizeof canonical);
    return e;
}
