/* From a password to keys; see credential_keys.h. */
#include "storage/credential_keys.h"

#include "base/secret.h"
#include "base/wire.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void credential_text_generate(enum credential_kind kind, char out[CREDENTIAL_TEXT_MAX])
{
    uint8_t random[RECOVERY_CODE_SYMBOLS];
    size_t symbols = kind == CREDENTIAL_APP ? APP_PASSWORD_SYMBOLS : RECOVERY_CODE_SYMBOLS;
    size_t n = 0;
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < symbols; i++) {
        if (i && i % 4 == 0)
            out[n++] = '-';
        out[n++] = alphabet[random[i] & 31];
    }
    out[n] = 0;
    secret_wipe(random, sizeof random);
}

static bool is_symbol(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
}

enum credential_kind credential_text_kind(struct slice text, char out_canonical[CREDENTIAL_TEXT_MAX])
{
    char canonical[CREDENTIAL_TEXT_MAX] = {0};
    enum credential_kind kind = CREDENTIAL_PASSWORD;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = ascii_lower(text.p[i]);
        if (c == '-' || c == ' ')
            continue;
        if (!is_symbol(c) || n == RECOVERY_CODE_SYMBOLS)
            goto out;
        canonical[n++] = (char)c;
    }
    if (n == APP_PASSWORD_SYMBOLS)
        kind = CREDENTIAL_APP;
    else if (n == RECOVERY_CODE_SYMBOLS)
        kind = CREDENTIAL_RECOVERY;
    if (kind != CREDENTIAL_PASSWORD)
        memcpy(out_canonical, canonical, sizeof canonical);
out:
    secret_wipe(canonical, sizeof canonical);
    return kind;
}

void credential_hash_text(const uint8_t app_salt[HASH_BYTES], const char *canonical,
    uint8_t out_ph[HASH_BYTES])
{
    hash_blake2b(app_salt, slice_str(canonical), out_ph);
}

void credential_verifier(const uint8_t ph[HASH_BYTES], uint8_t out[CREDENTIAL_VERIFIER_BYTES])
{
    key_derive(ph, 1, "lkverify", out);
}

bool credential_verifies(const uint8_t ph[HASH_BYTES], const uint8_t verifier[CREDENTIAL_VERIFIER_BYTES])
{
    uint8_t mine[CREDENTIAL_VERIFIER_BYTES];
    credential_verifier(ph, mine);
    bool same = secret_equal(mine, verifier, sizeof mine);
    secret_wipe(mine, sizeof mine);
    return same;
}

/* Binds a wrap to its account and kind, so that rows cannot be exchanged. */
static void put_associated(struct buf *out, uint64_t account, enum credential_kind kind)
{
    buf_init(out, 64);
    buf_put_str(out, "vault-wrap");
    wire_put_u64(out, account);
    wire_put_u8(out, (uint8_t)kind);
}

enum err credential_wrap(const uint8_t ph[HASH_BYTES], uint64_t account, enum credential_kind kind,
    const struct vault_keys *keys, struct buf *out)
{
    struct buf associated;
    uint8_t wrap_key[SEAL_KEY_BYTES];
    uint8_t secrets[VAULT_SECRET_BYTES];
    key_derive(ph, 2, "lkwrap__", wrap_key);
    memcpy(secrets, keys->secret_key, SEAL_KEY_BYTES);
    memcpy(secrets + SEAL_KEY_BYTES, keys->symmetric_key, SEAL_KEY_BYTES);
    put_associated(&associated, account, kind);
    enum err e = seal_blob(wrap_key, buf_slice(&associated), slice_of(secrets, sizeof secrets), out);
    buf_clear(&associated);
    secret_wipe(wrap_key, sizeof wrap_key);
    secret_wipe(secrets, sizeof secrets);
    return e;
}

enum err credential_unwrap(const uint8_t ph[HASH_BYTES], uint64_t account, enum credential_kind kind,
    struct slice wrap, struct vault_keys *out)
{
    struct buf associated;
    struct buf secrets;
    uint8_t wrap_key[SEAL_KEY_BYTES];
    key_derive(ph, 2, "lkwrap__", wrap_key);
    put_associated(&associated, account, kind);
    buf_init(&secrets, 4 * VAULT_SECRET_BYTES);
    enum err e = seal_blob_open(wrap_key, buf_slice(&associated), wrap, &secrets);
    if (!e && secrets.n != VAULT_SECRET_BYTES)
        e = ERR_DAMAGED;
    if (!e) {
        memcpy(out->secret_key, secrets.p, SEAL_KEY_BYTES);
        memcpy(out->symmetric_key, secrets.p + SEAL_KEY_BYTES, SEAL_KEY_BYTES);
    }
    buf_clear(&associated);
    buf_wipe(&secrets);
    secret_wipe(wrap_key, sizeof wrap_key);
    return e;
}
