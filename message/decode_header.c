/* RFC 2047 encoded words, with the oddities of real mail: words that are not separated by blanks,
 * blanks inside them, characters split over two words, a language behind the charset (RFC 2231).
 * Control characters become blanks, so that a decoded value is one line. */
#include "message/decode.h"

#define WORD_CHARSET_MAX 64
#define WORD_TEXT_MAX 1000 /* RFC 2047 section 2 allows 75 in all */
#define WORDS_MAX_BYTES (64 * 1024)

struct word {
    struct slice charset;
    struct slice text;
    bool is_base64;
    size_t length; /* with its marks */
};

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" */
static bool read_word(struct slice s, struct word *out)
{
    struct slice rest = slice_from(s, 2);
    size_t n = slice_find_byte(slice_sub(rest, 0, WORD_CHARSET_MAX + 1), '?');
    if (n == 0 || n > WORD_CHARSET_MAX || n + 2 >= rest.n || rest.p[n + 2] != '?')
        return false;
    struct slice charset = slice_sub(rest, 0, n);
    if (slice_find_byte(charset, ' ') < n)
        return false;
    uint8_t encoding = ascii_lower(rest.p[n + 1]);
    if (encoding != 'b' && encoding != 'q')
        return false;
    rest = slice_from(rest, n + 3);
    size_t end = slice_find(slice_sub(rest, 0, WORD_TEXT_MAX), SLICE("?="));
    if (end == SIZE_MAX)
        return false;
    out->charset = slice_sub(charset, 0, slice_find_byte(charset, '*'));
    out->text = slice_sub(rest, 0, end);
    out->is_base64 = encoding == 'b';
    out->length = 2 + n + 3 + end + 2;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_q(struct buf *raw, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '=' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (low >= 0) {
            buf_put_byte(raw, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            buf_put_byte(raw, s.p[i] == '_' ? ' ' : s.p[i]);
        }
    }
}

static void put_word(struct buf *raw, const struct word *word)
{
    if (!word->is_base64) {
        put_q(raw, word->text);
        return;
    }
    struct decode_stream d;
    decode_stream_init(&d, DECODE_BASE64);
    decode_stream_feed(&d, word->text, raw);
    decode_stream_end(&d, raw);
}

struct joined {
    struct buf *out;
    struct buf raw; /* bytes of adjacent words of one charset */
    struct slice charset;
};

static void flush(struct joined *j)
{
    if (j->raw.n == 0)
        return;
    size_t from = j->out->n;
    decode_charset(j->charset, buf_slice(&j->raw), j->out);
    for (size_t i = from; i < j->out->n; i++)
        if (j->out->p[i] < 0x20 || j->out->p[i] == 0x7f)
            j->out->p[i] = ' ';
    buf_reset(&j->raw);
}

static void put_plain(struct joined *j, struct slice s)
{
    flush(j);
    j->charset = SLICE_EMPTY;
    buf_put(&j->raw, s);
    flush(j);
}

/* Bytes before the next "=?". */
static size_t plain_length(struct slice s)
{
    size_t at = slice_find(s, SLICE("=?"));
    return at == SIZE_MAX ? s.n : at;
}

void decode_header(struct slice value, struct buf *out)
{
    struct joined j = {.out = out};
    buf_init(&j.raw, WORDS_MAX_BYTES);
    value = slice_sub(value, 0, WORDS_MAX_BYTES);
    bool after_word = false;
    size_t from = 0; /* plain text that is not yet written */
    size_t at = plain_length(value);
    while (at < value.n && buf_ok(out)) {
        struct word word;
        if (!read_word(slice_from(value, at), &word)) {
            at += 2;
            at += plain_length(slice_from(value, at));
            continue;
        }
        struct slice plain = slice_sub(value, from, at - from);
        if (plain.n && !(after_word && slice_trim(plain).n == 0))
            put_plain(&j, plain);
        if (!slice_equal_nocase(j.charset, word.charset))
            flush(&j);
        j.charset = word.charset;
        put_word(&j.raw, &word);
        after_word = true;
        from = at + word.length;
        at = from + plain_length(slice_from(value, from));
    }
    put_plain(&j, slice_from(value, from));
    buf_clear(&j.raw);
}
