/* storage/search_segment.h: any bytes are refused or make blocks whose parts lie in them and whose numbers are
 * within limits; postings that are read are written back the same. */
#include "storage/search_segment.h"

static void check_words(struct slice block)
{
    struct search_words w;
    if (search_words_decode(block, &w) != ERR_OK)
        return;
    ENSURE(w.count > 0 && w.count <= SEARCH_WORDS_MAX);
    ENSURE(w.text.p >= block.p && w.text.p + w.text.n <= block.p + block.n);
    ENSURE(w.lengths.n <= block.n);
}

static void check_postings(struct slice bytes)
{
    struct wire w = wire_of(bytes);
    struct search_posting p = {.doc = UINT32_MAX};
    struct buf again;
    buf_init(&again, 16 * SEARCH_DOCS_MAX + 64);
    for (uint32_t before = UINT32_MAX; search_posting_get(&w, &p); before = p.doc) {
        ENSURE(p.doc < SEARCH_DOCS_MAX && p.fields != 0);
        ENSURE(before == UINT32_MAX || p.doc > before);
        search_posting_put(&again, before, &p);
    }
    struct wire in = wire_of(buf_slice(&again));
    struct search_posting q = {.doc = UINT32_MAX};
    while (search_posting_get(&in, &q)) {
    }
    ENSURE(wire_done(&in) && (again.n == 0 || w.failed || (q.doc == p.doc && q.fields == p.fields)));
    buf_clear(&again);
}

static void check_directory(struct slice text)
{
    struct search_directory d;
    if (search_directory_decode(text, &d) != ERR_OK)
        return;
    ENSURE(d.docs > 0 && d.docs <= SEARCH_DOCS_MAX && d.words_blocks <= SEARCH_BLOCKS_MAX);
    for (uint32_t i = 1; i < d.docs; i++)
        ENSURE(d.letters[i - 1] >> 1 < d.letters[i] >> 1);
    search_directory_clear(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct slice s = slice_of(p, n);
    check_words(s);
    check_postings(s);
    check_directory(s);
    return 0;
}
