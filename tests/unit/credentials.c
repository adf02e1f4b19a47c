/* The credential database and what a credential proves and opens; the brake on guessing, remembered
 * proofs, and the coding of what auth sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "storage/admin_ops.h"
#include "storage/credentials.h"
#include "storage/login_brake.h"
#include "storage/proof_cache.h"
#include "storage/session_attach.h"

struct fixture {
    char folder[64];
    struct credentials *c;
    struct credential_account account;
    struct vault_keys keys;
};

static void remove_files(const char *folder)
{
    static const char *const names[] = {"credentials.db", "credentials.db-wal", "credentials.db-shm"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/ll-credentials-XXXXXX");
    assert_int_equal(secret_init(), ERR_OK);
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(credentials_open(f->folder, &f->c), ERR_OK);
    vault_keys_generate(&f->keys, 77);
    f->account = (struct credential_account){.id = 77, .vault = 77, .generation = f->keys.generation,
        .created = 1};
    snprintf(f->account.address, sizeof f->account.address, "anna@example.org");
    random_bytes(f->account.app_salt, HASH_BYTES);
    memcpy(f->account.public_key, f->keys.public_key, SEAL_KEY_BYTES);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    credentials_close(f->c);
    remove_files(f->folder);
    free(f);
    return 0;
}

/* Argon2id at its least cost: the tests are about what follows. */
static void ph_of(const char *password, const uint8_t salt[ARGON2ID_SALT_BYTES], uint8_t out[HASH_BYTES])
{
    assert_int_equal(hash_argon2id(slice_str(password), salt, 1, 8192, out), ERR_OK);
}

static void make_password(const struct fixture *f, const char *text, struct credential *out)
{
    uint8_t salt[ARGON2ID_SALT_BYTES];
    uint8_t ph[HASH_BYTES];
    random_bytes(salt, sizeof salt);
    ph_of(text, salt, ph);
    assert_int_equal(credential_make(&f->account, CREDENTIAL_PASSWORD, SLICE_EMPTY, SCOPE_ALL, ph,
        &f->keys, out), ERR_OK);
    memcpy(out->salt, salt, sizeof salt);
    out->opslimit = 1;
    out->memlimit = 8192;
}

/* Makes one; its text goes to out_text. */
static void make_text(const struct fixture *f, enum credential_kind kind, const char *label, uint8_t scopes,
    bool wraps, char out_text[CREDENTIAL_TEXT_MAX], struct credential *out)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    uint8_t ph[HASH_BYTES];
    credential_text_generate(kind, out_text);
    assert_int_equal(credential_text_kind(slice_str(out_text), canonical), kind);
    credential_hash_text(f->account.app_salt, canonical, ph);
    assert_int_equal(credential_make(&f->account, kind, slice_str(label), scopes, ph,
        wraps ? &f->keys : NULL, out), ERR_OK);
}

static void add_account(struct fixture *f, const char *password, char recovery[CREDENTIAL_TEXT_MAX])
{
    struct credential list[2];
    make_password(f, password, &list[0]);
    make_text(f, CREDENTIAL_RECOVERY, "", 0, true, recovery, &list[1]);
    assert_int_equal(credentials_add_account(f->c, &f->account, list, 2), ERR_OK);
}

static bool same_secrets(const struct vault_keys *a, const struct vault_keys *b)
{
    return a->vault == b->vault && a->generation == b->generation &&
        memcmp(a->public_key, b->public_key, SEAL_KEY_BYTES) == 0 &&
        memcmp(a->secret_key, b->secret_key, SEAL_KEY_BYTES) == 0 &&
        memcmp(a->symmetric_key, b->symmetric_key, SEAL_KEY_BYTES) == 0;
}

static enum err log_in(struct fixture *f, const char *password, struct vault_keys *out)
{
    struct credential_account a;
    struct credential k;
    uint8_t ph[HASH_BYTES];
    assert_int_equal(credentials_find_account(f->c, slice_str(f->account.address), &a), ERR_OK);
    assert_int_equal(credentials_get(f->c, a.id, CREDENTIAL_PASSWORD, &k), ERR_OK);
    ph_of(password, k.salt, ph);
    if (!credential_verifies(ph, k.verifier))
        return ERR_BAD_CREDENTIALS;
    return credential_open_vault(&a, &k, ph, out);
}

static enum err log_in_text(struct fixture *f, const char *text, struct vault_keys *out)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    struct credential k;
    uint8_t ph[HASH_BYTES];
    assert_int_equal(credential_text_kind(slice_str(text), canonical), CREDENTIAL_APP);
    credential_hash_text(f->account.app_salt, canonical, ph);
    enum err e = credentials_find_app(f->c, f->account.id, ph, &k);
    return e ? e : credential_open_vault(&f->account, &k, ph, out);
}

static void a_password_opens_the_vault_and_a_wrong_one_does_not(void **state)
{
    struct fixture *f = *state;
    char recovery[CREDENTIAL_TEXT_MAX];
    struct vault_keys keys = {0};
    add_account(f, "correct horse", recovery);
    assert_int_equal(log_in(f, "correct horse", &keys), ERR_OK);
    assert_true(same_secrets(&keys, &f->keys));
    assert_int_equal(log_in(f, "correct horsf", &keys), ERR_BAD_CREDENTIALS);
    assert_int_equal(log_in(f, "", &keys), ERR_BAD_CREDENTIALS);
}

static void what_is_stored_survives_reopening_and_holds_no_plain_key(void **state)
{
    struct fixture *f = *state;
    char recovery[CREDENTIAL_TEXT_MAX];
    char path[128];
    uint8_t *bytes = mem_new(1 << 20);
    struct vault_keys keys = {0};
    add_account(f, "correct horse", recovery);
    credentials_close(f->c);
    snprintf(path, sizeof path, "%s/credentials.db", f->folder);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    assert_true(n >= 4096);
    assert_int_not_equal(slice_find(slice_of(bytes, n), SLICE("anna@example.org")), SIZE_MAX);
    assert_int_equal(slice_find(slice_of(bytes, n), slice_of(f->keys.secret_key, 32)), SIZE_MAX);
    assert_int_equal(slice_find(slice_of(bytes, n), slice_of(f->keys.symmetric_key, 32)), SIZE_MAX);
    assert_int_equal(slice_find(slice_of(bytes, n), SLICE("correct horse")), SIZE_MAX);
    free(bytes);
    assert_int_equal(credentials_open(f->folder, &f->c), ERR_OK);
    assert_int_equal(log_in(f, "correct horse", &keys), ERR_OK);
    assert_true(same_secrets(&keys, &f->keys));
}

static void the_form_tells_app_passwords_codes_and_passwords_apart(void **state)
{
    static const struct {
        const char *text;
        enum credential_kind kind;
    } cases[] = {
        {"abcd-efgh-ijkl-mnop-qrst-uvwx-yz", CREDENTIAL_APP},
        {"abcdefghijklmnopqrstuvwxyz", CREDENTIAL_APP},
        {"ABCD EFGH ijkl MNOP qrst UVWX 23", CREDENTIAL_APP},
        {"abcdefghijklmnopqrstuvwxy", CREDENTIAL_PASSWORD},
        {"abcdefghijklmnopqrstuvwxyz2", CREDENTIAL_PASSWORD},
        {"abcdefghijklmnopqrstuvwxy1", CREDENTIAL_PASSWORD},
        {"abcdefghijklmnopqrstuvwxy\xc3\xa4", CREDENTIAL_PASSWORD},
        {"abcdefghijklmnopqrstuvwxyz234567", CREDENTIAL_RECOVERY},
        {"abcdefghijklmnopqrstuvwxyz2345672", CREDENTIAL_PASSWORD},
        {"", CREDENTIAL_PASSWORD},
        {"--------------------------", CREDENTIAL_PASSWORD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char canonical[CREDENTIAL_TEXT_MAX];
        assert_int_equal(credential_text_kind(slice_str(cases[i].text), canonical), cases[i].kind);
    }
}

static void generated_texts_differ_and_read_back_with_and_without_dashes(void **state)
{
    char a[CREDENTIAL_TEXT_MAX];
    char b[CREDENTIAL_TEXT_MAX];
    char canonical[CREDENTIAL_TEXT_MAX];
    (void)state;
    credential_text_generate(CREDENTIAL_APP, a);
    credential_text_generate(CREDENTIAL_APP, b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(credential_text_kind(slice_str(a), canonical), CREDENTIAL_APP);
    assert_int_equal(strlen(canonical), APP_PASSWORD_SYMBOLS);
    credential_text_generate(CREDENTIAL_RECOVERY, a);
    assert_int_equal(strlen(a), 39);
    assert_int_equal(credential_text_kind(slice_str(a), canonical), CREDENTIAL_RECOVERY);
}

static void app_passwords_open_the_vault_until_revoked(void **state)
{
    struct fixture *f = *state;
    char recovery[CREDENTIAL_TEXT_MAX];
    char phone[CREDENTIAL_TEXT_MAX];
    char printer[CREDENTIAL_TEXT_MAX];
    struct credential k;
    struct vault_keys keys = {0};
    add_account(f, "pw", recovery);
    make_text(f, CREDENTIAL_APP, "phone", SCOPE_IMAP | SCOPE_SMTP, true, phone, &k);
    assert_int_equal(credentials_add(f->c, &k), ERR_OK);
    assert_int_equal(credentials_add(f->c, &k), ERR_EXISTS);
    make_text(f, CREDENTIAL_APP, "printer", SCOPE_SMTP, false, printer, &k);
    assert_int_equal(credentials_add(f->c, &k), ERR_OK);

    assert_int_equal(log_in_text(f, phone, &keys), ERR_OK);
    assert_true(same_secrets(&keys, &f->keys));
    assert_int_equal(log_in_text(f, printer, &keys), ERR_KEY_MISSING);

    assert_int_equal(credentials_remove(f->c, f->account.id, CREDENTIAL_APP, SLICE("phone")), ERR_OK);
    assert_int_equal(log_in_text(f, phone, &keys), ERR_NOT_FOUND);
    assert_int_equal(credentials_remove(f->c, f->account.id, CREDENTIAL_APP, SLICE("phone")), ERR_NOT_FOUND);
    assert_int_equal(log_in_text(f, printer, &keys), ERR_KEY_MISSING);
}

static void scopes_and_labels_are_kept(void **state)
{
    struct fixture *f = *state;
    char recovery[CREDENTIAL_TEXT_MAX];
    char text[CREDENTIAL_TEXT_MAX];
    struct credential k;
    struct credential *list;
    size_t n;
    add_account(f, "pw", recovery);
    make_text(f, CREDENTIAL_APP, "old \xc3\xa4 pop", SCOPE_POP3, true, text, &k);
    assert_int_equal(credentials_add(f->c, &k), ERR_OK);
    assert_int_equal(credentials_of(f->c, f->account.id, &list, &n), ERR_OK);
    assert_int_equal(n, 3);
    assert_int_equal(list[0].kind, CREDENTIAL_PASSWORD);
    assert_int_equal(list[0].scopes, SCOPE_ALL);
    assert_int_equal(list[1].scopes, SCOPE_POP3);
    assert_string_equal(list[1].label, "old \xc3\xa4 pop");
    assert_int_equal(list[1].last_used, 0);
    assert_int_equal(list[2].kind, CREDENTIAL_RECOVERY);
    assert_int_equal(list[2].scopes, 0);
    credentials_touch(f->c, &list[1]);
    free(list);
    assert_int_equal(credentials_of(f->c, f->account.id, &list, &n), ERR_OK);
    assert_true(list[1].last_used > 0);
    free(list);
}

static void a_recovery_code_sets_a_new_password_and_the_old_one_is_void(void **state)
{
    struct fixture *f = *state;
    char recovery[CREDENTIAL_TEXT_MAX];
    char canonical[CREDENTIAL_TEXT_MAX];
    uint8_t ph[HASH_BYTES];
    struct credential k;
    struct credential fresh;
    struct vault_keys keys = {0};
    struct vault_keys again = {0};
    add_account(f, "forgotten", recovery);
    assert_int_equal(credentials_get(f->c, f->account.id, CREDENTIAL_RECOVERY, &k), ERR_OK);
    credential_text_kind(slice_str(recovery), canonical);
    credential_hash_text(f->account.app_salt, canonical, ph);
    assert_true(credential_verifies(ph, k.verifier));
    assert_int_equal(credential_open_vault(&f->account, &k, ph, &keys), ERR_OK);
    assert_true(same_secrets(&keys, &f->keys));

    make_password(f, "remembered", &fresh);
    assert_int_equal(credentials_replace(f->c, &fresh, 1), ERR_OK);
    assert_int_equal(log_in(f, "forgotten", &again), ERR_BAD_CREDENTIALS);
    assert_int_equal(log_in(f, "remembered", &again), ERR_OK);
    assert_true(same_secrets(&again, &f->keys));
}

static void a_wrap_of_another_account_kind_or_vault_does_not_open(void **state)
{
    struct fixture *f = *state;
    uint8_t ph[HASH_BYTES];
    struct credential k;
    struct vault_keys keys = {0};
    random_bytes(ph, sizeof ph);
    assert_int_equal(credential_make(&f->account, CREDENTIAL_APP, SLICE("x"), SCOPE_ALL, ph, &f->keys, &k),
        ERR_OK);
    assert_int_equal(credential_open_vault(&f->account, &k, ph, &keys), ERR_OK);
    struct slice wrap = slice_of(k.wrap, k.wrap_n);
    assert_int_equal(credential_unwrap(ph, f->account.id + 1, CREDENTIAL_APP, wrap, &keys), ERR_DAMAGED);
    assert_int_equal(credential_unwrap(ph, f->account.id, CREDENTIAL_PASSWORD, wrap, &keys), ERR_DAMAGED);
    for (size_t i = 0; i < k.wrap_n; i++) {
        k.wrap[i] ^= 1;
        assert_int_not_equal(credential_unwrap(ph, f->account.id, CREDENTIAL_APP, wrap, &keys), ERR_OK);
        k.wrap[i] ^= 1;
    }
    f->account.public_key[0] ^= 1;
    assert_int_equal(credential_open_vault(&f->account, &k, ph, &keys), ERR_DAMAGED);
    f->account.public_key[0] ^= 1;
}

static void an_address_belongs_to_one_account_and_goes_with_it(void **state)
{
    struct fixture *f = *state;
    char recovery[CREDENTIAL_TEXT_MAX];
    struct credential_account a;
    struct credential k;
    add_account(f, "pw", recovery);
    assert_int_equal(credentials_find_account(f->c, SLICE("bert@example.org"), &a), ERR_NOT_FOUND);
    make_password(f, "other", &k);
    f->account.id = 78;
    assert_int_equal(credentials_add_account(f->c, &f->account, &k, 1), ERR_EXISTS);
    f->account.id = 77;
    assert_int_equal(credentials_set_state(f->c, 77, ACCOUNT_DISABLED), ERR_OK);
    assert_int_equal(credentials_find_account(f->c, SLICE("anna@example.org"), &a), ERR_OK);
    assert_int_equal(a.state, ACCOUNT_DISABLED);
    assert_int_equal(credentials_set_state(f->c, 79, ACCOUNT_ACTIVE), ERR_NOT_FOUND);
    assert_int_equal(credentials_remove_account(f->c, 77), ERR_OK);
    assert_int_equal(credentials_find_account(f->c, SLICE("anna@example.org"), &a), ERR_NOT_FOUND);
    assert_int_equal(credentials_get(f->c, 77, CREDENTIAL_PASSWORD, &k), ERR_NOT_FOUND);
}

static void an_account_holds_at_most_its_limit_of_credentials(void **state)
{
    struct fixture *f = *state;
    char text[CREDENTIAL_TEXT_MAX];
    char label[16];
    struct credential k;
    add_account(f, "pw", text);
    for (int i = 0; i < CREDENTIALS_PER_ACCOUNT_MAX - 2; i++) {
        snprintf(label, sizeof label, "app %d", i);
        make_text(f, CREDENTIAL_APP, label, SCOPE_SMTP, false, text, &k);
        assert_int_equal(credentials_add(f->c, &k), ERR_OK);
    }
    make_text(f, CREDENTIAL_APP, "one more", SCOPE_SMTP, false, text, &k);
    assert_int_equal(credentials_add(f->c, &k), ERR_LIMIT);
}

static void a_remembered_proof_needs_the_password_and_ends(void **state)
{
    struct fixture *f = *state;
    struct proof_cache *p = proof_cache_new();
    struct vault_keys keys = f->keys;
    proof_cache_put(p, 77, 5, SLICE("pw"), &f->keys, 1000);
    memset(keys.secret_key, 0, SEAL_KEY_BYTES);
    memset(keys.symmetric_key, 0, SEAL_KEY_BYTES);
    assert_int_equal(proof_cache_get(p, 77, 5, SLICE("px"), 1000, &keys), ERR_NOT_FOUND);
    assert_int_equal(proof_cache_get(p, 78, 5, SLICE("pw"), 1000, &keys), ERR_NOT_FOUND);
    assert_int_equal(proof_cache_get(p, 77, 6, SLICE("pw"), 1000, &keys), ERR_NOT_FOUND);
    assert_int_equal(proof_cache_get(p, 77, 5, SLICE("pw"), 1000, &keys), ERR_OK);
    assert_true(same_secrets(&keys, &f->keys));
    assert_int_equal(proof_cache_get(p, 77, 5, SLICE("pw"), 1000 + PROOF_LIFE_MS, &keys), ERR_NOT_FOUND);
    proof_cache_drop(p, 77);
    assert_int_equal(proof_cache_get(p, 77, 5, SLICE("pw"), 1000, &keys), ERR_NOT_FOUND);
    for (uint64_t i = 1; i <= PROOFS_MAX + 1; i++)
        proof_cache_put(p, i, 5, SLICE("pw"), &f->keys, 1000 + i);
    assert_int_equal(proof_cache_get(p, 1, 5, SLICE("pw"), 1000, &keys), ERR_NOT_FOUND);
    assert_int_equal(proof_cache_get(p, PROOFS_MAX + 1, 5, SLICE("pw"), 1000, &keys), ERR_OK);
    proof_cache_free(p);
}

static void key_of(const struct login_brake *b, enum brake_kind kind, const char *name,
    uint8_t out[BRAKE_KEY_BYTES])
{
    login_brake_key(b, kind, name, out);
}

static void networks_are_named_as_they_are_counted(void **state)
{
    static const char *const cases[][2] = {{"192.0.2.7", "192.0.2.0/24"}, {"::ffff:192.0.2.9", "192.0.2.0/24"},
        {"2001:db8::1:2:3:4", "2001:db8::/64"}, {"2001:db8:0:1::", "2001:db8:0:1::/64"}};
    char network[64];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(login_brake_network(cases[i][0], network));
        assert_string_equal(network, cases[i][1]);
    }
    assert_false(login_brake_network("", network));
    assert_false(login_brake_network("host", network));
}

static void the_brake_slows_refuses_and_forgets(void **state)
{
    static const uint8_t secret[32] = {1};
    struct login_brake *b = login_brake_new(secret);
    uint8_t n[BRAKE_KEY_BYTES], name[BRAKE_KEY_BYTES];
    struct brake_entry e;
    (void)state;
    key_of(b, BRAKE_NETWORK, "192.0.2.0/24", n);
    key_of(b, BRAKE_NAME, "192.0.2.0/24", name);
    assert_memory_not_equal(n, name, sizeof n);
    for (int i = 0; i < BRAKE_FREE_FAILURES; i++)
        assert_int_equal(login_brake_note_failure(b, BRAKE_NETWORK, n, 1000), 0);
    assert_int_equal(login_brake_note_failure(b, BRAKE_NETWORK, n, 1000), BRAKE_STEP_MS);
    assert_int_equal(login_brake_note_failure(b, BRAKE_NETWORK, n, 1000), 2 * BRAKE_STEP_MS);
    for (int i = BRAKE_FREE_FAILURES + 2; i < BRAKE_NETWORK_FAILURES - 1; i++)
        assert_true(login_brake_note_failure(b, BRAKE_NETWORK, n, 1000) <= BRAKE_DELAY_MAX_MS);
    assert_false(login_brake_refuses(b, BRAKE_NETWORK, n, 1000));
    assert_int_equal(login_brake_note_failure(b, BRAKE_NETWORK, n, 1000), BRAKE_DELAY_MAX_MS);
    assert_true(login_brake_refuses(b, BRAKE_NETWORK, n, 1000));
    assert_false(login_brake_refuses(b, BRAKE_NAME, n, 1000));
    assert_true(login_brake_refuses(b, BRAKE_NETWORK, n, 1000 + BRAKE_REFUSE_S - 1));
    assert_false(login_brake_refuses(b, BRAKE_NETWORK, n, 1000 + BRAKE_REFUSE_S));
    assert_true(login_brake_find(b, BRAKE_NETWORK, n, 1000 + BRAKE_FORGET_S, &e));
    assert_int_equal(e.failures, BRAKE_NETWORK_FAILURES / 2);
    assert_false(login_brake_find(b, BRAKE_NETWORK, n, 1000 + 10 * BRAKE_FORGET_S, &e));
    /* a clock that was set back by a year does not refuse for a year */
    assert_true(login_brake_refuses(b, BRAKE_NETWORK, n, 1));
    assert_true(login_brake_find(b, BRAKE_NETWORK, n, 1, &e));
    assert_true(e.refused_until <= 1 + BRAKE_REFUSE_S);
    assert_true(login_brake_forgive(b, BRAKE_NETWORK, n));
    assert_false(login_brake_forgive(b, BRAKE_NETWORK, n));
    assert_false(login_brake_refuses(b, BRAKE_NETWORK, n, 1000));
    login_brake_free(b);
}

static void failed_logins_outlive_the_process(void **state)
{
    static const uint8_t secret[32] = {1};
    struct fixture *f = *state;
    struct login_brake *b = login_brake_new(secret);
    struct brake_entry list[BRAKE_FLUSH_MAX], e;
    uint8_t n[BRAKE_KEY_BYTES], pair[BRAKE_KEY_BYTES];
    int64_t now = clock_wall();
    key_of(b, BRAKE_NAME, "anna@example.org", n);
    for (int i = 0; i < BRAKE_NAME_FAILURES; i++)
        (void)login_brake_note_failure(b, BRAKE_NAME, n, now);
    assert_int_equal(login_brake_flush(b, BRAKE_NETWORK, list), 0);
    assert_int_equal(login_brake_flush(b, BRAKE_NAME, list), 1);
    assert_int_equal(credentials_guard_save(f->c, BRAKE_NAME, list, 1), ERR_OK);
    assert_int_equal(login_brake_flush(b, BRAKE_NAME, list), 0);
    login_brake_free(b);
    b = login_brake_new(secret);
    assert_int_equal(credentials_guard_load(f->c, b), ERR_OK);
    assert_true(login_brake_find(b, BRAKE_NAME, n, now, &e));
    assert_int_equal(e.failures > 0, 1);
    assert_true(login_brake_forgive(b, BRAKE_NAME, n));
    assert_int_equal(login_brake_flush(b, BRAKE_NAME, list), 1);
    assert_int_equal(credentials_guard_save(f->c, BRAKE_NAME, list, 1), ERR_OK);
    login_brake_free(b);
    b = login_brake_new(secret);
    assert_int_equal(credentials_guard_load(f->c, b), ERR_OK);
    assert_false(login_brake_find(b, BRAKE_NAME, n, now, &e));
    login_brake_pair(b, "anna@example.org", "192.0.2.0/24", pair);
    assert_int_equal(credentials_known_at(f->c, pair), 0);
    assert_int_equal(credentials_note_known(f->c, pair, now), ERR_OK);
    assert_int_equal(credentials_known_at(f->c, pair), now);
    login_brake_free(b);
}

static void an_attachment_reads_back_and_no_cut_of_it_does(void **state)
{
    struct fixture *f = *state;
    struct session_attach a = {.session = 5, .account = 77, .protocol = LOGIN_IMAP, .is_secure = true,
        .scopes = SCOPE_ALL, .address = "anna@example.org", .peer = "192.0.2.7", .tag = "a001"};
    struct session_attach b = {0};
    struct buf body;
    a.keys = f->keys;
    buf_init(&body, 2048);
    session_attach_encode(&a, &body);
    assert_int_equal(session_attach_decode(buf_slice(&body), &b), ERR_OK);
    assert_string_equal(b.tag, "a001");
    assert_string_equal(b.address, a.address);
    assert_true(same_secrets(&b.keys, &f->keys));
    for (size_t n = 0; n < body.n; n++)
        assert_int_not_equal(session_attach_decode(slice_of(body.p, n), &b), ERR_OK);
    buf_wipe(&body);
}

static void administrative_requests_read_back_and_are_bounded(void **state)
{
    struct admin_request r = {.req = 9, .op = SLICE("user.add")};
    struct admin_request back;
    struct buf body;
    (void)state;
    admin_request_add(&r, "address", SLICE("anna@example.org"));
    admin_request_add(&r, "password", SLICE("pw"));
    buf_init(&body, 4096);
    admin_request_encode(&r, &body);
    assert_int_equal(admin_request_decode(buf_slice(&body), &back), ERR_OK);
    assert_int_equal(back.count, 2);
    assert_true(slice_equal(admin_request_get(&back, "password"), SLICE("pw")));
    assert_null(admin_request_get(&back, "absent").p);
    for (size_t n = 0; n < body.n; n++)
        assert_int_not_equal(admin_request_decode(slice_of(body.p, n), &back), ERR_OK);
    body.p[8 + 4 + 8] = (ADMIN_PAIRS_MAX + 1) & 0xff; /* the count, little-endian */
    body.p[8 + 4 + 8 + 1] = (ADMIN_PAIRS_MAX + 1) >> 8;
    assert_int_equal(admin_request_decode(buf_slice(&body), &back), ERR_LIMIT);
    buf_clear(&body);
    assert_int_equal(admin_op_role(SLICE("user.add")), ROLE_AUTH);
    assert_int_equal(admin_op_role(SLICE("app-password.list")), ROLE_AUTH);
    assert_int_equal(admin_op_role(SLICE("domain.add")), ROLE_STORE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_password_opens_the_vault_and_a_wrong_one_does_not),
        T(what_is_stored_survives_reopening_and_holds_no_plain_key),
        T(the_form_tells_app_passwords_codes_and_passwords_apart),
        T(generated_texts_differ_and_read_back_with_and_without_dashes),
        T(app_passwords_open_the_vault_until_revoked),
        T(scopes_and_labels_are_kept),
        T(a_recovery_code_sets_a_new_password_and_the_old_one_is_void),
        T(a_wrap_of_another_account_kind_or_vault_does_not_open),
        T(an_address_belongs_to_one_account_and_goes_with_it),
        T(an_account_holds_at_most_its_limit_of_credentials),
        T(a_remembered_proof_needs_the_password_and_ends),
        T(networks_are_named_as_they_are_counted),
        T(the_brake_slows_refuses_and_forgets),
        T(failed_logins_outlive_the_process),
        T(an_attachment_reads_back_and_no_cut_of_it_does),
        T(administrative_requests_read_back_and_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
