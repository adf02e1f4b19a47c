/* message/decode.h and header.h: no decoder goes beyond the maximum; what says it is UTF-8 is; a
 * transfer encoding decodes the same for every cut; modified UTF-7 prints back; folding is stable. */
#include "message/decode.h"
#include "message/header.h"

#define TEXT_MAX 4096

static void check_text(struct slice text, size_t max)
{
    static const char *const charsets[] = {"utf-8", "windows-1252", "iso-2022-jp", "gb18030", "big5",
        "euc-kr", "shift_jis", "utf-7", "utf-16", "iso-2022-kr", "koi8-r", "windows-1255", "nonsense"};
    struct buf out;
    buf_init(&out, max);
    decode_header(text, &out);
    ENSURE(out.n <= max && (out.n == 0 || slice_is_utf8(buf_slice(&out))));
    ENSURE(slice_find_byte(buf_slice(&out), '\n') == out.n);
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++) {
        buf_reset(&out);
        decode_charset(slice_str(charsets[i]), text, &out);
        ENSURE(out.n <= max);
    }
    buf_reset(&out);
    decode_fold(text, &out);
    ENSURE(out.n <= max);
    int64_t wall;
    int zone;
    if (decode_date(text, &wall, &zone))
        ENSURE(zone > -1440 && zone < 1440);
    buf_clear(&out);
}

static void check_transfer(struct slice text, enum decode_encoding encoding, size_t step, size_t max)
{
    struct decode_stream d;
    struct buf whole, cut;
    buf_init(&whole, max);
    buf_init(&cut, max);
    decode_stream_init(&d, encoding);
    decode_stream_feed(&d, text, &whole);
    decode_stream_end(&d, &whole);
    decode_stream_init(&d, encoding);
    for (size_t at = 0; at < text.n; at += step)
        decode_stream_feed(&d, slice_sub(text, at, step), &cut);
    decode_stream_end(&d, &cut);
    ENSURE(whole.n <= max && slice_equal(buf_slice(&whole), buf_slice(&cut)));
    buf_clear(&whole);
    buf_clear(&cut);
}

static void check_utf7(struct slice text)
{
    struct buf utf8, again;
    buf_init(&utf8, TEXT_MAX);
    buf_init(&again, 4 * TEXT_MAX);
    if (utf7_imap_get(text, &utf8) == ERR_OK) {
        utf7_imap_put(buf_slice(&utf8), &again);
        ENSURE(slice_equal(buf_slice(&again), text));
    }
    buf_reset(&utf8);
    buf_reset(&again);
    if (slice_is_utf8(text)) {
        utf7_imap_put(text, &again);
        ENSURE(utf7_imap_get(buf_slice(&again), &utf8) == ERR_OK);
        ENSURE(slice_equal(buf_slice(&utf8), text));
    }
    buf_clear(&utf8);
    buf_clear(&again);
}

static void check_header(struct slice text)
{
    struct slice rest = text;
    struct header_field f;
    const uint8_t *at = text.p;
    while (header_next(&rest, &f)) {
        ENSURE(f.whole.p == at && f.whole.n > 0);
        at += f.whole.n;
    }
    struct buf out;
    buf_init(&out, TEXT_MAX);
    header_unfold(text, &out);
    ENSURE(out.n <= text.n);
    buf_reset(&out);
    header_select(text, NULL, 0, false, &out);
    ENSURE(slice_starts(text, buf_slice(&out)));
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2 || n > TEXT_MAX)
        return 0;
    struct slice text = slice_of(p + 1, n - 1);
    size_t max = p[0] & 1 ? 3 * TEXT_MAX : p[0] >> 1;
    size_t step = 1 + p[0] % 7u;
    check_text(text, max);
    check_transfer(text, DECODE_BASE64, step, max);
    check_transfer(text, DECODE_QUOTED_PRINTABLE, step, max);
    check_utf7(text);
    check_header(text);
    return 0;
}
