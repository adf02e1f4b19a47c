/* A letter under a cursor or behind a handle; see letter_source.h. */
#include "retrieval/imap/letter_source.h"

void letter_source_clear(struct letter_source *l)
{
    if (l->parser)
        message_parser_free(l->parser);
    else if (l->summary)
        summary_clear(&l->decoded);
    *l = (struct letter_source){.cursor = l->cursor, .handle = l->handle};
}

enum err letter_source_read(struct letter_source *l, uint64_t offset, size_t n, struct buf *out)
{
    if (l->handle)
        return letter_handle_read(l->handle, offset, n, out);
    return mail_cursor_read(l->cursor, offset, n, out);
}

enum err letter_source_uid(struct letter_source *l, uint8_t out[LETTER_UID_BYTES])
{
    if (l->handle)
        return letter_handle_uid(l->handle, out);
    return mail_cursor_letter_uid(l->cursor, out);
}

/* The whole letter, with what the server put before it: then offsets need no prefix. */
static enum err remake(struct letter_source *l)
{
    struct message_parser *parser = message_parser_new();
    struct buf piece;
    buf_init(&piece, LETTER_READ_STEP);
    enum err e = ERR_OK;
    for (uint64_t at = 0; e == ERR_OK && at < l->row.size; at += piece.n) {
        buf_reset(&piece);
        e = letter_source_read(l, at, LETTER_READ_STEP, &piece);
        if (e == ERR_OK && piece.n == 0)
            break;
        message_parser_feed(parser, buf_slice(&piece));
    }
    buf_clear(&piece);
    if (e != ERR_OK) {
        message_parser_free(parser);
        return e;
    }
    l->parser = parser;
    l->summary = message_parser_finish(parser);
    l->prefix = 0;
    l->is_remade = true;
    return ERR_OK;
}

enum err letter_source_summary(struct letter_source *l, bool envelope_only)
{
    if (l->summary && (envelope_only || !l->is_envelope_only))
        return ERR_OK;
    if (l->summary) { /* more of it is wanted now */
        summary_clear(&l->decoded);
        l->summary = NULL;
    }
    enum err e = l->handle ? letter_handle_summary(l->handle, &l->decoded, &l->prefix)
                           : mail_cursor_summary(l->cursor, envelope_only, &l->decoded, &l->prefix);
    if (e == ERR_DAMAGED || e == ERR_UNSUPPORTED)
        return remake(l);
    if (e != ERR_OK)
        return e;
    l->summary = &l->decoded;
    l->is_envelope_only = envelope_only && !l->handle;
    return ERR_OK;
}
