/* Sections of a letter; see fetch_section.h. */
#include "retrieval/imap/fetch_section.h"

#include "retrieval/imap/response.h"

void fetch_section_clear(struct fetch_section *s)
{
    free(s->names);
    *s = (struct fetch_section){0};
}

/* header-list: "(" header-fld-name *(SP header-fld-name) ")" */
static void parse_names(struct imap_cursor *c, struct fetch_section *out)
{
    imap_space(c);
    imap_open(c);
    size_t cap = 0;
    do {
        struct slice name = imap_astring(c);
        if (out->name_count == SECTION_NAMES_MAX)
            imap_fail(c, "there are too many header names");
        if (imap_failed(c))
            return;
        if (out->name_count == cap) {
            cap = cap ? cap * 2 : 8;
            out->names = mem_resize(out->names, cap * sizeof(*out->names));
        }
        out->names[out->name_count++] = name;
    } while (imap_take(c, ' '));
    imap_close(c);
}

/* section-msgtext / "MIME" */
static void parse_text(struct imap_cursor *c, struct fetch_section *out)
{
    if (imap_take_word(c, "HEADER.FIELDS.NOT")) {
        out->text = SECTION_FIELDS_NOT;
        parse_names(c, out);
    } else if (imap_take_word(c, "HEADER.FIELDS")) {
        out->text = SECTION_FIELDS;
        parse_names(c, out);
    } else if (imap_take_word(c, "HEADER")) {
        out->text = SECTION_HEADER;
    } else if (imap_take_word(c, "TEXT")) {
        out->text = SECTION_TEXT;
    } else if (out->depth && imap_take_word(c, "MIME")) {
        out->text = SECTION_MIME;
    } else {
        imap_fail(c, "there is no such section");
    }
}

static void parse_partial(struct imap_cursor *c, struct fetch_section *out)
{
    if (!imap_take(c, '<'))
        return;
    out->is_partial = true;
    out->partial_offset = imap_number64(c);
    if (!imap_take(c, '.'))
        imap_fail(c, "a partial is <offset.length>");
    out->partial_length = imap_number64(c);
    if (out->partial_length == 0)
        imap_fail(c, "a partial has one byte or more");
    if (!imap_take(c, '>'))
        imap_fail(c, "a partial is <offset.length>");
}

/* section-spec: section-msgtext / (section-part ["." section-text]) */
static void parse_spec(struct imap_cursor *c, struct fetch_section *out)
{
    bool wants_more = true;
    while (wants_more && imap_peek(c) >= '0' && imap_peek(c) <= '9') {
        uint32_t number = imap_number(c);
        if (number == 0)
            imap_fail(c, "a part number is 1 or more");
        if (out->depth == sizeof(out->path) / sizeof(out->path[0]))
            imap_fail(c, "the part lies too deep");
        if (imap_failed(c))
            return;
        out->path[out->depth++] = number;
        wants_more = imap_take(c, '.');
    }
    if (wants_more && (out->depth || imap_peek(c) != ']'))
        parse_text(c, out);
}

void fetch_section_parse(struct imap_cursor *c, struct fetch_section *out)
{
    if (!imap_take(c, '['))
        imap_fail(c, "an opening bracket is missing");
    parse_spec(c, out);
    if (!imap_take(c, ']'))
        imap_fail(c, "a closing bracket is missing");
    parse_partial(c, out);
}

static void put_name(struct buf *out, struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_') {
            imap_put_string(out, name, false);
            return;
        }
    buf_put(out, name);
}

void fetch_section_put(const struct fetch_section *s, struct buf *out)
{
    static const char *const words[] = {"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
    buf_put_byte(out, '[');
    for (size_t i = 0; i < s->depth; i++) {
        if (i > 0)
            buf_put_byte(out, '.');
        buf_put_u64(out, s->path[i]);
    }
    if (s->depth && s->text != SECTION_ALL)
        buf_put_byte(out, '.');
    buf_put_str(out, words[s->text]);
    for (size_t i = 0; i < s->name_count; i++) {
        buf_put_str(out, i == 0 ? " (" : " ");
        put_name(out, s->names[i]);
    }
    buf_put_str(out, s->name_count ? ")]" : "]");
    if (s->is_partial) {
        buf_put_byte(out, '<');
        buf_put_u64(out, s->partial_offset);
        buf_put_byte(out, '>');
    }
}

bool fetch_section_is_whole(const struct fetch_section *s)
{
    return s->depth == 0 && s->text == SECTION_ALL;
}

static bool is_multipart(const struct summary *m, size_t part)
{
    return slice_equal_nocase(m->parts[part].type, SLICE("multipart"));
}

/* The number-th child of a multipart, or SIZE_MAX. */
static size_t child(const struct summary *m, size_t part, uint32_t number)
{
    size_t i = part + 1;
    while (i < m->parts[part].end && --number > 0)
        i = m->parts[i].end;
    return i < m->parts[part].end ? i : SIZE_MAX;
}

/* Part `number` of the letter whose top entity is root: a child, or, as "1", the root's own body. */
static size_t part_of_letter(const struct summary *m, size_t root, uint32_t number)
{
    if (is_multipart(m, root))
        return child(m, root, number);
    return number == 1 ? root : SIZE_MAX;
}

static bool has_letter_inside(const struct summary *m, size_t part)
{
    return m->parts[part].is_message && part + 1 < m->parts[part].end;
}

static size_t find_part(const struct summary *m, const struct fetch_section *s)
{
    size_t part = part_of_letter(m, 0, s->path[0]);
    for (size_t i = 1; i < s->depth && part != SIZE_MAX; i++) {
        if (is_multipart(m, part))
            part = child(m, part, s->path[i]);
        else if (has_letter_inside(m, part))
            part = part_of_letter(m, part + 1, s->path[i]);
        else
            part = SIZE_MAX;
    }
    return part;
}

struct slice fetch_section_encoding(const struct fetch_section *s, const struct summary *summary)
{
    size_t part = s->depth ? find_part(summary, s) : SIZE_MAX;
    return part == SIZE_MAX ? SLICE_EMPTY : summary->parts[part].encoding;
}

static struct byte_range range_to(uint64_t from, uint64_t to)
{
    return (struct byte_range){from, to > from ? to - from : 0};
}

static enum err range_in_part(const struct fetch_section *s, const struct summary *m, uint64_t prefix,
    struct byte_range *out)
{
    size_t i = find_part(m, s);
    if (i == SIZE_MAX)
        return ERR_NOT_FOUND;
    const struct summary_part *part = &m->parts[i];
    const struct summary_part *inside = has_letter_inside(m, i) ? part + 1 : NULL;
    if (s->text == SECTION_ALL)
        *out = (struct byte_range){prefix + part->body_offset, part->body_size};
    else if (s->text == SECTION_MIME)
        *out = range_to(prefix + part->header_offset, prefix + part->body_offset);
    else if (!inside)
        return ERR_NOT_FOUND;
    else if (s->text == SECTION_TEXT)
        *out = (struct byte_range){prefix + inside->body_offset, inside->body_size};
    else
        *out = range_to(prefix + inside->header_offset, prefix + inside->body_offset);
    return ERR_OK;
}

enum err fetch_section_range(const struct fetch_section *s, const struct summary *summary,
    uint64_t prefix, uint64_t size, struct byte_range *out)
{
    struct byte_range range = {0, size};
    if (s->depth) {
        enum err e = range_in_part(s, summary, prefix, &range);
        if (e != ERR_OK)
            return e;
    } else if (s->text == SECTION_TEXT) {
        range = range_to(prefix + summary->header_size, size);
    } else if (s->text != SECTION_ALL) {
        range = (struct byte_range){0, prefix + summary->header_size};
    }
    if (range.offset > size)
        range = (struct byte_range){size, 0};
    if (range.length > size - range.offset)
        range.length = size - range.offset;
    *out = range;
    return ERR_OK;
}

struct byte_range fetch_section_cut(const struct fetch_section *s, struct byte_range whole)
{
    if (!s->is_partial)
        return whole;
    uint64_t skip = s->partial_offset < whole.length ? s->partial_offset : whole.length;
    uint64_t left = whole.length - skip;
    return (struct byte_range){whole.offset + skip, s->partial_length < left ? s->partial_length : left};
}
