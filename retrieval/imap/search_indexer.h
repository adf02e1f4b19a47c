/* Indexing in the background: letters of the account's vault that the search index has not met are opened,
 * cut into tokens and written as a new segment, a few milliseconds at a time, while a session is there. */
#ifndef RETRIEVAL_IMAP_SEARCH_INDEXER_H
#define RETRIEVAL_IMAP_SEARCH_INDEXER_H

#include "retrieval/session.h"

/* Letters that are worth a segment: so many, and one for each eight of the last segment, which is made anew
 * with them. Until there are, searches open them. */
#define INDEXER_LETTERS_MIN 32
#define INDEXER_TAIL_SHARE 8
#define INDEXER_TEXT_MAX (4u << 20) /* text of one letter; a larger one is opened by every search */

struct search_indexer;

struct search_indexer *search_indexer_new(struct retrieval *r);
void search_indexer_free(struct search_indexer *x);
/* A session came, or mail did: see soon whether there is something to do. */
void search_indexer_wake(struct search_indexer *x);
/* The keys are about to be wiped: drop everything. */
void search_indexer_stop(struct search_indexer *x);

#endif
