/* storage/search_build.h and search_segment.h: what goes into a segment comes out of its blocks; blocks that
 * are damaged or make no sense are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "storage/search_build.h"

#define LETTERS 300
#define WORDS 4000

/* Word w stands in letter l when a fixed arithmetic says so. */
static uint8_t fields_in(unsigned w, unsigned l)
{
    unsigned h = (w * 2654435761u) ^ (l * 40503u);
    h ^= h >> 13;
    return h % 7 ? 0 : h % 5 ? SEARCH_IN_BODY : (uint8_t)(SEARCH_IN_HEADER | SEARCH_IN_SUBJECT);
}

static struct search_build *build(void)
{
    struct search_build *b = search_build_new();
    for (unsigned l = 0; l < LETTERS; l++) {
        search_build_letter(b, 1000 + 3 * l);
        for (unsigned w = 0; w < WORDS; w++) {
            char text[32];
            int n = snprintf(text, sizeof text, "word%u", w);
            if (fields_in(w, l)) {
                search_build_token(b, slice_of(text, (size_t)n), fields_in(w, l));
                search_build_token(b, slice_of(text, (size_t)n), fields_in(w, l)); /* once more is once */
            }
        }
        search_build_letter_end(b, l == 7);
    }
    search_build_sort(b);
    return b;
}

struct blocks {
    struct buf words[64];
    size_t words_count;
    struct buf stream;
    struct buf directory;
};

static void take(struct search_build *b, struct blocks *out)
{
    uint32_t number;
    struct buf text;
    buf_init(&out->stream, 16u << 20);
    buf_init(&out->directory, SEARCH_BLOCK_MAX);
    buf_init(&text, SEARCH_BLOCK_MAX);
    while (search_build_next(b, &number, &text) == ERR_OK) {
        if (number == SEARCH_DIRECTORY) {
            buf_put(&out->directory, buf_slice(&text));
        } else if (number >= SEARCH_POSTINGS_FIRST) {
            buf_put(&out->stream, buf_slice(&text));
        } else {
            assert_int_equal(number, out->words_count);
            buf_init(&out->words[number], SEARCH_BLOCK_MAX);
            buf_put(&out->words[number], buf_slice(&text));
            out->words_count++;
        }
        buf_reset(&text);
    }
    buf_clear(&text);
}

static void check_postings(struct slice list, unsigned w)
{
    struct wire in = wire_of(list);
    struct search_posting p = {.doc = UINT32_MAX};
    for (unsigned l = 0; l < LETTERS; l++) {
        if (!fields_in(w, l))
            continue;
        assert_true(search_posting_get(&in, &p));
        assert_int_equal(p.doc, l);
        assert_int_equal(p.fields, fields_in(w, l));
    }
    assert_false(search_posting_get(&in, &p));
    assert_true(wire_done(&in));
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    struct search_build *b = build();
    struct blocks *blocks = mem_new(sizeof *blocks);
    take(b, blocks);
    struct search_directory d;
    assert_int_equal(search_directory_decode(buf_slice(&blocks->directory), &d), ERR_OK);
    assert_int_equal(d.docs, LETTERS);
    assert_false(d.is_full);
    assert_int_equal(d.words_blocks, blocks->words_count);
    assert_int_equal(d.stream_bytes, blocks->stream.n);
    for (unsigned l = 0; l < LETTERS; l++)
        assert_int_equal(d.letters[l], (1000 + 3 * l) * 2 + (l == 7));
    search_directory_clear(&d);
    size_t found = 0;
    uint64_t at = 0;
    assert_true(blocks->words_count > 1);
    for (size_t i = 0; i < blocks->words_count; i++) {
        struct search_words words;
        assert_int_equal(search_words_decode(buf_slice(&blocks->words[i]), &words), ERR_OK);
        assert_int_equal(words.stream_at, at);
        struct wire lengths = wire_of(words.lengths);
        struct slice text = slice_from(words.text, 1);
        for (uint32_t k = 0; k < words.count; k++, found++) {
            struct slice token = slice_cut(&text, 0);
            uint64_t w;
            uint64_t n = wire_varint(&lengths);
            assert_true(slice_to_u64(slice_from(token, 4), WORDS, &w));
            check_postings(slice_sub(buf_slice(&blocks->stream), at, n), (unsigned)w);
            at += n;
        }
        buf_clear(&blocks->words[i]);
    }
    assert_int_equal(found, WORDS);
    buf_clear(&blocks->stream);
    buf_clear(&blocks->directory);
    free(blocks);
    search_build_free(b);
}

static void a_block_opens_in_its_own_place_alone(void **state)
{
    (void)state;
    struct vault_keys keys;
    struct buf sealed;
    struct buf text;
    vault_keys_generate(&keys, 4);
    buf_init(&sealed, SEARCH_SEALED_MAX);
    buf_init(&text, SEARCH_BLOCK_MAX);
    assert_int_equal(search_block_seal(&keys, 9, 3, SLICE("geheimnis"), &sealed), ERR_OK);
    assert_int_equal(slice_find(buf_slice(&sealed), SLICE("geheimnis")), SIZE_MAX);
    assert_int_equal(search_block_open(&keys, 9, 3, buf_slice(&sealed), &text), ERR_OK);
    assert_true(slice_equal(buf_slice(&text), SLICE("geheimnis")));
    assert_int_equal(search_block_open(&keys, 9, 4, buf_slice(&sealed), &text), ERR_DAMAGED);
    assert_int_equal(search_block_open(&keys, 8, 3, buf_slice(&sealed), &text), ERR_DAMAGED);
    keys.vault++;
    assert_int_equal(search_block_open(&keys, 9, 3, buf_slice(&sealed), &text), ERR_DAMAGED);
    keys.vault--;
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        assert_int_equal(search_block_open(&keys, 9, 3, buf_slice(&sealed), &text), ERR_DAMAGED);
        sealed.p[i] ^= 1;
    }
    buf_clear(&sealed);
    buf_clear(&text);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct search_words words;
    struct search_directory d;
    const struct slice bad_words[] = {SLICE(""), SLICE("\x01\0\0\0"),
        SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0a\0"), SLICE("\x02\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0a\0\x01"),
        SLICE("\x01\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0aa\0\x01"), SLICE("\x01\0\0\0\0\0\0\0\0\0\0\0\xff\0\0\0\0a\0\x01")};
    for (size_t i = 0; i < sizeof bad_words / sizeof bad_words[0]; i++)
        assert_int_equal(search_words_decode(bad_words[i], &words), ERR_DAMAGED);
    const struct slice bad_directories[] = {SLICE(""), SLICE("\x02\x02\x01\x01\x01\x02"), SLICE("\x01\x02\x01\x01\x00"),
        SLICE("\x01\x02\x01\x02\x01\x02"), SLICE("\x01\x02\x01\x01\x01\x00"), SLICE("\x01\x02\x01\x01\x02\x02"),
        SLICE("\x01\x02\x01\x01\x01\x02\x02")};
    for (size_t i = 0; i < sizeof bad_directories / sizeof bad_directories[0]; i++)
        assert_int_equal(search_directory_decode(bad_directories[i], &d), ERR_DAMAGED);
    const struct slice bad_postings[] = {SLICE("\x00"), SLICE("\x01"), SLICE("\x03"), SLICE("\x03\x00"),
        SLICE("\x03\x80"), SLICE("\xff\xff\xff\xff\x0f\x01"), SLICE("\x80")};
    for (size_t i = 0; i < sizeof bad_postings / sizeof bad_postings[0]; i++) {
        struct wire w = wire_of(bad_postings[i]);
        struct search_posting p = {.doc = UINT32_MAX};
        assert_false(search_posting_get(&w, &p));
        assert_true(w.failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(a_block_opens_in_its_own_place_alone),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
