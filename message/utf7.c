/* IMAP's modified UTF-7 for mailbox names (RFC 3501 section 5.1.3): printable ASCII stands for itself
 * ("&" as "&-"), all else is UTF-16BE in base64 with "," for "/" between "&" and "-". */
#include "message/decode.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static void put_code_point(struct buf *out, uint32_t c)
{
    if (c < 0x800) {
        buf_put_byte(out, (uint8_t)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        buf_put_byte(out, (uint8_t)(0xe0 | c >> 12));
        buf_put_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    } else {
        buf_put_byte(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buf_put_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_put_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* One UTF-16 unit; *high holds the first half of a pair. */
static bool put_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    bool is_low = unit >= 0xdc00 && unit < 0xe000;
    if (is_low != (*high != 0))
        return false;
    if (unit >= 0xd800 && unit < 0xdc00) {
        *high = unit;
        return true;
    }
    if (is_low)
        unit = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
    *high = 0;
    bool is_printable_ascii = unit >= 0x20 && unit < 0x7f;
    if (is_printable_ascii || unit == 0)
        return false; /* must stand for itself */
    if (unit < 0x80)
        buf_put_byte(out, (uint8_t)unit);
    else
        put_code_point(out, unit);
    return true;
}

/* Inside of "&…-", not empty. */
static bool get_base64(struct slice s, struct buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    uint32_t high = 0;
    for (size_t i = 0; i < s.n; i++) {
        int digit = digit_value(s.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 16)
            continue;
        held -= 16;
        if (!put_unit(out, bits >> held & 0xffff, &high))
            return false;
        bits &= (1u << held) - 1;
    }
    return held < 6 && bits == 0 && high == 0;
}

enum err utf7_imap_get(struct slice text, struct buf *out_utf8)
{
    bool after_base64 = false;
    while (text.n) {
        uint8_t c = text.p[0];
        if (c < 0x20 || c >= 0x7f)
            return ERR_SYNTAX;
        if (c != '&') {
            buf_put_byte(out_utf8, c);
            text = slice_from(text, 1);
            after_base64 = false;
            continue;
        }
        size_t end = slice_find_byte(text, '-');
        if (end == text.n)
            return ERR_SYNTAX;
        struct slice inner = slice_sub(text, 1, end - 1);
        if (inner.n == 0)
            buf_put_byte(out_utf8, '&');
        else if (after_base64 || !get_base64(inner, out_utf8))
            return ERR_SYNTAX; /* two encoded runs side by side are superfluous shifts */
        after_base64 = inner.n > 0;
        text = slice_from(text, end + 1);
    }
    return buf_error(out_utf8);
}

struct encoder {
    struct buf *out;
    uint32_t bits;
    unsigned held;
    bool is_open;
};

static void put_digits(struct encoder *e, uint32_t unit)
{
    if (!e->is_open)
        buf_put_byte(e->out, '&');
    e->is_open = true;
    e->bits = e->bits << 16 | unit;
    e->held += 16;
    while (e->held >= 6) {
        e->held -= 6;
        buf_put_byte(e->out, (uint8_t)DIGITS[e->bits >> e->held & 0x3f]);
    }
    e->bits &= (1u << e->held) - 1;
}

static void close_base64(struct encoder *e)
{
    if (!e->is_open)
        return;
    if (e->held)
        buf_put_byte(e->out, (uint8_t)DIGITS[e->bits << (6 - e->held) & 0x3f]);
    buf_put_byte(e->out, '-');
    *e = (struct encoder){.out = e->out};
}

/* The code point at the beginning; U+FFFD for a byte that begins none. */
static uint32_t get_code_point(struct slice s, size_t *out_n)
{
    uint8_t c = s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    *out_n = n;
    if (c < 0x80)
        return c;
    if (!slice_is_utf8(slice_sub(s, 0, n)) || s.n < n) {
        *out_n = 1;
        return 0xfffd;
    }
    uint32_t v = c & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        v = v << 6 | (s.p[i] & 0x3f);
    return v;
}

void utf7_imap_put(struct slice utf8, struct buf *out)
{
    struct encoder e = {.out = out};
    while (utf8.n && buf_ok(out)) {
        size_t n;
        uint32_t c = get_code_point(utf8, &n);
        utf8 = slice_from(utf8, n);
        if (c >= 0x20 && c < 0x7f) {
            close_base64(&e);
            buf_put_byte(out, (uint8_t)c);
            if (c == '&')
                buf_put_byte(out, '-');
        } else if (c < 0x10000) {
            put_digits(&e, c ? c : 0xfffd);
        } else {
            put_digits(&e, 0xd800 + ((c - 0x10000) >> 10));
            put_digits(&e, 0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    close_base64(&e);
}
