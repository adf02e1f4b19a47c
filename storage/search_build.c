/* The builder of a segment, see search_build.h: a hash table of tokens, each with its postings so far. */
#include "storage/search_build.h"

#include <sodium.h>

#define SLOTS_FIRST 4096
#define POSTINGS_FIRST 8
#define TOKEN_ROOM 258         /* one token over the mark */

struct word {
    uint8_t *text;             /* owned */
    uint8_t *postings;         /* owned; encoded, but for the open one */
    uint32_t text_n;
    uint32_t n, cap;
    uint32_t hash;
    uint32_t last;             /* doc of the last encoded posting */
    uint32_t doc;              /* of the open one */
    uint8_t fields;            /* 0: none is open */
};

struct search_build {
    struct word *words;        /* in order of their coming; sorted at the end */
    size_t count, cap;
    uint32_t *slots;           /* index into words plus one; 0: free */
    size_t slot_count;
    size_t bytes;
    uint64_t letters[SEARCH_DOCS_MAX];
    uint32_t docs;
    uint32_t letter_tokens;    /* different ones, of the open letter */
    bool letter_is_cut;
    /* while blocks come out */
    size_t next;
    size_t next_posting;       /* word whose postings go on next */
    size_t posting_at;         /* and where in them */
    uint64_t stream_at;        /* of the next block of words */
    uint32_t words_blocks, postings_blocks;
    bool has_ended;
};

struct search_build *search_build_new(void)
{
    struct search_build *b = mem_new(sizeof *b);
    b->slot_count = SLOTS_FIRST;
    b->slots = mem_new(b->slot_count * sizeof *b->slots);
    return b;
}

void search_build_free(struct search_build *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++) {
        sodium_memzero(b->words[i].text, b->words[i].text_n);
        free(b->words[i].text);
        free(b->words[i].postings);
    }
    free(b->words);
    free(b->slots);
    free(b);
}

static uint32_t hash_of(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 29);
}

static void grow_slots(struct search_build *b)
{
    free(b->slots);
    b->slot_count *= 2;
    b->slots = mem_new(b->slot_count * sizeof *b->slots);
    for (size_t i = 0; i < b->count; i++) {
        size_t at = b->words[i].hash & (b->slot_count - 1);
        while (b->slots[at])
            at = (at + 1) & (b->slot_count - 1);
        b->slots[at] = (uint32_t)i + 1;
    }
}

static struct word *add_word(struct search_build *b, struct slice token, uint32_t hash, size_t slot)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : SLOTS_FIRST;
        b->words = mem_resize(b->words, b->cap * sizeof *b->words);
    }
    struct word *w = &b->words[b->count++];
    *w = (struct word){.text = mem_new(token.n), .text_n = (uint32_t)token.n, .hash = hash, .last = UINT32_MAX};
    memcpy(w->text, token.p, token.n);
    b->slots[slot] = (uint32_t)b->count;
    b->bytes += sizeof *w + token.n + 32;
    if (b->count * 2 > b->slot_count)
        grow_slots(b);
    return w;
}

static struct word *find_word(struct search_build *b, struct slice token)
{
    uint32_t hash = hash_of(token);
    size_t at = hash & (b->slot_count - 1);
    for (; b->slots[at]; at = (at + 1) & (b->slot_count - 1)) {
        struct word *w = &b->words[b->slots[at] - 1];
        if (w->hash == hash && slice_equal(slice_of(w->text, w->text_n), token))
            return w;
    }
    return add_word(b, token, hash, at);
}

static void close_posting(struct search_build *b, struct word *w)
{
    uint8_t bytes[16];
    struct buf out = {.p = bytes, .cap = sizeof bytes, .max = sizeof bytes};
    const struct search_posting p = {w->doc, w->fields};
    if (!w->fields)
        return;
    search_posting_put(&out, w->last, &p);
    if (w->n + out.n > w->cap) {
        uint32_t more = w->cap ? w->cap : POSTINGS_FIRST;
        w->cap += more;
        b->bytes += more;
        w->postings = mem_resize(w->postings, w->cap);
    }
    memcpy(w->postings + w->n, bytes, out.n);
    w->n += (uint32_t)out.n;
    w->last = w->doc;
    w->fields = 0;
}

void search_build_letter(struct search_build *b, uint64_t letter)
{
    ENSURE(b->docs < SEARCH_DOCS_MAX);
    b->letters[b->docs] = letter << 1;
    b->letter_tokens = 0;
    b->letter_is_cut = false;
}

void search_build_token(struct search_build *b, struct slice token, uint8_t fields)
{
    if (token.n == 0 || b->letter_is_cut)
        return;
    struct word *w = find_word(b, token);
    if (w->fields && w->doc == b->docs) {
        w->fields |= fields;
        return;
    }
    close_posting(b, w);
    w->doc = b->docs;
    w->fields = fields;
    b->letter_is_cut = ++b->letter_tokens >= SEARCH_LETTER_TOKENS_MAX;
}

void search_build_letter_end(struct search_build *b, bool must_open)
{
    b->letters[b->docs++] |= must_open || b->letter_is_cut;
}

bool search_build_is_full(const struct search_build *b)
{
    return b->docs == SEARCH_DOCS_MAX || b->bytes >= SEARCH_BUILD_BYTES_MAX;
}

uint32_t search_build_docs(const struct search_build *b)
{
    return b->docs;
}

static int compare_words(const void *a, const void *b)
{
    const struct word *x = a;
    const struct word *y = b;
    return slice_compare(slice_of(x->text, x->text_n), slice_of(y->text, y->text_n));
}

void search_build_sort(struct search_build *b)
{
    for (size_t i = 0; i < b->count; i++)
        close_posting(b, &b->words[i]);
    if (b->count)
        qsort(b->words, b->count, sizeof *b->words, compare_words);
}

static void put_words(struct search_build *b, struct buf *out)
{
    struct buf text;
    struct buf lengths;
    uint64_t stream_at = b->stream_at;
    uint32_t count = 0;
    buf_init(&text, SEARCH_WORDS_TEXT_MAX + TOKEN_ROOM);
    buf_init(&lengths, 5 * SEARCH_WORDS_MAX);
    buf_put_byte(&text, 0);
    while (b->next < b->count && count < SEARCH_WORDS_MAX && text.n < SEARCH_WORDS_TEXT_MAX) {
        const struct word *w = &b->words[b->next++];
        buf_put_bytes(&text, w->text, w->text_n);
        buf_put_byte(&text, 0);
        wire_put_varint(&lengths, w->n);
        b->stream_at += w->n;
        count++;
    }
    wire_put_u32(out, count);
    wire_put_u64(out, stream_at);
    wire_put_bytes(out, buf_slice(&text));
    buf_put(out, buf_slice(&lengths));
    buf_wipe(&text);
    buf_wipe(&lengths);
}

static void put_postings(struct search_build *b, struct buf *out)
{
    size_t left = SEARCH_POSTINGS_BYTES;
    while (left && b->next_posting < b->count) {
        const struct word *w = &b->words[b->next_posting];
        size_t n = w->n - b->posting_at < left ? w->n - b->posting_at : left;
        buf_put_bytes(out, w->postings + b->posting_at, n);
        left -= n;
        b->posting_at += n;
        if (b->posting_at == w->n) {
            b->next_posting++;
            b->posting_at = 0;
        }
    }
}

enum err search_build_next(struct search_build *b, uint32_t *out_number, struct buf *out)
{
    if (b->has_ended)
        return ERR_NOT_FOUND;
    if (b->words_blocks == SEARCH_BLOCKS_MAX || b->postings_blocks == SEARCH_BLOCKS_MAX)
        return ERR_TOO_BIG;
    if (b->next < b->count) {
        put_words(b, out);
        *out_number = b->words_blocks++;
    } else if (b->next_posting < b->count) {
        put_postings(b, out);
        *out_number = SEARCH_POSTINGS_FIRST + b->postings_blocks++;
    } else {
        const struct search_directory d = {.stream_bytes = b->stream_at, .words_blocks = b->words_blocks,
            .postings_blocks = b->postings_blocks, .docs = b->docs, .is_full = search_build_is_full(b),
            .letters = b->letters};
        search_directory_encode(&d, out);
        *out_number = SEARCH_DIRECTORY;
        b->has_ended = true;
    }
    return buf_error(out);
}
