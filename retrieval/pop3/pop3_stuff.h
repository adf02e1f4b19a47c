/* Text for a POP3 multi-line response (RFC 1939 section 3): lines ended by CRLF, a dot doubled at the
 * beginning of a line, and the end mark. Fed pieces, however cut. Pure. */
#ifndef RETRIEVAL_POP3_STUFF_H
#define RETRIEVAL_POP3_STUFF_H

#include "base/buf.h"

struct pop3_stuff {
    bool is_in_line;       /* the last byte did not end a line */
    bool has_cr;           /* the last byte was CR */
    bool line_is_empty;
    /* TOP: the header, the empty line and so many lines of the body. */
    bool is_limited;
    bool is_in_body;
    bool is_enough;        /* nothing more is wanted */
    uint64_t lines_left;
};

void pop3_stuff_all(struct pop3_stuff *s);
void pop3_stuff_top(struct pop3_stuff *s, uint64_t body_lines);
/* A bare LF becomes CRLF; a bare CR stays. */
void pop3_stuff_feed(struct pop3_stuff *s, struct slice piece, struct buf *out);
/* The last line's end if it has none, and ".". */
void pop3_stuff_end(struct pop3_stuff *s, struct buf *out);

#endif
