/* How values are written to a client (RFC 3501 section 9: string, nstring, mailbox). */
#ifndef RETRIEVAL_IMAP_RESPONSE_H
#define RETRIEVAL_IMAP_RESPONSE_H

#include "base/buf.h"

/* Quoted when short and plain, else a literal. NUL, which neither may hold, becomes a blank.
 * With has_utf8 (RFC 9755) UTF-8 is quoted too. */
void imap_put_string(struct buf *out, struct slice s, bool has_utf8);
/* NIL when absent. */
void imap_put_nstring(struct buf *out, bool is_there, struct slice s, bool has_utf8);
/* A mailbox name: UTF-8 as it is, or in modified UTF-7. */
void imap_put_mailbox(struct buf *out, struct slice utf8, bool has_utf8);
/* "17-Jul-1996 02:44:25 +0000" with its quotes. */
void imap_put_date_time(struct buf *out, int64_t wall);

#endif
