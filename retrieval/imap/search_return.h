/* The RETURN options of SEARCH and SORT (RFC 4731, 5182, 5267). */
#ifndef RETRIEVAL_IMAP_SEARCH_RETURN_H
#define RETRIEVAL_IMAP_SEARCH_RETURN_H

#include "retrieval/imap/session.h"

enum search_return { SEARCH_RETURN_MIN = 1, SEARCH_RETURN_MAX = 2, SEARCH_RETURN_ALL = 4, SEARCH_RETURN_COUNT = 8,
    SEARCH_RETURN_SAVE = 16 };

/* "RETURN" SP "(" [option *(SP option)] ")" SP, if it stands there. */
bool search_return_parse(struct imap_cursor *c, unsigned *out_returns);
/* The command's tag as a quoted string. */
void search_put_tag(struct imap_session *s);
/* "* ESEARCH (TAG "a")", with UID for a UID command. */
void search_return_head(struct imap_session *s);

#endif
