/* The arithmetic of SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677), pure. The dialogue is sasl.h's; who
 * compares with what is stored is auth_login.c's matter.
 *
 * The server computes ClientKey in each exchange and keeps only its hash, so a copy of the vault's keys
 * is wrapped under a key from ClientKey (credential_keys.h, with ClientKey in the place of PH): who
 * reads the database has neither. */
#ifndef STORAGE_SCRAM_H
#define STORAGE_SCRAM_H

#include "base/hash.h"

#define SCRAM_SALT_BYTES 16
/* RFC 7677 section 4. App passwords carry 130 random bits and need no slowing down. */
#define SCRAM_ROUNDS 4096
/* client-first-bare "," server-first "," client-final-without-proof */
#define SCRAM_MESSAGE_MAX 2048

struct scram_keys {
    uint8_t client_key[HASH_BYTES];
    uint8_t stored_key[HASH_BYTES];
    uint8_t server_key[HASH_BYTES];
};

/* The one salt of an account, told to everybody who asks: derived, so that it gives away nothing of the
 * salt under its other hashes. */
void scram_salt(const uint8_t app_salt[HASH_BYTES], uint8_t out[SCRAM_SALT_BYTES]);
void scram_derive(struct slice password, struct slice salt, uint32_t rounds, struct scram_keys *out);
/* Whether the proof is one for stored_key; *out_client_key is wiped when not. */
bool scram_proves(const uint8_t stored_key[HASH_BYTES], struct slice auth_message,
    const uint8_t proof[HASH_BYTES], uint8_t out_client_key[HASH_BYTES]);
void scram_sign(const uint8_t server_key[HASH_BYTES], struct slice auth_message, uint8_t out[HASH_BYTES]);

#endif
