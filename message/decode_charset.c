/* Charsets to UTF-8. UTF-8 and windows-1252 are done here; the others by glibc's iconv, of which
 * decode_init() opens every one in the table, as later no file may be opened. Names that are not in
 * the table are unknown. Where mail's labels are narrower than what is sent under them, the wider
 * charset is meant (gb2312 -> GB18030, iso-8859-1 -> windows-1252), as browsers do. */
#include "message/decode.h"

#include <errno.h>
#include <iconv.h>

#define CONVERT_CHUNK_BYTES 1024
#define CHARSET_NAME_MAX 32

static const char *const OPENED[] = {"ISO-8859-2", "ISO-8859-3", "ISO-8859-4", "ISO-8859-5",
    "ISO-8859-6", "ISO-8859-7", "ISO-8859-8", "ISO-8859-10", "ISO-8859-13", "ISO-8859-14",
    "ISO-8859-15", "ISO-8859-16", "WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1253", "WINDOWS-1254",
    "WINDOWS-1255", "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258", "CP874", "KOI8-R", "KOI8-U",
    "IBM437", "IBM850", "IBM852", "IBM866", "MACINTOSH", "GB18030", "BIG5-HKSCS", "CP932", "EUC-JP",
    "ISO-2022-JP-2", "CP949", "ISO-2022-KR", "UTF-7", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32",
    "VISCII", "ISO-2022-CN-EXT"};
#define OPENED_COUNT (sizeof OPENED / sizeof *OPENED)

static const struct {
    const char *label;
    const char *charset;
} ALIASES[] = {{"iso8859-2", "ISO-8859-2"}, {"latin2", "ISO-8859-2"}, {"iso8859-15", "ISO-8859-15"},
    {"latin9", "ISO-8859-15"}, {"latin-9", "ISO-8859-15"}, {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-8-e", "ISO-8859-8"}, {"iso-8859-6-i", "ISO-8859-6"}, {"iso-8859-9", "WINDOWS-1254"},
    {"latin5", "WINDOWS-1254"}, {"iso-8859-11", "CP874"}, {"tis-620", "CP874"},
    {"windows-874", "CP874"}, {"cp1250", "WINDOWS-1250"}, {"cp1251", "WINDOWS-1251"},
    {"cp1253", "WINDOWS-1253"}, {"cp1254", "WINDOWS-1254"}, {"cp1255", "WINDOWS-1255"},
    {"cp1256", "WINDOWS-1256"}, {"cp1257", "WINDOWS-1257"}, {"cp1258", "WINDOWS-1258"},
    {"koi8r", "KOI8-R"}, {"koi", "KOI8-R"}, {"cp437", "IBM437"}, {"cp850", "IBM850"},
    {"cp852", "IBM852"}, {"cp866", "IBM866"}, {"mac", "MACINTOSH"}, {"x-mac-roman", "MACINTOSH"},
    {"gb2312", "GB18030"}, {"gbk", "GB18030"}, {"x-gbk", "GB18030"}, {"cp936", "GB18030"},
    {"gb_2312-80", "GB18030"}, {"euc-cn", "GB18030"}, {"big5", "BIG5-HKSCS"},
    {"x-big5", "BIG5-HKSCS"}, {"cp950", "BIG5-HKSCS"}, {"shift_jis", "CP932"},
    {"shift-jis", "CP932"}, {"sjis", "CP932"}, {"x-sjis", "CP932"}, {"windows-31j", "CP932"},
    {"eucjp", "EUC-JP"}, {"x-euc-jp", "EUC-JP"}, {"iso-2022-jp", "ISO-2022-JP-2"},
    {"iso-2022-jp-1", "ISO-2022-JP-2"}, {"euc-kr", "CP949"}, {"euckr", "CP949"},
    {"ks_c_5601-1987", "CP949"}, {"ks_c_5601", "CP949"}, {"ksc5601", "CP949"},
    {"windows-949", "CP949"}, {"uhc", "CP949"}, {"unicode-1-1-utf-7", "UTF-7"},
    {"ucs-2", "UTF-16"}, {"iso-2022-cn", "ISO-2022-CN-EXT"}};

static const char *const WESTERN[] = {"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1",
    "windows-1252", "cp1252", "cp-1252", "x-ansi", "ansi", "iso-8859-1-windows-3.1-latin-1"};
static const char *const UNICODE[] = {"utf-8", "utf8", "unicode-1-1-utf-8"};

static iconv_t g_handles[OPENED_COUNT];
static bool g_is_open;

void decode_init(void)
{
    if (g_is_open)
        return;
    g_is_open = true;
    for (size_t i = 0; i < OPENED_COUNT; i++)
        g_handles[i] = iconv_open("UTF-8", OPENED[i]);
}

/* What windows-1252 has at 0x80 to 0x9f; 0 where nothing. */
static const uint16_t WESTERN_HIGH[32] = {0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0, 0x17e, 0x178};

#define REPLACEMENT 0xfffd

static size_t encode_utf8(uint32_t c, uint8_t out[3])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (uint8_t)(0xe0 | c >> 12);
    out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c & 0x3f));
    return 3;
}

/* Whole characters as far as there is room; the buffer is marked when something was dropped. */
static void put_utf8(struct buf *out, struct slice s)
{
    size_t room = out->n < out->max ? out->max - out->n : 0;
    if (s.n > room) {
        while (room && (s.p[room] & 0xc0) == 0x80)
            room--;
        buf_put(out, slice_sub(s, 0, room));
        out->overflowed = true;
        return;
    }
    buf_put(out, s);
}

static void put_code_point(struct buf *out, uint32_t c)
{
    uint8_t utf8[3];
    put_utf8(out, slice_of(utf8, encode_utf8(c, utf8)));
}

/* Bytes of ASCII without NUL at the beginning. */
static size_t ascii_run(struct slice s)
{
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t v;
        memcpy(&v, s.p + i, 8);
        uint64_t has_zero = (v - 0x0101010101010101u) & ~v;
        if ((v | has_zero) & 0x8080808080808080u)
            break;
    }
    while (i < s.n && s.p[i] < 0x80 && s.p[i] != 0)
        i++;
    return i;
}

/* Length of the well-formed sequence at the beginning (RFC 3629 section 4), 0 when there is none. */
static size_t sequence(struct slice s)
{
    uint8_t c = s.p[0];
    if (c < 0x80)
        return c != 0;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (s.n < n || c < 0xc2 || c > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    uint8_t d = s.p[1];
    if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) ||
        (c == 0xf4 && d > 0x8f))
        return 0;
    return n;
}

static size_t valid_run(struct slice s)
{
    size_t i = 0;
    while (i < s.n) {
        i += ascii_run(slice_of(s.p + i, s.n - i));
        size_t n = i < s.n ? sequence(slice_of(s.p + i, s.n - i)) : 0;
        if (n == 0)
            return i;
        i += n;
    }
    return i;
}

static void from_utf8(struct slice s, struct buf *out)
{
    while (s.n && buf_ok(out)) {
        size_t n = valid_run(s);
        put_utf8(out, slice_sub(s, 0, n));
        s = slice_from(s, n);
        if (s.n) {
            put_code_point(out, REPLACEMENT);
            s = slice_from(s, 1);
        }
    }
}

static void from_western(struct slice s, struct buf *out)
{
    while (s.n && buf_ok(out)) {
        size_t n = ascii_run(s);
        put_utf8(out, slice_sub(s, 0, n));
        s = slice_from(s, n);
        if (s.n == 0)
            return;
        uint32_t c = s.p[0];
        if (c >= 0x80 && c < 0xa0)
            c = WESTERN_HIGH[c - 0x80];
        put_code_point(out, c ? c : REPLACEMENT);
        s = slice_from(s, 1);
    }
}

static void from_unknown(struct slice s, struct buf *out)
{
    if (valid_run(s) == s.n)
        put_utf8(out, s);
    else
        from_western(s, out);
}

static void from_iconv(iconv_t handle, struct slice s, struct buf *out)
{
    union {
        const uint8_t *borrowed;
        char *taken; /* iconv's signature is older than const */
    } in = {.borrowed = s.p};
    size_t in_n = s.n;
    char chunk[CONVERT_CHUNK_BYTES];
    iconv(handle, NULL, NULL, NULL, NULL);
    while (in_n && buf_ok(out)) {
        char *to = chunk;
        size_t room = sizeof chunk;
        size_t before = in_n;
        bool failed = iconv(handle, &in.taken, &in_n, &to, &room) == (size_t)-1;
        bool is_stuck = failed && (errno != E2BIG || before == in_n);
        put_utf8(out, slice_of(chunk, sizeof chunk - room));
        if (is_stuck && in_n) {
            put_code_point(out, REPLACEMENT);
            in.borrowed++;
            in_n--;
        }
    }
    char *to = chunk;
    size_t room = sizeof chunk;
    iconv(handle, NULL, NULL, &to, &room); /* some hold a character back */
    put_utf8(out, slice_of(chunk, sizeof chunk - room));
}

static bool is_in(struct slice name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_equal_nocase(name, slice_str(list[i])))
            return true;
    return false;
}

/* The handle for a charset name, or NULL. */
static iconv_t *find_handle(struct slice name)
{
    decode_init();
    for (size_t i = 0; i < sizeof ALIASES / sizeof *ALIASES; i++)
        if (slice_equal_nocase(name, slice_str(ALIASES[i].label))) {
            name = slice_str(ALIASES[i].charset);
            break;
        }
    for (size_t i = 0; i < OPENED_COUNT; i++)
        if (slice_equal_nocase(name, slice_str(OPENED[i])))
            return g_handles[i] == (iconv_t)-1 ? NULL : &g_handles[i];
    return NULL;
}

void decode_charset(struct slice charset, struct slice bytes, struct buf *out)
{
    charset = slice_trim(charset);
    if (charset.n == 0 || charset.n > CHARSET_NAME_MAX) {
        from_unknown(bytes, out);
        return;
    }
    if (is_in(charset, UNICODE, sizeof UNICODE / sizeof *UNICODE)) {
        from_utf8(bytes, out);
        return;
    }
    if (is_in(charset, WESTERN, sizeof WESTERN / sizeof *WESTERN)) {
        from_western(bytes, out);
        return;
    }
    bool is_ascii = slice_equal_nocase(charset, SLICE("us-ascii"));
    iconv_t *handle = is_ascii ? NULL : find_handle(charset);
    if (handle)
        from_iconv(*handle, bytes, out);
    else
        from_unknown(bytes, out);
}
