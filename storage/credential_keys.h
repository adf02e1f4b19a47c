/* What a credential proves and opens: from a password to its hash, from the hash to a verifier and to
 * the key that wraps the vault's secrets. Pure; used by auth alone.
 *
 * The hash ("PH") is Argon2id of a password (made by the hash role), or BLAKE2b of an app password or
 * a recovery code, which carry 130 and 160 random bits and need no slowing down, keyed with the
 * account's salt. verifier = subkey 1 of PH, wrap key = subkey 2: who reads the database learns neither. */
#ifndef STORAGE_CREDENTIAL_KEYS_H
#define STORAGE_CREDENTIAL_KEYS_H

#include "storage/seal.h"

enum credential_kind { CREDENTIAL_PASSWORD = 1, CREDENTIAL_APP = 2, CREDENTIAL_RECOVERY = 3 };

#define APP_PASSWORD_SYMBOLS 26      /* of base32: 130 bits */
#define RECOVERY_CODE_SYMBOLS 32     /* 160 bits */
#define CREDENTIAL_TEXT_MAX 48       /* either, with dashes and a NUL */
#define CREDENTIAL_VERIFIER_BYTES HASH_BYTES
#define VAULT_SECRET_BYTES (2 * SEAL_KEY_BYTES)
#define CREDENTIAL_WRAP_MAX (VAULT_SECRET_BYTES + SEAL_OVERHEAD_MAX)

/* A new app password or recovery code as it is shown: "abcd-efgh-…", NUL-ended. The kind is not PASSWORD. */
void credential_text_generate(enum credential_kind kind, char out[CREDENTIAL_TEXT_MAX]);
/* What a text is by its form: dashes, blanks and case do not count. PASSWORD: neither of the others.
 * out, without dashes and in lower case, NUL-ended, is written for those only. */
enum credential_kind credential_text_kind(struct slice text, char out_canonical[CREDENTIAL_TEXT_MAX]);
/* PH of an app password or a recovery code, from its canonical text. */
void credential_hash_text(const uint8_t app_salt[HASH_BYTES], const char *canonical,
    uint8_t out_ph[HASH_BYTES]);

void credential_verifier(const uint8_t ph[HASH_BYTES], uint8_t out[CREDENTIAL_VERIFIER_BYTES]);
/* Constant-time. */
bool credential_verifies(const uint8_t ph[HASH_BYTES], const uint8_t verifier[CREDENTIAL_VERIFIER_BYTES]);

/* The vault's secrets, wrapped for one credential of one account; appended to out. */
enum err credential_wrap(const uint8_t ph[HASH_BYTES], uint64_t account, enum credential_kind kind,
    const struct vault_keys *keys, struct buf *out) MUST_CHECK;
/* Fills the two secret keys. ERR_DAMAGED: the seal does not verify. */
enum err credential_unwrap(const uint8_t ph[HASH_BYTES], uint64_t account, enum credential_kind kind,
    struct slice wrap, struct vault_keys *out) MUST_CHECK;

#endif
