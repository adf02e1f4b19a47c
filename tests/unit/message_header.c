/* message/header.h: stepping over fields, unfolding, choosing fields. */
#include "message_help.h"

#include "message/header.h"

static void every_byte_of_a_header_belongs_to_a_field(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *fields; /* "name=value" in brackets, "-" for what is no field */
    } cases[] = {
        {"A: b\r\nC:d\r\n\r\nbody", "[A=b][C=d]"},
        {"A: b\r\n c\r\n\td\r\nE: f\n", "[A=b\r\n c\r\n\td][E=f]"},
        {"A : b\n", "[A=b]"},
        {"A:\r\n b\r\n", "[A=\r\n b]"},
        {"A:\r\nB:", "[A=][B=]"},
        {"From x\r\nA: b\r\n", "[-][A=b]"},
        {" lost\r\nA: b", "[-][A=b]"},
        {": x\r\nA: b", "[-][A=b]"},
        {"no colon", "[-]"},
        {"", ""},
        {"\r\nA: b", ""},
    };
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice rest = slice_str(cases[i].header);
        const uint8_t *at = rest.p;
        struct header_field f;
        while (header_next(&rest, &f)) {
            assert_ptr_equal(f.whole.p, at);
            at += f.whole.n;
            assert_ptr_equal(rest.p, at);
            if (f.name.n)
                buf_printf(&out, "[%.*s=%.*s]", SLICE_FMT(f.name), SLICE_FMT(f.value));
            else
                buf_put_str(&out, "[-]");
        }
        help_is(&out, cases[i].fields);
    }
    buf_clear(&out);
}

static void folds_come_out_and_nothing_else(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    header_unfold(SLICE("a\r\n b\n\tc\rd\r\n"), &out);
    help_is(&out, "a b\tc\rd\r\n");
    header_unfold(SLICE(""), &out);
    help_is(&out, "");
    buf_clear(&out);
}

static void fields_are_chosen_byte_for_byte(void **state)
{
    (void)state;
    const struct slice names[] = {SLICE("from"), SLICE("TO")};
    struct slice header = SLICE("From: a\r\nX: y\r\n z\r\nTo: b\r\n c\r\njunk\r\n\r\nbody");
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    header_select(header, names, 2, true, &out);
    help_is(&out, "From: a\r\nTo: b\r\n c\r\n\r\n");
    header_select(header, names, 2, false, &out);
    help_is(&out, "X: y\r\n z\r\njunk\r\n\r\n");
    header_select(header, names, 0, false, &out);
    help_is(&out, "From: a\r\nX: y\r\n z\r\nTo: b\r\n c\r\njunk\r\n\r\n");
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_a_header_belongs_to_a_field),
        cmocka_unit_test(folds_come_out_and_nothing_else),
        cmocka_unit_test(fields_are_chosen_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
