/* Values as IMAP writes them; see response.h. */
#include "retrieval/imap/response.h"

#include <time.h>

#include "message/decode.h"

#define QUOTED_MAX 1000 /* longer strings go as literals: old clients have line limits */

/* Whether s may stand in quotes. */
static bool is_quotable(struct slice s, bool has_utf8)
{
    if (s.n > QUOTED_MAX)
        return false;
    bool has_high = false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t b = s.p[i];
        if (b == '\r' || b == '\n')
            return false;
        has_high |= b >= 0x80;
    }
    return !has_high || (has_utf8 && slice_is_utf8(s));
}

static void put_quoted(struct buf *out, struct slice s)
{
    buf_put_byte(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t b = s.p[i];
        if (b != '"' && b != '\\' && b != 0)
            continue;
        buf_put(out, slice_sub(s, from, i - from));
        if (b != 0)
            buf_put_byte(out, '\\');
        buf_put_byte(out, b ? b : ' ');
        from = i + 1;
    }
    buf_put(out, slice_from(s, from));
    buf_put_byte(out, '"');
}

static void put_literal(struct buf *out, struct slice s)
{
    buf_put_byte(out, '{');
    buf_put_u64(out, s.n);
    buf_put_str(out, "}\r\n");
    size_t at = out->n;
    buf_put(out, s);
    for (; at < out->n; at++)
        if (out->p[at] == 0)
            out->p[at] = ' ';
}

/* Whether all stands in quotes as it is: ASCII without NUL, CR, LF, quote and backslash. Looks at every
 * byte, so that the compiler can take many at a time. */
static bool is_plain(struct slice s)
{
    uint8_t odd = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t b = s.p[i];
        odd |= (uint8_t)((b >= 0x80) | (b == 0) | (b == '"') | (b == '\\') | (b == '\r') | (b == '\n'));
    }
    return odd == 0;
}

/* Nearly every string is plain. False: it is not, nothing is written. */
static bool put_plain(struct buf *out, struct slice s)
{
    uint8_t *at = s.n <= QUOTED_MAX && is_plain(s) ? buf_room(out, s.n + 2) : NULL;
    if (!at)
        return false;
    at[0] = '"';
    if (s.n)
        memcpy(at + 1, s.p, s.n);
    at[s.n + 1] = '"';
    out->n += s.n + 2;
    return true;
}

void imap_put_string(struct buf *out, struct slice s, bool has_utf8)
{
    if (put_plain(out, s))
        return;
    if (is_quotable(s, has_utf8))
        put_quoted(out, s);
    else
        put_literal(out, s);
}

void imap_put_nstring(struct buf *out, bool is_there, struct slice s, bool has_utf8)
{
    if (is_there)
        imap_put_string(out, s, has_utf8);
    else
        buf_put_str(out, "NIL");
}

void imap_put_mailbox(struct buf *out, struct slice utf8, bool has_utf8)
{
    if (has_utf8) {
        imap_put_string(out, utf8, true);
        return;
    }
    struct buf name;
    buf_init(&name, utf8.n * 4 + 16);
    utf7_imap_put(utf8, &name);
    imap_put_string(out, buf_slice(&name), false);
    buf_clear(&name);
}

static void put_two(struct buf *out, int n, char blank)
{
    buf_put_byte(out, (uint8_t)(n >= 10 ? '0' + n / 10 % 10 : blank));
    buf_put_byte(out, (uint8_t)('0' + n % 10));
}

void imap_put_date_time(struct buf *out, int64_t wall)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)wall;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
        tm = (struct tm){.tm_mday = 1, .tm_year = 70};
    buf_put_byte(out, '"');
    put_two(out, tm.tm_mday, ' ');
    buf_put_byte(out, '-');
    buf_put_bytes(out, months + tm.tm_mon * 3, 3);
    buf_put_byte(out, '-');
    int year = tm.tm_year + 1900;
    put_two(out, year / 100, '0');
    put_two(out, year % 100, '0');
    buf_put_byte(out, ' ');
    put_two(out, tm.tm_hour, '0');
    buf_put_byte(out, ':');
    put_two(out, tm.tm_min, '0');
    buf_put_byte(out, ':');
    put_two(out, tm.tm_sec, '0');
    buf_put_str(out, " +0000\"");
}
