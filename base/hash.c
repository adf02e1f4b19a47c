/* Hashes and randomness over libsodium; see hash.h. */
#include "base/hash.h"

#include <sodium.h>

void random_bytes(void *out, size_t n)
{
    randombytes_buf(out, n);
}

uint64_t random_u64(void)
{
    uint64_t value;
    randombytes_buf(&value, sizeof value);
    return value;
}

void hash_blake2b(const uint8_t key[HASH_BYTES], struct slice data, uint8_t out[HASH_BYTES])
{
    crypto_generichash(out, HASH_BYTES, data.p, data.n, key, key ? HASH_BYTES : 0);
}

void hash_blake2b_pair(const uint8_t key[HASH_BYTES], struct slice a, struct slice b,
    uint8_t out[HASH_BYTES])
{
    crypto_generichash_state state;
    uint64_t an = a.n;
    uint64_t bn = b.n;
    crypto_generichash_init(&state, key, key ? HASH_BYTES : 0, HASH_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)&an, sizeof an);
    crypto_generichash_update(&state, a.p, a.n);
    crypto_generichash_update(&state, (const uint8_t *)&bn, sizeof bn);
    crypto_generichash_update(&state, b.p, b.n);
    crypto_generichash_final(&state, out, HASH_BYTES);
    sodium_memzero(&state, sizeof state);
}

void hash_sha256(struct slice data, uint8_t out[HASH_BYTES])
{
    crypto_hash_sha256(out, data.p, data.n);
}

void sha256_begin(struct sha256 *h)
{
    crypto_hash_sha256_init(&h->state);
}

void sha256_put(struct sha256 *h, struct slice data)
{
    crypto_hash_sha256_update(&h->state, data.p, data.n);
}

void sha256_end(struct sha256 *h, uint8_t out[HASH_BYTES])
{
    crypto_hash_sha256_final(&h->state, out);
}

void hash_hmac_sha256(struct slice key, struct slice data, uint8_t out[HASH_BYTES])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key.p, key.n);
    crypto_auth_hmacsha256_update(&state, data.p, data.n);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

/* The state after the key is made once and copied: half of the work of each round. */
void hash_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t rounds, uint8_t out[HASH_BYTES])
{
    static const uint8_t one[4] = {0, 0, 0, 1};
    crypto_auth_hmacsha256_state keyed, state;
    uint8_t u[HASH_BYTES];
    crypto_auth_hmacsha256_init(&keyed, password.p, password.n);
    state = keyed;
    crypto_auth_hmacsha256_update(&state, salt.p, salt.n);
    crypto_auth_hmacsha256_update(&state, one, sizeof one);
    crypto_auth_hmacsha256_final(&state, u);
    memcpy(out, u, HASH_BYTES);
    for (uint32_t i = 1; i < rounds; i++) {
        state = keyed;
        crypto_auth_hmacsha256_update(&state, u, sizeof u);
        crypto_auth_hmacsha256_final(&state, u);
        for (size_t k = 0; k < HASH_BYTES; k++)
            out[k] ^= u[k];
    }
    sodium_memzero(&keyed, sizeof keyed);
    sodium_memzero(&state, sizeof state);
    sodium_memzero(u, sizeof u);
}

void key_derive(const uint8_t key[HASH_BYTES], uint64_t id, const char context[8],
    uint8_t out[HASH_BYTES])
{
    ENSURE(crypto_kdf_derive_from_key(out, HASH_BYTES, id, context, key) == 0);
}

enum err hash_argon2id(struct slice password, const uint8_t salt[ARGON2ID_SALT_BYTES], uint64_t opslimit,
    uint64_t memlimit, uint8_t out[HASH_BYTES])
{
    const char *text = password.n ? (const char *)password.p : "";
    if (crypto_pwhash(out, HASH_BYTES, text, password.n, salt, opslimit, memlimit,
            crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ERR_LIMIT;
    return ERR_OK;
}
