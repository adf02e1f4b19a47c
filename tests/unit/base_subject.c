/* message/base_subject.h: RFC 5256 section 2.1. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "message/base_subject.h"

static const struct {
    const char *subject;
    const char *base;
    bool is_reply;
} cases[] = {
    {"", "", false},
    {"test", "test", false},
    {"re: test", "test", true},
    {"re:test", "test", true},
    {"re : test", "test", true},
    {"fw: test", "test", true},
    {"fwd: re: fw: test", "test", true},
    {"re[2]: test", "test", true},
    {"re [x] : test", "test", true},
    {"[list] test", "test", false},
    {"[list] re: test", "test", true},
    {"re: [list] [other] test", "test", true},
    {"[list]", "[list]", false},
    {"re: [list]", "[list]", true},
    {"test (fwd)", "test", true},
    {"test (fwd) (fwd)", "test", true},
    {"[fwd: test]", "test", true},
    {"[fwd: re: [list] test (fwd)]", "test", true},
    {"[fwd: test", "[fwd: test", false},
    {"report: test", "report: test", false},
    {"rest", "rest", false},
    {"re:", "", true},
    {"[a[b] test", "[a[b] test", false},
    {"[]", "[]", false},
    {"(fwd)", "", true},
};

static void bases_are_as_the_rfc_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_reply;
        struct slice base = base_subject(slice_str(cases[i].subject), &is_reply);
        if (!slice_equal(base, slice_str(cases[i].base)) || is_reply != cases[i].is_reply)
            fail_msg("\"%s\" became \"%.*s\"", cases[i].subject, SLICE_FMT(base));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bases_are_as_the_rfc_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
