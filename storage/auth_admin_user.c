/* Accounts made, changed and removed. credentials.db and mail.db are two files, so an account is
 * CHANGING in the first until the second has said yes: cut at any point, the same command (or "user
 * remove") repeated brings both to one state. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "message/address.h"
#include "storage/auth_admin.h"
#include "storage/reader.h"

#define ACCOUNT_ID_BITS 48   /* fits a JSON number everywhere */

/* ---- user.add ---- */

static void put_mailbox(struct admin_request *r, const struct vault_keys *keys, enum special_use use,
    const char *name, struct buf *out)
{
    uint8_t hash[NAME_HASH_BYTES] = {0};
    struct buf sealed;
    buf_init(&sealed, 512);
    if (use != SPECIAL_INBOX)
        name_hash(keys, SEAL_NAME_MAILBOX, slice_str(name), hash);
    ENSURE(name_seal(keys, SEAL_NAME_MAILBOX, slice_str(name), &sealed) == ERR_OK);
    buf_init(out, 2048);
    buf_put_u64(out, use);
    buf_put_byte(out, ' ');
    hex_put(out, slice_of(hash, sizeof hash));
    buf_put_byte(out, ' ');
    hex_put(out, buf_slice(&sealed));
    buf_clear(&sealed);
    admin_request_add(r, "mailbox", buf_slice(out));
}

static void add_stored(struct admin_job *j, const struct admin_reply *r)
{
    struct credentials *c = j->auth->credentials;
    enum err e = r->err ? r->err : credentials_set_state(c, j->account.id, ACCOUNT_ACTIVE);
    if (r->err && credentials_remove_account(c, j->account.id) != ERR_OK)
        log_event(LOG_ERROR, "account-left-over", LF("address", j->account.address));
    if (e) {
        struct slice why = r->text.n ? r->text : slice_str(err_text(e));
        admin_job_fail(j, e, "%s was not made: %.*s", j->account.address, SLICE_FMT(slice_trim(why)));
        return;
    }
    struct buf text;
    struct buf json;
    buf_init(&text, 1024);
    buf_init(&json, 2048);
    buf_printf(&text, "%s is ready.\nRecovery code (shown this once; without it a lost password means "
        "lost mail):\n  %s\n", j->account.address, j->shown);
    struct json w = json_of(&json);
    json_object(&w, NULL);
    json_text(&w, "address", slice_str(j->account.address));
    json_unsigned(&w, "account", j->account.id);
    json_text(&w, "recovery_code", slice_str(j->shown));
    json_end(&w);
    log_event(LOG_INFO, "account-added", LF("address", j->account.address));
    admin_job_finish(j, buf_slice(&text), buf_slice(&json));
    buf_wipe(&text);
    buf_wipe(&json);
}

static void add_ask_store(struct admin_job *j)
{
    static const struct {
        enum special_use use;
        const char *name;
    } standard[] = {{SPECIAL_INBOX, "INBOX"}, {SPECIAL_DRAFTS, "Drafts"}, {SPECIAL_SENT, "Sent"},
        {SPECIAL_JUNK, "Junk"}, {SPECIAL_TRASH, "Trash"}, {SPECIAL_ARCHIVE, "Archive"}};
    enum { STANDARD = sizeof standard / sizeof *standard };
    struct buf values[STANDARD];
    struct buf hex;
    char id[24];
    char generation[16];
    struct admin_request r = {.op = SLICE("account.create")};
    snprintf(id, sizeof id, "%llu", (unsigned long long)j->account.id);
    snprintf(generation, sizeof generation, "%u", j->account.generation);
    buf_init(&hex, 2 * SEAL_KEY_BYTES);
    hex_put(&hex, slice_of(j->account.public_key, SEAL_KEY_BYTES));
    admin_request_add(&r, "account", slice_str(id));
    admin_request_add(&r, "vault", slice_str(id));
    admin_request_add(&r, "address", slice_str(j->account.address));
    admin_request_add(&r, "generation", slice_str(generation));
    admin_request_add(&r, "public_key", buf_slice(&hex));
    for (size_t i = 0; i < STANDARD; i++)
        put_mailbox(&r, j->keys, standard[i].use, standard[i].name, &values[i]);
    admin_job_store(j, &r, add_stored);
    for (size_t i = 0; i < STANDARD; i++)
        buf_clear(&values[i]);
    buf_clear(&hex);
}

/* A credential for a new recovery code, which j->shown holds from now on. */
static enum err make_recovery(struct admin_job *j, struct credential *out)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    uint8_t ph[HASH_BYTES];
    credential_text_generate(CREDENTIAL_RECOVERY, j->shown);
    ENSURE(credential_text_kind(slice_str(j->shown), canonical) == CREDENTIAL_RECOVERY);
    credential_hash_text(j->account.app_salt, canonical, ph);
    enum err e = credential_make(&j->account, CREDENTIAL_RECOVERY, SLICE_EMPTY, 0, ph, j->keys, out);
    secret_wipe(canonical, sizeof canonical);
    secret_wipe(ph, sizeof ph);
    return e;
}

/* A credential for a new main password; its salt and costs stand in j->credential. */
static enum err make_password(struct admin_job *j, const uint8_t *ph, struct credential *out)
{
    enum err e = credential_make(&j->account, CREDENTIAL_PASSWORD, SLICE_EMPTY, SCOPE_ALL, ph, j->keys, out);
    if (e)
        return e;
    memcpy(out->salt, j->credential.salt, sizeof out->salt);
    out->opslimit = j->credential.opslimit;
    out->memlimit = j->credential.memlimit;
    return ERR_OK;
}

/* Hashes `password` under a new salt. */
static void hash_new(struct admin_job *j, struct slice password, admin_hashed_fn fn)
{
    random_bytes(j->credential.salt, sizeof j->credential.salt);
    j->credential.opslimit = ARGON2ID_OPSLIMIT;
    j->credential.memlimit = ARGON2ID_MEMLIMIT;
    admin_job_hash(j, password, j->credential.salt, ARGON2ID_OPSLIMIT, ARGON2ID_MEMLIMIT, fn);
}

static void add_hashed(struct admin_job *j, const uint8_t *ph)
{
    struct credential list[2];
    enum err e = make_password(j, ph, &list[0]);
    if (!e)
        e = make_recovery(j, &list[1]);
    if (!e)
        e = credentials_add_account(j->auth->credentials, &j->account, list, 2);
    secret_wipe(list, sizeof list);
    if (e)
        admin_job_fail(j, e, "%s was not made: %s", j->account.address, err_text(e));
    else
        add_ask_store(j);
}

static void add_begin(struct admin_job *j)
{
    struct slice password;
    if (!admin_job_new_password(j, &password) || !admin_job_keys(j))
        return;
    uint64_t id = 1 + random_u64() % ((1ULL << ACCOUNT_ID_BITS) - 1);
    vault_keys_generate(j->keys, id);
    j->account.id = id;
    j->account.vault = id;
    j->account.generation = j->keys->generation;
    j->account.state = ACCOUNT_CHANGING;
    j->account.created = clock_wall();
    random_bytes(j->account.app_salt, sizeof j->account.app_salt);
    memcpy(j->account.public_key, j->keys->public_key, SEAL_KEY_BYTES);
    hash_new(j, password, add_hashed);
}

static void store_remove(struct admin_job *j, admin_stored_fn fn)
{
    char id[24];
    struct admin_request r = {.op = SLICE("account.remove")};
    snprintf(id, sizeof id, "%llu", (unsigned long long)j->account.id);
    admin_request_add(&r, "account", slice_str(id));
    admin_job_store(j, &r, fn);
}

/* What an interrupted command left is gone from mail.db: now from here, then anew. */
static void add_cleared(struct admin_job *j, const struct admin_reply *r)
{
    enum err e = r->err == ERR_NOT_FOUND ? ERR_OK : r->err;
    if (!e)
        e = credentials_remove_account(j->auth->credentials, j->account.id);
    if (e)
        admin_job_fail(j, e, "what is left of %s could not be cleared: %s", j->account.address,
            err_text(e));
    else
        add_begin(j);
}

void admin_user_add(struct admin_job *j)
{
    struct address parsed;
    struct buf canonical;
    struct slice address = admin_job_value(j, "address");
    buf_init(&canonical, sizeof j->account.address - 1);
    enum err e = address_parse(address, &parsed);
    if (!e)
        e = parsed.is_literal || parsed.domain.n == 0 ? ERR_SYNTAX : address_canonical(&parsed, &canonical);
    if (e) {
        admin_job_fail(j, e, "this is not a mail address, such as name@example.org");
        buf_clear(&canonical);
        return;
    }
    memcpy(j->account.address, canonical.p, canonical.n);
    e = credentials_find_account(j->auth->credentials, buf_slice(&canonical), &j->account);
    buf_clear(&canonical);
    if (e == ERR_NOT_FOUND)
        add_begin(j);
    else if (e)
        admin_job_fail(j, e, "the credential database failed: %s", err_text(e));
    else if (j->account.state == ACCOUNT_CHANGING)
        store_remove(j, add_cleared);
    else
        admin_job_fail(j, ERR_EXISTS, "there is an account %s already", j->account.address);
}

/* ---- user.remove ---- */

static void remove_stored(struct admin_job *j, const struct admin_reply *r)
{
    enum err e = r->err == ERR_NOT_FOUND ? ERR_OK : r->err;
    if (!e)
        e = credentials_remove_account(j->auth->credentials, j->account.id);
    if (e) {
        admin_job_fail(j, e, "%s is not wholly removed, nobody can log in; repeat the command: %s",
            j->account.address, err_text(e));
        return;
    }
    log_event(LOG_INFO, "account-removed", LF("address", j->account.address));
    admin_job_finish(j, SLICE("removed\n"), SLICE("{\"removed\":true}"));
}

void admin_user_remove(struct admin_job *j)
{
    struct auth *a = j->auth;
    enum err e = credentials_set_state(a->credentials, j->account.id, ACCOUNT_CHANGING);
    if (e) {
        admin_job_fail(j, e, "%s: %s", j->account.address, err_text(e));
        return;
    }
    proof_cache_drop(a->proofs, j->account.id);
    auth_session_revoke(a, j->account.id, 0);
    store_remove(j, remove_stored);
}

/* ---- user.disable, user.enable ---- */

static void disable_stored(struct admin_job *j, const struct admin_reply *r)
{
    if (r->err)
        admin_job_fail(j, r->err, "%s: %s", j->account.address, err_text(r->err));
    else
        admin_job_finish(j, SLICE("done\n"), j->account.state == ACCOUNT_DISABLED
            ? SLICE("{\"state\":\"disabled\"}") : SLICE("{\"state\":\"active\"}"));
}

static void set_state(struct admin_job *j, enum account_state state)
{
    char id[24];
    struct admin_request r = {.op = SLICE("account.disable")};
    if (j->account.state == ACCOUNT_CHANGING) {
        admin_job_fail(j, ERR_BAD_STATE, "%s was not wholly made or removed: repeat that command first",
            j->account.address);
        return;
    }
    enum err e = credentials_set_state(j->auth->credentials, j->account.id, state);
    if (e) {
        admin_job_fail(j, e, "%s: %s", j->account.address, err_text(e));
        return;
    }
    j->account.state = state;
    if (state == ACCOUNT_DISABLED) {
        proof_cache_drop(j->auth->proofs, j->account.id);
        auth_session_revoke(j->auth, j->account.id, 0);
    }
    snprintf(id, sizeof id, "%llu", (unsigned long long)j->account.id);
    admin_request_add(&r, "account", slice_str(id));
    admin_request_add(&r, "on", state == ACCOUNT_DISABLED ? SLICE("1") : SLICE("0"));
    admin_job_store(j, &r, disable_stored);
}

void admin_user_disable(struct admin_job *j)
{
    set_state(j, ACCOUNT_DISABLED);
}

void admin_user_enable(struct admin_job *j)
{
    set_state(j, ACCOUNT_ACTIVE);
}

/* ---- user.password, user.recover ---- */

static bool is_recover(const struct admin_job *j)
{
    return slice_equal(j->request.op, SLICE("user.recover"));
}

static void password_finish(struct admin_job *j)
{
    struct buf text;
    struct buf json;
    buf_init(&text, 512);
    buf_init(&json, 512);
    struct json w = json_of(&json);
    buf_put_str(&text, "The password is changed; app passwords go on.\n");
    json_object(&w, NULL);
    json_bool(&w, "changed", true);
    if (j->shown[0]) {
        buf_printf(&text, "New recovery code (shown this once; the old one is void):\n  %s\n", j->shown);
        json_text(&w, "recovery_code", slice_str(j->shown));
    }
    json_end(&w);
    log_event(LOG_INFO, "password-changed", LF("address", j->account.address));
    admin_job_finish(j, buf_slice(&text), buf_slice(&json));
    buf_wipe(&text);
    buf_wipe(&json);
}

static void password_hashed(struct admin_job *j, const uint8_t *ph)
{
    struct auth *a = j->auth;
    struct credential list[2];
    size_t n = 1;
    int64_t old = j->credential.id;
    enum err e = make_password(j, ph, &list[0]);
    if (!e && is_recover(j)) {
        e = make_recovery(j, &list[1]);
        n = 2;
    }
    if (!e)
        e = credentials_replace(a->credentials, list, n);
    secret_wipe(list, sizeof list);
    if (e) {
        admin_job_fail(j, e, "the password was not changed: %s", err_text(e));
        return;
    }
    proof_cache_drop(a->proofs, j->account.id);
    auth_session_revoke(a, j->account.id, old);
    password_finish(j);
}

/* ph is of the old password or the recovery code in j->credential. */
static void password_proof(struct admin_job *j, const uint8_t *ph)
{
    struct credential password;
    struct slice new_password = admin_job_value(j, "password");
    enum err e = credential_verifies(ph, j->credential.verifier) ? ERR_OK : ERR_BAD_CREDENTIALS;
    if (!e)
        e = credential_open_vault(&j->account, &j->credential, ph, j->keys);
    if (!e)
        e = credentials_get(j->auth->credentials, j->account.id, CREDENTIAL_PASSWORD, &password);
    if (e) {
        admin_job_fail(j, e, "the password is not changed: %s", e == ERR_BAD_CREDENTIALS
            ? "the old password or the recovery code is wrong" : err_text(e));
        return;
    }
    j->credential.id = password.id; /* whose sessions end */
    secret_wipe(&password, sizeof password);
    hash_new(j, new_password, password_hashed);
}

static void prove(struct admin_job *j, struct slice proof)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    uint8_t ph[HASH_BYTES];
    bool is_code = credential_text_kind(proof, canonical) == CREDENTIAL_RECOVERY;
    enum err e = credentials_get(j->auth->credentials, j->account.id,
        is_code ? CREDENTIAL_RECOVERY : CREDENTIAL_PASSWORD, &j->credential);
    if (e) {
        admin_job_fail(j, e, "%s: %s", j->account.address, err_text(e));
    } else if (is_code) {
        credential_hash_text(j->account.app_salt, canonical, ph);
        password_proof(j, ph);
    } else {
        admin_job_hash(j, proof, j->credential.salt, j->credential.opslimit, j->credential.memlimit,
            password_proof);
    }
    secret_wipe(canonical, sizeof canonical);
    secret_wipe(ph, sizeof ph);
}

void admin_user_password(struct admin_job *j)
{
    struct slice password;
    struct slice old = admin_job_value(j, "old");
    if (!admin_job_new_password(j, &password))
        return;
    if (old.n == 0) {
        admin_job_fail(j, ERR_KEY_MISSING, "the old password or the recovery code is needed: the letters of "
            "%s are sealed to a key that only these open. A reset without them would lose all mail "
            "that is stored, and this version does not do it; to begin anew, remove the account and "
            "add it again", j->account.address);
        return;
    }
    if (admin_job_keys(j))
        prove(j, old);
}

void admin_user_recover(struct admin_job *j)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    struct slice password;
    struct slice code = admin_job_value(j, "code");
    if (!admin_job_new_password(j, &password))
        return;
    bool is_code = credential_text_kind(code, canonical) == CREDENTIAL_RECOVERY;
    secret_wipe(canonical, sizeof canonical);
    if (!is_code)
        admin_job_fail(j, ERR_SYNTAX, "a recovery code has %d letters and digits in groups of four",
            RECOVERY_CODE_SYMBOLS);
    else if (admin_job_keys(j))
        prove(j, code);
}
