/* Scanning the search index, see search_index.h. Which docs answer a question stands in a bitmap over all
 * docs of all segments. */
#include "storage/search_index.h"

#include "storage/reader_internal.h"

struct segment {
    uint64_t id;
    size_t first_doc;
    struct search_directory directory;  /* without its letters */
};

struct question {
    struct slice piece;
    uint8_t fields;
    uint8_t *docs;             /* owned bitmap */
};

struct search_index {
    struct reader *reader;
    struct segment *segments;
    size_t segment_count;
    uint64_t *letters;         /* of all segments, ascending; shifted as in search_directory */
    size_t doc_count;
    struct question questions[SEARCH_QUESTIONS_MAX];
    unsigned question_count;
    size_t at_segment;
    uint32_t at_block;
    struct buf words;
    struct buf postings;       /* the block of postings that is open */
    uint64_t postings_segment;
    uint32_t postings_number;
    struct buf list;           /* of one token, put together from blocks */
};

static void add_segment(struct search_index *x, uint64_t id, struct search_directory *d)
{
    x->segments = mem_resize(x->segments, (x->segment_count + 1) * sizeof *x->segments);
    x->letters = mem_resize(x->letters, (x->doc_count + d->docs) * sizeof *x->letters);
    memcpy(x->letters + x->doc_count, d->letters, d->docs * sizeof *d->letters);
    struct segment *g = &x->segments[x->segment_count++];
    *g = (struct segment){id, x->doc_count, *d};
    g->directory.letters = NULL;
    x->doc_count += d->docs;
    search_directory_clear(d);
}

/* A directory that does not open, or that goes back, is passed over: its letters are opened instead. */
static void take_segment(struct search_index *x, struct stmt *s)
{
    struct search_directory d;
    struct buf text;
    uint64_t id = (uint64_t)stmt_int(s, 0);
    const struct vault_keys *keys = x->reader->keys;
    if ((uint64_t)stmt_int(s, 1) != keys->generation || x->segment_count == SEARCH_SEGMENTS_MAX)
        return;
    buf_init(&text, SEARCH_BLOCK_MAX);
    enum err e = search_block_open(keys, id, SEARCH_DIRECTORY, stmt_bytes(s, 2), &text);
    if (!e)
        e = search_directory_decode(buf_slice(&text), &d);
    if (e)
        reader_note_damage(x->reader, "search-segment", id);
    else if (x->doc_count && d.letters[0] >> 1 <= x->letters[x->doc_count - 1] >> 1)
        search_directory_clear(&d);
    else
        add_segment(x, id, &d);
    buf_clear(&text);
}

enum err search_index_open(struct reader *r, struct search_index **out)
{
    if (!r->keys)
        return ERR_NOT_FOUND;
    struct search_index *x = mem_new(sizeof *x);
    x->reader = r;
    buf_init(&x->words, SEARCH_BLOCK_MAX);
    buf_init(&x->postings, SEARCH_BLOCK_MAX);
    buf_init(&x->list, 3 * SEARCH_DOCS_MAX + 16);
    struct stmt *s = db_use(r->mail, READ_SEARCH_SEGMENTS);
    stmt_bind_int(s, "vault", (int64_t)r->keys->vault);
    enum err e = reader_first_step(s);
    for (; !e; e = stmt_step(s))
        take_segment(x, s);
    stmt_reset(s);
    if (e == ERR_NOT_FOUND && x->doc_count > 0) {
        *out = x;
        return ERR_OK;
    }
    search_index_close(x);
    return e;
}

void search_index_close(struct search_index *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->question_count; i++)
        free(x->questions[i].docs);
    free(x->segments);
    free(x->letters);
    buf_wipe(&x->words);
    buf_wipe(&x->postings);
    buf_wipe(&x->list);
    free(x);
}

bool search_index_ask(struct search_index *x, struct slice piece, uint8_t fields, unsigned *out_question)
{
    if (x->question_count == SEARCH_QUESTIONS_MAX)
        return false;
    struct question *q = &x->questions[x->question_count];
    *q = (struct question){piece, fields, mem_new(x->doc_count / 8 + 1)};
    *out_question = x->question_count++;
    return true;
}

static enum err open_block(struct search_index *x, uint64_t segment, uint32_t number, struct buf *out)
{
    struct stmt *s = db_use(x->reader->mail, READ_SEARCH_BLOCK);
    stmt_bind_int(s, "id", (int64_t)(segment * 65536 + number));
    enum err e = reader_first_step(s);
    buf_reset(out);
    if (!e)
        e = search_block_open(x->reader->keys, segment, number, stmt_bytes(s, 0), out);
    stmt_reset(s);
    if (e == ERR_NOT_FOUND)
        e = ERR_BUSY; /* the last segment is replaced when letters come */
    if (e == ERR_DAMAGED)
        reader_note_damage(x->reader, "search-segment", segment);
    return e;
}

/* The bytes from..from+n of a segment's stream of postings, into x->list. */
static enum err read_postings(struct search_index *x, const struct segment *g, uint64_t from, uint64_t n)
{
    if (n > x->list.max || from > g->directory.stream_bytes || n > g->directory.stream_bytes - from)
        return ERR_DAMAGED;
    buf_reset(&x->list);
    while (n) {
        uint32_t number = SEARCH_POSTINGS_FIRST + (uint32_t)(from / SEARCH_POSTINGS_BYTES);
        if (x->postings_segment != g->id || x->postings_number != number) {
            x->postings_segment = 0;
            enum err e = open_block(x, g->id, number, &x->postings);
            if (e)
                return e;
            x->postings_segment = g->id;
            x->postings_number = number;
        }
        struct slice piece = slice_sub(buf_slice(&x->postings), from % SEARCH_POSTINGS_BYTES, n);
        if (piece.n == 0)
            return ERR_DAMAGED;
        buf_put(&x->list, piece);
        from += piece.n;
        n -= piece.n;
    }
    return ERR_OK;
}

static enum err take_postings(struct search_index *x, const struct segment *g, struct question *q)
{
    struct wire w = wire_of(buf_slice(&x->list));
    struct search_posting p = {.doc = UINT32_MAX};
    while (search_posting_get(&w, &p)) {
        size_t doc = g->first_doc + p.doc;
        if (p.doc >= g->directory.docs)
            return ERR_DAMAGED;
        if (p.fields & q->fields)
            q->docs[doc / 8] |= (uint8_t)(1u << doc % 8);
    }
    return wire_done(&w) ? ERR_OK : ERR_DAMAGED;
}

/* Where a walk over a block's tokens stands. */
struct walk {
    struct slice text;         /* from the NUL before the token on */
    struct wire lengths;
    uint64_t stream_at;        /* of this token's postings */
    uint64_t length;
};

/* To the token that holds the byte at `at` of the text. */
static bool walk_to(struct walk *k, const uint8_t *at)
{
    for (;;) {
        const uint8_t *end = memchr(k->text.p + 1, 0, k->text.n - 1);
        if (!end || k->lengths.failed)
            return false;
        if (at < end) {
            return true;
        }
        k->text = slice_from(k->text, (size_t)(end - k->text.p));
        k->stream_at += k->length;
        k->length = wire_varint(&k->lengths);
        if (k->text.n < 2)
            return false;
    }
}

static enum err scan(struct search_index *x, const struct segment *g, const struct search_words *words,
    struct question *q)
{
    struct walk k = {words->text, wire_of(words->lengths), words->stream_at, 0};
    struct slice rest = words->text;
    k.length = wire_varint(&k.lengths);
    for (;;) {
        size_t found = slice_find(rest, q->piece);
        if (found == SIZE_MAX)
            return ERR_OK;
        if (!walk_to(&k, rest.p + found))
            return ERR_DAMAGED;
        enum err e = read_postings(x, g, k.stream_at, k.length);
        if (!e)
            e = take_postings(x, g, q);
        if (e)
            return e;
        /* On to the next token: it answers once. */
        const uint8_t *end = memchr(rest.p + found, 0, rest.n - found);
        rest = slice_from(rest, (size_t)(end - rest.p));
    }
}

enum err search_index_step(struct search_index *x)
{
    struct search_words words;
    while (x->at_segment < x->segment_count &&
        x->at_block >= x->segments[x->at_segment].directory.words_blocks) {
        x->at_segment++;
        x->at_block = 0;
    }
    if (x->at_segment == x->segment_count || x->question_count == 0)
        return ERR_NOT_FOUND;
    const struct segment *g = &x->segments[x->at_segment];
    enum err e = open_block(x, g->id, x->at_block, &x->words);
    if (!e)
        e = search_words_decode(buf_slice(&x->words), &words);
    for (unsigned i = 0; !e && i < x->question_count; i++)
        e = scan(x, g, &words, &x->questions[i]);
    if (!e)
        x->at_block++;
    return e;
}

bool search_index_find(const struct search_index *x, uint64_t letter, size_t *out_doc)
{
    size_t low = 0;
    size_t high = x->doc_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->letters[middle] >> 1 < letter)
            low = middle + 1;
        else
            high = middle;
    }
    *out_doc = low;
    return low < x->doc_count && x->letters[low] == letter << 1;
}

bool search_index_answer(const struct search_index *x, unsigned question, size_t doc)
{
    return x->questions[question].docs[doc / 8] >> doc % 8 & 1;
}

/* How many letters the segment holds; 0 when nothing is to be added to it. */
static uint32_t tail_of(struct reader *r, uint64_t segment, struct slice sealed)
{
    struct search_directory d;
    struct buf text;
    uint32_t docs = 0;
    buf_init(&text, SEARCH_BLOCK_MAX);
    if (search_block_open(r->keys, segment, SEARCH_DIRECTORY, sealed, &text) == ERR_OK &&
        search_directory_decode(buf_slice(&text), &d) == ERR_OK) {
        docs = d.is_full ? 0 : d.docs;
        search_directory_clear(&d);
    }
    buf_clear(&text);
    return docs;
}

static enum err count_fresh(struct reader *r, uint64_t after, uint32_t max, uint32_t *out)
{
    struct stmt *s = db_use(r->mail, READ_SEARCH_MISSING);
    stmt_bind_int(s, "vault", (int64_t)r->keys->vault);
    stmt_bind_int(s, "after", (int64_t)after);
    stmt_bind_int(s, "max", max);
    enum err e = reader_first_step(s);
    for (*out = 0; !e; e = stmt_step(s))
        ++*out;
    stmt_reset(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err search_index_missing(struct reader *r, uint32_t max, struct search_missing *out)
{
    struct search_missing m = {0};
    uint64_t newest = 0;
    if (!r->keys)
        return ERR_KEY_MISSING;
    struct stmt *s = db_use(r->mail, READ_SEARCH_LAST);
    stmt_bind_int(s, "vault", (int64_t)r->keys->vault);
    enum err e = reader_first_step(s);
    if (!e) {
        newest = m.from = (uint64_t)stmt_int(s, 1);
        m.tail = tail_of(r, (uint64_t)stmt_int(s, 0), stmt_bytes(s, 2));
        if (m.tail) {
            e = stmt_step(s);
            m.from = e ? 0 : (uint64_t)stmt_int(s, 1);
        }
    }
    stmt_reset(s);
    if (e && e != ERR_NOT_FOUND)
        return e;
    e = count_fresh(r, newest, max, &m.fresh);
    if (!e)
        *out = m;
    return e;
}
