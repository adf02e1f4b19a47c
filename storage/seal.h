/* Vaults and sealing: every ciphertext that Letterlock stores is made and opened here, with
 * libsodium's XChaCha20-Poly1305, X25519, BLAKE2b and crypto_kdf; no primitive of our own.
 *
 * Key table (docs/schema.md has the whole of it):
 *   vault      X25519 pair (public, secret) and a symmetric key, one per key domain; generation
 *   letter K   random per letter; subkeys content (1), summary (2), search (3) by crypto_kdf
 *   epoch      X25519 pair of one smtp process, per vault, 10 minutes; public half stored
 *   wrap       K under the epoch's agreed key (at delivery) or the vault's symmetric key (adopted)
 *
 * Every envelope begins with an algorithm byte (SEAL_XCHACHA20POLY1305). Content chunks use the
 * chunk number as nonce under a subkey that belongs to one letter only; all else, which can be
 * rewritten, takes 24 random bytes as nonce and carries them. */
#ifndef STORAGE_SEAL_H
#define STORAGE_SEAL_H

#include "base/buf.h"
#include "base/hash.h"

#define SEAL_XCHACHA20POLY1305 1
#define SEAL_KEY_BYTES 32
#define SEAL_OVERHEAD_MAX (1 + 24 + 16 + 2)
#define LETTER_UID_BYTES 16
/* Letter text per chunk: sealed and incompressible it still fits one 64 KiB database page and one
 * channel message. */
#define CHUNK_TEXT_BYTES 64512
/* The trace header that is known only at the end: sealed as a chunk of this number, is_last true. */
#define CHUNK_PREFIX UINT32_MAX
#define CHUNK_COUNT_MAX 65000   /* 4.1 GB */

/* The secret half of a vault, in the locked arena (secret_new). */
struct vault_keys {
    uint64_t vault;
    uint32_t generation;
    uint8_t public_key[SEAL_KEY_BYTES];
    uint8_t secret_key[SEAL_KEY_BYTES];
    uint8_t symmetric_key[SEAL_KEY_BYTES];
};

/* What smtp knows of a vault. */
struct vault_public {
    uint64_t vault;
    uint32_t generation;
    uint8_t public_key[SEAL_KEY_BYTES];
};

/* The subkeys of one letter, derived once per use. In the locked arena or on a stack that is wiped. */
struct letter_keys {
    uint8_t uid[LETTER_UID_BYTES];
    uint8_t key[SEAL_KEY_BYTES];      /* K itself */
    uint8_t content[SEAL_KEY_BYTES];
    uint8_t summary[SEAL_KEY_BYTES];
    uint8_t search[SEAL_KEY_BYTES];
};

/* One side of a key agreement at delivery; see "epoch" above. */
struct seal_epoch {
    struct vault_public vault;
    uint8_t public_key[SEAL_KEY_BYTES];
    uint8_t agreed_key[SEAL_KEY_BYTES]; /* the ephemeral secret is wiped as soon as this is made */
    uint64_t until_ms;                  /* monotonic */
};

void vault_keys_generate(struct vault_keys *out, uint64_t vault);
/* False when the public key is not that of the secret one (checked at login). */
bool vault_keys_match(const struct vault_keys *k, const uint8_t public_key[SEAL_KEY_BYTES]);

/* A fresh random letter. */
void letter_keys_generate(struct letter_keys *out);
void letter_keys_from(struct letter_keys *out, const uint8_t uid[LETTER_UID_BYTES],
    const uint8_t key[SEAL_KEY_BYTES]);

/* ERR_DAMAGED: the vault's public key is none (a point of low order), nothing can be sealed to it. */
enum err seal_epoch_begin(struct seal_epoch *out, const struct vault_public *vault, uint64_t now_ms,
    uint64_t life_ms) MUST_CHECK;
/* The same key from the vault's side. 30 microseconds: who opens many wraps of one epoch keeps it and
 * uses wrap_open_summary(). ERR_DAMAGED as above. */
enum err seal_epoch_agree(const struct vault_keys *v, const uint8_t epoch_public[SEAL_KEY_BYTES],
    uint8_t out_agreed[SEAL_KEY_BYTES]) MUST_CHECK;

/* K wrapped for delivery (with an epoch) or for keeps (with the vault's symmetric key). */
#define WRAP_BYTES (1 + 24 + 32 + 16)
void wrap_for_epoch(const struct seal_epoch *e, const struct letter_keys *k, uint8_t out[WRAP_BYTES]);
void wrap_for_vault(const struct vault_keys *v, const struct letter_keys *k, uint8_t out[WRAP_BYTES]);
/* epoch_public NULL: an adopted wrap. ERR_DAMAGED when the seal does not verify. */
enum err wrap_open(const struct vault_keys *v, const uint8_t *epoch_public,
    const uint8_t uid[LETTER_UID_BYTES], struct slice wrap, struct letter_keys *out) MUST_CHECK;
/* The same in two steps, for listings: the key that wraps are under is made once (for an epoch's by
 * seal_epoch_agree(), for adopted ones here), and of the subkeys only the summary's is derived;
 * content and search are zero until letter_keys_complete(). */
void vault_wrap_key(const struct vault_keys *v, uint8_t out[SEAL_KEY_BYTES]);
enum err wrap_open_summary(const struct vault_keys *v, const uint8_t *epoch_public,
    const uint8_t key[SEAL_KEY_BYTES], const uint8_t uid[LETTER_UID_BYTES], struct slice wrap,
    struct letter_keys *out) MUST_CHECK;
void letter_keys_complete(struct letter_keys *k);

/* Compresses (zstd, or stored when that is no gain) and seals one chunk; appended to out. */
enum err chunk_seal(const struct letter_keys *k, uint32_t number, bool is_last, struct slice text,
    struct buf *out) MUST_CHECK;
/* Appends the text, at most CHUNK_TEXT_BYTES (prefix chunk too). ERR_DAMAGED. */
enum err chunk_open(const struct letter_keys *k, uint32_t number, bool is_last, struct slice sealed,
    struct buf *out) MUST_CHECK;

/* What can be rewritten: sealed with random nonce, associated data binds it to its place. */
enum err seal_blob(const uint8_t key[SEAL_KEY_BYTES], struct slice associated, struct slice text,
    struct buf *out) MUST_CHECK;
enum err seal_blob_open(const uint8_t key[SEAL_KEY_BYTES], struct slice associated,
    struct slice sealed, struct buf *out) MUST_CHECK;
/* The letter's summary: zstd'ed, under the summary subkey, bound to the letter's uid. A record is at
 * most SUMMARY_BYTES_MAX (message/summary.h), ERR_TOO_BIG beyond. */
enum err summary_seal(const struct letter_keys *k, struct slice record, struct buf *out) MUST_CHECK;
enum err summary_open(const struct letter_keys *k, struct slice sealed, struct buf *out) MUST_CHECK;

/* What differs per owner and stands on top of the letter (Delivered-To): wrap.prefix. Under the summary
 * subkey, bound to the letter and to the vault whose wrap it stands in. ERR_TOO_BIG beyond the limit. */
#define OWNER_PREFIX_MAX 512
enum err owner_prefix_seal(const struct letter_keys *k, uint64_t vault, struct slice text,
    struct buf *out) MUST_CHECK;
enum err owner_prefix_open(const struct letter_keys *k, uint64_t vault, struct slice sealed,
    struct buf *out) MUST_CHECK;

/* A name component of a mailbox, and a keyword: sealed under a key derived from the vault's
 * symmetric key; the keyed hash makes "does it exist" answerable without opening all. The hash of
 * INBOX's children and others is over the component alone, parents are bound by the row. Sealed names
 * are padded to a multiple of SEAL_NAME_PAD, so that their lengths say little; no NUL in a name. */
#define SEAL_NAME_MAX 255
#define SEAL_NAME_PAD 32
enum seal_name_kind { SEAL_NAME_MAILBOX = 1, SEAL_NAME_KEYWORD = 2 };
#define NAME_HASH_BYTES 16
enum err name_seal(const struct vault_keys *v, enum seal_name_kind kind, struct slice name,
    struct buf *out) MUST_CHECK;
enum err name_open(const struct vault_keys *v, enum seal_name_kind kind, struct slice sealed,
    struct buf *out) MUST_CHECK;
void name_hash(const struct vault_keys *v, enum seal_name_kind kind, struct slice name,
    uint8_t out[NAME_HASH_BYTES]);

#endif
