/* One letter's FETCH response; see fetch.h. */
#include "message/header.h"
#include "retrieval/imap/fetch.h"
#include "retrieval/imap/fetch_render.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/response.h"

static void begin_row(struct imap_session *s, struct fetch *w)
{
    const struct mail_row *row = &w->source.row;
    if (w->has_flags)
        imap_announce_keywords(s, row->flags);
    bool has_said_uid = imap_put_fetch_head(s, view_number(&s->selected->view, row->uid), row->uid);
    w->is_in_row = true;
    w->is_after_item = false;
    w->item_at = 0;
    if ((s->by_uid || s->has_qresync || s->has_rev2) && !w->has_uid && !has_said_uid) {
        buf_put_str(&s->out, "UID ");
        buf_put_u64(&s->out, row->uid);
        w->is_after_item = true;
    }
}

static void put_label(struct imap_session *s, const struct fetch_item *item)
{
    if (item->label) {
        buf_put_str(&s->out, item->label);
        return;
    }
    buf_put_str(&s->out, "BODY");
    fetch_section_put(&item->section, &s->out);
}

static void put_literal_head(struct imap_session *s, uint64_t size)
{
    buf_put_str(&s->out, " {");
    buf_put_u64(&s->out, size);
    buf_put_str(&s->out, "}\r\n");
}

/* Picked header fields: read at once, sent as the client reads. */
static enum fetch_row put_fields(struct imap_session *s, struct fetch *w, const struct fetch_item *item,
    struct byte_range header)
{
    struct buf text;
    size_t n = header.length < FETCH_HEADER_MAX ? (size_t)header.length : FETCH_HEADER_MAX;
    buf_init(&text, FETCH_HEADER_MAX + 1);
    enum err e = letter_source_read(&w->source, header.offset, n, &text);
    if (e != ERR_OK) {
        buf_clear(&text);
        return FETCH_ROW_DAMAGED;
    }
    if (w->held.max == 0)
        buf_init(&w->held, FETCH_HEADER_MAX + 16);
    buf_reset(&w->held);
    header_select(buf_slice(&text), item->section.names, item->section.name_count,
        item->section.text == SECTION_FIELDS, &w->held);
    buf_clear(&text);
    struct byte_range all = {0, w->held.n};
    struct byte_range cut = fetch_section_cut(&item->section, all);
    if (cut.length > FETCH_INLINE_MAX && !w->handle) {
        buf_reset(&w->held);
        return FETCH_ROW_BIG;
    }
    put_label(s, item);
    put_literal_head(s, cut.length);
    w->held.n = (size_t)(cut.offset + cut.length);
    w->held_at = (size_t)cut.offset;
    return FETCH_ROW_DONE;
}

static enum fetch_row put_inline(struct imap_session *s, struct fetch *w, const struct fetch_item *item,
    struct byte_range range)
{
    size_t mark = s->out.n;
    put_label(s, item);
    put_literal_head(s, range.length);
    size_t from = s->out.n;
    enum err e = range.length ? letter_source_read(&w->source, range.offset, (size_t)range.length, &s->out)
                              : ERR_OK;
    if (e == ERR_OK && s->out.n - from == range.length)
        return FETCH_ROW_DONE;
    s->out.n = mark;
    return FETCH_ROW_DAMAGED;
}

static enum fetch_row put_section(struct imap_session *s, struct fetch *w, const struct fetch_item *item)
{
    struct byte_range range;
    bool is_whole = fetch_section_is_whole(&item->section);
    if (!is_whole && letter_source_summary(&w->source, !w->wants_parts) != ERR_OK)
        return FETCH_ROW_DAMAGED;
    if (fetch_section_range(&item->section, w->source.summary, w->source.prefix, w->source.row.size,
            &range) != ERR_OK) {
        put_label(s, item);
        buf_put_str(&s->out, " NIL");
        return FETCH_ROW_DONE;
    }
    if (item->section.text == SECTION_FIELDS || item->section.text == SECTION_FIELDS_NOT)
        return put_fields(s, w, item, range);
    range = fetch_section_cut(&item->section, range);
    if (range.length <= FETCH_INLINE_MAX)
        return put_inline(s, w, item, range);
    if (!w->handle)
        return FETCH_ROW_BIG;
    put_label(s, item);
    put_literal_head(s, range.length);
    w->literal_at = range.offset;
    w->literal_end = range.offset + range.length;
    w->is_padding = false;
    return FETCH_ROW_DONE;
}

/* From the listing block that holds the mail. BIG: it does not, a handle reads the letter itself. */
static enum fetch_row put_from_block(struct imap_session *s, struct fetch *w, enum fetch_kind kind)
{
    struct fetch_listing *l = &w->listing;
    if (!fetch_listing_find(w, w->source.row.uid))
        return FETCH_ROW_BIG;
    buf_put_str(&s->out, kind == FETCH_ENVELOPE ? "ENVELOPE " : "BODYSTRUCTURE ");
    buf_put(&s->out, kind == FETCH_ENVELOPE ? l->envelope : l->structure);
    return FETCH_ROW_DONE;
}

static enum fetch_row put_from_summary(struct imap_session *s, struct fetch *w, enum fetch_kind kind)
{
    if (w->listing.has_block && !w->handle)
        return put_from_block(s, w, kind);
    if (letter_source_summary(&w->source, !w->wants_parts) != ERR_OK)
        return FETCH_ROW_DAMAGED;
    const struct summary *m = w->source.summary;
    if (kind == FETCH_PREVIEW) {
        buf_put_str(&s->out, "PREVIEW ");
        imap_put_string(&s->out, m->preview, s->has_utf8);
    } else if (kind == FETCH_ENVELOPE) {
        buf_put_str(&s->out, "ENVELOPE ");
        w->listing.envelope_from = s->out.n;
        fetch_put_envelope(m, 0, s->has_utf8, &s->out);
        w->listing.envelope_n = s->out.n - w->listing.envelope_from;
    } else {
        buf_put_str(&s->out, kind == FETCH_BODY ? "BODY " : "BODYSTRUCTURE ");
        w->listing.structure_from = s->out.n;
        fetch_put_structure(m, kind == FETCH_BODYSTRUCTURE, s->has_utf8, &s->out);
        w->listing.structure_n = s->out.n - w->listing.structure_from;
    }
    return FETCH_ROW_DONE;
}

/* RFC 8474 section 5.1: the letter's own random id, the same in every mailbox. */
static enum fetch_row put_email_id(struct imap_session *s, struct fetch *w)
{
    uint8_t uid[LETTER_UID_BYTES];
    if (letter_source_uid(&w->source, uid) != ERR_OK)
        return FETCH_ROW_DAMAGED;
    buf_put_str(&s->out, "EMAILID (M");
    for (size_t i = 0; i < sizeof(uid); i++)
        buf_printf(&s->out, "%02x", uid[i]);
    buf_put_byte(&s->out, ')');
    return FETCH_ROW_DONE;
}

static enum fetch_row put_item(struct imap_session *s, struct fetch *w, const struct fetch_item *item)
{
    const struct mail_row *row = &w->source.row;
    switch (item->kind) {
    case FETCH_FLAGS:
        buf_put_str(&s->out, "FLAGS ");
        imap_put_flags(s->base.retrieval, row->flags, row->uid >= s->selected->recent_from, &s->out);
        return FETCH_ROW_DONE;
    case FETCH_UID:
        buf_put_str(&s->out, "UID ");
        buf_put_u64(&s->out, row->uid);
        return FETCH_ROW_DONE;
    case FETCH_INTERNALDATE:
        buf_put_str(&s->out, "INTERNALDATE ");
        imap_put_date_time(&s->out, row->internal_date);
        return FETCH_ROW_DONE;
    case FETCH_SIZE:
        buf_put_str(&s->out, "RFC822.SIZE ");
        buf_put_u64(&s->out, row->size);
        return FETCH_ROW_DONE;
    case FETCH_MODSEQ:
        buf_printf(&s->out, "MODSEQ (%llu)", (unsigned long long)row->modseq);
        return FETCH_ROW_DONE;
    case FETCH_SAVEDATE:
        buf_put_str(&s->out, "SAVEDATE ");
        imap_put_date_time(&s->out, row->saved_date);
        return FETCH_ROW_DONE;
    case FETCH_EMAILID:
        return put_email_id(s, w);
    case FETCH_THREADID:
        buf_put_str(&s->out, "THREADID NIL");
        return FETCH_ROW_DONE;
    case FETCH_BINARY:
    case FETCH_BINARY_SIZE:
        return fetch_binary_put(s, w, item);
    case FETCH_SECTION:
        return put_section(s, w, item);
    default:
        return put_from_summary(s, w, item->kind);
    }
}

/* What cannot be read of a literal whose size is said already is sent as blanks; the command then
 * ends with NO, which names the letter. */
static void put_padding(struct imap_session *s, struct fetch *w, size_t n)
{
    static const char blanks[] = "                                                                ";
    w->is_padding = true;
    w->literal_at += n;
    while (n > 0) {
        size_t piece = n < sizeof(blanks) - 1 ? n : sizeof(blanks) - 1;
        buf_put_bytes(&s->out, blanks, piece);
        n -= piece;
    }
}

/* Sends on what stands behind a literal's head. False: no room. */
static bool pump(struct imap_session *s, struct fetch *w, bool *out_damaged)
{
    while (w->literal_at < w->literal_end) {
        if (imap_room(s) == 0)
            return false;
        uint64_t left = w->literal_end - w->literal_at;
        size_t n = left < LETTER_READ_STEP ? (size_t)left : LETTER_READ_STEP;
        size_t from = s->out.n;
        if (!w->is_padding && letter_source_read(&w->source, w->literal_at, n, &s->out) == ERR_OK &&
            s->out.n - from == n) {
            w->literal_at += n;
            continue;
        }
        s->out.n = from;
        *out_damaged |= !w->is_padding;
        put_padding(s, w, n);
    }
    while (w->held_at < w->held.n) {
        if (imap_room(s) == 0 && w->handle)
            return false; /* under a cursor it is short: put_fields() */
        size_t n = w->held.n - w->held_at < LETTER_READ_STEP ? w->held.n - w->held_at : LETTER_READ_STEP;
        buf_put(&s->out, slice_sub(buf_slice(&w->held), w->held_at, n));
        w->held_at += n;
    }
    return true;
}

static void note_damage(struct fetch *w)
{
    if (w->damaged_count++ == 0)
        w->damaged_uid = w->source.row.uid;
}

static enum fetch_row end_row(struct imap_session *s, struct fetch *w)
{
    if (w->listing.is_making && !w->handle && !w->listing.has_block && !w->source.is_remade)
        fetch_listing_row(s, w, w->source.row.uid);
    buf_put_str(&s->out, ")\r\n");
    w->is_in_row = false;
    return FETCH_ROW_DONE;
}

/* An item that cannot be read while the response is half said. */
static void put_unreadable(struct imap_session *s, const struct fetch_item *item)
{
    if (item->kind == FETCH_BINARY) {
        buf_put_str(&s->out, "BINARY");
        fetch_section_put(&item->section, &s->out);
        buf_put_str(&s->out, " NIL");
    } else if (item->kind == FETCH_SECTION) {
        put_label(s, item);
        buf_put_str(&s->out, " NIL");
    } else {
        buf_put_str(&s->out, "RFC822.SIZE 0"); /* the grammar knows no NIL here */
    }
}

enum fetch_row fetch_row_step(struct imap_session *s, struct fetch *w)
{
    bool damaged = false;
    if (!w->is_in_row)
        begin_row(s, w);
    for (;;) {
        bool has_room = pump(s, w, &damaged) && fetch_binary_pump(s, w, &damaged);
        if (damaged)
            note_damage(w);
        damaged = false;
        if (!has_room)
            return FETCH_ROW_ROOM;
        if (w->item_at == w->item_count)
            return end_row(s, w);
        if (imap_room(s) == 0 && w->item_at > 0)
            return w->handle ? FETCH_ROW_ROOM : FETCH_ROW_BIG;
        const struct fetch_item *item = &w->items[w->item_at];
        size_t mark = s->out.n;
        if (w->is_after_item)
            buf_put_byte(&s->out, ' ');
        enum fetch_row r = put_item(s, w, item);
        if (r == FETCH_ROW_BIG || r == FETCH_ROW_AGAIN || (r == FETCH_ROW_DAMAGED && !w->handle)) {
            s->out.n = mark;
            return r;
        }
        if (r == FETCH_ROW_DAMAGED) {
            note_damage(w);
            put_unreadable(s, item);
        }
        w->is_after_item = true;
        w->item_at++;
    }
}
