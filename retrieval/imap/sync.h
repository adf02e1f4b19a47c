/* Telling the client what changed in the selected mailbox: arrivals (EXISTS, RECENT), flags (FETCH),
 * and, where the protocol allows it, expunges.
 *
 * What changed is read at once (bounded by the changes, 16 bytes each) and told as the client reads.
 * Expunges that may not be told yet stay in the database and are read when they may. */
#ifndef RETRIEVAL_IMAP_SYNC_H
#define RETRIEVAL_IMAP_SYNC_H

#include "retrieval/imap/session.h"

/* Begins or goes on. DONE: all is told. ROOM: the client must read first. AGAIN: the database was busy for a moment.
 * CLOSE: the mailbox is gone, BYE is said. */
enum imap_step imap_sync_step(struct imap_session *s, bool may_expunge);
/* RFC 7162 section 3.2.5, behind a SELECT: what changed and what went above `since`, of the UIDs in `known` (NULL:
 * of all), is told by the steps that follow. */
enum err imap_sync_resume(struct imap_session *s, uint64_t since, const struct uid_set *known) MUST_CHECK;
/* What of `asked` was expunged above `since` and stands in the view no more. */
enum err imap_vanished_since(struct imap_session *s, uint64_t since, const struct uid_set *asked,
    struct uid_set *out) MUST_CHECK;
/* "* VANISHED 1:5,7", in lines of a bounded length, from range *at on. False: no room. */
bool imap_put_vanished(struct imap_session *s, const struct uid_set *uids, bool is_earlier, size_t *at);
/* "* 3 FETCH (UID 7 FLAGS (…) MODSEQ (9))": UID and MODSEQ where the client is to have them; nothing when
 * the view has no such UID. */
void imap_put_changed(struct imap_session *s, uint32_t uid, uint64_t flags, uint64_t modseq, bool says_flags);
/* Drops a sync that is half told; the session ends or leaves the mailbox. */
void imap_sync_clear(struct imap_session *s);

#endif
