/* Sealing of listing blocks; see listing.h. */
#include "storage/listing.h"

#include "storage/seal_internal.h"

#define LISTING_HEAD (2 + NONCE_BYTES) /* algorithm, flags, nonce */
#define KEY_ID 1
#define KEY_CONTEXT "lllistng"

static void listing_place(const struct vault_keys *v, const struct listing *l, uint8_t flags,
    struct associated *out)
{
    out->n = 0;
    associated_put(out, SLICE("listing"));
    associated_put_le(out, v->vault, 8);
    associated_put_le(out, v->generation, 4);
    associated_put_le(out, l->mailbox, 8);
    associated_put_le(out, l->first, 4);
    associated_put_le(out, l->last, 4);
    associated_put_le(out, flags, 1);
}

enum err listing_seal(const struct vault_keys *v, const struct listing *l, struct buf *out)
{
    uint8_t flags;
    if (l->text.n > LISTING_TEXT_MAX)
        return ERR_TOO_BIG;
    struct slice packed = pack_text(buf_slice(&l->text), &flags);
    uint8_t *room = buf_room(out, LISTING_HEAD + packed.n + TAG_BYTES);
    if (!room)
        return ERR_TOO_BIG;
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    listing_place(v, l, flags, &ad);
    key_derive(v->symmetric_key, KEY_ID, KEY_CONTEXT, key);
    room[0] = SEAL_XCHACHA20POLY1305;
    room[1] = flags;
    random_bytes(room + 2, NONCE_BYTES);
    aead_seal(key, room + 2, slice_of(ad.p, ad.n), packed, room + LISTING_HEAD);
    buf_grew(out, LISTING_HEAD + packed.n + TAG_BYTES);
    sodium_memzero(key, sizeof key);
    return ERR_OK;
}

enum err listing_open(const struct vault_keys *v, struct slice sealed, struct listing *l)
{
    buf_reset(&l->text);
    if (sealed.n < LISTING_HEAD + TAG_BYTES || sealed.n > LISTING_SEALED_MAX ||
        sealed.p[0] != SEAL_XCHACHA20POLY1305)
        return ERR_DAMAGED;
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t *scratch = unpack_scratch();
    listing_place(v, l, sealed.p[1], &ad);
    key_derive(v->symmetric_key, KEY_ID, KEY_CONTEXT, key);
    enum err e = aead_open(key, sealed.p + 2, slice_of(ad.p, ad.n), slice_from(sealed, LISTING_HEAD), scratch);
    sodium_memzero(key, sizeof key);
    return e ? e : unpack_text(sealed.p[1], slice_of(scratch, sealed.n - LISTING_HEAD - TAG_BYTES),
        LISTING_TEXT_MAX, &l->text);
}
