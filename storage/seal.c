/* Sealing of chunks, summaries, owner prefixes, names and small records; see seal.h for the formats'
 * contract and docs/schema.md for the key table. Keys and wraps are made in seal_wrap.c, compression
 * is seal_pack.c.
 *
 * Envelopes:
 *   chunk      algorithm 1, flags 1, ciphertext; nonce: chunk number (u32 LE, then zeros)
 *   summary    algorithm 1, flags 1, nonce 24, ciphertext
 *   blob       algorithm 1, nonce 24, ciphertext
 * Each kind begins its associated data with a word of its own, so that none passes for another. */
#include "storage/seal.h"

#include "message/summary.h"
#include "storage/seal_internal.h"

#define CHUNK_HEAD 2
#define SUMMARY_HEAD (2 + NONCE_BYTES)
#define BLOB_HEAD (1 + NONCE_BYTES)

_Static_assert(SUMMARY_HEAD + TAG_BYTES <= SEAL_OVERHEAD_MAX, "overhead");
_Static_assert(SUMMARY_BYTES_MAX <= CHUNK_TEXT_BYTES, "a summary must fit the scratch");

void associated_put(struct associated *a, struct slice bytes)
{
    ENSURE(bytes.n <= sizeof a->p - a->n);
    if (bytes.n)
        memcpy(a->p + a->n, bytes.p, bytes.n);
    a->n += bytes.n;
}

void associated_put_le(struct associated *a, uint64_t value, size_t bytes)
{
    ENSURE(bytes <= 8 && bytes <= sizeof a->p - a->n);
    for (size_t i = 0; i < bytes; i++)
        a->p[a->n++] = (uint8_t)(value >> (8 * i));
}

void aead_seal(const uint8_t *key, const uint8_t *nonce, struct slice associated, struct slice text,
    uint8_t *out)
{
    unsigned long long n;
    crypto_aead_xchacha20poly1305_ietf_encrypt(out, &n, text.p, text.n, associated.p, associated.n,
        NULL, nonce, key);
}

enum err aead_open(const uint8_t *key, const uint8_t *nonce, struct slice associated,
    struct slice sealed, uint8_t *out)
{
    if (sealed.n < TAG_BYTES)
        return ERR_DAMAGED;
    size_t text = sealed.n - TAG_BYTES;
    return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out, NULL, sealed.p, text,
               sealed.p + text, associated.p, associated.n, nonce, key) == 0 ? ERR_OK : ERR_DAMAGED;
}

static struct slice associated_slice(const struct associated *a)
{
    return slice_of(a->p, a->n);
}

/* --- chunks --- */

static void chunk_place(const struct letter_keys *k, uint32_t number, bool is_last, uint8_t flags,
    struct associated *out_ad, uint8_t out_nonce[NONCE_BYTES])
{
    out_ad->n = 0;
    associated_put(out_ad, SLICE("chunk"));
    associated_put(out_ad, slice_of(k->uid, sizeof k->uid));
    associated_put_le(out_ad, number, 4);
    associated_put_le(out_ad, is_last, 1);
    associated_put_le(out_ad, flags, 1);
    memset(out_nonce, 0, NONCE_BYTES);
    for (size_t i = 0; i < 4; i++)
        out_nonce[i] = (uint8_t)(number >> (8 * i));
}

enum err chunk_seal(const struct letter_keys *k, uint32_t number, bool is_last, struct slice text,
    struct buf *out)
{
    if (text.n > CHUNK_TEXT_BYTES)
        return ERR_TOO_BIG;
    uint8_t flags;
    struct slice packed = pack_text(text, &flags);
    uint8_t *room = buf_room(out, CHUNK_HEAD + packed.n + TAG_BYTES);
    if (!room)
        return ERR_TOO_BIG;
    struct associated ad;
    uint8_t nonce[NONCE_BYTES];
    chunk_place(k, number, is_last, flags, &ad, nonce);
    room[0] = SEAL_XCHACHA20POLY1305;
    room[1] = flags;
    aead_seal(k->content, nonce, associated_slice(&ad), packed, room + CHUNK_HEAD);
    buf_grew(out, CHUNK_HEAD + packed.n + TAG_BYTES);
    return ERR_OK;
}

/* Opens head's worth behind the envelope's head and unpacks it; shared by chunk and summary. */
static enum err open_packed(const uint8_t *key, const uint8_t *nonce, const struct associated *ad,
    uint8_t flags, struct slice sealed, size_t max, struct buf *out)
{
    if (sealed.n < TAG_BYTES || sealed.n - TAG_BYTES > max)
        return ERR_DAMAGED;
    uint8_t *scratch = unpack_scratch();
    enum err e = aead_open(key, nonce, associated_slice(ad), sealed, scratch);
    if (e)
        return e;
    return unpack_text(flags, slice_of(scratch, sealed.n - TAG_BYTES), max, out);
}

enum err chunk_open(const struct letter_keys *k, uint32_t number, bool is_last, struct slice sealed,
    struct buf *out)
{
    if (sealed.n < CHUNK_HEAD || sealed.p[0] != SEAL_XCHACHA20POLY1305)
        return ERR_DAMAGED;
    struct associated ad;
    uint8_t nonce[NONCE_BYTES];
    chunk_place(k, number, is_last, sealed.p[1], &ad, nonce);
    return open_packed(k->content, nonce, &ad, sealed.p[1], slice_from(sealed, CHUNK_HEAD),
        CHUNK_TEXT_BYTES, out);
}

/* --- summaries --- */

static void summary_place(const struct letter_keys *k, uint8_t flags, struct associated *out)
{
    out->n = 0;
    associated_put(out, SLICE("summary"));
    associated_put(out, slice_of(k->uid, sizeof k->uid));
    associated_put_le(out, flags, 1);
}

enum err summary_seal(const struct letter_keys *k, struct slice record, struct buf *out)
{
    if (record.n > SUMMARY_BYTES_MAX)
        return ERR_TOO_BIG;
    uint8_t flags;
    struct slice packed = pack_text(record, &flags);
    uint8_t *room = buf_room(out, SUMMARY_HEAD + packed.n + TAG_BYTES);
    if (!room)
        return ERR_TOO_BIG;
    struct associated ad;
    summary_place(k, flags, &ad);
    room[0] = SEAL_XCHACHA20POLY1305;
    room[1] = flags;
    random_bytes(room + 2, NONCE_BYTES);
    aead_seal(k->summary, room + 2, associated_slice(&ad), packed, room + SUMMARY_HEAD);
    buf_grew(out, SUMMARY_HEAD + packed.n + TAG_BYTES);
    return ERR_OK;
}

enum err summary_open(const struct letter_keys *k, struct slice sealed, struct buf *out)
{
    if (sealed.n < SUMMARY_HEAD || sealed.p[0] != SEAL_XCHACHA20POLY1305)
        return ERR_DAMAGED;
    struct associated ad;
    summary_place(k, sealed.p[1], &ad);
    return open_packed(k->summary, sealed.p + 2, &ad, sealed.p[1], slice_from(sealed, SUMMARY_HEAD),
        SUMMARY_BYTES_MAX, out);
}

/* --- blobs --- */

enum err seal_blob(const uint8_t key[SEAL_KEY_BYTES], struct slice associated, struct slice text,
    struct buf *out)
{
    if (text.n > out->max)
        return ERR_TOO_BIG;
    uint8_t *room = buf_room(out, BLOB_HEAD + text.n + TAG_BYTES);
    if (!room)
        return ERR_TOO_BIG;
    room[0] = SEAL_XCHACHA20POLY1305;
    random_bytes(room + 1, NONCE_BYTES);
    aead_seal(key, room + 1, associated, text, room + BLOB_HEAD);
    buf_grew(out, BLOB_HEAD + text.n + TAG_BYTES);
    return ERR_OK;
}

enum err seal_blob_open(const uint8_t key[SEAL_KEY_BYTES], struct slice associated,
    struct slice sealed, struct buf *out)
{
    if (sealed.n < BLOB_HEAD + TAG_BYTES || sealed.p[0] != SEAL_XCHACHA20POLY1305)
        return ERR_DAMAGED;
    size_t text = sealed.n - BLOB_HEAD - TAG_BYTES;
    /* An empty text has a place too. */
    uint8_t *room = buf_room(out, text + (text == 0));
    if (!room)
        return ERR_TOO_BIG;
    enum err e = aead_open(key, sealed.p + 1, associated, slice_from(sealed, BLOB_HEAD), room);
    if (!e)
        buf_grew(out, text);
    return e;
}

static void owner_prefix_place(const struct letter_keys *k, uint64_t vault, struct associated *out)
{
    out->n = 0;
    associated_put(out, SLICE("owner-prefix"));
    associated_put(out, slice_of(k->uid, sizeof k->uid));
    associated_put_le(out, vault, 8);
}

enum err owner_prefix_seal(const struct letter_keys *k, uint64_t vault, struct slice text,
    struct buf *out)
{
    if (text.n > OWNER_PREFIX_MAX)
        return ERR_TOO_BIG;
    struct associated ad;
    owner_prefix_place(k, vault, &ad);
    return seal_blob(k->summary, associated_slice(&ad), text, out);
}

enum err owner_prefix_open(const struct letter_keys *k, uint64_t vault, struct slice sealed,
    struct buf *out)
{
    if (sealed.n > OWNER_PREFIX_MAX + SEAL_OVERHEAD_MAX)
        return ERR_DAMAGED;
    struct associated ad;
    owner_prefix_place(k, vault, &ad);
    return seal_blob_open(k->summary, associated_slice(&ad), sealed, out);
}

/* --- names --- */

/* The key that seals names of a kind (hash false), or the one that hashes them. */
static void name_key(const struct vault_keys *v, enum seal_name_kind kind, bool hash,
    uint8_t out[SEAL_KEY_BYTES])
{
    key_derive(v->symmetric_key, (uint64_t)kind + (hash ? 16 : 0), "llnames_", out);
}

static void name_place(const struct vault_keys *v, enum seal_name_kind kind, struct associated *out)
{
    out->n = 0;
    associated_put(out, SLICE("name"));
    associated_put_le(out, (uint64_t)kind, 1);
    associated_put_le(out, v->vault, 8);
}

enum err name_seal(const struct vault_keys *v, enum seal_name_kind kind, struct slice name,
    struct buf *out)
{
    if (name.n > SEAL_NAME_MAX)
        return ERR_TOO_BIG;
    uint8_t padded[SEAL_NAME_MAX + SEAL_NAME_PAD] = {0};
    if (name.n)
        memcpy(padded, name.p, name.n);
    size_t n = (name.n + SEAL_NAME_PAD - 1) / SEAL_NAME_PAD * SEAL_NAME_PAD;
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    name_place(v, kind, &ad);
    name_key(v, kind, false, key);
    enum err e = seal_blob(key, associated_slice(&ad), slice_of(padded, n), out);
    sodium_memzero(key, sizeof key);
    return e;
}

enum err name_open(const struct vault_keys *v, enum seal_name_kind kind, struct slice sealed,
    struct buf *out)
{
    size_t before = out->n;
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    if (sealed.n > SEAL_NAME_MAX + SEAL_NAME_PAD + SEAL_OVERHEAD_MAX)
        return ERR_DAMAGED;
    name_place(v, kind, &ad);
    name_key(v, kind, false, key);
    enum err e = seal_blob_open(key, associated_slice(&ad), sealed, out);
    sodium_memzero(key, sizeof key);
    while (!e && out->n > before && out->p[out->n - 1] == 0)
        out->n--;
    return e;
}

void name_hash(const struct vault_keys *v, enum seal_name_kind kind, struct slice name,
    uint8_t out[NAME_HASH_BYTES])
{
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t full[HASH_BYTES];
    name_key(v, kind, true, key);
    hash_blake2b(key, name, full);
    memcpy(out, full, NAME_HASH_BYTES);
    sodium_memzero(key, sizeof key);
}
