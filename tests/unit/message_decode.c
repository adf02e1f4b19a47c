/* message/decode.h: encoded words, charsets, transfer encodings in pieces, dates, folding, modified
 * UTF-7; every decoder stays within the buffer it is given. */
#include "message_help.h"

#include "message/decode.h"

struct pair {
    const char *in;
    const char *out;
};

static void check_pairs(const struct pair *pairs, size_t n, void (*fn)(struct slice, struct buf *))
{
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    for (size_t i = 0; i < n; i++) {
        fn(slice_str(pairs[i].in), &out);
        if (!slice_equal(buf_slice(&out), slice_str(pairs[i].out)))
            print_message("# \"%s\"\n", pairs[i].in);
        help_is(&out, pairs[i].out);
    }
    buf_clear(&out);
}

static void encoded_words_become_utf8(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"plain", "plain"},
        {"", ""},
        {"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Gr\xc3\xbc\xc3\x9f" "e"},
        {"=?UTF-8?b?R3LDvMOfZQ==?= x", "Gr\xc3\xbc\xc3\x9f" "e x"},
        {"=?utf-8?q?a_b?=", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-2?Q?=B1?= c", "a\xc4\x85 c"},
        {"x =?utf-8?Q?a?= y =?utf-8?Q?b?=z", "x a y bz"},
        {"=?utf-8?B?w7w=?= =?utf-8?B?w58=?=", "\xc3\xbc\xc3\x9f"},
        {"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "\xc3\xbc"},
        {"=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "\xe2\x82\xac"},
        {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"=?gb2312?B?1tDOxA==?=", "\xe4\xb8\xad\xe6\x96\x87"},
        {"=?utf-8*en?Q?hello?=", "hello"},
        {"=?windows-1252?Q?=80=93?=", "\xe2\x82\xac\xe2\x80\x9c"},
        {"=?iso-8859-1?Q?=80?=", "\xe2\x82\xac"},
        {"=?x-unknown?Q?=C3=BC?=", "\xc3\xbc"},
        {"=?x-unknown?Q?=FC?=", "\xc3\xbc"},
        {"=?utf-8?Q?=FC?=", "\xef\xbf\xbd"},
        {"=?utf-8?Q?a=0D=0Ab=00c?=", "a  b\xef\xbf\xbd" "c"},
        {"=?utf-8?Q?=Z1=4?=", "=Z1=4"},
        {"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
        {"=?utf-8?Q?abc", "=?utf-8?Q?abc"},
        {"=? =?utf-8?Q?a?=", "=? a"},
        {"=?=?=?", "=?=?=?"},
        {"\"=?utf-8?Q?a?=\"", "\"a\""},
        {"=?utf-8?Q?a b?=", "a b"},
        {"r\xe4w", "r\xc3\xa4w"},
        {"r\xc3\xa4w", "r\xc3\xa4w"},
        {"tab\there", "tab here"},
    };
    check_pairs(pairs, sizeof pairs / sizeof *pairs, decode_header);
}

static void output_ends_at_the_maximum_with_a_whole_character(void **state)
{
    (void)state;
    for (size_t max = 0; max < 12; max++) {
        struct buf out;
        buf_init(&out, max);
        decode_header(SLICE("=?utf-8?Q?=C3=BC=E2=82=AC=F0=9F=98=80abc?="), &out);
        assert_true(out.n <= max);
        assert_true(slice_is_utf8(buf_slice(&out)));
        buf_clear(&out);
        buf_init(&out, max);
        decode_charset(SLICE("koi8-r"), SLICE("\xd0\xd2\xc9\xd7\xc5\xd4"), &out);
        assert_true(out.n <= max && out.n + 2 > (max < 12 ? max : 12));
        assert_true(slice_is_utf8(buf_slice(&out)));
        buf_clear(&out);
    }
}

static void charsets_are_known_by_the_names_mail_uses(void **state)
{
    (void)state;
    static const struct {
        const char *charset, *bytes, *utf8;
    } cases[] = {
        {"us-ascii", "abc", "abc"},
        {"US-ASCII", "\xe9", "\xc3\xa9"},
        {"utf8", "\xc3\xa9\xff", "\xc3\xa9\xef\xbf\xbd"},
        {"latin1", "\xe9\x85", "\xc3\xa9\xe2\x80\xa6"},
        {"iso-8859-15", "\xa4", "\xe2\x82\xac"},
        {"windows-1251", "\xcf\xf0", "\xd0\x9f\xd1\x80"},
        {"koi8-r", "\xf0\xd2", "\xd0\x9f\xd1\x80"},
        {"ks_c_5601-1987", "\xc7\xd1", "\xed\x95\x9c"},
        {"euc-kr", "\xc7\xd1\xb1\xdb", "\xed\x95\x9c\xea\xb8\x80"},
        {"Shift_JIS", "\x93\xfa", "\xe6\x97\xa5"},
        {"euc-jp", "\xc6\xfc", "\xe6\x97\xa5"},
        {"big5", "\xa4\xa4", "\xe4\xb8\xad"},
        {"gbk", "\xd6\xd0", "\xe4\xb8\xad"},
        {"tis-620", "\xa1", "\xe0\xb8\x81"},
        {"iso-8859-8-i", "\xe0", "\xd7\x90"},
        {"windows-1255", "\xe0\xe1", "\xd7\x90\xd7\x91"},
        {"utf-7", "+AOk-", "\xc3\xa9"},
        {"gb2312", "\xd6", "\xef\xbf\xbd"},
        {"gb2312", "\xd6\xd0\xff\xd6\xd0", "\xe4\xb8\xad\xef\xbf\xbd\xe4\xb8\xad"},
        {"../../etc/passwd", "x", "x"},
        {"", "\xc3\xa9", "\xc3\xa9"},
    };
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    decode_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decode_charset(slice_str(cases[i].charset), slice_str(cases[i].bytes), &out);
        help_is(&out, cases[i].utf8);
    }
    buf_clear(&out);
}

static const struct {
    enum decode_encoding encoding;
    const char *in, *out;
} TRANSFERS[] = {
    {DECODE_BASE64, "SGVsbG8=", "Hello"},
    {DECODE_BASE64, "SGVs\r\nbG8=\r\n", "Hello"},
    {DECODE_BASE64, "SGVsbG8", "Hello"},
    {DECODE_BASE64, "SGVsbG8=SGVsbG8=", "HelloHello"},
    {DECODE_BASE64, "S!G*V s-bG8=", "Hello"},
    {DECODE_BASE64, "S", ""},
    {DECODE_BASE64, "====", ""},
    {DECODE_QUOTED_PRINTABLE, "a=20b=3Dc", "a b=c"},
    {DECODE_QUOTED_PRINTABLE, "soft=\r\nbreak=\nend", "softbreakend"},
    {DECODE_QUOTED_PRINTABLE, "trailing \t \r\nblank \n x  ", "trailing\r\nblank\n x"},
    {DECODE_QUOTED_PRINTABLE, "in \t side  two", "in \t side  two"},
    {DECODE_QUOTED_PRINTABLE, "=e4=C4", "\xe4\xc4"},
    {DECODE_QUOTED_PRINTABLE, "=Zx =4= ==20", "=Zx =4= = "},
    {DECODE_QUOTED_PRINTABLE, "end=", "end="},
    {DECODE_QUOTED_PRINTABLE, "end=4", "end=4"},
    {DECODE_QUOTED_PRINTABLE, "a=\rb", "a=\rb"},
    {DECODE_IDENTITY, "a=20 ", "a=20 "},
    {DECODE_UNKNOWN, "a=20 ", "a=20 "},
};

static void transfer_encodings_decode_the_same_for_every_cut(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof TRANSFERS / sizeof *TRANSFERS; i++) {
        for (size_t step = 1; step < 30; step++) {
            struct slice in = slice_str(TRANSFERS[i].in);
            struct decode_stream d;
            decode_stream_init(&d, TRANSFERS[i].encoding);
            for (size_t at = 0; at < in.n; at += step)
                decode_stream_feed(&d, slice_sub(in, at, step), &out);
            decode_stream_end(&d, &out);
            help_is(&out, TRANSFERS[i].out);
        }
    }
    buf_clear(&out);
    assert_int_equal(decode_encoding_of(SLICE(" BASE64 ")), DECODE_BASE64);
    assert_int_equal(decode_encoding_of(SLICE("Quoted-Printable")), DECODE_QUOTED_PRINTABLE);
    assert_int_equal(decode_encoding_of(SLICE("8Bit")), DECODE_IDENTITY);
    assert_int_equal(decode_encoding_of(SLICE("")), DECODE_IDENTITY);
    assert_int_equal(decode_encoding_of(SLICE("x-uuencode")), DECODE_UNKNOWN);
}

static void folding_makes_equal_what_readers_take_for_equal(void **state)
{
    (void)state;
    static const struct pair pairs[] = {
        {"Hello  World", "hello world"},
        {" \t a \r\n b ", "a b"},
        {"Stra\xc3\x9f" "e", "strasse"},
        {"\xc3\x84" "rger", "arger"},
        {"\xef\xac\x81sh", "fish"},
        {"\xef\xbc\xa1", "a"},
        {"r\xc3\xa9sum\xc3\xa9", "resume"},
        {"\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x83"},
        {"a\xff" "b", "a\xef\xbf\xbd" "b"},
        {"", ""},
    };
    check_pairs(pairs, sizeof pairs / sizeof *pairs, decode_fold);
    struct buf in, out;
    buf_init(&in, HELP_TEXT_MAX);
    buf_init(&out, HELP_TEXT_MAX);
    for (size_t i = 0; i < 20000; i++)
        buf_put_str(&in, i % 7 ? "\xc3\x84" : "\xc3\x84 ");
    decode_fold(buf_slice(&in), &out);
    assert_int_equal(out.n, 20000 + 2858 - (20000 % 7 == 1));
    buf_clear(&in);
    buf_clear(&out);
}

static void dates_are_read_with_the_oddities_of_real_mail(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t wall;
        int zone;
    } cases[] = {
        {"Mon, 23 Nov 2026 10:00:00 +0100", true, 1795424400, 60},
        {"23 Nov 2026 09:00:00 GMT", true, 1795424400, 0},
        {"Mon, 23 Nov 2026 04:00 EST", true, 1795424400, -300},
        {"Mon,23 Nov 2026 09:00:00 -0000 (UTC)", true, 1795424400, 0},
        {"Mon, 23 (a (b) c) Nov 2026 (x) 09:00:00 Z", true, 1795424400, 0},
        {"Mon Nov 23 09:00:00 2026", true, 1795424400, 0},
        {"Mon, 23-Nov-2026 09:00:00 UT", true, 1795424400, 0},
        {"Monday, 23 November 2026 09:00:00", true, 1795424400, 0},
        {"23 Nov 26 09:00:00 +0000", true, 1795424400, 0},
        {"1 Jan 70 00:00:00 GMT", true, 0, 0},
        {"1 Jan 1970 00:00:00 GMT", true, 0, 0},
        {"31 Dec 99 23:59:59 +0000", true, 946684799, 0},
        {"1 Jan 100 00:00:00 +0000", true, 946684800, 0},
        {"29 Feb 2024 12:00:00 +0530", true, 1709188200, 330},
        {"Mon, 23 Nov 2026 10:00:00 GMT+0100", true, 1795424400, 60},
        {"Mon, 23 Nov 2026 10:00:00 +01:00", true, 1795424400, 60},
        {"Mon, 23 Nov 2026 09:00:00 XYZ", true, 1795424400, 0},
        {"23 Nov 2026", true, 1795392000, 0},
        {"30 Feb 2026 00:00:00 +0000", false, 0, 0},
        {"29 Feb 2026 00:00:00 +0000", false, 0, 0},
        {"0 Jan 2026 00:00:00 +0000", false, 0, 0},
        {"", false, 0, 0},
        {"yesterday", false, 0, 0},
        {"Mon, Nov 2026", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t wall = 0;
        int zone = 0;
        bool ok = decode_date(slice_str(cases[i].text), &wall, &zone);
        if (ok != cases[i].ok || wall != cases[i].wall || zone != cases[i].zone)
            print_message("# %s: %d %lld %d\n", cases[i].text, ok, (long long)wall, zone);
        assert_int_equal(ok, cases[i].ok);
        assert_true(wall == cases[i].wall);
        assert_int_equal(zone, cases[i].zone);
    }
}

static void mailbox_names_go_through_modified_utf7_and_back(void **state)
{
    (void)state;
    static const struct pair good[] = {
        {"INBOX", "INBOX"},
        {"a&-b", "a&b"},
        {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
        {"&2D3eAA-", "\xf0\x9f\x98\x80"},
        {"", ""},
    };
    static const char *const bad[] = {"&", "&A", "a&APw", "&APw-&APw-", "&AGE-", "&AP-", "&APx-",
        "&2D0-", "&3gA-", "caf\xc3\xa9", "a\tb", "&AAA-", "&A P-", "&/w-"};
    struct buf out;
    buf_init(&out, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(utf7_imap_get(slice_str(good[i].in), &out), ERR_OK);
        help_is(&out, good[i].out);
        utf7_imap_put(slice_str(good[i].out), &out);
        help_is(&out, good[i].in);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (utf7_imap_get(slice_str(bad[i]), &out) != ERR_SYNTAX)
            print_message("# %s\n", bad[i]);
        buf_reset(&out);
        assert_int_equal(utf7_imap_get(slice_str(bad[i]), &out), ERR_SYNTAX);
        buf_reset(&out);
    }
    buf_clear(&out);
    buf_init(&out, 3);
    assert_int_equal(utf7_imap_get(SLICE("INBOX"), &out), ERR_TOO_BIG);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoded_words_become_utf8),
        cmocka_unit_test(output_ends_at_the_maximum_with_a_whole_character),
        cmocka_unit_test(charsets_are_known_by_the_names_mail_uses),
        cmocka_unit_test(transfer_encodings_decode_the_same_for_every_cut),
        cmocka_unit_test(folding_makes_equal_what_readers_take_for_equal),
        cmocka_unit_test(dates_are_read_with_the_oddities_of_real_mail),
        cmocka_unit_test(mailbox_names_go_through_modified_utf7_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
