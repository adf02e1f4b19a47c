/* Lines of a stream's input; see stream_line() in stream.h. */
#include "net/stream_internal.h"

/* True while the rest of an overlong line is still to come. */
static bool skip_rest_of_line(struct stream *s)
{
    struct slice in = fifo_slice(&s->in);
    size_t lf = slice_find_byte(in, '\n');
    s->skipping_line = lf == in.n;
    stream_consume(s, s->skipping_line ? in.n : lf + 1);
    return s->skipping_line;
}

static bool holds_cr_or_nul(struct slice line)
{
    return slice_find_byte(line, '\r') < line.n || slice_find_byte(line, '\0') < line.n;
}

bool stream_skips_line(struct stream *s)
{
    return s->skipping_line && skip_rest_of_line(s);
}

enum err stream_line(struct stream *s, size_t max, bool lenient_lf, struct slice *out_line)
{
    if (stream_skips_line(s))
        return ERR_AGAIN;
    struct slice in = fifo_slice(&s->in);
    struct slice within = slice_sub(in, 0, max);
    size_t lf = slice_find_byte(within, '\n');
    if (lf == within.n) {
        if (in.n < max && in.n < s->in_max)
            return ERR_AGAIN;
        s->skipping_line = true;
        skip_rest_of_line(s);
        return ERR_TOO_BIG;
    }
    bool has_cr = lf > 0 && in.p[lf - 1] == '\r';
    struct slice line = slice_sub(in, 0, has_cr ? lf - 1 : lf);
    stream_consume(s, lf + 1);
    if ((!has_cr && !lenient_lf) || holds_cr_or_nul(line))
        return ERR_SYNTAX;
    *out_line = line;
    return ERR_OK;
}
