/* smtp/data_reader.h: the end is found, dots are taken away, faults are met, wherever the input is
 * cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "smtp/data_reader.h"

struct outcome {
    struct buf text;
    size_t taken;
    bool has_ended;
    bool is_faulty;
};

/* Feeds all in pieces that end at a, at b and at the end. */
static void read_cut(struct slice all, size_t a, size_t b, struct outcome *out)
{
    const size_t ends[] = {a, b, all.n};
    struct data_reader r;
    size_t at = 0;
    data_reader_init(&r);
    buf_init(&out->text, all.n + 1);
    out->has_ended = false;
    for (size_t i = 0; i < 3 && !out->has_ended; i++) {
        struct slice input = slice_sub(all, at, ends[i] - at);
        struct slice piece;
        enum data_step step;
        while ((step = data_reader_step(&r, &input, &piece)) == DATA_PIECE) {
            assert_true(piece.n > 0);
            assert_true(piece.p >= all.p && piece.p + piece.n <= all.p + all.n);
            buf_put(&out->text, piece);
        }
        out->has_ended = step == DATA_END;
        assert_true(out->has_ended || input.n == 0);
        at = ends[i] - input.n;
    }
    out->taken = at;
    out->is_faulty = r.is_faulty;
}

static void expect_every_cut(struct slice all, const char *text, bool has_ended, size_t taken)
{
    for (size_t a = 0; a <= all.n; a++) {
        for (size_t b = a; b <= all.n; b++) {
            struct outcome o;
            read_cut(all, a, b, &o);
            assert_int_equal(o.has_ended, has_ended);
            assert_int_equal(o.is_faulty, text == NULL);
            if (has_ended)
                assert_int_equal(o.taken, taken);
            if (text != NULL)
                assert_true(slice_equal(buf_slice(&o.text), slice_str(text)));
            buf_clear(&o.text);
        }
    }
}

#define ENDED(input, text) \
    expect_every_cut(SLICE(input), text, true, sizeof(input) - 1)
#define GOES_ON(input, text) expect_every_cut(SLICE(input), text, false, 0)

static void dots_are_taken_away_at_line_starts_only(void **state)
{
    (void)state;
    ENDED(".\r\n", "");
    ENDED("a\r\n.\r\n", "a\r\n");
    ENDED("\r\n.\r\n", "\r\n");
    ENDED("..\r\n.\r\n", ".\r\n");
    ENDED("...\r\n.\r\n", "..\r\n");
    ENDED(".a.b\r\n.\r\n", "a.b\r\n");
    ENDED("a.\r\nb\r\n..c\r\n\r\n.\r\n", "a.\r\nb\r\n.c\r\n\r\n");
    ENDED("a\r\n..\r\n..\r\n.\r\n", "a\r\n.\r\n.\r\n");
}

static void what_follows_the_end_is_left(void **state)
{
    (void)state;
    struct slice all = SLICE("a\r\n.\r\nQUIT\r\n");
    expect_every_cut(all, "a\r\n", true, 6);
}

static void without_its_end_a_letter_goes_on(void **state)
{
    (void)state;
    GOES_ON("a\r\n", "a\r\n");
    GOES_ON("a\r\n.", "a\r\n");
    GOES_ON("a\r\n.\r", "a\r\n");
    GOES_ON("a\r\n..\r\n", "a\r\n.\r\n");
    GOES_ON("a.\r\n", "a.\r\n");
}

static void faults_never_end_a_letter(void **state)
{
    (void)state;
    GOES_ON("a\n.\n", NULL);
    GOES_ON("a\n.\r\n", NULL);
    GOES_ON("a\r\n.\n", NULL);
    GOES_ON("a\r.\r", NULL);
    GOES_ON("a\r.\r\n", NULL);
    GOES_ON("a\r\n.\r.\r\n", NULL);
    GOES_ON("a\r\n\n.\r\n", NULL);
    GOES_ON("a\n\r.\r\n", NULL);
    GOES_ON(".\n", NULL);
    GOES_ON(".\r\r\n", NULL);
    GOES_ON("a\r\n.\0\r\n", NULL);
}

static void a_faulty_letter_is_read_to_its_real_end(void **state)
{
    (void)state;
    ENDED("a\nb\r\n.\r\n", NULL);
    ENDED("a\rb\r\n.\r\n", NULL);
    ENDED("a\0b\r\n.\r\n", NULL);
    ENDED("a\r\r\n.\r\n", NULL);
    ENDED("\n.\n\r\n.\r\n", NULL);
    ENDED("a\r\n.\r.\r\n.\r\n", NULL);
    ENDED(".\r\r\n.\r\n", NULL);
}

/* Every sequence of such pieces between two real lines: none but CRLF.CRLF ends it. */
static void near_misses_split_nothing(void **state)
{
    static const char *const breaks[] = {"\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\n", ""};
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            char text[64];
            int n = snprintf(text, sizeof text, "a%s.%sb", breaks[i], breaks[j]);
            struct slice all = slice_of(text, (size_t)n);
            bool ends_line = i == 0 || i == 3; /* its last two bytes are CR LF */
            bool is_end = ends_line && (j == 0 || j == 5);
            struct outcome o;
            read_cut(all, 0, 0, &o);
            assert_int_equal(o.has_ended, is_end);
            buf_clear(&o.text);
        }
    }
}

static double gigabytes_per_second(struct slice all)
{
    uint64_t began = clock_mono_us();
    size_t passes = 64;
    for (size_t i = 0; i < passes; i++) {
        struct data_reader r;
        struct slice input = all;
        struct slice piece;
        data_reader_init(&r);
        while (data_reader_step(&r, &input, &piece) == DATA_PIECE)
            assert_true(piece.n > 0);
        assert_int_equal(input.n, 0);
    }
    uint64_t us = clock_mono_us() - began;
    return (double)(all.n * passes) / 1000.0 / (double)(us > 0 ? us : 1);
}

/* Many stuffed dots must not make it more than linear; the bound is far from what it does. */
static void it_is_linear_and_fast(void **state)
{
    struct buf lines;
    struct buf dots;
    (void)state;
    buf_init(&lines, 2 << 20);
    buf_init(&dots, 2 << 20);
    while (lines.n < 1 << 20)
        buf_put_str(&lines, "A line of a letter as it is written by people, with 70 bytes or so.\r\n");
    while (dots.n < 1 << 20)
        buf_put_str(&dots, "..\r\n");
    double fast = gigabytes_per_second(buf_slice(&lines));
    double slow = gigabytes_per_second(buf_slice(&dots));
    print_message("# lines %.2f GB/s, dots %.3f GB/s\n", fast, slow);
    assert_true(fast > 0.05);
    assert_true(slow > 0.005);
    buf_clear(&lines);
    buf_clear(&dots);
}

/* A chunk has no dots and no end; the faults are the same, wherever it is cut. */
static void chunks_have_the_same_faults(void **state)
{
    static const struct {
        const char *text;
        bool is_sane;
        enum data_place place;
    } cases[] = {
        {"a\r\nb\r\n", true, DATA_LINE_START},
        {"\r\n.\r\n..\r\n", true, DATA_LINE_START},
        {"a", true, DATA_IN_LINE},
        {"a\r", true, DATA_CR},
        {"a\nb", false, 0},
        {"a\rb", false, 0},
        {"a\r\r\n", false, 0},
        {"\n", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice all = slice_str(cases[i].text);
        for (size_t cut = 0; cut <= all.n; cut++) {
            struct data_reader r;
            data_reader_init(&r);
            bool is_sane = data_reader_chunk(&r, slice_sub(all, 0, cut));
            is_sane = data_reader_chunk(&r, slice_from(all, cut)) && is_sane;
            assert_int_equal(is_sane, cases[i].is_sane);
            if (is_sane)
                assert_int_equal(r.place, cases[i].place);
        }
    }
    struct data_reader r;
    data_reader_init(&r);
    assert_false(data_reader_chunk(&r, SLICE("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dots_are_taken_away_at_line_starts_only),
        cmocka_unit_test(what_follows_the_end_is_left),
        cmocka_unit_test(without_its_end_a_letter_goes_on),
        cmocka_unit_test(faults_never_end_a_letter),
        cmocka_unit_test(a_faulty_letter_is_read_to_its_real_end),
        cmocka_unit_test(near_misses_split_nothing),
        cmocka_unit_test(it_is_linear_and_fast),
        cmocka_unit_test(chunks_have_the_same_faults),
    };
    clock_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
