/* PROXY headers of both versions, whole and in part, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/proxy_header.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static void good(struct slice header, const char *peer)
{
    struct proxy_header h;
    uint8_t more[512];
    for (size_t n = 0; n < header.n; n++)
        assert_int_equal(proxy_header_parse(slice_sub(header, 0, n), &h), ERR_AGAIN);
    assert_true(header.n + 8 <= sizeof more);
    memcpy(more, header.p, header.n);
    memcpy(more + header.n, "EHLO x\r\n", 8);
    for (size_t extra = 0; extra <= 8; extra++) {
        assert_int_equal(proxy_header_parse(slice_of(more, header.n + extra), &h), ERR_OK);
        assert_int_equal(h.n, header.n);
        assert_string_equal(h.peer, peer);
    }
}

static void bad(struct slice header, enum err wanted)
{
    struct proxy_header h;
    assert_int_equal(proxy_header_parse(header, &h), wanted);
}

static void version_1(void **state)
{
    (void)state;
    good(SLICE("PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"), "192.0.2.7");
    good(SLICE("PROXY TCP6 2001:db8::7 2001:db8::1 65535 993\r\n"), "2001:db8::7");
    good(SLICE("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), "192.0.2.7");
    good(SLICE("PROXY UNKNOWN\r\n"), "");
    good(SLICE("PROXY UNKNOWN whatever it says 1 2\r\n"), "");
    bad(SLICE("EHLO client.example\r\n"), ERR_SYNTAX);
    bad(SLICE("\x16\x03\x01\x02"), ERR_SYNTAX);
    bad(SLICE("proxy TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 1\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP4 2001:db8::7 198.51.100.1 1 25\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP4  192.0.2.7 198.51.100.1 1 25\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY TCP6 192.0.2.7 ::1 1 25\r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY \r\n"), ERR_SYNTAX);
    bad(SLICE("PROXY\r\n"), ERR_SYNTAX);
    char longest[120] = "PROXY UNKNOWN ";
    memset(longest + 14, 'x', sizeof longest - 14);
    bad(slice_of(longest, 106), ERR_AGAIN);
    bad(slice_of(longest, 107), ERR_SYNTAX);
    memcpy(longest + 105, "\r\n", 2);
    good(slice_of(longest, 107), "");
}

static void version_2(void **state)
{
    (void)state;
    good(SLICE(V2 "\x21\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0\x19"), "192.0.2.7");
    /* with a value behind the addresses */
    good(SLICE(V2 "\x21\x11\0\x10\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0\x19\4\0\1x"), "192.0.2.7");
    good(SLICE(V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x9c\x40\3\xe1"),
        "2001:db8::7");
    good(SLICE(V2 "\x20\0\0\0"), "");
    good(SLICE(V2 "\x20\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0\x19"), "");
    good(SLICE(V2 "\x21\0\0\3abc"), "");
    bad(SLICE(V2 "\x21\x11\0\x0b\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0"), ERR_SYNTAX);
    bad(SLICE(V2 "\x21\x21\0\x0c\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0\x19"), ERR_SYNTAX);
    bad(SLICE(V2 "\x31\x11\0\x0c"), ERR_SYNTAX);
    bad(SLICE(V2 "\x22\x11\0\x0c"), ERR_SYNTAX);
    bad(SLICE(V2 "\x21\x11\xff\xff"), ERR_TOO_BIG);
    bad(SLICE("\r\n\r\nQUIT"), ERR_SYNTAX);
    bad(SLICE(""), ERR_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1),
        cmocka_unit_test(version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
