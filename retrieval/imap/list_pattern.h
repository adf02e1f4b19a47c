/* Patterns of LIST and LSUB (RFC 3501 section 6.3.8): "*" stands for anything, "%" for anything but
 * the delimiter. Pure; time is length of pattern times length of name. */
#ifndef RETRIEVAL_IMAP_LIST_PATTERN_H
#define RETRIEVAL_IMAP_LIST_PATTERN_H

#include "base/slice.h"

#define LIST_PATTERN_MAX 1024
#define LIST_NAME_MAX 8192

/* Patterns and names beyond the limits match nothing. */
bool list_pattern_matches(struct slice pattern, struct slice name, uint8_t delimiter);

#endif
