/* The header of a submitted letter: whole wherever it is cut, completed, and without what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "smtp/limits.h"
#include "smtp/submit_header.h"

/* Feeds text in two pieces; *out is the rewritten header and what stood behind it. */
static void rewrite(struct slice text, size_t cut, bool keeps_bcc, struct buf *out, unsigned *out_from)
{
    struct submit_header h;
    struct submit_rules rules = {.sender = SLICE("u@example.test"), .host = SLICE("host.example"),
        .keeps_bcc = keeps_bcc};
    struct slice pieces[2] = {slice_sub(text, 0, cut), slice_from(text, cut)};
    submit_header_init(&h);
    for (size_t i = 0; i < 2; i++) {
        struct slice piece = pieces[i];
        if (!h.is_whole && submit_header_feed(&h, &piece))
            submit_header_rewrite(&h, &rules, out);
        if (h.is_whole)
            buf_put(out, piece);
    }
    if (!h.is_whole)
        submit_header_rewrite(&h, &rules, out);
    *out_from = h.from_count;
    submit_header_clear(&h);
}

static void expect(const char *text, bool keeps_bcc, const char *wanted, unsigned from)
{
    struct slice all = slice_str(text);
    for (size_t cut = 0; cut <= all.n; cut++) {
        struct buf out;
        unsigned count;
        buf_init(&out, 4096);
        rewrite(all, cut, keeps_bcc, &out, &count);
        if (!slice_equal(buf_slice(&out), slice_str(wanted)))
            fail_msg("cut at %zu: %.*s", cut, SLICE_FMT(buf_slice(&out)));
        assert_int_equal(count, from);
        buf_clear(&out);
    }
}

#define WHOLE "Date: d\r\nFrom: a@b\r\nMessage-ID: <m>\r\n"

static void a_whole_header_stays_as_it_is(void **state)
{
    (void)state;
    expect(WHOLE "\r\nbody\r\n\r\nmore", false, WHOLE "\r\nbody\r\n\r\nmore", 1);
    expect("message-id : <m>\r\n" "DATE:x\r\nFROM:y\r\nFrom: z\r\n\r\n", false,
        "message-id : <m>\r\nDATE:x\r\nFROM:y\r\nFrom: z\r\n\r\n", 2);
}

static void bcc_goes_or_stays(void **state)
{
    (void)state;
    expect("BCC: a,\r\n b\r\n" WHOLE "Resent-Bcc: c\r\nBccc: d\r\nReturn-Path: <e>\r\n\r\nBcc: f", false,
        WHOLE "Bccc: d\r\n\r\nBcc: f", 1);
    expect("BCC: a\r\n" WHOLE "Return-Path: <e>\r\n\r\n", true, "BCC: a\r\n" WHOLE "\r\n", 1);
}

static void a_letter_without_an_empty_line_gets_one(void **state)
{
    (void)state;
    expect(WHOLE, false, WHOLE "\r\n", 1);
    expect("Date: d\r\nFrom: a@b\r\nMessage-ID: <m>", false, WHOLE "\r\n", 1);
}

static void what_is_missing_is_added(void **state)
{
    struct buf out;
    unsigned from;
    (void)state;
    buf_init(&out, 4096);
    rewrite(SLICE("\r\nDate: in the body\r\n"), 0, false, &out, &from);
    struct slice text = buf_slice(&out);
    assert_true(slice_starts(text, SLICE("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: u@example.test\r\n"
        "Message-ID: <")));
    assert_true(slice_find(text, SLICE("@host.example>\r\n\r\nDate: in the body\r\n")) != SIZE_MAX);
    buf_clear(&out);
}

static void a_header_without_end_is_too_big(void **state)
{
    struct submit_header h;
    struct buf line;
    (void)state;
    submit_header_init(&h);
    buf_init(&line, 2048);
    buf_put_str(&line, "X: ");
    for (size_t i = 0; i < 1000; i++)
        buf_put_byte(&line, 'x');
    buf_put_str(&line, "\r\n");
    for (size_t i = 0; i <= SMTP_HEADER_MAX / line.n; i++) {
        struct slice piece = buf_slice(&line);
        assert_true(buf_ok(&h.text));
        assert_false(submit_header_feed(&h, &piece));
    }
    assert_false(buf_ok(&h.text));
    buf_clear(&line);
    submit_header_clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_header_stays_as_it_is),
        cmocka_unit_test(bcc_goes_or_stays),
        cmocka_unit_test(a_letter_without_an_empty_line_gets_one),
        cmocka_unit_test(what_is_missing_is_added),
        cmocka_unit_test(a_header_without_end_is_too_big),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
