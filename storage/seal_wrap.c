/* Keys: of vaults, letters and epochs, and the wraps that carry a letter's key K; see seal.h.
 *
 * A wrap is: algorithm 1, nonce 24 (random), XChaCha20-Poly1305 of K. Its associated data is a word for
 * its kind, the letter's uid, vault and generation, and for an epoch's wrap the epoch's public key;
 * never mailbox or uid, so that COPY and MOVE need no key. */
#include "storage/queue.h"
#include "storage/seal_internal.h"

#define LETTER_CONTEXT "llletter"

/* BLAKE2b's key, here only to keep this use apart from others. */
static const char agree_context[] = "letterlock-epoch";
_Static_assert(sizeof agree_context - 1 >= crypto_generichash_KEYBYTES_MIN, "too short a key");

void vault_keys_generate(struct vault_keys *out, uint64_t vault)
{
    out->vault = vault;
    out->generation = 1;
    random_bytes(out->secret_key, sizeof out->secret_key);
    random_bytes(out->symmetric_key, sizeof out->symmetric_key);
    int made = crypto_scalarmult_base(out->public_key, out->secret_key);
    ENSURE(made == 0);
}

bool vault_keys_match(const struct vault_keys *k, const uint8_t public_key[SEAL_KEY_BYTES])
{
    uint8_t mine[SEAL_KEY_BYTES];
    if (crypto_scalarmult_base(mine, k->secret_key) != 0)
        return false;
    return sodium_memcmp(mine, public_key, sizeof mine) == 0;
}

void letter_keys_generate(struct letter_keys *out)
{
    uint8_t fresh[LETTER_UID_BYTES + SEAL_KEY_BYTES];
    random_bytes(fresh, sizeof fresh);
    letter_keys_from(out, fresh, fresh + LETTER_UID_BYTES);
    sodium_memzero(fresh, sizeof fresh);
}

void letter_keys_from(struct letter_keys *out, const uint8_t uid[LETTER_UID_BYTES],
    const uint8_t key[SEAL_KEY_BYTES])
{
    memmove(out->uid, uid, sizeof out->uid);
    memmove(out->key, key, sizeof out->key);
    key_derive(out->key, 2, LETTER_CONTEXT, out->summary);
    letter_keys_complete(out);
}

void letter_keys_complete(struct letter_keys *k)
{
    key_derive(k->key, 1, LETTER_CONTEXT, k->content);
    key_derive(k->key, 3, LETTER_CONTEXT, k->search);
}

/* BLAKE2b over the shared point and both public keys. */
static enum err agree(const uint8_t *secret, const uint8_t *other_public,
    const uint8_t *epoch_public, const uint8_t *vault_public, uint8_t out[SEAL_KEY_BYTES])
{
    uint8_t seed[3 * SEAL_KEY_BYTES];
    uint8_t key[SEAL_KEY_BYTES];
    enum err e = ERR_DAMAGED;
    if (crypto_scalarmult(seed, secret, other_public) == 0) {
        memcpy(seed + SEAL_KEY_BYTES, epoch_public, SEAL_KEY_BYTES);
        memcpy(seed + 2 * SEAL_KEY_BYTES, vault_public, SEAL_KEY_BYTES);
        crypto_generichash(key, sizeof key, seed, sizeof seed, (const uint8_t *)agree_context,
            sizeof agree_context - 1);
        memcpy(out, key, sizeof key);
        e = ERR_OK;
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(key, sizeof key);
    return e;
}

enum err seal_epoch_begin(struct seal_epoch *out, const struct vault_public *vault, uint64_t now_ms,
    uint64_t life_ms)
{
    struct seal_epoch fresh = {.vault = *vault, .until_ms = now_ms + life_ms};
    uint8_t secret[SEAL_KEY_BYTES];
    random_bytes(secret, sizeof secret);
    int made = crypto_scalarmult_base(fresh.public_key, secret);
    ENSURE(made == 0);
    enum err e = agree(secret, vault->public_key, fresh.public_key, vault->public_key,
        fresh.agreed_key);
    sodium_memzero(secret, sizeof secret);
    if (!e)
        *out = fresh;
    sodium_memzero(&fresh, sizeof fresh);
    return e;
}

enum err seal_epoch_agree(const struct vault_keys *v, const uint8_t epoch_public[SEAL_KEY_BYTES],
    uint8_t out_agreed[SEAL_KEY_BYTES])
{
    return agree(v->secret_key, epoch_public, epoch_public, v->public_key, out_agreed);
}

/* --- wraps --- */

static void wrap_place(uint64_t vault, uint32_t generation, const uint8_t *epoch_public,
    const uint8_t *uid, struct associated *out)
{
    out->n = 0;
    associated_put(out, epoch_public ? SLICE("wrap-e") : SLICE("wrap-v"));
    associated_put(out, slice_of(uid, LETTER_UID_BYTES));
    associated_put_le(out, vault, 8);
    associated_put_le(out, generation, 4);
    if (epoch_public)
        associated_put(out, slice_of(epoch_public, SEAL_KEY_BYTES));
}

static void wrap_seal(const uint8_t *key, const struct associated *ad, const struct letter_keys *k,
    uint8_t out[WRAP_BYTES])
{
    out[0] = SEAL_XCHACHA20POLY1305;
    random_bytes(out + 1, NONCE_BYTES);
    aead_seal(key, out + 1, slice_of(ad->p, ad->n), slice_of(k->key, sizeof k->key),
        out + 1 + NONCE_BYTES);
}

void wrap_for_epoch(const struct seal_epoch *e, const struct letter_keys *k, uint8_t out[WRAP_BYTES])
{
    struct associated ad;
    wrap_place(e->vault.vault, e->vault.generation, e->public_key, k->uid, &ad);
    wrap_seal(e->agreed_key, &ad, k, out);
}

/* The symmetric key has several uses: wraps have a key of their own from it. */
void vault_wrap_key(const struct vault_keys *v, uint8_t out[SEAL_KEY_BYTES])
{
    key_derive(v->symmetric_key, 1, "llwraps_", out);
}

void wrap_for_vault(const struct vault_keys *v, const struct letter_keys *k, uint8_t out[WRAP_BYTES])
{
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    wrap_place(v->vault, v->generation, NULL, k->uid, &ad);
    vault_wrap_key(v, key);
    wrap_seal(key, &ad, k, out);
    sodium_memzero(key, sizeof key);
}

enum err wrap_open_summary(const struct vault_keys *v, const uint8_t *epoch_public,
    const uint8_t key[SEAL_KEY_BYTES], const uint8_t uid[LETTER_UID_BYTES], struct slice wrap,
    struct letter_keys *out)
{
    struct associated ad;
    uint8_t k[SEAL_KEY_BYTES];
    if (wrap.n != WRAP_BYTES || wrap.p[0] != SEAL_XCHACHA20POLY1305)
        return ERR_DAMAGED;
    wrap_place(v->vault, v->generation, epoch_public, uid, &ad);
    enum err e = aead_open(key, wrap.p + 1, slice_of(ad.p, ad.n), slice_from(wrap, 1 + NONCE_BYTES), k);
    if (!e) {
        *out = (struct letter_keys){0};
        memcpy(out->uid, uid, sizeof out->uid);
        memcpy(out->key, k, sizeof out->key);
        key_derive(k, 2, LETTER_CONTEXT, out->summary);
    }
    sodium_memzero(k, sizeof k);
    return e;
}

enum err wrap_open(const struct vault_keys *v, const uint8_t *epoch_public,
    const uint8_t uid[LETTER_UID_BYTES], struct slice wrap, struct letter_keys *out)
{
    uint8_t key[SEAL_KEY_BYTES];
    enum err e = ERR_OK;
    if (epoch_public)
        e = seal_epoch_agree(v, epoch_public, key);
    else
        vault_wrap_key(v, key);
    if (!e)
        e = wrap_open_summary(v, epoch_public, key, uid, wrap, out);
    if (!e)
        letter_keys_complete(out);
    sodium_memzero(key, sizeof key);
    return e;
}

/* --- the queue's pair: see queue.h --- */

void queue_keys_from(const uint8_t subkey[SEAL_KEY_BYTES], struct vault_keys *out)
{
    *out = (struct vault_keys){.vault = QUEUE_VAULT, .generation = 1};
    memcpy(out->secret_key, subkey, sizeof out->secret_key);
    int made = crypto_scalarmult_base(out->public_key, out->secret_key);
    ENSURE(made == 0);
}

struct vault_public queue_public_of(const uint8_t public_key[SEAL_KEY_BYTES])
{
    struct vault_public out = {.vault = QUEUE_VAULT, .generation = 1};
    memcpy(out.public_key, public_key, sizeof out.public_key);
    return out;
}
