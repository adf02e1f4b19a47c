/* base/slice.h: comparing, cutting, searching, and numbers that a peer wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/slice.h"

static void a_number_is_digits_only_and_never_beyond_its_maximum(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"0", 10, true, 0},
        {"10", 10, true, 10},
        {"11", 10, false, 0},
        {"0000000000000000000000007", 10, true, 7},
        {"4294967295", UINT32_MAX, true, 4294967295u},
        {"4294967296", UINT32_MAX, false, 0},
        {"9223372036854775808", INT64_MAX, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"", 10, false, 0},
        {"-1", 10, false, 0},
        {"+1", 10, false, 0},
        {" 1", 10, false, 0},
        {"0x1", 10, false, 0},
        {"1\n", 10, false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 0;
        bool ok = slice_to_u64(slice_str(cases[i].text), cases[i].max, &value);
        assert_int_equal(ok, cases[i].ok);
        if (ok)
            assert_true(value == cases[i].value);
    }
}

static void a_slice_is_cut_at_the_first_separator(void **state)
{
    (void)state;
    struct slice s = SLICE("a:b:c");
    assert_true(slice_equal(slice_cut(&s, ':'), SLICE("a")));
    assert_true(slice_equal(slice_cut(&s, ':'), SLICE("b")));
    assert_true(slice_equal(slice_cut(&s, ':'), SLICE("c")));
    assert_int_equal(s.n, 0);
}

static void parts_never_reach_outside_the_slice(void **state)
{
    (void)state;
    struct slice s = SLICE("letter");
    assert_true(slice_equal(slice_sub(s, 3, 100), SLICE("ter")));
    assert_int_equal(slice_sub(s, 7, 1).n, 0);
    assert_int_equal(slice_sub(s, SIZE_MAX, SIZE_MAX).n, 0);
    assert_true(slice_equal(slice_from(s, 6), SLICE("")));
    assert_int_equal(slice_from(s, 600).n, 0);
}

static void needles_are_found_at_both_ends_and_not_beyond(void **state)
{
    (void)state;
    assert_int_equal(slice_find(SLICE("abcabc"), SLICE("abc")), 0);
    assert_int_equal(slice_find(SLICE("xxabc"), SLICE("abc")), 2);
    assert_true(slice_find(SLICE("xxab"), SLICE("abc")) == SIZE_MAX);
    assert_int_equal(slice_find_nocase(SLICE("xxABC"), SLICE("abc")), 2);
    assert_true(slice_find_nocase(SLICE("xxAB"), SLICE("abc")) == SIZE_MAX);
}

static void utf8_is_told_from_what_only_looks_like_it(void **state)
{
    (void)state;
    assert_true(slice_is_utf8(SLICE("gr\xc3\xbc\xc3\x9f")));
    assert_false(slice_is_utf8(SLICE("\xc3")));
    assert_false(slice_is_utf8(SLICE("\xc0\x80")));
    assert_false(slice_is_utf8(SLICE("\xed\xa0\x80")));
    assert_false(slice_is_utf8(SLICE("\xf4\x90\x80\x80")));
    assert_false(slice_is_utf8(SLICE("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_digits_only_and_never_beyond_its_maximum),
        cmocka_unit_test(a_slice_is_cut_at_the_first_separator),
        cmocka_unit_test(parts_never_reach_outside_the_slice),
        cmocka_unit_test(needles_are_found_at_both_ends_and_not_beyond),
        cmocka_unit_test(utf8_is_told_from_what_only_looks_like_it),
    };
    return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
