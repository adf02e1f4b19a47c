/* The first words of a letter on one line (RFC 8970): from the first text/plain part, or the first
 * text/html part without its tags. Blanks are collapsed, control and zero-width characters (with
 * which senders pad their preheaders) are dropped. Only PREVIEW_RAW_MAX raw bytes are looked at. */
#include "message/parser_state.h"

#include "message/decode.h"

/* Enough for most letters; when it does not fill the preview, all is decoded. */
#define PREVIEW_FIRST_BYTES 400
#define WORD_STEP 16 /* ASCII is taken in steps, so that a long word is cut, not dropped */
#define PREVIEW_TEXT_MAX (4 * PREVIEW_RAW_MAX)

struct preview {
    uint8_t bytes[SUMMARY_PREVIEW_MAX];
    size_t n;
    bool blank_due;
    bool is_full;
};

static void put(struct preview *v, const uint8_t *p, size_t n)
{
    bool blank = v->blank_due && v->n;
    if (v->is_full || v->n + n + blank > SUMMARY_PREVIEW_MAX) {
        v->is_full = true;
        return;
    }
    if (blank)
        v->bytes[v->n++] = ' ';
    v->blank_due = false;
    memcpy(v->bytes + v->n, p, n);
    v->n += n;
}

static size_t utf8_length(uint8_t c)
{
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static bool is_one_of(struct slice c, const struct slice *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_equal(c, list[i]))
            return true;
    return false;
}

/* One character of well-formed UTF-8. */
static void put_character(struct preview *v, struct slice c)
{
    const struct slice dropped[] = {SLICE("\u00ad"), SLICE("\u034f"), SLICE("\u200b"),
        SLICE("\u200c"), SLICE("\u200d"), SLICE("\u200e"), SLICE("\u200f"), SLICE("\u2060"),
        SLICE("\ufeff")};
    const struct slice blank[] = {SLICE("\u00a0"), SLICE("\u2003"), SLICE("\u2007"),
        SLICE("\u2009"), SLICE("\u2028"), SLICE("\u2029"), SLICE("\u3000")};
    if (c.n == 1) {
        if (c.p[0] == ' ' || (c.p[0] >= '\t' && c.p[0] <= '\r'))
            v->blank_due = true;
        else if (c.p[0] > ' ' && c.p[0] != 0x7f)
            put(v, c.p, 1);
    } else if (c.n == 2 && c.p[0] == 0xc2 && c.p[1] < 0xa0) {
        return; /* C1 controls */
    } else if (is_one_of(c, blank, sizeof blank / sizeof *blank)) {
        v->blank_due = true;
    } else if (!is_one_of(c, dropped, sizeof dropped / sizeof *dropped)) {
        put(v, c.p, c.n);
    }
}

static void put_text(struct preview *v, struct slice s)
{
    for (size_t i = 0; i < s.n && !v->is_full;) {
        size_t n = 0;
        while (i + n < s.n && s.p[i + n] > ' ' && s.p[i + n] < 0x7f && n < WORD_STEP)
            n++;
        if (n) {
            put(v, s.p + i, n);
            i += n;
            continue;
        }
        n = utf8_length(s.p[i]);
        put_character(v, slice_sub(s, i, n));
        i += n;
    }
}

static void put_code_point(struct preview *v, uint64_t c)
{
    uint8_t u[4];
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return;
    if (c < 0x80) {
        u[0] = (uint8_t)c;
        put_character(v, slice_of(u, 1));
    } else if (c < 0x800) {
        u[0] = (uint8_t)(0xc0 | c >> 6);
        u[1] = (uint8_t)(0x80 | (c & 0x3f));
        put_character(v, slice_of(u, 2));
    } else if (c < 0x10000) {
        u[0] = (uint8_t)(0xe0 | c >> 12);
        u[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        u[2] = (uint8_t)(0x80 | (c & 0x3f));
        put_character(v, slice_of(u, 3));
    } else {
        u[0] = (uint8_t)(0xf0 | c >> 18);
        u[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        u[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        u[3] = (uint8_t)(0x80 | (c & 0x3f));
        put_character(v, slice_of(u, 4));
    }
}

struct entity {
    struct slice name;
    uint32_t code_point;
};

#define ENTITY(name_, c) {{(const uint8_t *)(name_), sizeof(name_) - 1}, (c)}

static const struct entity ENTITIES[] = {ENTITY("amp", '&'), ENTITY("lt", '<'), ENTITY("gt", '>'),
    ENTITY("quot", '"'), ENTITY("apos", '\''), ENTITY("nbsp", 0xa0), ENTITY("auml", 0xe4),
    ENTITY("ouml", 0xf6), ENTITY("uuml", 0xfc), ENTITY("Auml", 0xc4), ENTITY("Ouml", 0xd6),
    ENTITY("Uuml", 0xdc), ENTITY("szlig", 0xdf), ENTITY("eacute", 0xe9), ENTITY("egrave", 0xe8),
    ENTITY("agrave", 0xe0), ENTITY("ccedil", 0xe7), ENTITY("copy", 0xa9), ENTITY("reg", 0xae),
    ENTITY("trade", 0x2122), ENTITY("euro", 0x20ac), ENTITY("hellip", 0x2026),
    ENTITY("ndash", 0x2013), ENTITY("mdash", 0x2014), ENTITY("lsquo", 0x2018),
    ENTITY("rsquo", 0x2019), ENTITY("ldquo", 0x201c), ENTITY("rdquo", 0x201d),
    ENTITY("bull", 0x2022), ENTITY("zwnj", 0x200c), ENTITY("zwj", 0x200d), ENTITY("shy", 0xad)};

/* The code point of "name" or "#123" or "#x1f"; 0 when it is not known. */
static uint64_t entity_code(struct slice name)
{
    if (name.n > 1 && name.p[0] == '#') {
        bool is_hex = ascii_lower(name.p[1]) == 'x';
        uint64_t c = 0;
        if (!is_hex)
            return slice_to_u64(slice_from(name, 1), 0x10ffff, &c) ? c : 0;
        for (size_t i = 2; i < name.n; i++) {
            uint8_t d = ascii_lower(name.p[i]);
            if (!ascii_is_digit(d) && (d < 'a' || d > 'f'))
                return 0;
            c = c * 16 + (uint64_t)(ascii_is_digit(d) ? d - '0' : d - 'a' + 10);
        }
        return c;
    }
    for (size_t i = 0; i < sizeof ENTITIES / sizeof *ENTITIES; i++)
        if (slice_equal(ENTITIES[i].name, name))
            return ENTITIES[i].code_point;
    return 0;
}

/* At "&": takes an entity, or the one byte. */
static size_t put_entity(struct preview *v, struct slice s)
{
    size_t end = slice_find_byte(slice_sub(s, 0, 12), ';');
    uint64_t c = end > 1 && end < 12 && end < s.n ? entity_code(slice_sub(s, 1, end - 1)) : 0;
    if (c == 0) {
        put_text(v, slice_sub(s, 0, 1));
        return 1;
    }
    put_code_point(v, c);
    return end + 1;
}

/* At "<": bytes of the tag, with all that a comment, style, script or head encloses. */
static size_t tag_length(struct slice s)
{
    const struct slice closers[][2] = {{SLICE("<!--"), SLICE("-->")},
        {SLICE("<style"), SLICE("</style")}, {SLICE("<script"), SLICE("</script")},
        {SLICE("<title"), SLICE("</title")}};
    for (size_t i = 0; i < sizeof closers / sizeof *closers; i++) {
        if (!slice_starts_nocase(s, closers[i][0]))
            continue;
        size_t at = slice_find_nocase(s, closers[i][1]);
        if (at == SIZE_MAX)
            return s.n;
        s = slice_from(s, at);
        return at + slice_find_byte(s, '>') + 1;
    }
    return slice_find_byte(s, '>') + 1;
}

/* Tags that stand within a line: no blank where they were. */
static bool is_inline_tag(struct slice tag)
{
    const struct slice names[] = {SLICE("a"), SLICE("b"), SLICE("i"), SLICE("u"), SLICE("em"),
        SLICE("strong"), SLICE("span"), SLICE("font"), SLICE("!--"), SLICE("small"), SLICE("big")};
    tag = slice_from(tag, 1);
    if (tag.n && tag.p[0] == '/')
        tag = slice_from(tag, 1);
    size_t n = 0;
    while (n < tag.n && (ascii_is_alnum(tag.p[n]) || tag.p[n] == '!' || tag.p[n] == '-'))
        n++;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_nocase(slice_sub(tag, 0, n), names[i]))
            return true;
    return slice_starts(tag, SLICE("!--"));
}

static void put_html(struct preview *v, struct slice s)
{
    while (s.n && !v->is_full) {
        size_t n = 0;
        while (n < s.n && s.p[n] != '<' && s.p[n] != '&')
            n++;
        put_text(v, slice_sub(s, 0, n));
        s = slice_from(s, n);
        if (s.n == 0)
            return;
        if (s.p[0] == '&') {
            s = slice_from(s, put_entity(v, s));
            continue;
        }
        if (s.n > 1 && (ascii_is_alpha(s.p[1]) || s.p[1] == '/' || s.p[1] == '!' || s.p[1] == '?')) {
            v->blank_due |= !is_inline_tag(s);
            s = slice_from(s, tag_length(s));
        } else {
            put_text(v, slice_sub(s, 0, 1));
            s = slice_from(s, 1);
        }
    }
}

static struct slice charset_of(const struct summary *s, const struct summary_part *part)
{
    for (size_t i = 0; i < part->param_count; i++) {
        const struct summary_param *param = &s->params[part->param_first + i];
        if (slice_equal_nocase(param->name, SLICE("charset")))
            return param->value;
    }
    return SLICE_EMPTY;
}

static void make_from(struct message_parser *p, struct slice raw, const struct summary_part *part,
    bool is_html, struct preview *v)
{
    struct buf bytes, text;
    struct decode_stream d;
    buf_init(&bytes, PREVIEW_RAW_MAX);
    buf_init(&text, PREVIEW_TEXT_MAX);
    decode_stream_init(&d, decode_encoding_of(part->encoding));
    decode_stream_feed(&d, raw, &bytes);
    struct slice charset = charset_of(&p->s, part);
    decode_charset(charset, buf_slice(&bytes), &text);
    *v = (struct preview){.n = 0};
    if (is_html)
        put_html(v, buf_slice(&text));
    else
        put_text(v, buf_slice(&text));
    buf_clear(&bytes);
    buf_clear(&text);
}

static bool make(struct message_parser *p, const struct buf *captured, uint32_t index, bool is_html,
    struct preview *v)
{
    if (index == UINT32_MAX)
        return false;
    const struct summary_part *part = &p->s.parts[index];
    uint64_t size = part->body_size < captured->n ? part->body_size : captured->n;
    struct slice raw = slice_sub(buf_slice(captured), 0, (size_t)size);
    make_from(p, slice_sub(raw, 0, PREVIEW_FIRST_BYTES), part, is_html, v);
    if (!v->is_full && raw.n > PREVIEW_FIRST_BYTES)
        make_from(p, raw, part, is_html, v);
    return v->n > 0;
}

void parser_make_preview(struct message_parser *p)
{
    struct preview v;
    if (make(p, &p->plain, p->plain_part, false, &v) || make(p, &p->html, p->html_part, true, &v))
        p->s.preview = parser_keep(p, slice_of(v.bytes, v.n), SUMMARY_PREVIEW_MAX,
            SUMMARY_BYTES_MAX);
}
