/* PARTIAL (RFC 9394): so many of the results, counted from the beginning or from the end. */
#ifndef RETRIEVAL_IMAP_PARTIAL_H
#define RETRIEVAL_IMAP_PARTIAL_H

#include "retrieval/imap/parse.h"
#include "retrieval/imap/sequence_set.h"

struct partial_range {
    bool is_asked;
    bool is_from_end;
    uint32_t first;         /* 1: the first, or the last; first <= last */
    uint32_t last;
    struct slice text;      /* as it was written; lies in the command */
};

/* SP partial-range, behind the word: "1:10" or "-1:-10". */
void partial_range_parse(struct imap_cursor *c, struct partial_range *out);
/* The numbers at these places of a set that is ascending and apart, appended to out. */
void partial_range_pick(const struct partial_range *p, const struct uid_set *from, struct uid_set *out);

#endif
