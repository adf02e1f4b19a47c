/* ENVELOPE, BODY and BODYSTRUCTURE from a letter's summary (RFC 3501 sections 7.4.2 and 9). Pure. */
#ifndef RETRIEVAL_IMAP_FETCH_RENDER_H
#define RETRIEVAL_IMAP_FETCH_RENDER_H

#include "base/buf.h"
#include "message/summary.h"

/* "(date subject from sender reply-to to cc bcc in-reply-to message-id)" */
void fetch_put_envelope(const struct summary *m, size_t envelope, bool has_utf8, struct buf *out);
/* extended: BODYSTRUCTURE; else BODY. */
void fetch_put_structure(const struct summary *m, bool extended, bool has_utf8, struct buf *out);

#endif
