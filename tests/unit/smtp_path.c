/* smtp/path.h: command lines and the arguments of MAIL and RCPT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/path.h"

static void a_line_is_verb_and_argument(void **state)
{
    (void)state;
    struct smtp_line l = smtp_line_parse(SLICE("MAIL FROM:<a@b>  "));
    assert_true(slice_equal(l.verb, SLICE("MAIL")));
    assert_true(slice_equal(l.argument, SLICE("FROM:<a@b>")));
    l = smtp_line_parse(SLICE("QUIT \t"));
    assert_true(slice_equal(l.verb, SLICE("QUIT")));
    assert_false(l.has_argument);
    l = smtp_line_parse(SLICE_EMPTY);
    assert_int_equal(l.verb.n, 0);
}

static void mail_is_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        enum smtp_reply_name reply;
    } cases[] = {
        {"FROM:<a@b.example>", REPLY_OK},
        {"from:<a@b.example>", REPLY_OK},
        {"FROM: <a@b.example>", REPLY_OK},
        {"FROM:<>", REPLY_OK},
        {"FROM:<> SIZE=0 BODY=7BIT", REPLY_OK},
        {"FROM:<\"a b\"@b.example>", REPLY_OK},
        {"FROM:<a@b.example> SIZE=18446744073709551615", REPLY_OK},
        {"FROM:<a@b.example> SIZE=99999999999999999999", REPLY_OK},
        {"FROM:<a@b.example> AUTH=<>", REPLY_OK},
        {"FROM:<a@b.example> AUTH=x+3Dy@c BODY=8bitmime size=1 smtputf8", REPLY_OK},
        {"FROM:<a@b.example> SIZE=100000000000000000000", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> SIZE=-1", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> SIZE=0x10", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> SIZE", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> SIZE=", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> SIZE=1 SIZE=1", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> BODY", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> SMTPUTF8=1", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> =1", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> -A=1", REPLY_PARAMETER_SYNTAX},
        {"FROM:<a@b.example> BODY=BINARYMIME", REPLY_PARAMETER_UNKNOWN},
        {"FROM:<a@b.example> RET=HDRS", REPLY_PARAMETER_UNKNOWN},
        {"FROM:<a@b.example>SIZE=1", REPLY_SENDER_SYNTAX},
        {"FROM:a@b.example", REPLY_SENDER_SYNTAX},
        {"FROM:<a@b.example", REPLY_SENDER_SYNTAX},
        {"FROM:<a b@b.example>", REPLY_SENDER_SYNTAX},
        {"FROM:<@>", REPLY_SENDER_SYNTAX},
        {"FROM <a@b.example>", REPLY_SENDER_SYNTAX},
        {"TO:<a@b.example>", REPLY_SENDER_SYNTAX},
        {"", REPLY_SENDER_SYNTAX},
        {"FROM:<\xc3\xa4@b.example>", REPLY_NEEDS_SMTPUTF8},
        {"FROM:<\xc3\xa4@b.example> SMTPUTF8", REPLY_OK},
        {"FROM:<a@\xc3\xa4.example>", REPLY_NEEDS_SMTPUTF8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_mail_argument m;
        enum smtp_reply_name got = smtp_mail_parse(slice_str(cases[i].text), &m);
        if (got != cases[i].reply)
            print_error("%s\n", cases[i].text);
        assert_int_equal(got, cases[i].reply);
    }
}

static void parameters_are_given_out(void **state)
{
    struct smtp_mail_argument m;
    (void)state;
    assert_int_equal(smtp_mail_parse(SLICE("FROM:<> SIZE=99999999999999999999"), &m), REPLY_OK);
    assert_true(m.is_null && m.has_size && m.size_bytes == UINT64_MAX);
    assert_int_equal(smtp_mail_parse(SLICE("FROM:<A@B.c> SIZE=42 BODY=8BITMIME SMTPUTF8"), &m), REPLY_OK);
    assert_true(!m.is_null && m.size_bytes == 42 && m.is_8bit && m.is_utf8);
    assert_true(slice_equal(m.sender.local, SLICE("A")));
    assert_true(slice_equal(m.sender.domain, SLICE("B.c")));
    assert_int_equal(smtp_mail_parse(SLICE("FROM:<a@b.c>"), &m), REPLY_OK);
    assert_true(!m.has_size && !m.is_8bit && !m.is_utf8);
}

static void rcpt_is_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool utf8;
        enum smtp_reply_name reply;
    } cases[] = {
        {"TO:<a@b.example>", false, REPLY_OK},
        {"TO:<@x.example,@y.example:a@b.example>", false, REPLY_OK},
        {"TO:<postmaster>", false, REPLY_OK},
        {"TO:<PostMaster>", false, REPLY_OK},
        {"TO:<a%c@b.example>", false, REPLY_OK},
        {"TO:<a@[127.0.0.1]>", false, REPLY_OK},
        {"TO:<>", false, REPLY_RECIPIENT_SYNTAX},
        {"TO:<a>", false, REPLY_RECIPIENT_SYNTAX},
        {"TO:<a@b.example>x", false, REPLY_RECIPIENT_SYNTAX},
        {"TO:<postmaster>x", false, REPLY_RECIPIENT_SYNTAX},
        {"TO:<a@b.example> NOTIFY=NEVER", false, REPLY_PARAMETER_UNKNOWN},
        {"TO:<a@b.example> =", false, REPLY_PARAMETER_SYNTAX},
        {"TO:<\xc3\xa4@b.example>", false, REPLY_NEEDS_SMTPUTF8},
        {"TO:<\xc3\xa4@b.example>", true, REPLY_OK},
        {"TO:<\xc3@b.example>", true, REPLY_RECIPIENT_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_rcpt_argument r;
        enum smtp_reply_name got = smtp_rcpt_parse(slice_str(cases[i].text), cases[i].utf8, &r);
        if (got != cases[i].reply)
            print_error("%s\n", cases[i].text);
        assert_int_equal(got, cases[i].reply);
    }
}

static void hello_names_are_printable_and_bounded(void **state)
{
    char name[257];
    (void)state;
    memset(name, 'a', sizeof name);
    assert_true(smtp_hello_is_sane(slice_of(name, 255)));
    assert_false(smtp_hello_is_sane(slice_of(name, 256)));
    assert_true(smtp_hello_is_sane(SLICE("[127.0.0.1]")));
    assert_true(smtp_hello_is_sane(SLICE("my_host")));
    assert_false(smtp_hello_is_sane(SLICE("a b")));
    assert_false(smtp_hello_is_sane(SLICE("a\tb")));
    assert_false(smtp_hello_is_sane(SLICE_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_verb_and_argument),
        cmocka_unit_test(mail_is_read_or_refused),
        cmocka_unit_test(parameters_are_given_out),
        cmocka_unit_test(rcpt_is_read_or_refused),
        cmocka_unit_test(hello_names_are_printable_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
