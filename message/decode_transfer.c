/* Content-Transfer-Encodings (RFC 2045 sections 6.7 and 6.8), streaming and lenient: what is not in
 * base64's alphabet is passed over, a broken quoted-printable escape is kept as it is written.
 * Output that does not fit is dropped and marks the buffer. */
#include "message/decode.h"

#define CHUNK_BYTES 3072

enum decode_encoding decode_encoding_of(struct slice name)
{
    name = slice_trim(name);
    if (slice_equal_nocase(name, SLICE("base64")))
        return DECODE_BASE64;
    if (slice_equal_nocase(name, SLICE("quoted-printable")))
        return DECODE_QUOTED_PRINTABLE;
    if (name.n == 0 || slice_equal_nocase(name, SLICE("7bit")) ||
        slice_equal_nocase(name, SLICE("8bit")) || slice_equal_nocase(name, SLICE("binary")))
        return DECODE_IDENTITY;
    return DECODE_UNKNOWN;
}

void decode_stream_init(struct decode_stream *d, enum decode_encoding encoding)
{
    *d = (struct decode_stream){.encoding = encoding};
}

/* As much as there is room for. */
static void put_some(struct buf *out, struct slice s)
{
    size_t room = out->n < out->max ? out->max - out->n : 0;
    bool fits = s.n <= room;
    buf_put(out, slice_sub(s, 0, room));
    if (!fits)
        out->overflowed = true;
}

/* Value of a base64 digit plus one; 0 for what is none. */
static const uint8_t DIGITS[256] = {['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5,
    ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13,
    ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
    ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29,
    ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45,
    ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53,
    ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61,
    ['9'] = 62, ['+'] = 63, ['/'] = 64};

/* Writes the bytes of a quantum that padding (or the end) cut short. */
static size_t flush_quantum(struct decode_stream *d, uint8_t *to)
{
    size_t n = d->held > 1 ? d->held - 1u : 0;
    uint32_t bits = d->bits << (6 * (4 - d->held));
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(bits >> (16 - 8 * i));
    d->held = 0;
    d->bits = 0;
    return n;
}

static void feed_base64(struct decode_stream *d, struct slice s, struct buf *out)
{
    uint8_t chunk[CHUNK_BYTES + 4];
    size_t n = 0;
    for (size_t i = 0; i < s.n && buf_ok(out); i++) {
        uint8_t digit = DIGITS[s.p[i]];
        if (digit) {
            d->bits = d->bits << 6 | (digit - 1u);
            if (++d->held == 4) {
                chunk[n] = (uint8_t)(d->bits >> 16);
                chunk[n + 1] = (uint8_t)(d->bits >> 8);
                chunk[n + 2] = (uint8_t)d->bits;
                n += 3;
                d->held = 0;
                d->bits = 0;
            }
        } else if (s.p[i] == '=') {
            n += flush_quantum(d, chunk + n);
        }
        if (n >= CHUNK_BYTES) {
            put_some(out, slice_of(chunk, n));
            n = 0;
        }
    }
    put_some(out, slice_of(chunk, n));
}

static int hex_digit(uint8_t c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_pending(struct decode_stream *d, struct buf *out)
{
    put_some(out, slice_of(d->pending, d->pending_n));
    d->pending_n = 0;
}

static void put_blanks(struct decode_stream *d, struct buf *out)
{
    while (d->blanks) {
        d->blanks--;
        put_some(out, d->tabs >> d->blanks & 1 ? SLICE("\t") : SLICE(" "));
    }
    d->tabs = 0;
}

static void hold_blank(struct decode_stream *d, bool is_tab, struct buf *out)
{
    if (d->blanks == 64)
        put_blanks(d, out);
    d->tabs = d->tabs << 1 | is_tab;
    d->blanks++;
}

/* A byte behind "="; true when it belongs to the escape or the soft line break. */
static bool feed_escape(struct decode_stream *d, uint8_t c, struct buf *out)
{
    uint8_t last = d->pending[d->pending_n - 1];
    if (c == '\n' && (d->pending_n == 1 || last == '\r')) {
        d->pending_n = 0;
        return true;
    }
    if (d->pending_n == 1 && (c == '\r' || hex_digit(c) >= 0)) {
        d->pending[d->pending_n++] = c;
        return true;
    }
    if (d->pending_n == 2 && last != '\r' && hex_digit(c) >= 0) {
        uint8_t byte = (uint8_t)(hex_digit(last) << 4 | hex_digit(c));
        d->pending_n = 0;
        put_some(out, slice_of(&byte, 1));
        return true;
    }
    put_pending(d, out);
    return false;
}

static bool is_plain(uint8_t c)
{
    return c > ' ' ? c != '=' : c != ' ' && c != '\t' && c != '\r' && c != '\n';
}

/* Bytes that stand for themselves, with single blanks between them. */
static size_t plain_run(struct slice s, size_t from)
{
    size_t i = from;
    while (i < s.n && (is_plain(s.p[i]) || (s.p[i] == ' ' && i + 1 < s.n && is_plain(s.p[i + 1]))))
        i++;
    return i;
}

static void feed_quoted_printable(struct decode_stream *d, struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n && buf_ok(out);) {
        uint8_t c = s.p[i];
        if (d->pending_n && feed_escape(d, c, out)) {
            i++;
            continue;
        }
        size_t from = i;
        if (c == ' ' || c == '\t') {
            hold_blank(d, c == '\t', out);
            i++;
            continue;
        }
        if (c == '\r' || c == '\n') {
            d->blanks = 0;
            d->tabs = 0;
            i++;
        } else {
            put_blanks(d, out);
            i = plain_run(s, i);
        }
        put_some(out, slice_sub(s, from, i - from));
        if (i < s.n && i == from) {
            d->pending[0] = '=';
            d->pending_n = 1;
            i++;
        }
    }
}

void decode_stream_feed(struct decode_stream *d, struct slice piece, struct buf *out)
{
    if (d->encoding == DECODE_BASE64)
        feed_base64(d, piece, out);
    else if (d->encoding == DECODE_QUOTED_PRINTABLE)
        feed_quoted_printable(d, piece, out);
    else
        put_some(out, piece);
}

void decode_stream_end(struct decode_stream *d, struct buf *out)
{
    uint8_t last[4];
    if (d->encoding == DECODE_BASE64)
        put_some(out, slice_of(last, flush_quantum(d, last)));
    else if (d->encoding == DECODE_QUOTED_PRINTABLE)
        put_pending(d, out);
    d->blanks = 0;
}
