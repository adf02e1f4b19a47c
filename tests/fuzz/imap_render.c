/* retrieval/imap/fetch_render.h: whatever letter came in, its ENVELOPE, BODY and BODYSTRUCTURE are one
 * balanced list each, in ASCII but for literals, and read again by our own parser of strings. */
#include "message/parser.h"
#include "retrieval/imap/fetch_render.h"
#include "retrieval/imap/parse.h"

#define DEPTH_MAX 1000

/* One step over a response: a string, NIL, a number, a space or a parenthesis. */
static void step(struct imap_cursor *c, unsigned *depth)
{
    int next = imap_peek(c);
    if (next == '(') {
        c->at++;
        ENSURE(++*depth < DEPTH_MAX);
    } else if (next == ')') {
        c->at++;
        ENSURE((*depth)-- > 0);
    } else if (next == '"' || next == '{') {
        (void)imap_string(c);
    } else if (next == ' ') {
        c->at++;
        ENSURE(imap_peek(c) != ' ');
    } else if (!imap_take_word(c, "NIL")) {
        (void)imap_number64(c);
    }
}

static void check(const struct buf *out, bool is_ascii)
{
    struct buf scratch;
    struct imap_cursor c;
    unsigned depth = 0;
    ENSURE(buf_ok(out));
    buf_init(&scratch, out->n + 1);
    imap_cursor_init(&c, buf_slice(out), &scratch);
    do {
        size_t from = c.at;
        bool is_literal = imap_peek(&c) == '{';
        step(&c, &depth);
        ENSURE(!imap_failed(&c) && c.at > from);
        ENSURE(!is_ascii || is_literal || slice_is_ascii(slice_sub(c.text, from, c.at - from)));
    } while (depth > 0);
    ENSURE(c.at == c.text.n);
    buf_clear(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_parser *p = message_parser_new();
    message_parser_feed(p, slice_of(data, size));
    const struct summary *m = message_parser_finish(p);
    for (int form = 0; form < 6; form++) {
        struct buf out;
        bool has_utf8 = form & 1;
        buf_init(&out, 16u << 20);
        if (form < 2)
            fetch_put_envelope(m, 0, has_utf8, &out);
        else
            fetch_put_structure(m, form >= 4, has_utf8, &out);
        check(&out, !has_utf8);
        buf_clear(&out);
    }
    message_parser_free(p);
    return 0;
}
