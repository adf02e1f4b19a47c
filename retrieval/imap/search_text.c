/* Searching the text of one letter; see search_text.h. */
#include "retrieval/imap/search_text.h"

#include "message/decode.h"
#include "message/header.h"
#include "retrieval/imap/search_program.h"

enum err search_read_header(struct letter_source *l, struct buf *out)
{
    enum err e = letter_source_summary(l, true);
    if (e)
        return e;
    uint64_t want = l->prefix + l->summary->header_size;
    if (want > SEARCH_HEADER_MAX)
        want = SEARCH_HEADER_MAX;
    return letter_source_read(l, 0, (size_t)want, out);
}

/* Fields that say how a letter travelled: TEXT passes over them, and so does the index. */
static bool is_trace(struct slice name)
{
    static const char *const names[] = {"Received", "DKIM-Signature", "ARC-Seal", "ARC-Message-Signature",
        "ARC-Authentication-Results", "Authentication-Results", "Received-SPF", "Return-Path", "Delivered-To",
        "DomainKey-Signature", "X-Google-DKIM-Signature", "X-Received", "X-Gm-Message-State", "X-Google-Smtp-Source"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal_nocase(name, slice_str(names[i])))
            return true;
    return false;
}

uint8_t search_field_of(struct slice name)
{
    static const struct {
        const char *name;
        uint8_t field;
    } fields[] = {{"Subject", SEARCH_IN_SUBJECT}, {"From", SEARCH_IN_FROM}, {"To", SEARCH_IN_TO},
        {"Cc", SEARCH_IN_CC}, {"Bcc", SEARCH_IN_BCC}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (slice_equal_nocase(name, slice_str(fields[i].name)))
            return fields[i].field;
    return is_trace(name) ? 0 : SEARCH_IN_HEADER;
}

struct visit {
    search_visit_fn on;
    void *ctx;
    bool is_over;
};

static void visit_folded(struct visit *v, uint8_t fields, struct slice utf8)
{
    struct buf folded;
    if (v->is_over)
        return;
    buf_init(&folded, 8 * utf8.n + 64);
    decode_fold(utf8, &folded);
    v->is_over = !v->on(v->ctx, fields, buf_slice(&folded));
    buf_wipe(&folded);
}

static void visit_value(struct visit *v, uint8_t fields, struct slice raw)
{
    struct buf flat;
    struct buf text;
    buf_init(&flat, raw.n + 1);
    buf_init(&text, 4 * raw.n + 64);
    header_unfold(raw, &flat);
    decode_header(buf_slice(&flat), &text);
    visit_folded(v, fields, buf_slice(&text));
    buf_wipe(&flat);
    buf_wipe(&text);
}

static enum err visit_header(struct letter_source *l, struct visit *v)
{
    struct buf header;
    struct header_field field;
    buf_init(&header, SEARCH_HEADER_MAX + LETTER_READ_STEP);
    enum err e = search_read_header(l, &header);
    struct slice rest = buf_slice(&header);
    while (!e && !v->is_over && header_next(&rest, &field)) {
        uint8_t fields = search_field_of(field.name);
        if (!fields)
            continue;
        visit_value(v, fields | SEARCH_IN_HEADER, field.value);
        visit_folded(v, SEARCH_IN_HEADER, field.name);
    }
    buf_wipe(&header);
    return e;
}

struct finder {
    struct slice needle;
    bool has_found;
};

static bool find(void *ctx, uint8_t fields, struct slice folded)
{
    struct finder *f = ctx;
    (void)fields;
    f->has_found = slice_find(folded, f->needle) != SIZE_MAX;
    return !f->has_found;
}

bool search_header_value(struct slice raw, struct slice needle)
{
    struct finder f = {needle, false};
    struct visit v = {find, &f, false};
    visit_value(&v, 0, raw);
    return f.has_found;
}

static struct slice param_of(const struct summary *s, const struct summary_part *p, struct slice name)
{
    for (size_t i = p->param_first; i < (size_t)p->param_first + p->param_count && i < s->param_count; i++)
        if (slice_equal_nocase(s->params[i].name, name))
            return s->params[i].value;
    return SLICE_EMPTY;
}

/* The part's body, transfer encoding undone. */
static enum err read_part(struct letter_source *l, const struct summary_part *p, struct buf *out)
{
    struct decode_stream d;
    struct buf piece;
    enum err e = ERR_OK;
    uint64_t at = l->prefix + p->body_offset;
    uint64_t end = at + p->body_size;
    decode_stream_init(&d, decode_encoding_of(p->encoding));
    buf_init(&piece, LETTER_READ_STEP);
    while (!e && at < end) {
        buf_reset(&piece);
        e = letter_source_read(l, at, end - at < LETTER_READ_STEP ? (size_t)(end - at) : LETTER_READ_STEP, &piece);
        if (piece.n == 0)
            break;
        at += piece.n;
        decode_stream_feed(&d, buf_slice(&piece), out);
    }
    decode_stream_end(&d, out);
    buf_wipe(&piece);
    return e;
}

static enum err visit_part(struct letter_source *l, const struct summary_part *p, struct visit *v)
{
    struct buf bytes;
    struct buf text;
    struct slice charset = param_of(l->summary, p, SLICE("charset"));
    buf_init(&bytes, SEARCH_PART_MAX);
    buf_init(&text, 4 * SEARCH_PART_MAX);
    enum err e = read_part(l, p, &bytes);
    if (!e && bytes.n) {
        decode_charset(charset.n ? charset : SLICE("UTF-8"), buf_slice(&bytes), &text);
        visit_folded(v, SEARCH_IN_BODY, buf_slice(&text));
    }
    buf_wipe(&bytes);
    buf_wipe(&text);
    return e;
}

static bool is_text(const struct summary_part *p)
{
    return slice_equal_nocase(p->type, SLICE("text"));
}

uint64_t search_text_bytes(const struct summary *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->part_count; i++)
        if (is_text(&s->parts[i]))
            sum += s->parts[i].body_size;
    return sum;
}

enum err search_letter_visit(struct letter_source *l, unsigned where, search_visit_fn on, void *ctx)
{
    struct visit v = {on, ctx, false};
    enum err e = where & SEARCH_VISIT_HEADER ? visit_header(l, &v) : ERR_OK;
    if (e || v.is_over || !(where & SEARCH_VISIT_BODY))
        return e;
    e = letter_source_summary(l, false);
    for (size_t i = 0; !e && !v.is_over && i < l->summary->part_count; i++)
        if (is_text(&l->summary->parts[i]))
            e = visit_part(l, &l->summary->parts[i], &v);
    return e;
}

enum err search_letter_text(struct letter_source *l, bool header, struct slice needle, bool *out_found)
{
    struct finder f = {needle, needle.n == 0};
    unsigned where = SEARCH_VISIT_BODY | (header ? SEARCH_VISIT_HEADER : 0);
    enum err e = f.has_found ? ERR_OK : search_letter_visit(l, where, find, &f);
    *out_found = f.has_found;
    return e;
}
