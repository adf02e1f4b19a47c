/* See relay_text.h. */
#include "smtp/relay_text.h"

static void end_line(struct relay_text *t, struct buf *out)
{
    buf_put_str(out, "\r\n");
    t->in_line = false;
    t->has_cr = false;
}

/* Bytes without CR and LF. */
static void put_run(struct relay_text *t, struct slice run, struct buf *out)
{
    if (run.n == 0)
        return;
    if (!t->in_line && run.p[0] == '.')
        buf_put_byte(out, '.');
    buf_put(out, run);
    t->in_line = true;
}

static size_t find_end(struct slice text)
{
    size_t lf = slice_find_byte(text, '\n');
    return slice_find_byte(slice_sub(text, 0, lf), '\r');
}

void relay_text_put(struct relay_text *t, struct slice text, struct buf *out)
{
    while (text.n > 0) {
        if (t->has_cr) {
            bool is_pair = text.p[0] == '\n';
            end_line(t, out);
            text = slice_from(text, is_pair);
            continue;
        }
        size_t n = find_end(text);
        put_run(t, slice_sub(text, 0, n), out);
        text = slice_from(text, n);
        if (text.n == 0)
            return;
        if (text.p[0] == '\n')
            end_line(t, out);
        else
            t->has_cr = true;
        text = slice_from(text, 1);
    }
}

void relay_text_end(struct relay_text *t, struct buf *out)
{
    if (t->in_line || t->has_cr)
        end_line(t, out);
    buf_put_str(out, ".\r\n");
}
