/* A letter's text on its way out (RFC 5321 section 4.5.2): dots are stuffed, and whatever stood alone as CR
 * or LF becomes CRLF, so that nothing bare ever leaves. Pure; the same result wherever the input is cut. */
#ifndef SMTP_RELAY_TEXT_H
#define SMTP_RELAY_TEXT_H

#include "base/buf.h"

struct relay_text {
    bool in_line;   /* the last byte put was not a line's end */
    bool has_cr;    /* a CR is held back until the next byte is known */
};

/* Appends at most twice as many bytes as text has, and one. */
void relay_text_put(struct relay_text *t, struct slice text, struct buf *out);
/* The end of the last line, and the final dot. */
void relay_text_end(struct relay_text *t, struct buf *out);

#endif
