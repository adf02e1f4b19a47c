/* Names of flags and keywords: the fixed ones, and the account's own, which all IMAP sessions of the
 * process share and which are read again when a bit turns up that has no name yet. */
#ifndef RETRIEVAL_IMAP_KEYWORDS_H
#define RETRIEVAL_IMAP_KEYWORDS_H

#include "retrieval/imap/session.h"

struct imap_shared {
    char *names[64];       /* owned; system flags with their backslash; NULL: no such bit */
    uint64_t known;        /* bits that have a name */
};

/* Makes r->imap when it is not there. */
struct imap_shared *imap_shared_get(struct retrieval *r);
/* Reads names again when a bit among flags has none. */
void imap_keywords_refresh(struct retrieval *r, uint64_t flags);
/* The bit of a keyword that has one; 0: unknown. */
uint64_t imap_keyword_bit(struct retrieval *r, struct slice name);
/* "(\Seen $Junk)" */
void imap_put_flags(struct retrieval *r, uint64_t flags, bool is_recent, struct buf *out);
/* "* FLAGS (…)" with all names, and remembers which were told. */
void imap_put_flags_line(struct imap_session *s);
/* Says the FLAGS line anew when a row has a bit that the client has not heard of. */
void imap_announce_keywords(struct imap_session *s, uint64_t flags);

/* Turns the keywords of a flag list into bits, one store request at a time: DONE (bits complete in
 * *bits), WAIT. *at counts the keywords done; both begin at 0 and the system bits. On an error the
 * completion is set and *out_failed true. */
enum imap_step imap_keywords_resolve(struct imap_session *s, const struct imap_flags *f, size_t *at,
    uint64_t *bits, bool *out_failed);

#endif
