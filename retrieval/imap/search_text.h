/* The text of one letter as a search sees it: header values and names (those of trace fields apart: how a
 * letter travelled is not what it says), and the text of its parts as a person would read it; transfer
 * encoding and charset undone, folded. The same for a letter that is opened to look for a needle and for one
 * that is put into the index, so that both give the same answers. */
#ifndef RETRIEVAL_IMAP_SEARCH_TEXT_H
#define RETRIEVAL_IMAP_SEARCH_TEXT_H

#include "retrieval/imap/letter_source.h"
#include "storage/search_segment.h"

/* Where values of this field stand in the index: of enum search_field; 0: nowhere (trace fields). */
uint8_t search_field_of(struct slice name);

enum search_visit { SEARCH_VISIT_HEADER = 1, SEARCH_VISIT_BODY = 2 };
/* One folded text, valid in the call; false: no more is wanted. */
typedef bool (*search_visit_fn)(void *ctx, uint8_t fields, struct slice folded);
enum err search_letter_visit(struct letter_source *l, unsigned where, search_visit_fn on, void *ctx) MUST_CHECK;
/* Encoded bytes of all text parts. */
uint64_t search_text_bytes(const struct summary *s);

/* Appends the letter's header, at most SEARCH_HEADER_MAX bytes of it. */
enum err search_read_header(struct letter_source *l, struct buf *out) MUST_CHECK;
/* Whether the decoded, folded value holds the needle. */
bool search_header_value(struct slice raw, struct slice needle);
/* BODY, or with `header` TEXT. */
enum err search_letter_text(struct letter_source *l, bool header, struct slice needle, bool *out_found)
    MUST_CHECK;

#endif
