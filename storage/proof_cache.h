/* Proofs by Argon2id that auth remembers for minutes, so that a client which logs in again and again with
 * the main password does not pay 80 ms each time. An entry is found only by who knows the password: it
 * is named by a hash of account and password under a key of this process, and the vault's keys in it are
 * sealed under a key made of the password. A memory image without the password opens nothing. */
#ifndef STORAGE_PROOF_CACHE_H
#define STORAGE_PROOF_CACHE_H

#include "storage/credentials.h"

#define PROOFS_MAX 1024
#define PROOF_LIFE_MS (5 * 60 * 1000)

struct proof_cache;

struct proof_cache *proof_cache_new(void);
void proof_cache_free(struct proof_cache *p);
/* keys: of the account's vault. credential: the row that was proved. */
void proof_cache_put(struct proof_cache *p, uint64_t account, int64_t credential, struct slice password,
    const struct vault_keys *keys, uint64_t now_ms);
/* ERR_NOT_FOUND, also when it is too old. *out gets the two secret keys; its other fields are left. */
enum err proof_cache_get(struct proof_cache *p, uint64_t account, int64_t credential, struct slice password,
    uint64_t now_ms, struct vault_keys *out) MUST_CHECK;
/* Forgets all of an account: its password was changed, or it was disabled or removed. */
void proof_cache_drop(struct proof_cache *p, uint64_t account);
/* Forgets what is too old; called now and then. */
void proof_cache_sweep(struct proof_cache *p, uint64_t now_ms);

#endif
