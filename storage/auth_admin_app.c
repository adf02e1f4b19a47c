/* App passwords: made, listed, revoked. One with a scope beyond smtp wraps the vault's keys, so the main
 * password is needed to make it. */
#include "base/log.h"
#include "base/secret.h"
#include "storage/auth_admin.h"

static const struct {
    const char *name;
    uint8_t bit;
} scopes[] = {{"imap", SCOPE_IMAP}, {"pop3", SCOPE_POP3}, {"smtp", SCOPE_SMTP}};
#define SCOPES (sizeof scopes / sizeof *scopes)

void admin_put_scopes(struct json *j, uint8_t bits)
{
    json_array(j, "scopes");
    for (size_t i = 0; i < SCOPES; i++)
        if (bits & scopes[i].bit)
            json_text(j, NULL, slice_str(scopes[i].name));
    json_end(j);
}

void admin_put_scope_text(struct buf *out, uint8_t bits)
{
    const char *comma = "";
    for (size_t i = 0; i < SCOPES; i++) {
        if (!(bits & scopes[i].bit))
            continue;
        buf_put_str(out, comma);
        buf_put_str(out, scopes[i].name);
        comma = ",";
    }
}

/* "imap,pop3,smtp"; 0 when a word is none. */
static uint8_t parse_scopes(struct slice text)
{
    uint8_t bits = 0;
    while (text.n) {
        struct slice word = slice_trim(slice_cut(&text, ','));
        uint8_t bit = 0;
        for (size_t i = 0; i < SCOPES; i++)
            if (slice_equal_nocase(word, slice_str(scopes[i].name)))
                bit = scopes[i].bit;
        if (!bit)
            return 0;
        bits |= bit;
    }
    return bits;
}

static bool label_is_valid(struct slice label)
{
    if (label.n == 0 || label.n > CREDENTIAL_LABEL_MAX || !slice_is_utf8(label))
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (label.p[i] < 0x20 || label.p[i] == 0x7f)
            return false;
    return true;
}

static void add_finish(struct admin_job *j, const struct credential *k)
{
    struct buf text;
    struct buf json;
    buf_init(&text, 1024);
    buf_init(&json, 1024);
    buf_printf(&text, "App password for %s, \"%s\" (shown this once):\n  %s\n", j->account.address,
        k->label, j->shown);
    struct json w = json_of(&json);
    json_object(&w, NULL);
    json_text(&w, "app_password", slice_str(j->shown));
    json_text(&w, "label", slice_str(k->label));
    admin_put_scopes(&w, k->scopes);
    json_end(&w);
    log_event(LOG_INFO, "app-password-added", LF("address", j->account.address), LF("label", k->label));
    admin_job_finish(j, buf_slice(&text), buf_slice(&json));
    buf_wipe(&text);
    buf_wipe(&json);
}

/* keys NULL: for smtp alone. */
static void add_make(struct admin_job *j, const struct vault_keys *keys)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    uint8_t ph[HASH_BYTES];
    struct credential k;
    struct credential_scram forms[CREDENTIAL_FORMS];
    credential_text_generate(CREDENTIAL_APP, j->shown);
    ENSURE(credential_text_kind(slice_str(j->shown), canonical) == CREDENTIAL_APP);
    credential_hash_text(j->account.app_salt, canonical, ph);
    enum err e = credential_make(&j->account, CREDENTIAL_APP, admin_job_value(j, "label"),
        parse_scopes(admin_job_value(j, "scope")), ph, keys, &k);
    if (!e)
        e = credential_make_forms(&j->account, j->shown, keys, forms);
    if (!e)
        e = credentials_add_app(j->auth->credentials, &k, forms);
    secret_wipe(canonical, sizeof canonical);
    secret_wipe(ph, sizeof ph);
    if (e == ERR_EXISTS)
        admin_job_fail(j, e, "there is an app password of that label already");
    else if (e)
        admin_job_fail(j, e, "the app password was not made: %s", err_text(e));
    else
        add_finish(j, &k);
}

static void add_hashed(struct admin_job *j, const uint8_t *ph)
{
    enum err e = credential_verifies(ph, j->credential.verifier) ? ERR_OK : ERR_BAD_CREDENTIALS;
    if (!e)
        e = credential_open_vault(&j->account, &j->credential, ph, j->keys);
    if (e)
        admin_job_fail(j, e, "the app password was not made: %s",
            e == ERR_BAD_CREDENTIALS ? "the password is wrong" : err_text(e));
    else
        add_make(j, j->keys);
}

void admin_app_add(struct admin_job *j)
{
    uint8_t bits = parse_scopes(admin_job_value(j, "scope"));
    struct slice password = admin_job_value(j, "password");
    if (!label_is_valid(admin_job_value(j, "label"))) {
        admin_job_fail(j, ERR_SYNTAX, "a label of 1 to %d bytes is needed", CREDENTIAL_LABEL_MAX);
    } else if (!bits) {
        admin_job_fail(j, ERR_SYNTAX, "the scope is a list of imap, pop3 and smtp, for example imap,smtp");
    } else if (bits == SCOPE_SMTP) {
        add_make(j, NULL);
    } else if (password.n == 0 || password.n > PASSWORD_BYTES_MAX) {
        admin_job_fail(j, ERR_KEY_MISSING, "the account's password is needed: an app password for reading "
            "mail carries the key to it");
    } else {
        enum err e = credentials_get(j->auth->credentials, j->account.id, CREDENTIAL_PASSWORD,
            &j->credential);
        if (e)
            admin_job_fail(j, e, "%s: %s", j->account.address, err_text(e));
        else if (admin_job_keys(j))
            admin_job_hash(j, password, j->credential.salt, j->credential.opslimit,
                j->credential.memlimit, add_hashed);
    }
}

void admin_app_revoke(struct admin_job *j)
{
    struct auth *a = j->auth;
    struct slice label = admin_job_value(j, "label");
    struct credential *list = NULL;
    size_t n = 0;
    enum err e = credentials_of(a->credentials, j->account.id, &list, &n);
    if (!e)
        e = credentials_remove(a->credentials, j->account.id, CREDENTIAL_APP, label);
    if (e) {
        free(list);
        admin_job_fail(j, e, e == ERR_NOT_FOUND ? "%s has no app password of that label" : "%s: it failed",
            j->account.address);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (list[i].kind == CREDENTIAL_APP && slice_equal(slice_str(list[i].label), label))
            auth_session_revoke(a, j->account.id, list[i].id);
    free(list);
    log_event(LOG_INFO, "app-password-revoked", LF("address", j->account.address), LF_S("label", label));
    admin_job_finish(j, SLICE("revoked\n"), SLICE("{\"revoked\":true}"));
}
