/* Folding for comparing, SEARCH and SORT (in the manner of RFC 5051): compatibility decomposition,
 * case folding, combining marks dropped, runs of blanks made one. */
#include "message/decode.h"

#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

#define FOLD_CHUNK_BYTES 4096

static void put_cut(struct buf *out, struct slice s)
{
    size_t room = out->n < out->max ? out->max - out->n : 0;
    if (s.n > room) {
        out->overflowed = true;
        return;
    }
    buf_put(out, s);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void put_character(struct buf *out, struct slice c, size_t start)
{
    if (c.n > 1 || !is_blank(c.p[0]))
        put_cut(out, c);
    else if (out->n > start && out->p[out->n - 1] != ' ')
        put_cut(out, SLICE(" "));
}

static void fold_ascii(struct slice s, struct buf *out, size_t start)
{
    uint8_t chunk[256];
    size_t n = 0;
    bool after_blank = out->n == start || out->p[out->n - 1] == ' ';
    for (size_t i = 0; i < s.n && buf_ok(out); i++) {
        bool blank = is_blank(s.p[i]);
        if (!blank || !after_blank)
            chunk[n++] = blank ? ' ' : ascii_lower(s.p[i]);
        after_blank = blank;
        if (n == sizeof chunk) {
            put_cut(out, slice_of(chunk, n));
            n = 0;
        }
    }
    put_cut(out, slice_of(chunk, n));
}

static void fold_unicode(struct slice s, struct buf *out, size_t start)
{
    size_t n = 0;
    uint8_t *folded = u8_casefold(s.p, s.n, NULL, UNINORM_NFKD, NULL, &n);
    if (!folded)
        return;
    for (size_t i = 0; i < n && buf_ok(out);) {
        ucs4_t c;
        int length = u8_mbtouc(&c, folded + i, n - i);
        if (length <= 0)
            break;
        if (c < 0x300 || !uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Mn))
            put_character(out, slice_of(folded + i, (size_t)length), start);
        i += (size_t)length;
    }
    free(folded);
}

/* Bytes that can be folded by themselves: to the last blank within the chunk, or a character's end. */
static size_t chunk_length(struct slice s)
{
    if (s.n <= FOLD_CHUNK_BYTES)
        return s.n;
    size_t n = FOLD_CHUNK_BYTES;
    while (n > FOLD_CHUNK_BYTES / 2 && !is_blank(s.p[n - 1]))
        n--;
    if (is_blank(s.p[n - 1]))
        return n;
    n = FOLD_CHUNK_BYTES;
    while ((s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void decode_fold(struct slice utf8, struct buf *out)
{
    size_t start = out->n;
    struct buf repaired;
    buf_init(&repaired, utf8.n * 3 + 1);
    if (!slice_is_ascii(utf8) && !slice_is_utf8(utf8)) {
        decode_charset(SLICE("utf-8"), utf8, &repaired);
        utf8 = buf_slice(&repaired);
    }
    while (utf8.n && buf_ok(out)) {
        struct slice chunk = slice_sub(utf8, 0, chunk_length(utf8));
        if (slice_is_ascii(chunk))
            fold_ascii(chunk, out, start);
        else
            fold_unicode(chunk, out, start);
        utf8 = slice_from(utf8, chunk.n);
    }
    if (out->n > start && out->p[out->n - 1] == ' ')
        out->n--;
    buf_clear(&repaired);
}
