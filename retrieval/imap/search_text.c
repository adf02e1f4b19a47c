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

static bool has_folded(struct slice utf8, struct slice needle)
{
    struct buf folded;
    buf_init(&folded, 8 * utf8.n + 64);
    decode_fold(utf8, &folded);
    bool found = slice_find(buf_slice(&folded), needle) != SIZE_MAX;
    buf_wipe(&folded);
    return found;
}

bool search_header_value(struct slice raw, struct slice needle)
{
    struct buf flat;
    struct buf text;
    buf_init(&flat, raw.n + 1);
    buf_init(&text, 4 * raw.n + 64);
    header_unfold(raw, &flat);
    decode_header(buf_slice(&flat), &text);
    bool found = has_folded(buf_slice(&text), needle);
    buf_wipe(&flat);
    buf_wipe(&text);
    return found;
}

static enum err find_in_header(struct letter_source *l, struct slice needle, bool *out)
{
    struct buf header;
    struct header_field field;
    buf_init(&header, SEARCH_HEADER_MAX + LETTER_READ_STEP);
    enum err e = search_read_header(l, &header);
    struct slice rest = buf_slice(&header);
    while (!e && !*out && header_next(&rest, &field))
        *out = search_header_value(field.value, needle) || has_folded(field.name, needle);
    buf_wipe(&header);
    return e;
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

static enum err find_in_part(struct letter_source *l, const struct summary_part *p, struct slice needle, bool *out)
{
    struct buf bytes;
    struct buf text;
    struct slice charset = param_of(l->summary, p, SLICE("charset"));
    buf_init(&bytes, SEARCH_PART_MAX);
    buf_init(&text, 4 * SEARCH_PART_MAX);
    enum err e = read_part(l, p, &bytes);
    if (!e && bytes.n) {
        decode_charset(charset.n ? charset : SLICE("UTF-8"), buf_slice(&bytes), &text);
        *out = has_folded(buf_slice(&text), needle);
    }
    buf_wipe(&bytes);
    buf_wipe(&text);
    return e;
}

enum err search_letter_text(struct letter_source *l, bool header, struct slice needle, bool *out_found)
{
    *out_found = needle.n == 0;
    if (needle.n == 0)
        return ERR_OK;
    enum err e = header ? find_in_header(l, needle, out_found) : ERR_OK;
    if (e || *out_found)
        return e;
    e = letter_source_summary(l, false);
    for (size_t i = 0; !e && !*out_found && i < l->summary->part_count; i++)
        if (slice_equal_nocase(l->summary->parts[i].type, SLICE("text")))
            e = find_in_part(l, &l->summary->parts[i], needle, out_found);
    return e;
}
