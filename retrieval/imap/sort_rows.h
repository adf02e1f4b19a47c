/* What SORT and THREAD remember of each letter found: dates, size, and a few short texts in one arena. Texts
 * are folded and cut at SORT_TEXT_MAX bytes, by which alone they are compared. */
#ifndef RETRIEVAL_IMAP_SORT_ROWS_H
#define RETRIEVAL_IMAP_SORT_ROWS_H

#include "retrieval/imap/letter_source.h"

#define SORT_TEXT_MAX 120
#define SORT_ARENA_MAX (512u << 20)

enum sort_text { SORT_CC, SORT_FROM, SORT_TO, SORT_SUBJECT, SORT_DISPLAY_FROM, SORT_DISPLAY_TO, SORT_TEXTS };

struct sort_row {
    uint32_t uid;
    uint32_t number;
    int64_t arrival;
    int64_t sent;              /* of the Date field, else the arrival (RFC 5256 section 2.2) */
    uint64_t size;
    uint32_t texts[SORT_TEXTS]; /* where they stand in the arena: a length byte, then so many; 0: none */
    bool is_reply;             /* its subject had a "Re:" or the like */
};

struct sort_rows {
    struct sort_row *rows;     /* owned */
    size_t n, cap;
    struct buf arena;
};

void sort_rows_init(struct sort_rows *r);
void sort_rows_clear(struct sort_rows *r);
/* texts: bits 1 << enum sort_text. ERR_LIMIT: more than the arena holds. */
enum err sort_rows_add(struct sort_rows *r, struct letter_source *l, uint32_t number, unsigned texts,
    bool want_sent) MUST_CHECK;
/* Valid until the next add. */
struct slice sort_rows_text(const struct sort_rows *r, const struct sort_row *row, enum sort_text text);

#endif
