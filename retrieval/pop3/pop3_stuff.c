/* See pop3_stuff.h. Lines are found with memchr and copied whole, so that bodies cost one pass. */
#include "retrieval/pop3/pop3_stuff.h"

void pop3_stuff_all(struct pop3_stuff *s)
{
    *s = (struct pop3_stuff){.line_is_empty = true};
}

void pop3_stuff_top(struct pop3_stuff *s, uint64_t body_lines)
{
    *s = (struct pop3_stuff){.is_limited = true, .lines_left = body_lines, .line_is_empty = true};
}

static void count_line(struct pop3_stuff *s)
{
    if (!s->is_limited)
        return;
    if (s->is_in_body)
        s->lines_left--;
    else if (s->line_is_empty)
        s->is_in_body = true;
    if (s->is_in_body && s->lines_left == 0)
        s->is_enough = true;
}

/* Bytes of one line, without its LF. */
static void put_part(struct pop3_stuff *s, struct slice part, struct buf *out)
{
    if (part.n == 0)
        return;
    if (!s->is_in_line && part.p[0] == '.')
        buf_put_byte(out, '.');
    if (part.n > 1 || part.p[0] != '\r' || s->is_in_line)
        s->line_is_empty = false;
    s->is_in_line = true;
    s->has_cr = part.p[part.n - 1] == '\r';
    buf_put(out, part);
}

static void end_line(struct pop3_stuff *s, struct buf *out)
{
    buf_put_str(out, s->is_in_line && s->has_cr ? "\n" : "\r\n");
    count_line(s);
    s->is_in_line = s->has_cr = false;
    s->line_is_empty = true;
}

void pop3_stuff_feed(struct pop3_stuff *s, struct slice piece, struct buf *out)
{
    while (piece.n > 0 && !s->is_enough) {
        size_t at = slice_find_byte(piece, '\n');
        put_part(s, slice_sub(piece, 0, at), out);
        if (at == piece.n)
            return;
        end_line(s, out);
        piece = slice_from(piece, at + 1);
    }
}

void pop3_stuff_end(struct pop3_stuff *s, struct buf *out)
{
    if (s->is_in_line)
        buf_put_str(out, s->has_cr ? "\n" : "\r\n");
    buf_put_str(out, ".\r\n");
}
