/* Line ends of what clients APPEND; see crlf.h. */
#include "retrieval/imap/crlf.h"

/* Position of the first LF that has no CR before it, or n. */
static size_t find_bare_lf(const struct crlf *state, struct slice s)
{
    size_t at = 0;
    while (at < s.n) {
        at += slice_find_byte(slice_from(s, at), '\n');
        if (at >= s.n)
            break;
        bool has_cr = at > 0 ? s.p[at - 1] == '\r' : state->ends_in_cr;
        if (!has_cr)
            return at;
        at++;
    }
    return s.n;
}

bool crlf_next(struct crlf *state, struct slice *piece, struct slice *out)
{
    if (piece->n == 0)
        return false;
    size_t bare = find_bare_lf(state, *piece);
    if (bare == 0) {
        *out = SLICE("\r\n");
        *piece = slice_from(*piece, 1);
        state->ends_in_cr = false;
        return true;
    }
    *out = slice_sub(*piece, 0, bare);
    state->ends_in_cr = piece->p[bare - 1] == '\r';
    *piece = slice_from(*piece, bare);
    return true;
}
