/* Borrowed bytes; see slice.h. */
#include "base/slice.h"

struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){p, n};
}

struct slice slice_str(const char *nul_ended)
{
    return (struct slice){(const uint8_t *)nul_ended, nul_ended ? strlen(nul_ended) : 0};
}

uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

uint8_t ascii_upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

bool ascii_is_alpha(uint8_t c)
{
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

bool ascii_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alnum(uint8_t c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.n == b.n && slice_starts_nocase(a, b);
}

int slice_compare(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    if (s.n < prefix.n)
        return false;
    for (size_t i = 0; i < prefix.n; i++)
        if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
            return false;
    return true;
}

bool slice_ends_nocase(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_equal_nocase(slice_from(s, s.n - suffix.n), suffix);
}

struct slice slice_sub(struct slice s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return slice_of(s.p ? s.p + from : NULL, n);
}

struct slice slice_from(struct slice s, size_t from)
{
    return slice_sub(s, from, SIZE_MAX);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = slice_from(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

size_t slice_find_byte(struct slice s, uint8_t c)
{
    const uint8_t *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t slice_find(struct slice s, struct slice needle)
{
    if (needle.n == 0)
        return 0;
    const uint8_t *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t slice_find_nocase(struct slice s, struct slice needle)
{
    if (needle.n == 0)
        return 0;
    if (needle.n > s.n)
        return SIZE_MAX;
    uint8_t low = ascii_lower(needle.p[0]);
    uint8_t high = ascii_upper(needle.p[0]);
    for (size_t i = 0; i + needle.n <= s.n; i++)
        if ((s.p[i] == low || s.p[i] == high) && slice_starts_nocase(slice_from(s, i), needle))
            return i;
    return SIZE_MAX;
}

bool slice_is_ascii(struct slice s)
{
    uint8_t all = 0;
    for (size_t i = 0; i < s.n; i++)
        all |= s.p[i];
    return all < 0x80;
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629 section 4), or 0. */
static size_t utf8_sequence(struct slice s)
{
    uint8_t c = s.p[0];
    if (c < 0x80)
        return c != 0;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || s.n < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    uint8_t d = s.p[1];
    bool too_long = (c == 0xe0 && d < 0xa0) || (c == 0xf0 && d < 0x90);
    bool surrogate = c == 0xed && d > 0x9f;
    bool too_big = c == 0xf4 && d > 0x8f;
    return too_long || surrogate || too_big ? 0 : n;
}

bool slice_is_utf8(struct slice s)
{
    while (s.n > 0) {
        size_t n = utf8_sequence(s);
        if (n == 0)
            return false;
        s = slice_from(s, n);
    }
    return true;
}

bool slice_to_u64(struct slice s, uint64_t max, uint64_t *out_value)
{
    uint64_t value = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *out_value = value;
    return true;
}

struct slice slice_cut(struct slice *s, uint8_t c)
{
    size_t at = slice_find_byte(*s, c);
    struct slice head = slice_sub(*s, 0, at);
    *s = slice_from(*s, at < s->n ? at + 1 : at);
    return head;
}
