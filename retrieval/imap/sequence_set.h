/* Sets of message numbers or UIDs as ranges: what clients write ("1:5,9,12:*") and what the session
 * works with (UIDs of a view, results of a copy). RFC 3501 section 9, sequence-set. */
#ifndef RETRIEVAL_IMAP_SEQUENCE_SET_H
#define RETRIEVAL_IMAP_SEQUENCE_SET_H

#include "retrieval/imap/parse.h"
#include "storage/store_client.h"

#define SEQUENCE_STAR 0             /* "*" before it is resolved */
#define SEQUENCE_RANGES_MAX 65536   /* more than a command of IMAP_COMMAND_MAX bytes can hold apart */

struct uid_set {
    struct uid_range *ranges;       /* owned */
    size_t n;
    size_t cap;
    bool is_saved;                  /* "$": the result of the last SEARCH (RFC 5182); no ranges */
};

void uid_set_clear(struct uid_set *s);
/* Appends; a range that touches the last one is merged with it. */
void uid_set_add(struct uid_set *s, uint32_t first, uint32_t last);
/* Whether it lies in one of the ranges, which are ascending and apart. */
bool uid_set_has(const struct uid_set *s, uint32_t uid);
/* How many numbers the ranges hold. */
uint64_t uid_set_count(const struct uid_set *s);
/* "1:5,7"; nothing for an empty set. */
void uid_set_put(const struct uid_set *s, struct buf *out);
/* Ascending order, overlapping and touching ranges merged. */
void uid_set_normalise(struct uid_set *s);

/* Takes out what is in gone; both ascending and apart. */
void uid_set_remove(struct uid_set *s, const struct uid_set *gone);
/* What is in both, appended to out; both ascending and apart. */
void uid_set_intersect(const struct uid_set *a, const struct uid_set *b, struct uid_set *out);

/* Parses; "*" stays SEQUENCE_STAR, ranges are as written. Clear it also after an error. */
void sequence_set_parse(struct imap_cursor *c, struct uid_set *out);
/* "*" becomes star (the largest number in use; 0 when there is none: such ranges go); then as
 * uid_set_normalise(). */
void sequence_set_resolve(struct uid_set *s, uint32_t star);

#endif
