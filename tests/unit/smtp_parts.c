/* The small parts of smtp/: login dialogue, trace header, replies, look-ups, networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/codec.h"
#include "smtp/limits.h"
#include "smtp/lookup.h"
#include "smtp/network.h"
#include "smtp/reply.h"
#include "smtp/trace.h"
#include "storage/sasl.h"

static enum sasl_step say(struct sasl *x, struct slice plain)
{
    struct buf text;
    buf_init(&text, 16384);
    base64_put(&text, plain);
    enum sasl_step step = sasl_answer(x, buf_slice(&text));
    buf_clear(&text);
    return step;
}

static void plain_takes_one_message(void **state)
{
    static const struct {
        struct slice message;
        enum sasl_step step;
    } cases[] = {
        {SLICE("\0u@d\0p w"), SASL_COMPLETE},
        {SLICE("u@d\0u@d\0p w"), SASL_COMPLETE},
        {SLICE("U@D\0u@d\0p w"), SASL_COMPLETE},
        {SLICE("other\0u@d\0p w"), SASL_DENIED},
        {SLICE("\0u@d\0"), SASL_BAD},
        {SLICE("\0\0p w"), SASL_BAD},
        {SLICE("\0u@d"), SASL_BAD},
        {SLICE("u@d"), SASL_BAD},
        {SLICE("\0u@d\0p\0w"), SASL_BAD},
        {SLICE(""), SASL_BAD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sasl x;
        assert_int_equal(sasl_init(&x, SLICE("plain"), true, NULL), ERR_OK);
        assert_int_equal(sasl_challenge(&x).n, 0);
        assert_int_equal(say(&x, cases[i].message), cases[i].step);
        if (cases[i].step == SASL_COMPLETE) {
            assert_true(slice_equal(buf_slice(&x.user), SLICE("u@d")));
            assert_true(slice_equal(buf_slice(&x.password), SLICE("p w")));
        }
        sasl_clear(&x);
    }
}

static void login_takes_name_then_password(void **state)
{
    struct sasl x;
    (void)state;
    assert_int_equal(sasl_init(&x, SLICE("LOGIN"), true, NULL), ERR_OK);
    assert_true(slice_equal(sasl_challenge(&x), SLICE("VXNlcm5hbWU6")));
    assert_int_equal(say(&x, SLICE("u@d")), SASL_CHALLENGE);
    assert_true(slice_equal(sasl_challenge(&x), SLICE("UGFzc3dvcmQ6")));
    assert_int_equal(say(&x, SLICE("secret")), SASL_COMPLETE);
    assert_true(slice_equal(buf_slice(&x.user), SLICE("u@d")));
    assert_true(slice_equal(buf_slice(&x.password), SLICE("secret")));
    sasl_clear(&x);
    assert_int_equal(sasl_init(&x, SLICE("LOGIN"), true, NULL), ERR_OK);
    assert_int_equal(sasl_initial(&x, SLICE("dUBk")), SASL_CHALLENGE);
    assert_int_equal(sasl_answer(&x, SLICE("*")), SASL_CANCELLED);
    sasl_clear(&x);
}

static void login_refuses_what_is_no_answer(void **state)
{
    struct sasl x;
    uint8_t much[LOGIN_PASSWORD_MAX + 1];
    (void)state;
    memset(much, 'x', sizeof much);
    assert_int_equal(sasl_init(&x, SLICE("CRAM-MD5"), true, NULL), ERR_UNSUPPORTED);
    assert_int_equal(sasl_init(&x, SLICE("LOGIN"), true, NULL), ERR_OK);
    assert_int_equal(sasl_answer(&x, SLICE("not base64!")), SASL_BAD);
    assert_int_equal(sasl_answer(&x, SLICE("dUBkA")), SASL_BAD);
    assert_int_equal(sasl_initial(&x, SLICE("=")), SASL_BAD);
    assert_int_equal(say(&x, slice_of(much, LOGIN_USER_MAX + 1)), SASL_BAD);
    sasl_clear(&x);
    assert_int_equal(sasl_init(&x, SLICE("LOGIN"), true, NULL), ERR_OK);
    assert_int_equal(say(&x, SLICE("u")), SASL_CHALLENGE);
    assert_int_equal(say(&x, slice_of(much, LOGIN_PASSWORD_MAX)), SASL_COMPLETE);
    sasl_clear(&x);
    assert_int_equal(sasl_init(&x, SLICE("LOGIN"), true, NULL), ERR_OK);
    assert_int_equal(say(&x, SLICE("u")), SASL_CHALLENGE);
    assert_int_equal(say(&x, slice_of(much, sizeof much)), SASL_BAD);
    sasl_clear(&x);
}

static void expect_trace(const struct trace *t, const char *text)
{
    struct buf out;
    buf_init(&out, 4096);
    trace_put(&out, t);
    char *got = mem_strdup(buf_slice(&out));
    assert_string_equal(got, text);
    free(got);
    buf_clear(&out);
}

static void the_trace_says_who_and_how(void **state)
{
    (void)state;
    struct trace t = {
        .reverse_path = SLICE("a@b.example"),
        .hello = SLICE("client.example"),
        .peer = SLICE("10.0.0.1"),
        .host = SLICE("mail.example.test"),
        .id = SLICE("0123"),
        .tls = SLICE("TLS1.3 X"),
        .recipient = SLICE("u@example.test"),
        .is_extended = true,
        .wall = 0,
    };
    expect_trace(&t, "Return-Path: <a@b.example>\r\nReceived: from client.example ([10.0.0.1])\r\n"
                     "\tby mail.example.test with ESMTPS id 0123\r\n\t(TLS1.3 X)\r\n"
                     "\tfor <u@example.test>; Thu, 01 Jan 1970 00:00:00 +0000\r\n");
    t.hello = SLICE("evil\r\nX: (y)\\");
    t.peer = SLICE("2001:db8::1");
    t.tls = SLICE_EMPTY;
    t.recipient = SLICE_EMPTY;
    t.reverse_path = SLICE_EMPTY;
    t.is_extended = false;
    expect_trace(&t, "Return-Path: <>\r\nReceived: from evil??X:??y?? ([IPv6:2001:db8::1])\r\n"
                     "\tby mail.example.test with SMTP id 0123; Thu, 01 Jan 1970 00:00:00 +0000\r\n");
    t.is_utf8 = t.is_submission = t.hides_client = true;
    t.tls = SLICE("T");
    expect_trace(&t, "Return-Path: <>\r\nReceived: by mail.example.test with UTF8SMTPSA id 0123\r\n"
                     "\t(T); Thu, 01 Jan 1970 00:00:00 +0000\r\n");
}

static void every_reply_has_its_codes(void **state)
{
    (void)state;
    for (int i = 0; i < REPLY_COUNT; i++) {
        const struct smtp_reply *r = smtp_reply_get((enum smtp_reply_name)i);
        assert_true(r->code >= 200 && r->code < 600);
        if (r->enhanced != NULL)
            assert_int_equal(r->enhanced[0] - '0', r->code / 100);
        assert_true(strlen(r->text) > 1 && strlen(r->text) < 100);
    }
    assert_int_equal(smtp_reply_get(smtp_reply_of_error(ERR_QUOTA))->code, 452);
    assert_int_equal(smtp_reply_get(smtp_reply_of_error(ERR_STORE_GONE))->code, 451);
    assert_int_equal(smtp_reply_get(smtp_reply_of_error(ERR_BUSY))->code, 451);
    assert_int_equal(smtp_reply_get(smtp_reply_of_error(ERR_DAMAGED))->code, 451);
    assert_int_equal(smtp_reply_get(smtp_reply_of_error(ERR_TOO_BIG))->code, 554);
}

static void look_ups_are_remembered_for_their_time(void **state)
{
    struct lookup_cache c;
    struct lookup_answer a;
    struct store_target target = {.account = 7, .mailbox = 9};
    const struct lookup_answer ok = {ERR_OK, 1, &target};
    const struct lookup_answer full = {ERR_QUOTA, 0, NULL};
    (void)state;
    lookup_cache_init(&c);
    lookup_cache_put(&c, SLICE("a@b"), &ok, 1000);
    assert_true(lookup_cache_find(&c, SLICE("a@b"), 999, &a));
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.target_count, 1);
    assert_int_equal(a.targets[0].mailbox, 9);
    assert_false(lookup_cache_find(&c, SLICE("a@b"), 1000, &a));
    assert_false(lookup_cache_find(&c, SLICE("a@c"), 0, &a));
    lookup_cache_put(&c, SLICE("q@b"), &full, 1000);
    assert_false(lookup_cache_find(&c, SLICE("q@b"), 0, &a));
    lookup_cache_flush(&c);
    assert_false(lookup_cache_find(&c, SLICE("a@b"), 0, &a));
}

static void look_ups_are_bounded(void **state)
{
    struct lookup_cache c;
    const struct lookup_answer none = {ERR_NOT_FOUND, 0, NULL};
    (void)state;
    lookup_cache_init(&c);
    for (int i = 0; i < 3 * SMTP_LOOKUPS_MAX; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "u%d@b", i);
        lookup_cache_put(&c, slice_of(name, (size_t)n), &none, 1000);
        assert_true(c.by_hash.count <= SMTP_LOOKUPS_MAX);
    }
    lookup_cache_flush(&c);
}

static void networks_are_counted(void **state)
{
    struct idmap m = {0};
    uint64_t a = smtp_network_of("10.0.0.1");
    (void)state;
    assert_true(a != 0 && a == smtp_network_of("10.0.0.250"));
    assert_true(a != smtp_network_of("10.0.1.1"));
    assert_true(smtp_network_of("2001:db8::1") == smtp_network_of("2001:db8::ffff"));
    assert_true(smtp_network_of("2001:db8::1") != smtp_network_of("2001:db8:0:1::1"));
    assert_int_equal(smtp_network_of(""), 0);
    assert_int_equal(smtp_network_enter(&m, a), 1);
    assert_int_equal(smtp_network_enter(&m, a), 2);
    smtp_network_leave(&m, a);
    assert_int_equal(smtp_network_enter(&m, a), 2);
    smtp_network_leave(&m, a);
    smtp_network_leave(&m, a);
    assert_int_equal(m.count, 0);
    idmap_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_takes_one_message),
        cmocka_unit_test(login_takes_name_then_password),
        cmocka_unit_test(login_refuses_what_is_no_answer),
        cmocka_unit_test(the_trace_says_who_and_how),
        cmocka_unit_test(every_reply_has_its_codes),
        cmocka_unit_test(look_ups_are_remembered_for_their_time),
        cmocka_unit_test(look_ups_are_bounded),
        cmocka_unit_test(networks_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
