/* Building one segment of the search index in memory: letters' tokens go in, plain blocks come out, in
 * pieces. Called by the owner's session; docs come in ascending order of their letters' row ids. */
#ifndef STORAGE_SEARCH_BUILD_H
#define STORAGE_SEARCH_BUILD_H

#include "storage/search_segment.h"

#define SEARCH_BUILD_BYTES_MAX (24u << 20)  /* a builder that is larger takes no further letter */
#define SEARCH_LETTER_TOKENS_MAX 50000      /* different ones of one letter; beyond, it must be opened */

struct search_build;

struct search_build *search_build_new(void);
/* Wipes what it held. */
void search_build_free(struct search_build *b);
/* Letters: begin, tokens, end. must_open: its tokens do not tell all. */
void search_build_letter(struct search_build *b, uint64_t letter);
void search_build_token(struct search_build *b, struct slice token, uint8_t fields);
void search_build_letter_end(struct search_build *b, bool must_open);
bool search_build_is_full(const struct search_build *b);
uint32_t search_build_docs(const struct search_build *b);

/* After the last letter: sorts. Then blocks, until ERR_NOT_FOUND; the directory (SEARCH_DIRECTORY) is the
 * last of them. The text is appended. */
void search_build_sort(struct search_build *b);
enum err search_build_next(struct search_build *b, uint32_t *out_number, struct buf *out) MUST_CHECK;

#endif
