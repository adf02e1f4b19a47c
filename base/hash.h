/* Hashes, random bytes and key derivation: what several floors need of libsodium. No primitive of
 * our own. Sealing of letters is storage/seal.h. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <sodium/crypto_hash_sha256.h>

#include "base/err.h"
#include "base/slice.h"

#define HASH_BYTES 32

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);
/* BLAKE2b-256, keyed when key is not NULL (32 bytes). */
void hash_blake2b(const uint8_t key[HASH_BYTES], struct slice data, uint8_t out[HASH_BYTES]);
/* The same over two pieces, each preceded by its length, so that pieces cannot be confused. */
void hash_blake2b_pair(const uint8_t key[HASH_BYTES], struct slice a, struct slice b,
    uint8_t out[HASH_BYTES]);
void hash_sha256(struct slice data, uint8_t out[HASH_BYTES]);
/* SHA-256 in pieces. */
struct sha256 {
    crypto_hash_sha256_state state;
};
void sha256_begin(struct sha256 *h);
void sha256_put(struct sha256 *h, struct slice data);
void sha256_end(struct sha256 *h, uint8_t out[HASH_BYTES]);
void hash_hmac_sha256(struct slice key, struct slice data, uint8_t out[HASH_BYTES]);
/* PBKDF2 with HMAC-SHA-256, one block (RFC 8018 section 5.2; Hi() of RFC 5802). */
void hash_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t rounds, uint8_t out[HASH_BYTES]);
/* crypto_kdf: subkey `id` of `key` in the 8-byte `context`. */
void key_derive(const uint8_t key[HASH_BYTES], uint64_t id, const char context[8],
    uint8_t out[HASH_BYTES]);

/* Argon2id (crypto_pwhash): 32 bytes of a password. Slow by design: only where blocking is meant. ERR_LIMIT
 * when the memory cannot be had. memlimit in bytes. */
#define ARGON2ID_SALT_BYTES 16
#define ARGON2ID_OPSLIMIT 2
#define ARGON2ID_MEMLIMIT (64U * 1024 * 1024)
enum err hash_argon2id(struct slice password, const uint8_t salt[ARGON2ID_SALT_BYTES], uint64_t opslimit,
    uint64_t memlimit, uint8_t out[HASH_BYTES]) MUST_CHECK;

#endif
