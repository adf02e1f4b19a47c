/* retrieval/imap/thread_tree.h: trees for small conversations, and for chains and loops that somebody made up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "retrieval/imap/thread_tree.h"

/* id, subject, is_reply, then references ended by 0; results count from 1, dates too. */
struct given {
    uint64_t id;
    uint32_t subject;
    bool is_reply;
    uint64_t references[4];
};

static const struct {
    struct given letters[8];
    size_t n;
    const char *by_references;
    const char *by_subject;
} cases[] = {
    {{{0}}, 0, "", ""},
    {{{11, 1, false, {0}}}, 1, "(1)", "(1)"},
    {{{11, 1, false, {0}}, {12, 1, true, {11}}}, 2, "(1 2)", "(1 2)"},
    {{{11, 1, false, {0}}, {12, 2, true, {11}}, {13, 3, true, {11}}}, 3, "(1 (2)(3))", "(1)(2)(3)"},
    /* the parent comes later */
    {{{12, 1, true, {11}}, {11, 2, false, {0}}}, 2, "(2 1)", "(1)(2)"},
    /* a missing parent of two, of one, and a missing link in a chain */
    {{{12, 1, false, {99}}, {13, 2, false, {99}}}, 2, "((1)(2))", "(1)(2)"},
    {{{12, 1, false, {99}}, {13, 2, false, {98}}}, 2, "(1)(2)", "(1)(2)"},
    {{{11, 1, false, {0}}, {13, 2, false, {11, 99}}}, 2, "(1 2)", "(1)(2)"},
    {{{12, 1, false, {98, 99}}, {13, 2, false, {98, 97}}}, 2, "((1)(2))", "(1)(2)"},
    /* loops */
    {{{11, 1, false, {11}}}, 1, "(1)", "(1)"},
    {{{11, 1, false, {12}}, {12, 2, false, {11}}}, 2, "(2 1)", "(1)(2)"},
    /* one id twice, and none at all */
    {{{11, 1, false, {0}}, {11, 2, false, {0}}, {0, 3, false, {0}}}, 3, "(1)(2)(3)", "(1)(2)(3)"},
    /* subjects: a reply joins; two that are no replies get a dummy; the empty subject joins nothing */
    {{{11, 1, false, {0}}, {12, 1, true, {0}}}, 2, "(1 2)", "(1 2)"},
    {{{11, 1, false, {0}}, {12, 1, false, {0}}, {13, 1, false, {0}}}, 3, "((1)(2)(3))", "(1 (2)(3))"},
    {{{11, 0, false, {0}}, {12, 0, true, {0}}}, 2, "(1)(2)", "(1 2)"},
    /* two dummies of one subject become one */
    {{{11, 1, false, {99}}, {12, 2, false, {99}}, {13, 1, false, {98}}, {14, 3, false, {98}}}, 4,
        "((1)(2)(3)(4))", "(1 3)(2)(4)"},
};

static void check(struct thread_tree *t, const char *wanted)
{
    struct buf out;
    uint32_t at = 0;
    buf_init(&out, 1 << 20);
    while (thread_tree_put(t, &at, &out)) {
    }
    if (wanted && !slice_equal(buf_slice(&out), slice_str(wanted)))
        fail_msg("%.*s instead of %s", SLICE_FMT(buf_slice(&out)), wanted);
    buf_clear(&out);
}

static void conversations_become_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct thread_letter letters[8];
        uint64_t references[32];
        uint32_t count = 0;
        for (uint32_t k = 0; k < cases[i].n; k++) {
            const struct given *g = &cases[i].letters[k];
            letters[k] = (struct thread_letter){.result = k + 1, .is_reply = g->is_reply, .sent = k, .id = g->id,
                .subject = g->subject, .references_at = count};
            for (size_t r = 0; g->references[r]; r++)
                references[count++] = g->references[r];
            letters[k].references_n = count - letters[k].references_at;
        }
        struct thread_tree t;
        thread_by_references(letters, cases[i].n, references, &t);
        check(&t, cases[i].by_references);
        thread_tree_clear(&t);
        thread_by_subject(letters, cases[i].n, &t);
        check(&t, cases[i].by_subject);
        thread_tree_clear(&t);
    }
}

/* Every letter stands in the answer once, whatever the references say. */
static void nothing_is_lost_or_told_twice(void **state)
{
    (void)state;
    enum { N = 3000 };
    for (unsigned round = 0; round < 6; round++) {
        struct thread_letter *letters = mem_new(N * sizeof *letters);
        uint64_t *references = mem_new(3 * N * sizeof *references);
        unsigned seed = 77 + round;
        for (uint32_t i = 0; i < N; i++) {
            for (uint32_t r = 0; r < 3; r++) {
                seed = seed * 1103515245 + 12345;
                /* in turn: a chain, a loop, and chance */
                references[3 * i + r] = round == 0 ? i + r : round == 1 ? 1 + (i + r + 1) % N : 1 + seed / 64 % (N * 2);
            }
            letters[i] = (struct thread_letter){.result = i + 1, .sent = (int64_t)(seed % 50), .id = i + 1,
                .subject = seed / 8 % (round < 2 ? N : 40), .is_reply = seed & 4, .references_at = 3 * i,
                .references_n = i ? 3 : 0};
        }
        struct thread_tree t;
        thread_by_references(letters, N, references, &t);
        uint8_t seen[N + 1] = {0};
        struct buf out;
        uint32_t at = 0;
        buf_init(&out, 1 << 20);
        while (thread_tree_put(&t, &at, &out)) {
        }
        size_t numbers = 0;
        int depth = 0;
        for (size_t k = 0; k < out.n; k++) {
            depth += out.p[k] == '(' ? 1 : out.p[k] == ')' ? -1 : 0;
            assert_true(depth >= 0);
            if (!ascii_is_digit(out.p[k]) || (k && ascii_is_digit(out.p[k - 1])))
                continue;
            size_t end = k;
            while (end < out.n && ascii_is_digit(out.p[end]))
                end++;
            uint64_t number;
            assert_true(slice_to_u64(slice_sub(buf_slice(&out), k, end - k), N, &number));
            assert_int_equal(seen[number]++, 0);
            numbers++;
        }
        assert_int_equal(depth, 0);
        assert_int_equal(numbers, N);
        buf_clear(&out);
        thread_tree_clear(&t);
        free(letters);
        free(references);
    }
}

static void message_ids_are_read_from_fields(void **state)
{
    (void)state;
    uint64_t a[4];
    uint64_t b[4];
    assert_int_equal(thread_ids(SLICE(""), a, 4), 0);
    assert_int_equal(thread_ids(SLICE("<a@b"), a, 4), 0);
    assert_int_equal(thread_ids(SLICE("a message of <Tom> <no at>"), a, 4), 0);
    assert_int_equal(thread_ids(SLICE("<a@b> (comment) <c@d><\"a\"@b>"), a, 4), 3);
    assert_true(a[0] == a[2] && a[0] != a[1]);
    assert_int_equal(thread_ids(SLICE("<a@b> <c@d> <e@f>"), b, 2), 2); /* the last ones */
    assert_true(b[0] == a[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_become_trees),
        cmocka_unit_test(nothing_is_lost_or_told_twice),
        cmocka_unit_test(message_ids_are_read_from_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
