/* The RETURN options of SEARCH and SORT (RFC 4731, 5182, 5267, 9394). */
#ifndef RETRIEVAL_IMAP_SEARCH_RETURN_H
#define RETRIEVAL_IMAP_SEARCH_RETURN_H

#include "retrieval/imap/partial.h"
#include "retrieval/imap/session.h"

enum search_return { SEARCH_RETURN_MIN = 1, SEARCH_RETURN_MAX = 2, SEARCH_RETURN_ALL = 4, SEARCH_RETURN_COUNT = 8,
    SEARCH_RETURN_SAVE = 16, SEARCH_RETURN_PARTIAL = 32 };

/* "RETURN" SP "(" [option *(SP option)] ")" SP, if it stands there. partial NULL: it is no option here. */
bool search_return_parse(struct imap_cursor *c, unsigned *out_returns, struct partial_range *partial);
/* The command's tag as a quoted string. */
void search_put_tag(struct imap_session *s);
/* "* ESEARCH (TAG "a")", with UID for a UID command. */
void search_return_head(struct imap_session *s);

#endif
