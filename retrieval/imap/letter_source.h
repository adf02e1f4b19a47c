/* One letter while FETCH or SEARCH look at it: the row under a cursor, or, over many steps, a handle.
 * The summary is read when it is first asked for; one that is damaged or of an older version is made
 * anew from the content. */
#ifndef RETRIEVAL_IMAP_LETTER_SOURCE_H
#define RETRIEVAL_IMAP_LETTER_SOURCE_H

#include "message/parser.h"
#include "storage/reader.h"

#define LETTER_READ_STEP (64 * 1024)

struct letter_source {
    struct mail_cursor *cursor;     /* borrowed; one of the two */
    struct letter_handle *handle;   /* borrowed */
    struct mail_row row;
    /* Filled by letter_source_summary(). */
    const struct summary *summary;
    uint64_t prefix;                /* add to all offsets of the summary */
    bool is_envelope_only;
    bool is_remade;                 /* from the content: the stored one is no good */
    struct summary decoded;
    struct message_parser *parser;  /* owned; of a summary that was made anew */
};

/* Forgets the letter; call before each other row, and at the end. */
void letter_source_clear(struct letter_source *l);
/* envelope_only: parts and parameters are not needed. */
enum err letter_source_summary(struct letter_source *l, bool envelope_only) MUST_CHECK;
/* The letter's own id. */
enum err letter_source_uid(struct letter_source *l, uint8_t out[LETTER_UID_BYTES]) MUST_CHECK;
/* Appends bytes from offset on, n at most. */
enum err letter_source_read(struct letter_source *l, uint64_t offset, size_t n, struct buf *out) MUST_CHECK;

#endif
