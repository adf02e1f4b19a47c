/* The tree of MIME entities (RFC 2046 section 5.1): which are open, where they begin and end.
 *
 * A delimiter of any open multipart ends all that is open inside it, whether closed properly or not.
 * What must hold of the tree in the end, and summary_decode() checks: a "multipart" has at least one
 * child, "message/rfc822" and "message/global" have exactly one, nothing else has any. So
 *   - a multipart in which no delimiter was found gets one empty text/plain child, as Dovecot
 *     describes it in BODYSTRUCTURE;
 *   - a message in base64 or quoted-printable (which RFC 2046 section 5.2.1 forbids), and whatever
 *     is beyond MIME_DEPTH_MAX or MIME_PARTS_MAX, is called application/octet-stream. */
#include "message/parser_state.h"

#include "message/decode.h"

/* FNV-1a; never 0. */
static uint32_t hash_more(uint32_t h, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 16777619u;
    return h;
}

static uint32_t hash_of(uint32_t h)
{
    return h ? h : 1;
}

#define HASH_START 2166136261u

static struct parser_frame *top(struct message_parser *p)
{
    return &p->frames[p->frame_n - 1];
}

static bool can_add_part(struct message_parser *p)
{
    if (p->s.part_count < MIME_PARTS_MAX && parser_spend(p, COST_PART, COST_PARTS_MAX)) {
        p->cost -= COST_PART;
        return true;
    }
    p->s.is_truncated = true;
    return false;
}

static struct summary_part *add_part(struct message_parser *p, uint64_t at)
{
    struct summary *s = &p->s;
    s->parts = parser_grow(s->parts, s->part_count, &p->part_cap, sizeof *s->parts);
    struct summary_part *part = &s->parts[s->part_count];
    *part = (struct summary_part){.depth = (uint32_t)p->frame_n, .header_offset = at,
        .body_offset = at};
    part->parent = p->frame_n ? top(p)->part : 0;
    p->cost += COST_PART;
    s->part_count++;
    part->end = (uint32_t)s->part_count;
    return part;
}

static void add_envelope(struct message_parser *p)
{
    struct summary *s = &p->s;
    s->envelopes =
        parser_grow(s->envelopes, s->envelope_count, &p->envelope_cap, sizeof *s->envelopes);
    s->envelopes[s->envelope_count] = (struct summary_envelope){0};
    p->envelope = (uint16_t)s->envelope_count++;
    p->cost += COST_ENVELOPE;
}

/* A new entity inside the innermost one; its header begins at `at`. */
static void open_part(struct message_parser *p, uint64_t at, bool is_letter)
{
    add_part(p, at);
    struct parser_frame *frame = &p->frames[p->frame_n];
    frame->kind = FRAME_LEAF;
    frame->part = (uint32_t)p->s.part_count - 1;
    frame->boundary_n = 0;
    p->hashes[p->frame_n] = 0;
    p->frame_n++;
    p->in_header = true;
    p->has_envelope = is_letter;
    if (is_letter)
        add_envelope(p);
    p->field = FIELD_NONE;
}

void parser_open_root(struct message_parser *p)
{
    open_part(p, 0, true);
}

static bool is_message_type(const struct summary_part *part)
{
    return slice_equal(part->type, SLICE("message")) &&
        (slice_equal(part->subtype, SLICE("rfc822")) ||
            slice_equal(part->subtype, SLICE("global")));
}

static bool is_multipart(const struct summary *s, uint32_t index)
{
    return slice_equal(s->parts[index].type, SLICE("multipart"));
}

/* RFC 2045 sections 5.2 and 6.1, RFC 2046 section 5.1.5 (digest). */
static void set_defaults(struct message_parser *p, struct summary_part *part)
{
    const struct summary_part *parent = &p->s.parts[part->parent];
    bool in_digest = p->frame_n > 1 && slice_equal(parent->type, SLICE("multipart")) &&
        slice_equal(parent->subtype, SLICE("digest"));
    if (part->type.n == 0) {
        part->type = in_digest ? SLICE("message") : SLICE("text");
        part->subtype = in_digest ? SLICE("rfc822") : SLICE("plain");
    }
    if (part->encoding.n == 0)
        part->encoding = SLICE("7BIT");
}

static enum frame_kind kind_of(struct message_parser *p, struct summary_part *part)
{
    bool is_multi = slice_equal(part->type, SLICE("multipart"));
    if (!is_multi && !is_message_type(part))
        return FRAME_LEAF;
    enum decode_encoding encoding = decode_encoding_of(part->encoding);
    bool is_encoded = encoding == DECODE_BASE64 || encoding == DECODE_QUOTED_PRINTABLE;
    bool has_room = p->frame_n < MIME_DEPTH_MAX && can_add_part(p);
    if (p->frame_n == MIME_DEPTH_MAX)
        p->s.is_truncated = true;
    if (has_room && (is_multi || !is_encoded))
        return is_multi ? FRAME_MULTIPART : FRAME_MESSAGE;
    part->type = SLICE("application");
    part->subtype = SLICE("octet-stream");
    return FRAME_LEAF;
}

static void start_capture(struct message_parser *p, const struct summary_part *part)
{
    if (!slice_equal(part->type, SLICE("text")) ||
        slice_equal_nocase(part->disposition, SLICE("attachment")))
        return;
    uint32_t index = (uint32_t)(part - p->s.parts);
    if (slice_equal(part->subtype, SLICE("plain")) && p->plain_part == UINT32_MAX) {
        p->plain_part = index;
        p->capture = &p->plain;
    } else if (slice_equal(part->subtype, SLICE("html")) && p->html_part == UINT32_MAX) {
        p->html_part = index;
        p->capture = &p->html;
    }
}

void parser_header_end(struct message_parser *p, uint64_t at)
{
    struct parser_frame *frame = top(p);
    struct summary_part *part = &p->s.parts[frame->part];
    set_defaults(p, part);
    part->body_offset = at;
    frame->body_lf = p->lf;
    frame->kind = kind_of(p, part);
    p->in_header = p->in_root_header = false;
    if (frame->kind == FRAME_LEAF) {
        start_capture(p, part);
    } else if (frame->kind == FRAME_MESSAGE) {
        part->is_message = true;
        part->envelope = (uint16_t)p->s.envelope_count;
        open_part(p, at, true);
    } else if (frame->boundary_n) {
        struct slice boundary = slice_of(frame->boundary, frame->boundary_n);
        p->hashes[p->frame_n - 1] = hash_of(hash_more(HASH_START, boundary));
        p->first_bytes[boundary.p[0]]++;
        p->open_boundaries++;
    }
}

/* Where entities end: at a delimiter or at the end of the letter. */
struct ending {
    uint64_t at;           /* behind the last byte */
    uint64_t lf;           /* line feeds before it */
    bool is_line_complete; /* the last byte is a line feed */
};

/* Where the line end before a delimiter ended a header already, it stays with the header, for this
 * entity and for those around it that end here too: a child never reaches beyond its parent. */
static void set_size(struct summary_part *part, uint64_t body_lf, struct ending *e)
{
    if (e->at < part->body_offset)
        *e = (struct ending){.at = part->body_offset, .lf = e->lf + 1, .is_line_complete = true};
    part->body_size = e->at - part->body_offset;
    part->body_lines = part->body_size == 0 ? 0 : e->lf - body_lf + !e->is_line_complete;
}

static void add_empty_child(struct message_parser *p)
{
    uint64_t at = p->s.parts[top(p)->part].body_offset;
    struct summary_part *part = add_part(p, at);
    part->type = SLICE("text");
    part->subtype = SLICE("plain");
    set_defaults(p, part);
}

static void close_boundary(struct message_parser *p, size_t i)
{
    if (p->hashes[i] == 0)
        return;
    p->hashes[i] = 0;
    p->first_bytes[p->frames[i].boundary[0]]--;
    p->open_boundaries--;
}

static void close_top(struct message_parser *p, struct ending *e)
{
    struct parser_frame *frame = top(p);
    if (is_multipart(&p->s, frame->part) && p->s.part_count == (size_t)frame->part + 1)
        add_empty_child(p);
    struct summary_part *part = &p->s.parts[frame->part];
    set_size(part, frame->body_lf, e);
    part->end = (uint32_t)p->s.part_count;
    p->capture = NULL;
    p->frame_n--;
    close_boundary(p, p->frame_n);
}

/* Headers that have no end end here, with an empty body. */
static void end_headers(struct message_parser *p, uint64_t at)
{
    while (p->in_header) {
        parser_field_finish(p);
        parser_header_end(p, at);
    }
}

/* The open multipart, innermost first, whose boundary is c; SIZE_MAX when there is none. */
static size_t find_boundary(const struct message_parser *p, uint32_t hash, struct slice c)
{
    for (size_t i = p->frame_n; i-- > 0;) {
        const struct parser_frame *f = &p->frames[i];
        if (p->hashes[i] == hash && slice_equal(slice_of(f->boundary, f->boundary_n), c))
            return i;
    }
    return SIZE_MAX;
}

/* delimiter := "--" boundary; close-delimiter := delimiter "--"; both with transport padding
 * (RFC 2046 section 5.1.1). Which open multipart the line belongs to, or SIZE_MAX. */
static size_t match_delimiter(const struct message_parser *p, struct slice line, bool *out_is_close)
{
    struct slice c = slice_from(line, 2);
    while (c.n && (c.p[c.n - 1] == ' ' || c.p[c.n - 1] == '\t' || c.p[c.n - 1] == '\r' ||
                      c.p[c.n - 1] == '\n'))
        c.n--;
    if (c.n == 0 || c.n > BOUNDARY_MAX + 2)
        return SIZE_MAX;
    bool may_close = c.n > 2 && c.p[c.n - 2] == '-' && c.p[c.n - 1] == '-';
    struct slice inner = slice_sub(c, 0, may_close ? c.n - 2 : c.n);
    uint32_t h = hash_more(HASH_START, inner);
    *out_is_close = false;
    size_t i = find_boundary(p, hash_of(hash_more(h, slice_from(c, inner.n))), c);
    if (i != SIZE_MAX || !may_close)
        return i;
    *out_is_close = true;
    return find_boundary(p, hash_of(h), inner);
}

/* The line end before the delimiter belongs to the delimiter. */
static struct ending ending_before_line(const struct message_parser *p)
{
    uint32_t tail = p->line_tail;
    unsigned n = (tail & 0xff) != '\n' ? 0 : (tail >> 8 & 0xff) == '\r' ? 2 : 1;
    return (struct ending){.at = p->line_offset - n,
        .lf = p->line_lf - (n > 0),
        .is_line_complete = (tail >> (8 * n) & 0xff) == '\n'};
}

bool parser_delimiter(struct message_parser *p, struct slice line)
{
    bool is_close;
    size_t at = match_delimiter(p, line, &is_close);
    if (at == SIZE_MAX)
        return false;
    end_headers(p, p->line_offset);
    struct ending ending = ending_before_line(p);
    while (p->frame_n > at + 1)
        close_top(p, &ending);
    if (is_close)
        close_boundary(p, at);
    else if (can_add_part(p))
        open_part(p, p->offset, false);
    return true;
}

void parser_close_all(struct message_parser *p)
{
    end_headers(p, p->offset);
    struct ending ending = {.at = p->offset, .lf = p->lf,
        .is_line_complete = (p->tail & 0xff) == '\n'};
    while (p->frame_n > 0)
        close_top(p, &ending);
}
