/* message/tokens.h: what is a token, and what a needle may ask of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "message/tokens.h"

static void put(void *ctx, struct slice token)
{
    struct buf *out = ctx;
    buf_put(out, token);
    buf_put_byte(out, '|');
}

static const struct {
    const char *text;
    const char *tokens;
} splits[] = {
    {"", ""},
    {"...", ""},
    {"word", "word|"},
    {"foo bar-baz_3.5", "foo|bar|baz|3|5|"},
    {"grün\u00df", "grün\u00df|"},
    {"привет,мир", "привет|мир|"},
    {"猫", "猫|"},
    {"吾輩は", "吾輩|輩は|"},
    {"a猫b", "a|猫|b|"},
    {"猫。犬", "猫|犬|"},
    {"x\xff\xfey", "x|y|"},
};

static void text_is_cut_into_runs_and_pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_true(tokens_split(slice_str(splits[i].text), put, &out));
        assert_true(slice_equal(buf_slice(&out), slice_str(splits[i].tokens)));
        buf_clear(&out);
    }
}

static void a_run_beyond_the_limit_is_left_out_and_told(void **state)
{
    (void)state;
    for (size_t n = TOKEN_BYTES_MAX; n <= TOKEN_BYTES_MAX + 1; n++) {
        struct buf text;
        struct buf out;
        buf_init(&text, 1024);
        buf_init(&out, 1024);
        for (size_t i = 0; i < n; i++)
            buf_put_byte(&text, 'a');
        buf_put_str(&text, " b");
        assert_int_equal(tokens_split(buf_slice(&text), put, &out), n == TOKEN_BYTES_MAX);
        assert_int_equal(out.n, n == TOKEN_BYTES_MAX ? n + 3 : 2);
        struct token_needle needle;
        token_needle_read(buf_slice(&text), &needle);
        assert_int_equal(needle.n, n == TOKEN_BYTES_MAX ? 2 : 0);
        buf_clear(&text);
        buf_clear(&out);
    }
}

static const struct {
    const char *needle;
    size_t pieces;
    bool is_exact;
} needles[] = {
    {"", 0, false}, {"--", 0, false}, {"word", 1, true}, {"word ", 1, false}, {"two words", 2, false},
    {"猫", 1, true}, {"吾輩", 1, true}, {"吾輩は", 2, false}, {"a猫", 2, false}, {"a.b.c", 3, false},
    {"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", NEEDLE_PIECES_MAX, false},
};

static void needles_know_whether_the_index_answers_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof needles / sizeof needles[0]; i++) {
        struct token_needle n;
        token_needle_read(slice_str(needles[i].needle), &n);
        assert_int_equal(n.n, needles[i].pieces);
        assert_int_equal(n.is_exact, needles[i].is_exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_into_runs_and_pairs),
        cmocka_unit_test(a_run_beyond_the_limit_is_left_out_and_told),
        cmocka_unit_test(needles_know_whether_the_index_answers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
