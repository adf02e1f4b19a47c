/* The header of a letter that one of our own people submits (RFC 6409 section 8): held back until it is
 * whole, then given on with what is missing (Date, Message-ID, From) and without what is nobody's matter
 * (Return-Path; Bcc, by the setting submission.bcc). Pure. Used by cmd_data.c. */
#ifndef SMTP_SUBMIT_HEADER_H
#define SMTP_SUBMIT_HEADER_H

#include "base/buf.h"

struct submit_header {
    struct buf text;       /* owned; as it came, with the empty line when there is one */
    size_t looked_at;
    bool is_whole;
    unsigned from_count;   /* after submit_header_rewrite() */
};

struct submit_rules {
    struct slice sender;   /* reverse-path without brackets; empty: a report, nothing is added as From */
    struct slice host;     /* of a Message-ID that is made */
    bool keeps_bcc;
    int64_t wall;
};

void submit_header_init(struct submit_header *h);
void submit_header_clear(struct submit_header *h);
/* Takes bytes off *piece up to the end of the header; true when it is whole. ERR_TOO_BIG by
 * buf_error(&h->text): SMTP_HEADER_MAX. */
bool submit_header_feed(struct submit_header *h, struct slice *piece);
/* Appends the header as it shall stand in the letter. */
void submit_header_rewrite(struct submit_header *h, const struct submit_rules *rules, struct buf *out);

#endif
