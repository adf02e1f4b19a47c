/* Reading the fields of a header block that is in memory (a FETCHed header, the first chunk of a
 * letter): for HEADER.FIELDS, SEARCH HEADER and submission's checks. */
#ifndef MESSAGE_HEADER_H
#define MESSAGE_HEADER_H

#include "base/buf.h"

struct header_field {
    struct slice name;   /* as written, without the colon */
    struct slice value;  /* raw, folded, without the line end; leading blank kept out */
    struct slice whole;  /* the field with its line end, byte for byte */
};

/* Steps through *rest; false at the empty line or the end. A line that is no field (no colon) is
 * returned with an empty name, so that nothing is lost. */
bool header_next(struct slice *rest, struct header_field *out);
/* Unfolds: removes each CRLF or LF that is followed by a blank. */
void header_unfold(struct slice value, struct buf *out);
/* Copies those fields whose name is (keep) or is not (!keep) among names, byte for byte, and the
 * empty line: IMAP's HEADER.FIELDS and HEADER.FIELDS.NOT. */
void header_select(struct slice header, const struct slice *names, size_t n, bool keep, struct buf *out);

#endif
