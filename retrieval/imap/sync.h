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
/* Drops a sync that is half told; the session ends or leaves the mailbox. */
void imap_sync_clear(struct imap_session *s);

#endif
