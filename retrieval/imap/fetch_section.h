/* Sections of a letter: "BODY[1.2.HEADER.FIELDS (Subject)]<0.100>" as written, and as a range of bytes
 * (RFC 3501 section 6.4.5). Pure. */
#ifndef RETRIEVAL_IMAP_FETCH_SECTION_H
#define RETRIEVAL_IMAP_FETCH_SECTION_H

#include "message/summary.h"
#include "retrieval/imap/parse.h"

#define SECTION_NAMES_MAX 128   /* header names in one section */

enum section_text { SECTION_ALL, SECTION_HEADER, SECTION_FIELDS, SECTION_FIELDS_NOT, SECTION_TEXT,
    SECTION_MIME };

struct fetch_section {
    uint32_t path[MIME_DEPTH_MAX + 2];
    size_t depth;
    enum section_text text;
    struct slice *names;        /* owned; of SECTION_FIELDS and _NOT */
    size_t name_count;
    bool is_partial;
    uint64_t partial_offset;
    uint64_t partial_length;
};

void fetch_section_clear(struct fetch_section *s);
/* "[" section-spec "]" ["<" number "." nz-number ">"]; clear it also after an error. */
void fetch_section_parse(struct imap_cursor *c, struct fetch_section *out);
/* "[1.TEXT]<0>" as a FETCH response names it. */
void fetch_section_put(const struct fetch_section *s, struct buf *out);
/* Whether the range can be told from the letter's size alone. */
bool fetch_section_is_whole(const struct fetch_section *s);

/* The transfer encoding of the part; empty when there is none. */
struct slice fetch_section_encoding(const struct fetch_section *s, const struct summary *summary);

struct byte_range {
    uint64_t offset;
    uint64_t length;
};
/* Where the section lies in the letter as clients see it (of SECTION_FIELDS: the header they are
 * picked from). Partial is not applied. ERR_NOT_FOUND: there is no such part. summary may be NULL when
 * fetch_section_is_whole(). */
enum err fetch_section_range(const struct fetch_section *s, const struct summary *summary,
    uint64_t prefix, uint64_t size, struct byte_range *out) MUST_CHECK;
/* The part of a range that the partial asks for. */
struct byte_range fetch_section_cut(const struct fetch_section *s, struct byte_range whole);

#endif
