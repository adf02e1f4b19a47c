/* Encoding, decoding and sealing what a segment of the search index consists of; see search_segment.h. */
#include "storage/search_segment.h"

#include "storage/seal_internal.h"

#define BLOCK_HEAD (2 + NONCE_BYTES)
#define DIRECTORY_VERSION 1
#define KEY_ID 1
#define FIELDS_MAX 127

static void block_place(const struct vault_keys *v, uint64_t segment, uint32_t number, uint8_t flags,
    struct associated *out)
{
    out->n = 0;
    associated_put(out, SLICE("search"));
    associated_put_le(out, v->vault, 8);
    associated_put_le(out, v->generation, 4);
    associated_put_le(out, segment, 8);
    associated_put_le(out, number, 4);
    associated_put_le(out, flags, 1);
}

enum err search_block_seal(const struct vault_keys *v, uint64_t segment, uint32_t number, struct slice text,
    struct buf *out)
{
    if (text.n > SEARCH_BLOCK_MAX)
        return ERR_TOO_BIG;
    uint8_t flags;
    struct slice packed = pack_text(text, &flags);
    uint8_t *room = buf_room(out, BLOCK_HEAD + packed.n + TAG_BYTES);
    if (!room)
        return ERR_TOO_BIG;
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    block_place(v, segment, number, flags, &ad);
    key_derive(v->symmetric_key, KEY_ID, "llsearch", key);
    room[0] = SEAL_XCHACHA20POLY1305;
    room[1] = flags;
    random_bytes(room + 2, NONCE_BYTES);
    aead_seal(key, room + 2, slice_of(ad.p, ad.n), packed, room + BLOCK_HEAD);
    buf_grew(out, BLOCK_HEAD + packed.n + TAG_BYTES);
    sodium_memzero(key, sizeof key);
    return ERR_OK;
}

enum err search_block_open(const struct vault_keys *v, uint64_t segment, uint32_t number, struct slice sealed,
    struct buf *out)
{
    if (sealed.n < BLOCK_HEAD + TAG_BYTES || sealed.p[0] != SEAL_XCHACHA20POLY1305 ||
        sealed.n > SEARCH_BLOCK_MAX + BLOCK_HEAD + TAG_BYTES)
        return ERR_DAMAGED;
    struct associated ad;
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t *scratch = unpack_scratch();
    block_place(v, segment, number, sealed.p[1], &ad);
    key_derive(v->symmetric_key, KEY_ID, "llsearch", key);
    enum err e = aead_open(key, sealed.p + 2, slice_of(ad.p, ad.n), slice_from(sealed, BLOCK_HEAD), scratch);
    sodium_memzero(key, sizeof key);
    if (e)
        return e;
    return unpack_text(sealed.p[1], slice_of(scratch, sealed.n - BLOCK_HEAD - TAG_BYTES), SEARCH_BLOCK_MAX, out);
}

enum err search_words_decode(struct slice block, struct search_words *out)
{
    struct wire w = wire_of(block);
    struct search_words words = {.count = wire_u32(&w), .stream_at = wire_u64(&w), .text = wire_bytes(&w)};
    words.lengths = w.rest;
    if (w.failed || words.count == 0 || words.count > SEARCH_WORDS_MAX || words.text.n < 2 ||
        words.text.p[0] != 0 || words.text.p[words.text.n - 1] != 0)
        return ERR_DAMAGED;
    uint32_t ends = 0;
    for (size_t i = 1; i < words.text.n; i++)
        ends += words.text.p[i] == 0;
    if (ends != words.count)
        return ERR_DAMAGED;
    *out = words;
    return ERR_OK;
}

/* Most tokens stand in bodies alone: their postings are one number, the step to the next doc, doubled. */
void search_posting_put(struct buf *out, uint32_t previous, const struct search_posting *p)
{
    uint64_t step = (uint64_t)(uint32_t)(p->doc - previous) << 1; /* previous UINT32_MAX: one more */
    bool is_body = p->fields == SEARCH_IN_BODY;
    wire_put_varint(out, step | !is_body);
    if (!is_body)
        wire_put_u8(out, p->fields);
}

bool search_posting_get(struct wire *w, struct search_posting *inout)
{
    if (w->failed || wire_at_end(w))
        return false;
    uint64_t step = wire_varint(w);
    uint8_t fields = step & 1 ? wire_u8(w) : SEARCH_IN_BODY;
    uint64_t doc = (inout->doc == UINT32_MAX ? 0 : (uint64_t)inout->doc + 1) + (step >> 1) - 1;
    if (w->failed || step < 2 || step >> 1 > SEARCH_DOCS_MAX || doc >= SEARCH_DOCS_MAX || fields == 0 ||
        fields > FIELDS_MAX) {
        w->failed = true;
        return false;
    }
    *inout = (struct search_posting){(uint32_t)doc, fields};
    return true;
}

void search_directory_encode(const struct search_directory *d, struct buf *out)
{
    uint64_t previous = 0;
    wire_put_u8(out, DIRECTORY_VERSION);
    wire_put_varint(out, d->stream_bytes << 1 | d->is_full);
    wire_put_varint(out, d->words_blocks);
    wire_put_varint(out, d->postings_blocks);
    wire_put_varint(out, d->docs);
    for (uint32_t i = 0; i < d->docs; i++) {
        wire_put_varint(out, ((d->letters[i] >> 1) - previous) << 1 | (d->letters[i] & 1));
        previous = d->letters[i] >> 1;
    }
}

static bool read_letters(struct wire *w, struct search_directory *d)
{
    uint64_t letter = 0;
    for (uint32_t i = 0; i < d->docs && !w->failed; i++) {
        uint64_t step = wire_varint(w);
        if (step < 2 || step > INT64_MAX || letter > (uint64_t)INT64_MAX / 2 - (step >> 1))
            return false;
        letter += step >> 1;
        d->letters[i] = letter << 1 | (step & 1);
    }
    return wire_done(w);
}

enum err search_directory_decode(struct slice text, struct search_directory *out)
{
    struct wire w = wire_of(text);
    struct search_directory d = {0};
    uint8_t version = wire_u8(&w);
    uint64_t stream = wire_varint(&w);
    d.stream_bytes = stream >> 1;
    d.is_full = stream & 1;
    uint64_t words = wire_varint(&w);
    uint64_t postings = wire_varint(&w);
    uint64_t docs = wire_varint(&w);
    if (w.failed || version != DIRECTORY_VERSION || words > SEARCH_BLOCKS_MAX || postings > SEARCH_BLOCKS_MAX ||
        docs == 0 || docs > SEARCH_DOCS_MAX || docs > w.rest.n ||
        postings != (d.stream_bytes + SEARCH_POSTINGS_BYTES - 1) / SEARCH_POSTINGS_BYTES)
        return ERR_DAMAGED;
    d.words_blocks = (uint32_t)words;
    d.postings_blocks = (uint32_t)postings;
    d.docs = (uint32_t)docs;
    d.letters = mem_new(d.docs * sizeof *d.letters);
    if (!read_letters(&w, &d)) {
        search_directory_clear(&d);
        return ERR_DAMAGED;
    }
    *out = d;
    return ERR_OK;
}

void search_directory_clear(struct search_directory *d)
{
    free(d->letters);
    *d = (struct search_directory){0};
}
