/* Finding a folded needle in one letter: header values, and the text of its parts as a person would read
 * it (transfer encoding and charset undone, folded). Every letter asked about is opened: correct, and as
 * slow as that is. */
#ifndef RETRIEVAL_IMAP_SEARCH_TEXT_H
#define RETRIEVAL_IMAP_SEARCH_TEXT_H

#include "retrieval/imap/letter_source.h"

/* Appends the letter's header, at most SEARCH_HEADER_MAX bytes of it. */
enum err search_read_header(struct letter_source *l, struct buf *out) MUST_CHECK;
/* Whether the decoded, folded value holds the needle. */
bool search_header_value(struct slice raw, struct slice needle);
/* BODY, or with `header` TEXT. */
enum err search_letter_text(struct letter_source *l, bool header, struct slice needle, bool *out_found)
    MUST_CHECK;

#endif
