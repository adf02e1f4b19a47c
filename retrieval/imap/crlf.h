/* Turns bare LF into CRLF in a stream of pieces; a bare CR stays. The result is the same however the
 * bytes are cut. Pure. */
#ifndef RETRIEVAL_IMAP_CRLF_H
#define RETRIEVAL_IMAP_CRLF_H

#include "base/slice.h"

struct crlf {
    bool ends_in_cr;    /* the last byte so far was CR */
};

/* The next bytes to pass on, taken off *piece: either a run of it as it is, or a CRLF in place of a
 * bare LF. False when the piece is used up. */
bool crlf_next(struct crlf *state, struct slice *piece, struct slice *out);

#endif
