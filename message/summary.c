/* The summary's record: writing, and reading with distrust; see summary.h.
 *
 *     record   = version flags size header_size [sent] received_count
 *                envelope_count address_count param_count part_count
 *                preview list_id *envelope *part
 *     envelope = has *string *( address_count *address )    ; has: one bit a field, one a list
 *     address  = kind-and-bits [name] [route] [mailbox] [host]
 *     part     = bits depth header_offset body_offset body_size body_lines
 *                type encoding [param_count *param] [disposition param_count *param] [strings]
 *
 * Numbers are varints, strings have their length before them. A part's offsets are counted from the
 * part before it and from its own header. Frequent types and encodings are one byte. The letter's
 * own envelope comes first, so that a listing reads no further. */
#include "message/parser_state.h"

#include "base/wire.h"

enum { /* record flags */
    HAS_8BIT_HEADER = 1 << 0,
    HAS_8BIT_BODY = 1 << 1,
    HAS_NUL = 1 << 2,
    IS_TRUNCATED = 1 << 3,
    HAS_ATTACHMENT = 1 << 4,
    HAS_SENT = 1 << 5
};

enum { /* address bits, above the kind */
    ADDRESS_KIND = 3,
    ADDRESS_NAME = 1 << 2,
    ADDRESS_ROUTE = 1 << 3,
    ADDRESS_MAILBOX = 1 << 4,
    ADDRESS_HOST = 1 << 5
};

enum { /* part bits */
    PART_ID = 1 << 0,
    PART_DESCRIPTION = 1 << 1,
    PART_MD5 = 1 << 2,
    PART_LANGUAGE = 1 << 3,
    PART_LOCATION = 1 << 4,
    PART_DISPOSITION = 1 << 5,
    PART_PARAMS = 1 << 6,
    PART_MESSAGE = 1 << 7
};

#define WORD(s) {(const uint8_t *)(s), sizeof(s) - 1}

/* Codes are positions plus one; 0 stands before strings. Only ever append. */
static const struct slice TYPES[][2] = {{WORD("text"), WORD("plain")}, {WORD("text"), WORD("html")},
    {WORD("multipart"), WORD("mixed")}, {WORD("multipart"), WORD("alternative")},
    {WORD("multipart"), WORD("related")}, {WORD("multipart"), WORD("signed")},
    {WORD("multipart"), WORD("report")}, {WORD("multipart"), WORD("digest")},
    {WORD("message"), WORD("rfc822")}, {WORD("message"), WORD("delivery-status")},
    {WORD("application"), WORD("octet-stream")}, {WORD("application"), WORD("pdf")},
    {WORD("application"), WORD("pgp-signature")}, {WORD("application"), WORD("pkcs7-signature")},
    {WORD("image"), WORD("jpeg")}, {WORD("image"), WORD("png")}, {WORD("image"), WORD("gif")},
    {WORD("text"), WORD("calendar")}, {WORD("message"), WORD("global")}};
#define TYPES_COUNT (sizeof TYPES / sizeof *TYPES)

static const struct slice ENCODINGS[] = {WORD("7BIT"), WORD("7bit"), WORD("8bit"), WORD("8BIT"),
    WORD("base64"), WORD("BASE64"), WORD("quoted-printable"), WORD("QUOTED-PRINTABLE"),
    WORD("Quoted-Printable"), WORD("binary"), WORD("Base64")};
#define ENCODINGS_COUNT (sizeof ENCODINGS / sizeof *ENCODINGS)

bool summary_common_type(struct slice type, struct slice subtype, struct slice *out_type,
    struct slice *out_subtype)
{
    for (size_t i = 0; i < TYPES_COUNT; i++)
        if (subtype.n == TYPES[i][1].n && slice_equal_nocase(type, TYPES[i][0]) &&
            slice_equal_nocase(subtype, TYPES[i][1])) {
            *out_type = TYPES[i][0];
            *out_subtype = TYPES[i][1];
            return true;
        }
    return false;
}

static unsigned bit(bool set, unsigned value)
{
    return set ? value : 0;
}

static void put_optional(struct buf *out, struct slice s)
{
    if (s.n)
        wire_put_short(out, s);
}

static void put_address(struct buf *out, const struct summary_address *a)
{
    wire_put_u8(out, (uint8_t)(a->kind | bit(a->name.n, ADDRESS_NAME) |
                         bit(a->route.n, ADDRESS_ROUTE) | bit(a->mailbox.n, ADDRESS_MAILBOX) |
                         bit(a->host.n, ADDRESS_HOST)));
    put_optional(out, a->name);
    put_optional(out, a->route);
    put_optional(out, a->mailbox);
    put_optional(out, a->host);
}

static void put_envelope(struct buf *out, const struct summary *s, const struct summary_envelope *e)
{
    unsigned has = 0;
    for (size_t i = 0; i < SUMMARY_FIELDS; i++)
        has |= bit(e->has_field[i], 1u << i);
    for (size_t i = 0; i < SUMMARY_LISTS; i++)
        has |= bit(e->has_list[i], 1u << (SUMMARY_FIELDS + i));
    wire_put_varint(out, has);
    for (size_t i = 0; i < SUMMARY_FIELDS; i++)
        if (e->has_field[i])
            wire_put_short(out, e->fields[i]);
    for (size_t i = 0; i < SUMMARY_LISTS; i++) {
        if (!e->has_list[i])
            continue;
        wire_put_varint(out, e->list_count[i]);
        for (size_t k = 0; k < e->list_count[i]; k++)
            put_address(out, &s->addresses[e->list_first[i] + k]);
    }
}

static void put_params(struct buf *out, const struct summary *s, size_t first, size_t count)
{
    wire_put_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        wire_put_short(out, s->params[first + i].name);
        wire_put_short(out, s->params[first + i].value);
    }
}

static void put_type(struct buf *out, const struct summary_part *part)
{
    for (size_t i = 0; i < TYPES_COUNT; i++)
        if (slice_equal(part->type, TYPES[i][0]) && slice_equal(part->subtype, TYPES[i][1])) {
            wire_put_u8(out, (uint8_t)(i + 1));
            return;
        }
    wire_put_u8(out, 0);
    wire_put_short(out, part->type);
    wire_put_short(out, part->subtype);
}

static void put_encoding(struct buf *out, struct slice encoding)
{
    for (size_t i = 0; i < ENCODINGS_COUNT; i++)
        if (slice_equal(encoding, ENCODINGS[i])) {
            wire_put_u8(out, (uint8_t)(i + 1));
            return;
        }
    wire_put_u8(out, 0);
    wire_put_short(out, encoding);
}

static void put_part(struct buf *out, const struct summary *s, const struct summary_part *part,
    uint64_t offset_before)
{
    wire_put_u8(out, (uint8_t)(bit(part->id.n, PART_ID) |
                         bit(part->description.n, PART_DESCRIPTION) | bit(part->md5.n, PART_MD5) |
                         bit(part->language.n, PART_LANGUAGE) |
                         bit(part->location.n, PART_LOCATION) |
                         bit(part->disposition.n, PART_DISPOSITION) |
                         bit(part->param_count, PART_PARAMS) | bit(part->is_message, PART_MESSAGE)));
    wire_put_u8(out, (uint8_t)part->depth);
    wire_put_varint(out, part->header_offset - offset_before);
    wire_put_varint(out, part->body_offset - part->header_offset);
    wire_put_varint(out, part->body_size);
    wire_put_varint(out, part->body_lines);
    put_type(out, part);
    put_encoding(out, part->encoding);
    if (part->param_count)
        put_params(out, s, part->param_first, part->param_count);
    if (part->disposition.n) {
        wire_put_short(out, part->disposition);
        put_params(out, s, part->disposition_param_first, part->disposition_param_count);
    }
    put_optional(out, part->id);
    put_optional(out, part->description);
    put_optional(out, part->md5);
    put_optional(out, part->language);
    put_optional(out, part->location);
}

enum err summary_encode(const struct summary *s, struct buf *out)
{
    bool has_sent = s->sent != INT64_MIN;
    ENSURE(s->part_count <= MIME_PARTS_MAX && s->envelope_count >= 1);
    wire_put_u8(out, SUMMARY_VERSION);
    wire_put_u8(out, (uint8_t)(bit(s->has_8bit_header, HAS_8BIT_HEADER) |
                         bit(s->has_8bit_body, HAS_8BIT_BODY) | bit(s->has_nul, HAS_NUL) |
                         bit(s->is_truncated, IS_TRUNCATED) |
                         bit(s->has_attachment, HAS_ATTACHMENT) | bit(has_sent, HAS_SENT)));
    wire_put_varint(out, s->size);
    wire_put_varint(out, s->header_size);
    if (has_sent)
        wire_put_varint(out, (uint64_t)s->sent << 1 ^ (uint64_t)(s->sent >> 63));
    wire_put_varint(out, s->received_count);
    wire_put_varint(out, s->envelope_count);
    wire_put_varint(out, s->address_count);
    wire_put_varint(out, s->param_count);
    wire_put_varint(out, s->part_count);
    wire_put_short(out, s->preview);
    wire_put_short(out, s->list_id);
    for (size_t i = 0; i < s->envelope_count; i++)
        put_envelope(out, s, &s->envelopes[i]);
    for (size_t i = 0; i < s->part_count; i++)
        put_part(out, s, &s->parts[i], i ? s->parts[i - 1].header_offset : 0);
    return buf_error(out);
}

/* The three reads that a record is made of, here so that they are inlined: listings decode records by
 * the hundred thousand. They fail as base/wire's do. */
static inline uint8_t get_u8(struct wire *w)
{
    if (w->failed || w->rest.n == 0) {
        w->failed = true;
        return 0;
    }
    w->rest.n--;
    return *w->rest.p++;
}

static inline uint64_t get_varint(struct wire *w)
{
    if (!w->failed && w->rest.n && w->rest.p[0] < 0x80)
        return get_u8(w);
    return wire_varint(w);
}

static inline struct slice get_short(struct wire *w)
{
    uint64_t n = get_varint(w);
    if (w->failed || n > w->rest.n) {
        w->failed = true;
        return SLICE_EMPTY;
    }
    struct slice s = {w->rest.p, (size_t)n};
    w->rest.p += n;
    w->rest.n -= (size_t)n;
    return s;
}

/* A record that is read: the arrays are filled in order, the counts of the head bound them. */
struct reader {
    struct wire w;
    struct summary *s;
    size_t addresses, params;
    size_t letters; /* envelopes that parts have claimed */
    uint64_t offset;
};

/* The least bytes that one element takes, so that counts cannot ask for more memory than is fair. */
enum { ENVELOPE_LEAST = 1, ADDRESS_LEAST = 1, PARAM_LEAST = 2, PART_LEAST = 8 };

static size_t read_count(struct wire *w, size_t max, size_t least)
{
    uint64_t n = get_varint(w);
    if (n > max || n * least > w->rest.n)
        w->failed = true;
    return w->failed ? 0 : (size_t)n;
}

static void read_head(struct reader *r)
{
    struct summary *s = r->s;
    struct wire *w = &r->w;
    unsigned flags = get_u8(w);
    s->has_8bit_header = flags & HAS_8BIT_HEADER;
    s->has_8bit_body = flags & HAS_8BIT_BODY;
    s->has_nul = flags & HAS_NUL;
    s->is_truncated = flags & IS_TRUNCATED;
    s->has_attachment = flags & HAS_ATTACHMENT;
    s->size = get_varint(w);
    s->header_size = get_varint(w);
    s->sent = INT64_MIN;
    if (flags & HAS_SENT) {
        uint64_t v = get_varint(w);
        s->sent = (int64_t)(v >> 1 ^ (~(v & 1) + 1));
    }
    uint64_t received = get_varint(w);
    s->received_count = received > UINT32_MAX ? UINT32_MAX : (uint32_t)received;
    s->envelope_count = read_count(w, MIME_PARTS_MAX, ENVELOPE_LEAST);
    s->address_count = read_count(w, SUMMARY_BYTES_MAX, ADDRESS_LEAST);
    s->param_count = read_count(w, SUMMARY_BYTES_MAX, PARAM_LEAST);
    s->part_count = read_count(w, MIME_PARTS_MAX, PART_LEAST);
    s->preview = get_short(w);
    s->list_id = get_short(w);
    if (s->header_size > s->size || s->envelope_count == 0 || s->part_count == 0)
        w->failed = true;
}

/* One block for all arrays; each is a multiple of eight bytes. */
static void allocate(struct summary *s)
{
    size_t envelopes = s->envelope_count * sizeof *s->envelopes;
    size_t addresses = s->address_count * sizeof *s->addresses;
    size_t params = s->param_count * sizeof *s->params;
    size_t parts = s->part_count * sizeof *s->parts;
    uint8_t *at = mem_resize(NULL, envelopes + addresses + params + parts);
    s->memory = at;
    s->addresses = (struct summary_address *)(void *)at;
    at += addresses;
    s->params = (struct summary_param *)(void *)at;
    at += params;
    s->parts = (struct summary_part *)(void *)at;
    at += parts;
    s->envelopes = (struct summary_envelope *)(void *)at;
    _Static_assert(sizeof(struct summary_address) % 8 == 0 && sizeof(struct summary_param) % 8 == 0 &&
            sizeof(struct summary_part) % 8 == 0,
        "the arrays stand side by side");
}

static struct slice read_optional(struct wire *w, bool is_there)
{
    return is_there ? get_short(w) : SLICE_EMPTY;
}

static void read_address(struct reader *r)
{
    if (r->addresses == r->s->address_count) {
        r->w.failed = true;
        return;
    }
    struct summary_address *a = &r->s->addresses[r->addresses++];
    unsigned bits = get_u8(&r->w);
    if ((bits & ADDRESS_KIND) > SUMMARY_GROUP_END)
        r->w.failed = true;
    a->kind = (enum summary_address_kind)(bits & ADDRESS_KIND);
    a->name = read_optional(&r->w, bits & ADDRESS_NAME);
    a->route = read_optional(&r->w, bits & ADDRESS_ROUTE);
    a->mailbox = read_optional(&r->w, bits & ADDRESS_MAILBOX);
    a->host = read_optional(&r->w, bits & ADDRESS_HOST);
}

static void read_envelope(struct reader *r, struct summary_envelope *e)
{
    *e = (struct summary_envelope){0};
    uint64_t has = get_varint(&r->w);
    if (has >> (SUMMARY_FIELDS + SUMMARY_LISTS))
        r->w.failed = true;
    for (size_t i = 0; i < SUMMARY_FIELDS; i++) {
        e->has_field[i] = has >> i & 1;
        e->fields[i] = read_optional(&r->w, e->has_field[i]);
    }
    for (size_t i = 0; i < SUMMARY_LISTS; i++) {
        e->has_list[i] = has >> (SUMMARY_FIELDS + i) & 1;
        if (!e->has_list[i])
            continue;
        size_t n = read_count(&r->w, UINT16_MAX, ADDRESS_LEAST);
        if (r->addresses > UINT16_MAX)
            r->w.failed = true;
        e->list_first[i] = (uint16_t)r->addresses;
        e->list_count[i] = (uint16_t)n;
        for (size_t k = 0; k < n && !r->w.failed; k++)
            read_address(r);
    }
}

static uint16_t read_params(struct reader *r, uint16_t *out_first)
{
    size_t n = read_count(&r->w, UINT16_MAX, PARAM_LEAST);
    if (n > r->s->param_count - r->params || r->params > UINT16_MAX) {
        r->w.failed = true;
        return 0;
    }
    *out_first = (uint16_t)r->params;
    for (size_t i = 0; i < n; i++) {
        struct summary_param *param = &r->s->params[r->params++];
        param->name = get_short(&r->w);
        param->value = get_short(&r->w);
    }
    return (uint16_t)n;
}

static void read_type(struct reader *r, struct summary_part *part)
{
    size_t code = get_u8(&r->w);
    if (code > TYPES_COUNT) {
        r->w.failed = true;
    } else if (code) {
        part->type = TYPES[code - 1][0];
        part->subtype = TYPES[code - 1][1];
    } else {
        part->type = get_short(&r->w);
        part->subtype = get_short(&r->w);
        if (part->type.n == 0 || part->subtype.n == 0)
            r->w.failed = true;
    }
}

static struct slice read_encoding(struct reader *r)
{
    size_t code = get_u8(&r->w);
    if (code > ENCODINGS_COUNT)
        r->w.failed = true;
    if (code == 0)
        return get_short(&r->w);
    return r->w.failed ? SLICE_EMPTY : ENCODINGS[code - 1];
}

/* Sums that do not fit are refused: sizes are far below 2^62 once they are compared one by one. */
static void check_extent(struct reader *r, const struct summary_part *part, uint64_t header_n)
{
    uint64_t size = r->s->size;
    if (part->header_offset > size || header_n > size - part->header_offset ||
        part->body_size > size - part->body_offset || part->body_lines > part->body_size)
        r->w.failed = true;
}

static void read_part(struct reader *r, struct summary_part *part)
{
    struct wire *w = &r->w;
    *part = (struct summary_part){0};
    unsigned bits = get_u8(w);
    part->depth = get_u8(w);
    uint64_t step = get_varint(w);
    if (step > r->s->size - r->offset)
        w->failed = true;
    part->header_offset = r->offset + step;
    uint64_t header_n = get_varint(w);
    part->body_offset = part->header_offset + header_n;
    part->body_size = get_varint(w);
    part->body_lines = get_varint(w);
    check_extent(r, part, header_n);
    read_type(r, part);
    part->encoding = read_encoding(r);
    if (bits & PART_PARAMS)
        part->param_count = read_params(r, &part->param_first);
    if (bits & PART_DISPOSITION) {
        part->disposition = get_short(w);
        part->disposition_param_count = read_params(r, &part->disposition_param_first);
    }
    part->id = read_optional(w, bits & PART_ID);
    part->description = read_optional(w, bits & PART_DESCRIPTION);
    part->md5 = read_optional(w, bits & PART_MD5);
    part->language = read_optional(w, bits & PART_LANGUAGE);
    part->location = read_optional(w, bits & PART_LOCATION);
    part->is_message = bits & PART_MESSAGE;
    if (part->is_message)
        part->envelope = (uint16_t)++r->letters;
    r->offset = w->failed ? 0 : part->header_offset;
}

/* Whether the part may stand where it does, and what it makes of its parent's tally. */
static bool fits_parent(const struct summary *s, const struct summary_part *part, uint32_t index)
{
    const struct summary_part *parent = &s->parts[part->parent];
    if (part->header_offset < parent->body_offset ||
        part->body_offset + part->body_size > parent->body_offset + parent->body_size)
        return false;
    if (parent->is_message)
        return index == part->parent + 1;
    return slice_equal(parent->type, SLICE("multipart"));
}

static bool is_letter_type(const struct summary_part *part)
{
    return slice_equal(part->type, SLICE("message")) &&
        (slice_equal(part->subtype, SLICE("rfc822")) || slice_equal(part->subtype, SLICE("global")));
}

/* Sets parent and end from the depths; false when they make no tree of the kind that summary.h and
 * parser_mime.c speak of. */
static bool link_parts(struct summary *s)
{
    uint32_t open[MIME_DEPTH_MAX + 1];
    for (uint32_t i = 0; i < s->part_count; i++) {
        struct summary_part *part = &s->parts[i];
        uint32_t before = i ? s->parts[i - 1].depth : 0;
        if (i == 0 ? part->depth != 0 : part->depth == 0 || part->depth > before + 1)
            return false;
        if (part->depth > MIME_DEPTH_MAX || part->is_message != is_letter_type(part))
            return false;
        part->parent = i ? open[part->depth - 1] : 0;
        if (i && !fits_parent(s, part, i))
            return false;
        for (uint32_t d = part->depth; i && d <= before; d++)
            s->parts[open[d]].end = i;
        open[part->depth] = i;
        part->end = (uint32_t)s->part_count;
    }
    for (uint32_t i = 0; i < s->part_count; i++) {
        const struct summary_part *part = &s->parts[i];
        bool needs_child = part->is_message || slice_equal(part->type, SLICE("multipart"));
        if (needs_child != (part->end > i + 1))
            return false;
    }
    return true;
}

static enum err read_version(struct reader *r, struct slice record)
{
    if (record.n > SUMMARY_BYTES_MAX)
        return ERR_DAMAGED;
    r->w = wire_of(record);
    uint8_t version = get_u8(&r->w);
    if (r->w.failed)
        return ERR_DAMAGED;
    return version == SUMMARY_VERSION ? ERR_OK : ERR_UNSUPPORTED;
}

enum err summary_decode(struct slice record, struct summary *out)
{
    struct summary s = {0};
    struct reader r = {.s = &s};
    enum err e = read_version(&r, record);
    if (e != ERR_OK)
        return e;
    read_head(&r);
    if (r.w.failed)
        return ERR_DAMAGED;
    allocate(&s);
    for (size_t i = 0; i < s.envelope_count && !r.w.failed; i++)
        read_envelope(&r, &s.envelopes[i]);
    for (size_t i = 0; i < s.part_count && !r.w.failed; i++)
        read_part(&r, &s.parts[i]);
    if (!wire_done(&r.w) || r.addresses != s.address_count || r.params != s.param_count ||
        r.letters + 1 != s.envelope_count || s.parts[0].header_offset != 0 ||
        s.parts[0].body_offset != s.header_size || !link_parts(&s)) {
        free(s.memory);
        return ERR_DAMAGED;
    }
    *out = s;
    return ERR_OK;
}

enum err summary_decode_envelope(struct slice record, struct summary *out)
{
    struct summary s = {0};
    struct reader r = {.s = &s};
    enum err e = read_version(&r, record);
    if (e != ERR_OK)
        return e;
    read_head(&r);
    if (r.w.failed)
        return ERR_DAMAGED;
    s.envelope_count = 1;
    s.param_count = s.part_count = 0;
    allocate(&s);
    read_envelope(&r, &s.envelopes[0]);
    if (r.w.failed) {
        free(s.memory);
        return ERR_DAMAGED;
    }
    s.address_count = r.addresses;
    *out = s;
    return ERR_OK;
}

void summary_clear(struct summary *s)
{
    free(s->memory);
    *s = (struct summary){0};
}
