/* MIME parameters (RFC 2045 section 5.1) with continuations, charsets and percent-encoding
 * (RFC 2231), as real mail writes them: unquoted blanks, lost quotes and stray semicolons are borne.
 *
 *     parameter := attribute ["*" section] ["*"] "=" (token / quoted-string) */
#include "message/parser_state.h"

#include "message/decode.h"

#define SECTION_NONE UINT32_MAX
#define SECTION_MAX 999

struct piece {
    struct slice name;  /* without the asterisks */
    struct slice value; /* inside the quotes when quoted */
    uint32_t section;
    bool is_quoted;
    bool is_extended;
    bool is_done;
};

struct pieces {
    struct piece list[PARAMS_MAX];
    size_t n;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Behind blanks and comments, which may nest. A comment without end runs to the end. */
static struct slice skip_cfws(struct slice s)
{
    size_t i = 0;
    size_t depth = 0;
    for (; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '\\' && depth && i + 1 < s.n)
            i++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (!depth && !is_blank(c))
            break;
    }
    return slice_from(s, i);
}

struct slice params_token(struct slice *text, uint8_t stop)
{
    struct slice s = skip_cfws(*text);
    size_t n = 0;
    while (n < s.n && !is_blank(s.p[n]) && s.p[n] != ';' && s.p[n] != '(' && s.p[n] != '"' &&
        s.p[n] != stop)
        n++;
    *text = skip_cfws(slice_from(s, n));
    return slice_sub(s, 0, n);
}

/* Inside of a quoted string, *s is left behind it. A string without end runs to the end. */
static struct slice quoted(struct slice *s)
{
    size_t i = 1;
    while (i < s->n && s->p[i] != '"')
        i += s->p[i] == '\\' ? 2 : 1;
    if (i > s->n)
        i = s->n;
    struct slice inner = slice_sub(*s, 1, i - 1);
    *s = slice_from(*s, i + 1);
    return inner;
}

/* File names are written with blanks and brackets by programs that should have quoted them; other
 * values end there. */
static struct slice unquoted(struct slice *s, struct slice name)
{
    struct slice value = slice_cut(s, ';');
    if (!slice_equal_nocase(name, SLICE("name")) && !slice_equal_nocase(name, SLICE("filename")))
        for (size_t i = 0; i < value.n; i++)
            if (is_blank(value.p[i]) || value.p[i] == '(')
                value.n = i;
    return slice_trim(value);
}

/* "name*1*" -> name, 1, extended. */
static void read_name(struct piece *piece, struct slice name)
{
    piece->section = SECTION_NONE;
    if (name.n && name.p[name.n - 1] == '*') {
        piece->is_extended = true;
        name.n--;
    }
    size_t star = slice_find_byte(name, '*');
    uint64_t section;
    if (star < name.n && slice_to_u64(slice_from(name, star + 1), SECTION_MAX, &section)) {
        piece->section = (uint32_t)section;
        name.n = star;
    }
    piece->name = name;
}

static void read_pieces(struct slice s, struct pieces *out)
{
    out->n = 0;
    while (s.n && out->n < PARAMS_MAX) {
        s = skip_cfws(s);
        if (s.n == 0)
            break;
        size_t n = 0;
        while (n < s.n && s.p[n] != '=' && s.p[n] != ';')
            n++;
        struct slice name = slice_trim(slice_sub(s, 0, n));
        bool has_value = n < s.n && s.p[n] == '=';
        s = slice_from(s, has_value ? n + 1 : n);
        if (!has_value || name.n == 0) {
            slice_cut(&s, ';');
            continue;
        }
        struct piece *piece = &out->list[out->n++];
        *piece = (struct piece){0};
        read_name(piece, name);
        s = skip_cfws(s);
        piece->is_quoted = s.n && s.p[0] == '"';
        if (!piece->is_quoted) {
            piece->value = unquoted(&s, piece->name);
            continue;
        }
        piece->value = quoted(&s);
        slice_cut(&s, ';');
    }
}

static int hex_digit(uint8_t c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_percent(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (low >= 0) {
            buf_put_byte(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            buf_put_byte(out, s.p[i]);
        }
    }
}

static void put_unescaped(struct buf *out, struct slice s)
{
    while (s.n) {
        size_t n = slice_find_byte(s, '\\');
        buf_put(out, slice_sub(s, 0, n));
        if (n + 1 < s.n)
            buf_put_byte(out, s.p[n + 1]);
        s = slice_from(s, n + 2);
    }
}

/* Appends the piece's bytes; the first of an extended value carries charset'language'. */
static void put_piece(struct buf *out, const struct piece *piece, bool is_first,
    struct slice *out_charset)
{
    struct slice value = piece->value;
    if (!piece->is_extended) {
        if (piece->is_quoted)
            put_unescaped(out, value);
        else
            buf_put(out, value);
        return;
    }
    size_t first = slice_find_byte(value, '\'');
    size_t second = first < value.n ? slice_find_byte(slice_from(value, first + 1), '\'') : 0;
    if (is_first && first < value.n && first + 1 + second < value.n) {
        *out_charset = slice_sub(value, 0, first);
        value = slice_from(value, first + second + 2);
    }
    put_percent(out, value);
}

static struct piece *find_section(struct pieces *all, struct slice name, uint32_t section)
{
    for (size_t i = 0; i < all->n; i++) {
        struct piece *piece = &all->list[i];
        if (!piece->is_done && piece->section == section && piece->name.n == name.n &&
            slice_equal_nocase(piece->name, name))
            return piece;
    }
    return NULL;
}

/* Joins the sections of a name, in order and without a gap; lone sections are dropped. */
static void join(struct pieces *all, struct piece *start, struct buf *raw, struct slice *out_charset)
{
    if (start->section == SECTION_NONE) {
        put_piece(raw, start, true, out_charset);
        return;
    }
    struct piece *piece;
    for (uint32_t i = 0; (piece = find_section(all, start->name, i)) != NULL; i++) {
        put_piece(raw, piece, i == 0, out_charset);
        piece->is_done = true;
    }
}

/* A plain value beside an encoded one is there for old programs (RFC 6266 and RFC 2231 writers). */
static bool has_better(const struct pieces *all, const struct piece *plain)
{
    if (plain->section != SECTION_NONE || plain->is_extended)
        return false;
    for (size_t i = 0; i < all->n; i++) {
        const struct piece *other = &all->list[i];
        if ((other->section == 0 || (other->section == SECTION_NONE && other->is_extended)) &&
            slice_equal_nocase(other->name, plain->name))
            return true;
    }
    return false;
}

void params_read(struct slice text, params_fn on, void *ctx)
{
    struct pieces all;
    struct buf raw, utf8;
    if (text.n && text.p[0] == ';')
        text = slice_from(text, 1);
    read_pieces(text, &all);
    buf_init(&raw, FIELD_WORK_MAX);
    buf_init(&utf8, SUMMARY_FIELD_MAX);
    for (size_t i = 0; i < all.n; i++) {
        struct piece *piece = &all.list[i];
        if (piece->is_done || has_better(&all, piece))
            continue;
        bool is_encoded = piece->is_extended || piece->section != SECTION_NONE;
        if (!is_encoded && (!piece->is_quoted || slice_find_byte(piece->value, '\\') == piece->value.n)) {
            on(ctx, piece->name, piece->value);
            continue;
        }
        struct slice charset = SLICE_EMPTY;
        buf_reset(&raw);
        buf_reset(&utf8);
        struct slice name = piece->name;
        join(&all, piece, &raw, &charset);
        if (charset.n)
            decode_charset(charset, buf_slice(&raw), &utf8);
        if (raw.n || !is_encoded)
            on(ctx, name, charset.n ? buf_slice(&utf8) : buf_slice(&raw));
    }
    buf_clear(&raw);
    buf_clear(&utf8);
}
