/* See scram.h. The names are those of RFC 5802 section 3. */
#include "storage/scram.h"

#include "base/secret.h"

void scram_salt(const uint8_t app_salt[HASH_BYTES], uint8_t out[SCRAM_SALT_BYTES])
{
    uint8_t whole[HASH_BYTES];
    hash_blake2b(app_salt, SLICE("scram salt"), whole);
    memcpy(out, whole, SCRAM_SALT_BYTES);
}

void scram_derive(struct slice password, struct slice salt, uint32_t rounds, struct scram_keys *out)
{
    uint8_t salted[HASH_BYTES];
    hash_pbkdf2_sha256(password, salt, rounds, salted);
    struct slice key = slice_of(salted, sizeof salted);
    hash_hmac_sha256(key, SLICE("Client Key"), out->client_key);
    hash_sha256(slice_of(out->client_key, HASH_BYTES), out->stored_key);
    hash_hmac_sha256(key, SLICE("Server Key"), out->server_key);
    secret_wipe(salted, sizeof salted);
}

bool scram_proves(const uint8_t stored_key[HASH_BYTES], struct slice auth_message,
    const uint8_t proof[HASH_BYTES], uint8_t out_client_key[HASH_BYTES])
{
    uint8_t hashed[HASH_BYTES];
    hash_hmac_sha256(slice_of(stored_key, HASH_BYTES), auth_message, out_client_key);
    for (size_t i = 0; i < HASH_BYTES; i++)
        out_client_key[i] ^= proof[i];
    hash_sha256(slice_of(out_client_key, HASH_BYTES), hashed);
    bool same = secret_equal(hashed, stored_key, HASH_BYTES);
    if (!same)
        secret_wipe(out_client_key, HASH_BYTES);
    return same;
}

void scram_sign(const uint8_t server_key[HASH_BYTES], struct slice auth_message, uint8_t out[HASH_BYTES])
{
    hash_hmac_sha256(slice_of(server_key, HASH_BYTES), auth_message, out);
}
