/* FETCH BINARY and BINARY.SIZE (RFC 3516): a part with its transfer encoding undone; see fetch.h. */
#include "retrieval/imap/fetch.h"

#define DECODED_MAX (2 * LETTER_READ_STEP) /* of one step; what a decoder holds back included */

static void restart(struct fetch_binary *b)
{
    decode_stream_init(&b->decoder, b->encoding);
    b->at = 0;
}

static void put_head(struct imap_session *s, const struct fetch_item *item)
{
    buf_put_str(&s->out, item->kind == FETCH_BINARY ? "BINARY" : "BINARY.SIZE");
    fetch_section_put(&item->section, &s->out);
}

static enum fetch_row put_none(struct imap_session *s, const struct fetch_item *item)
{
    put_head(s, item);
    buf_put_str(&s->out, item->kind == FETCH_BINARY ? " NIL" : " 0");
    return FETCH_ROW_DONE;
}

/* Finds the part. DONE with the phase at BINARY_IDLE: there is nothing to decode, and that is said. */
static enum fetch_row begin(struct imap_session *s, struct fetch *w, const struct fetch_item *item)
{
    struct fetch_binary *b = &w->binary;
    struct slice encoding = SLICE_EMPTY;
    bool is_whole = fetch_section_is_whole(&item->section);
    if (!is_whole && letter_source_summary(&w->source, false) != ERR_OK)
        return FETCH_ROW_DAMAGED;
    if (fetch_section_range(&item->section, w->source.summary, w->source.prefix, w->source.row.size,
            &b->range) != ERR_OK)
        return put_none(s, item);
    if (b->range.length > FETCH_INLINE_MAX && !w->handle)
        return FETCH_ROW_BIG;
    if (!is_whole)
        encoding = fetch_section_encoding(&item->section, w->source.summary);
    b->encoding = decode_encoding_of(encoding);
    if (b->encoding == DECODE_UNKNOWN) {
        w->has_unknown_encoding = true;
        return put_none(s, item);
    }
    b->size = 0;
    b->has_nul = false;
    b->phase = BINARY_COUNTING;
    restart(b);
    return FETCH_ROW_DONE;
}

/* Appends the decoded text of the next piece; at the end what the decoder held back. */
static enum err decode_piece(struct fetch *w, struct buf *out)
{
    struct fetch_binary *b = &w->binary;
    struct buf piece;
    uint64_t left = b->range.length - b->at;
    size_t n = left < LETTER_READ_STEP ? (size_t)left : LETTER_READ_STEP;
    buf_init(&piece, LETTER_READ_STEP);
    enum err e = n ? letter_source_read(&w->source, b->range.offset + b->at, n, &piece) : ERR_OK;
    if (e == ERR_OK && piece.n != n)
        e = ERR_DAMAGED;
    if (e == ERR_OK) {
        decode_stream_feed(&b->decoder, buf_slice(&piece), out);
        b->at += n;
        if (b->at == b->range.length)
            decode_stream_end(&b->decoder, out);
    }
    buf_wipe(&piece);
    return e;
}

static enum fetch_row count(struct imap_session *s, struct fetch *w)
{
    struct fetch_binary *b = &w->binary;
    enum err e = ERR_OK;
    do {
        struct buf decoded;
        buf_init(&decoded, DECODED_MAX);
        e = decode_piece(w, &decoded);
        b->size += decoded.n;
        b->has_nul |= slice_find_byte(buf_slice(&decoded), 0) != decoded.n;
        buf_wipe(&decoded);
        if (e != ERR_OK)
            return FETCH_ROW_DAMAGED;
        if (b->at < b->range.length && w->handle && imap_slice_is_over(s))
            return FETCH_ROW_AGAIN;
    } while (b->at < b->range.length);
    return FETCH_ROW_DONE;
}

enum fetch_row fetch_binary_put(struct imap_session *s, struct fetch *w, const struct fetch_item *item)
{
    struct fetch_binary *b = &w->binary;
    enum fetch_row r = b->phase == BINARY_IDLE ? begin(s, w, item) : FETCH_ROW_DONE;
    if (r != FETCH_ROW_DONE || b->phase == BINARY_IDLE)
        return r;
    r = count(s, w);
    if (r == FETCH_ROW_AGAIN)
        return r;
    b->phase = BINARY_IDLE;
    if (r != FETCH_ROW_DONE)
        return r;
    put_head(s, item);
    if (item->kind == FETCH_BINARY_SIZE) {
        buf_printf(&s->out, " %llu", (unsigned long long)b->size);
        return FETCH_ROW_DONE;
    }
    struct byte_range cut = fetch_section_cut(&item->section, (struct byte_range){0, b->size});
    buf_printf(&s->out, b->has_nul ? " ~{%llu}\r\n" : " {%llu}\r\n", (unsigned long long)cut.length);
    b->skip = cut.offset;
    b->left = cut.length;
    b->phase = BINARY_SENDING;
    restart(b);
    return FETCH_ROW_DONE;
}

/* What is asked for of a decoded piece. */
static void send_piece(struct imap_session *s, struct fetch_binary *b, struct slice decoded)
{
    size_t skipped = b->skip < decoded.n ? (size_t)b->skip : decoded.n;
    b->skip -= skipped;
    decoded = slice_from(decoded, skipped);
    if (decoded.n > b->left)
        decoded.n = (size_t)b->left;
    buf_put(&s->out, decoded);
    b->left -= decoded.n;
}

/* The literal's size is said: what cannot be read is sent as blanks. */
static void send_blanks(struct imap_session *s, struct fetch_binary *b)
{
    for (unsigned n = 0; n < LETTER_READ_STEP && b->left > 0; n++, b->left--)
        buf_put_byte(&s->out, ' ');
}

bool fetch_binary_pump(struct imap_session *s, struct fetch *w, bool *out_damaged)
{
    struct fetch_binary *b = &w->binary;
    if (b->phase != BINARY_SENDING)
        return true;
    while (b->left > 0) {
        struct buf decoded;
        if (w->handle && (imap_room(s) == 0 || imap_slice_is_over(s)))
            return false;
        buf_init(&decoded, DECODED_MAX);
        bool is_read = b->at < b->range.length && decode_piece(w, &decoded) == ERR_OK;
        send_piece(s, b, buf_slice(&decoded));
        buf_wipe(&decoded);
        if (is_read)
            continue;
        *out_damaged = true;
        b->at = b->range.length;
        send_blanks(s, b);
    }
    b->phase = BINARY_IDLE;
    return true;
}
