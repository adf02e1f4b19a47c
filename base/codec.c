/* Base64, base32, hexadecimal; see codec.h. */
#include "base/codec.h"

static const char alphabet64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet32[] = "abcdefghijklmnopqrstuvwxyz234567";

void base64_put(struct buf *out, struct slice data)
{
    for (size_t i = 0; i < data.n; i += 3) {
        size_t n = data.n - i < 3 ? data.n - i : 3;
        uint32_t v = (uint32_t)data.p[i] << 16;
        if (n > 1)
            v |= (uint32_t)data.p[i + 1] << 8;
        if (n > 2)
            v |= data.p[i + 2];
        char four[4] = {alphabet64[v >> 18], alphabet64[v >> 12 & 63],
            n > 1 ? alphabet64[v >> 6 & 63] : '=', n > 2 ? alphabet64[v & 63] : '='};
        buf_put_bytes(out, four, 4);
    }
}

static int value64(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four characters, of which the last `pad` are '='. */
static enum err quad_get(const uint8_t *four, size_t pad, struct buf *out)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int d = i >= 4 - pad ? 0 : value64(four[i]);
        if (d < 0)
            return ERR_SYNTAX;
        v = v << 6 | (uint32_t)d;
    }
    /* Bits that padding leaves over must be zero: one value, one text. */
    if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)))
        return ERR_SYNTAX;
    uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    buf_put_bytes(out, bytes, 3 - pad);
    return ERR_OK;
}

enum err base64_get(struct slice text, struct buf *out)
{
    if (text.n % 4 != 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.n; i += 4) {
        size_t pad = 0;
        if (i + 4 == text.n)
            pad = text.p[i + 3] == '=' ? 1 + (text.p[i + 2] == '=') : 0;
        enum err e = quad_get(text.p + i, pad, out);
        if (e)
            return e;
    }
    return buf_error(out);
}

void hex_put(struct buf *out, struct slice data)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.n; i++)
        buf_put_bytes(out, (char[]){digits[data.p[i] >> 4], digits[data.p[i] & 15]}, 2);
}

static int value16(uint8_t c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err hex_get(struct slice text, struct buf *out)
{
    if (text.n % 2 != 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = value16(text.p[i]);
        int low = value16(text.p[i + 1]);
        if (high < 0 || low < 0)
            return ERR_SYNTAX;
        buf_put_byte(out, (uint8_t)(high << 4 | low));
    }
    return buf_error(out);
}

void base32_put(struct buf *out, struct slice data)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < data.n; i++) {
        bits = (bits << 8 | data.p[i]) & 0xffff;
        for (held += 8; held >= 5; held -= 5)
            buf_put_byte(out, (uint8_t)alphabet32[bits >> (held - 5) & 31]);
    }
    if (held)
        buf_put_byte(out, (uint8_t)alphabet32[bits << (5 - held) & 31]);
}

enum err base32_get(struct slice text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = ascii_lower(text.p[i]);
        if (c == '-' || c == ' ')
            continue;
        const char *at = c ? strchr(alphabet32, c) : NULL;
        if (!at)
            return ERR_SYNTAX;
        bits = (bits << 5 | (uint32_t)(at - alphabet32)) & 0xfff;
        held += 5;
        if (held >= 8) {
            held -= 8;
            buf_put_byte(out, (uint8_t)(bits >> held));
        }
    }
    return buf_error(out);
}
