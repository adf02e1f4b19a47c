/* The elements of IMAP's grammar; see parse.h. */
#include "retrieval/imap/parse.h"

#include "storage/store_client.h"

void imap_cursor_init(struct imap_cursor *c, struct slice text, struct buf *scratch)
{
    *c = (struct imap_cursor){.text = text, .scratch = scratch};
}

bool imap_failed(const struct imap_cursor *c)
{
    return c->error != NULL;
}

void imap_fail(struct imap_cursor *c, const char *why)
{
    if (!c->error)
        c->error = why;
}

int imap_peek(const struct imap_cursor *c)
{
    if (c->error || c->at >= c->text.n)
        return -1;
    return c->text.p[c->at];
}

bool imap_take(struct imap_cursor *c, uint8_t byte)
{
    if (imap_peek(c) != byte)
        return false;
    c->at++;
    return true;
}

/* ATOM-CHAR: any CHAR except "(" ")" "{" SP CTL "%" "*" DQUOTE "\" "]" (RFC 3501 section 9). */
static bool is_atom_char(uint8_t b)
{
    return b > 0x20 && b < 0x7f && b != '(' && b != ')' && b != '{' && b != '%' && b != '*' &&
        b != '"' && b != '\\' && b != ']';
}

static bool is_astring_char(uint8_t b)
{
    return is_atom_char(b) || b == ']';
}

/* list-char, and bytes beyond ASCII: clients that enabled UTF-8 write names as they are. */
static bool is_list_char(uint8_t b)
{
    return is_astring_char(b) || b == '%' || b == '*' || b >= 0x80;
}

static bool is_tag_char(uint8_t b)
{
    return is_astring_char(b) && b != '+';
}

bool imap_take_word(struct imap_cursor *c, const char *word)
{
    if (c->error)
        return false;
    struct slice w = slice_str(word);
    struct slice rest = slice_from(c->text, c->at);
    if (!slice_starts_nocase(rest, w))
        return false;
    if (rest.n > w.n && is_atom_char(rest.p[w.n]))
        return false;
    c->at += w.n;
    return true;
}

void imap_space(struct imap_cursor *c)
{
    if (!imap_take(c, ' ')) {
        imap_fail(c, "a space is missing");
        return;
    }
    while (imap_take(c, ' '))
        ;
}

void imap_open(struct imap_cursor *c)
{
    if (!imap_take(c, '('))
        imap_fail(c, "an opening parenthesis is missing");
}

void imap_close(struct imap_cursor *c)
{
    if (!imap_take(c, ')'))
        imap_fail(c, "a closing parenthesis is missing");
}

void imap_end(struct imap_cursor *c)
{
    while (imap_take(c, ' '))
        ;
    if (!c->error && c->at != c->text.n)
        imap_fail(c, "there is more than the command takes");
}

static struct slice take_run(struct imap_cursor *c, bool (*is_char)(uint8_t), const char *why)
{
    if (c->error)
        return SLICE_EMPTY;
    size_t from = c->at;
    while (c->at < c->text.n && is_char(c->text.p[c->at]))
        c->at++;
    if (c->at == from)
        imap_fail(c, why);
    return slice_sub(c->text, from, c->at - from);
}

struct slice imap_tag(struct imap_cursor *c)
{
    struct slice tag = take_run(c, is_tag_char, "a tag is missing");
    if (tag.n > IMAP_TAG_MAX)
        imap_fail(c, "the tag is too long");
    return tag;
}

struct slice imap_atom(struct imap_cursor *c)
{
    return take_run(c, is_atom_char, "a word is missing");
}

static struct slice undo_escapes(struct imap_cursor *c, struct slice raw)
{
    struct buf *out = c->scratch;
    if (out->n == 0)
        (void)buf_room(out, c->text.n + 1); /* all there can be: never moves */
    size_t from = out->n;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\')
            i++;
        buf_put_byte(out, raw.p[i]);
    }
    return slice_sub(buf_slice(out), from, out->n - from);
}

/* quoted: DQUOTE *QUOTED-CHAR DQUOTE; bytes beyond ASCII are borne. The quote is consumed already. */
static struct slice quoted(struct imap_cursor *c)
{
    size_t from = c->at;
    bool has_escape = false;
    while (c->at < c->text.n && c->text.p[c->at] != '"') {
        uint8_t b = c->text.p[c->at];
        if (b == '\r' || b == '\n' || b == 0)
            break;
        if (b == '\\') {
            has_escape = true;
            c->at++;
            if (c->at >= c->text.n || (c->text.p[c->at] != '"' && c->text.p[c->at] != '\\')) {
                imap_fail(c, "a backslash in quotes stands before a quote or a backslash only");
                return SLICE_EMPTY;
            }
        }
        c->at++;
    }
    struct slice raw = slice_sub(c->text, from, c->at - from);
    if (!imap_take(c, '"')) {
        imap_fail(c, "a closing quote is missing");
        return SLICE_EMPTY;
    }
    return has_escape ? undo_escapes(c, raw) : raw;
}

/* literal: "{" number ["+"] "}" CRLF *CHAR8. The brace is consumed already. */
static struct slice literal(struct imap_cursor *c)
{
    uint64_t size = imap_number64(c);
    imap_take(c, '+');
    if (!imap_take(c, '}') || !imap_take(c, '\r') || !imap_take(c, '\n')) {
        imap_fail(c, "a literal is malformed");
        return SLICE_EMPTY;
    }
    if (size > c->text.n - c->at) {
        imap_fail(c, "a literal is cut short");
        return SLICE_EMPTY;
    }
    struct slice s = slice_sub(c->text, c->at, (size_t)size);
    c->at += (size_t)size;
    if (slice_find_byte(s, 0) != s.n)
        imap_fail(c, "a string must not hold NUL");
    return s;
}

struct slice imap_string(struct imap_cursor *c)
{
    if (imap_take(c, '"'))
        return quoted(c);
    if (imap_take(c, '{'))
        return literal(c);
    imap_fail(c, "a string is missing");
    return SLICE_EMPTY;
}

struct slice imap_astring(struct imap_cursor *c)
{
    int next = imap_peek(c);
    if (next == '"' || next == '{')
        return imap_string(c);
    return take_run(c, is_astring_char, "a word or a string is missing");
}

struct slice imap_list_mailbox(struct imap_cursor *c)
{
    int next = imap_peek(c);
    if (next == '"' || next == '{')
        return imap_string(c);
    return take_run(c, is_list_char, "a mailbox name or pattern is missing");
}

uint64_t imap_number64(struct imap_cursor *c)
{
    if (c->error)
        return 0;
    size_t from = c->at;
    while (c->at < c->text.n && ascii_is_digit(c->text.p[c->at]))
        c->at++;
    uint64_t value = 0;
    if (!slice_to_u64(slice_sub(c->text, from, c->at - from), INT64_MAX, &value))
        imap_fail(c, "a number is missing or too large");
    return c->error ? 0 : value;
}

uint32_t imap_number(struct imap_cursor *c)
{
    uint64_t value = imap_number64(c);
    if (value > UINT32_MAX)
        imap_fail(c, "a number is too large");
    return c->error ? 0 : (uint32_t)value;
}

static const struct {
    const char *name;
    uint64_t bit;
} system_flags[] = {
    {"Answered", FLAG_ANSWERED},
    {"Flagged", FLAG_FLAGGED},
    {"Deleted", FLAG_DELETED},
    {"Seen", FLAG_SEEN},
    {"Draft", FLAG_DRAFT},
};

static void system_flag(struct imap_cursor *c, struct imap_flags *out)
{
    struct slice name = imap_atom(c);
    for (size_t i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++)
        if (slice_equal_nocase(name, slice_str(system_flags[i].name))) {
            out->bits |= system_flags[i].bit;
            return;
        }
    imap_fail(c, "there is no such system flag that may be set");
}

void imap_flag(struct imap_cursor *c, struct imap_flags *out)
{
    if (imap_take(c, '\\')) {
        system_flag(c, out);
        return;
    }
    struct slice word = imap_atom(c);
    if (word.n > IMAP_KEYWORD_MAX)
        imap_fail(c, "a keyword is too long");
    else if (out->keyword_count == IMAP_KEYWORDS_MAX)
        imap_fail(c, "there are too many keywords");
    else if (!c->error)
        out->keywords[out->keyword_count++] = word;
}

void imap_flag_list(struct imap_cursor *c, struct imap_flags *out)
{
    imap_open(c);
    while (imap_take(c, ' '))
        ;
    while (!c->error && imap_peek(c) != ')') {
        imap_flag(c, out);
        if (imap_peek(c) != ')')
            imap_space(c);
    }
    imap_close(c);
}

/* Days since 1970-01-01 of a day in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* Up to `digits` digits; fails when there are none. */
static unsigned short_number(struct imap_cursor *c, int digits)
{
    unsigned value = 0;
    int n = 0;
    for (; n < digits && imap_peek(c) >= '0' && imap_peek(c) <= '9'; n++)
        value = value * 10 + (unsigned)(c->text.p[c->at++] - '0');
    if (n == 0)
        imap_fail(c, "a date is malformed");
    return value;
}

static void expect(struct imap_cursor *c, uint8_t byte)
{
    if (!imap_take(c, byte))
        imap_fail(c, "a date is malformed");
}

static unsigned month(struct imap_cursor *c)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    struct slice word = slice_sub(c->text, c->at, 3);
    for (unsigned i = 0; i < 12 && !c->error; i++)
        if (slice_equal_nocase(word, slice_of(names + i * 3, 3))) {
            c->at += 3;
            return i + 1;
        }
    imap_fail(c, "a date is malformed: the month is one of Jan, Feb, …");
    return 1;
}

/* date-text: 1*2DIGIT "-" month "-" 4DIGIT */
static int64_t date_text(struct imap_cursor *c)
{
    imap_take(c, ' '); /* date-day-fixed may begin with a blank */
    unsigned day = short_number(c, 2);
    expect(c, '-');
    unsigned m = month(c);
    expect(c, '-');
    unsigned year = short_number(c, 4);
    if (day < 1 || day > 31 || year < 1)
        imap_fail(c, "there is no such date");
    return c->error ? 0 : days_of(year, m, day) * 86400;
}

int64_t imap_date(struct imap_cursor *c)
{
    bool has_quotes = imap_take(c, '"');
    int64_t date = date_text(c);
    if (has_quotes)
        expect(c, '"');
    return c->error ? 0 : date;
}

int64_t imap_date_time(struct imap_cursor *c)
{
    expect(c, '"');
    int64_t date = date_text(c);
    expect(c, ' ');
    unsigned hour = short_number(c, 2);
    expect(c, ':');
    unsigned minute = short_number(c, 2);
    expect(c, ':');
    unsigned second = short_number(c, 2);
    expect(c, ' ');
    int sign = imap_take(c, '-') ? -1 : 1;
    if (sign == 1)
        expect(c, '+');
    unsigned zone = short_number(c, 4);
    expect(c, '"');
    if (hour > 23 || minute > 59 || second > 60 || zone / 100 > 23 || zone % 100 > 59)
        imap_fail(c, "there is no such time");
    if (c->error)
        return 0;
    int64_t offset = sign * (int64_t)(zone / 100 * 3600 + zone % 100 * 60);
    return date + (int64_t)hour * 3600 + (int64_t)minute * 60 + (int64_t)second - offset;
}

bool imap_line_literal(struct slice line, struct imap_literal *out)
{
    if (line.n < 3 || line.p[line.n - 1] != '}')
        return false;
    size_t end = line.n - 1;
    bool is_sync = line.p[end - 1] != '+';
    if (!is_sync)
        end--;
    size_t from = end;
    while (from > 0 && ascii_is_digit(line.p[from - 1]))
        from--;
    if (from == end || from == 0 || line.p[from - 1] != '{')
        return false;
    uint64_t size = (uint64_t)1 << 63;
    (void)slice_to_u64(slice_sub(line, from, end - from), INT64_MAX, &size);
    *out = (struct imap_literal){.size = size, .is_sync = is_sync,
        .is_binary = from >= 2 && line.p[from - 2] == '~'};
    return true;
}
