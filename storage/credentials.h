/* credentials.db: accounts, their credentials, and the vault's keys wrapped for each of them. Opened by
 * auth alone, which is its one writer. Synchronous and small: every call is a few rows; each change is
 * one durable transaction. No password comes here, only hashes (credential_keys.h). */
#ifndef STORAGE_CREDENTIALS_H
#define STORAGE_CREDENTIALS_H

#include "base/hash.h"
#include "storage/credential_keys.h"
#include "storage/login_brake.h"
#include "storage/messages.h"
#include "storage/scram.h"

#define CREDENTIAL_LABEL_MAX 64
#define CREDENTIALS_PER_ACCOUNT_MAX 64
#define CREDENTIAL_ADDRESS_BYTES 328
/* last_used is written at most so often: a login shall not cost a commit. */
#define CREDENTIAL_TOUCH_SECONDS 3600

struct credentials;

/* CHANGING: between credentials.db and mail.db (being made or being removed); nobody logs in. */
enum account_state { ACCOUNT_ACTIVE = 0, ACCOUNT_DISABLED = 1, ACCOUNT_CHANGING = 2 };

struct credential_account {
    uint64_t id;
    char address[CREDENTIAL_ADDRESS_BYTES];   /* canonical, NUL-ended */
    enum account_state state;
    uint8_t app_salt[HASH_BYTES];
    uint64_t vault;
    uint32_t generation;
    uint8_t public_key[SEAL_KEY_BYTES];
    int64_t created;
};

struct credential {
    int64_t id;
    uint64_t account;
    enum credential_kind kind;
    char label[CREDENTIAL_LABEL_MAX + 1];     /* NUL-ended; unique per account and kind */
    uint8_t scopes;
    uint8_t salt[ARGON2ID_SALT_BYTES];        /* password only, with its costs */
    uint64_t opslimit;
    uint64_t memlimit;
    uint8_t verifier[CREDENTIAL_VERIFIER_BYTES];
    uint8_t wrap[CREDENTIAL_WRAP_MAX];
    size_t wrap_n;                            /* 0: wraps no key */
    int64_t created;
    int64_t last_used;                        /* 0: never */
};

/* One way of writing an app password, for SCRAM. */
#define CREDENTIAL_FORMS 2
struct credential_scram {
    uint8_t stored_key[HASH_BYTES];
    uint8_t server_key[HASH_BYTES];
    uint8_t wrap[CREDENTIAL_WRAP_MAX];
    size_t wrap_n;
};

enum err credentials_open(const char *folder, struct credentials **out) MUST_CHECK;
void credentials_close(struct credentials *c);

/* ERR_NOT_FOUND; ERR_DAMAGED when a row makes no sense. */
enum err credentials_find_account(struct credentials *c, struct slice canonical_address,
    struct credential_account *out) MUST_CHECK;
/* All accounts by address, fn once for each. */
typedef void (*credential_account_fn)(void *ctx, const struct credential_account *a);
enum err credentials_each_account(struct credentials *c, credential_account_fn fn, void *ctx) MUST_CHECK;
/* The account's credentials by kind and label; *out is malloc'ed (NULL when there are none). */
enum err credentials_of(struct credentials *c, uint64_t account, struct credential **out, size_t *out_n)
    MUST_CHECK;
/* The one of kind PASSWORD or RECOVERY. ERR_NOT_FOUND. */
enum err credentials_get(struct credentials *c, uint64_t account, enum credential_kind kind,
    struct credential *out) MUST_CHECK;
/* The app password that a PH proves. ERR_NOT_FOUND. Every one is compared, in constant time. */
enum err credentials_find_app(struct credentials *c, uint64_t account, const uint8_t ph[HASH_BYTES],
    struct credential *out) MUST_CHECK;

/* Whether any account has a credential that SCRAM could prove. */
bool credentials_any_scram(struct credentials *c);
/* The app password that a SCRAM proof proves; out->wrap is then the one that client_key opens, in the place
 * of PH. ERR_NOT_FOUND. Costs the same for every account. */
enum err credentials_find_scram(struct credentials *c, uint64_t account, struct slice auth_message,
    const uint8_t proof[HASH_BYTES], struct credential *out, uint8_t out_client_key[HASH_BYTES],
    uint8_t out_signature[HASH_BYTES]) MUST_CHECK;

/* The account and its first credentials in one commit. ERR_EXISTS: address or id is taken. */
enum err credentials_add_account(struct credentials *c, const struct credential_account *a,
    const struct credential *list, size_t n) MUST_CHECK;
enum err credentials_set_state(struct credentials *c, uint64_t account, enum account_state state) MUST_CHECK;
/* With all its credentials. */
enum err credentials_remove_account(struct credentials *c, uint64_t account) MUST_CHECK;
/* ERR_EXISTS: the label is taken. ERR_LIMIT. */
enum err credentials_add(struct credentials *c, const struct credential *k) MUST_CHECK;
/* An app password with its forms for SCRAM. */
enum err credentials_add_app(struct credentials *c, const struct credential *k,
    const struct credential_scram forms[CREDENTIAL_FORMS]) MUST_CHECK;
/* In place of those of the same account, kind and label: all of list in one commit. */
enum err credentials_replace(struct credentials *c, const struct credential *list, size_t n) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err credentials_remove(struct credentials *c, uint64_t account, enum credential_kind kind,
    struct slice label) MUST_CHECK;
/* ---- the brake on guessing (credentials_guard.c) ---- */

/* Puts all that was kept into the brake, and forgets networks that were not heard of for long. */
enum err credentials_guard_load(struct credentials *c, struct login_brake *b) MUST_CHECK;
/* Keeps entries of one kind, in one commit; those that say nothing any more go. */
enum err credentials_guard_save(struct credentials *c, enum brake_kind kind, const struct brake_entry *list,
    size_t n) MUST_CHECK;
/* When the pair last logged in properly; 0: never, or nobody knows. */
int64_t credentials_known_at(struct credentials *c, const uint8_t pair[BRAKE_KEY_BYTES]);
enum err credentials_note_known(struct credentials *c, const uint8_t pair[BRAKE_KEY_BYTES], int64_t now)
    MUST_CHECK;

/* Notes that it was used now, when the last note is old. */
void credentials_touch(struct credentials *c, const struct credential *k);

/* Opens what k wraps with ph, and compares with the account's public key. *out is complete then (vault,
 * generation, keys). ERR_KEY_MISSING: k wraps none. ERR_DAMAGED: seal or public key do not match. */
enum err credential_open_vault(const struct credential_account *a, const struct credential *k,
    const uint8_t ph[HASH_BYTES], struct vault_keys *out) MUST_CHECK;
/* A credential of account a made from ph, wrapping keys (NULL: none). salt and costs are the caller's. */
enum err credential_make(const struct credential_account *a, enum credential_kind kind, struct slice label,
    uint8_t scopes, const uint8_t ph[HASH_BYTES], const struct vault_keys *keys, struct credential *out)
    MUST_CHECK;
/* The forms of an app password as it is shown. keys as in credential_make. */
enum err credential_make_forms(const struct credential_account *a, const char *shown,
    const struct vault_keys *keys, struct credential_scram out[CREDENTIAL_FORMS]) MUST_CHECK;

#endif
