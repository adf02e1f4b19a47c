/* Asking the search index of the vault whose keys the reader holds. Each step opens one block of words
 * and scans it for all questions at once; between steps the caller may give control back to the loop. */
#ifndef STORAGE_SEARCH_INDEX_H
#define STORAGE_SEARCH_INDEX_H

#include "storage/reader.h"
#include "storage/search_segment.h"

#define SEARCH_QUESTIONS_MAX 64

struct search_index;

/* Reads the directories. ERR_NOT_FOUND: nothing is indexed yet. ERR_AGAIN. */
enum err search_index_open(struct reader *r, struct search_index **out) MUST_CHECK;
void search_index_close(struct search_index *x);
/* A folded piece of a needle and the fields (any of them) it is to stand in; both borrowed until the last
 * step. False: there are too many. */
bool search_index_ask(struct search_index *x, struct slice piece, uint8_t fields, unsigned *out_question);
/* ERR_OK: more is to come. ERR_NOT_FOUND: all is scanned. ERR_AGAIN; ERR_BUSY: it was written
 * anew meanwhile, open it again; ERR_DAMAGED: it is not to be used (logged). */
enum err search_index_step(struct search_index *x) MUST_CHECK;
/* Whether the letter is in the index and needs not be opened; *out_doc for search_index_answer(). */
bool search_index_find(const struct search_index *x, uint64_t letter, size_t *out_doc);
/* Whether the letter has a token that holds the piece. After the last step. */
bool search_index_answer(const struct search_index *x, unsigned question, size_t doc);

/* What is to be indexed next: the letters above `from`. The last segment, when it is not full, is made anew
 * together with what came: `tail` letters of it. fresh: letters that no segment has met, `max` at most. */
struct search_missing {
    uint64_t from;
    uint32_t tail;
    uint32_t fresh;
};
enum err search_index_missing(struct reader *r, uint32_t max, struct search_missing *out) MUST_CHECK;

#endif
