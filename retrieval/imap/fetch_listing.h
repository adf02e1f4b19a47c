/* FETCH of envelopes and structures from listing blocks (storage/listing.h), and the making of blocks from
 * what a FETCH has said without them. */
#ifndef RETRIEVAL_IMAP_FETCH_LISTING_H
#define RETRIEVAL_IMAP_FETCH_LISTING_H

#include "retrieval/imap/session.h"

struct fetch;
struct mail_row;

struct fetch_listing {
    bool is_usable;          /* nothing but rows, envelopes and structures is asked for */
    bool is_making;          /* both, so that blocks can be made */

    bool has_block;          /* the row under the cursor is answered from block */
    struct listing block;
    struct wire rest;        /* of block, behind the entry */
    uint32_t uid;            /* the entry; 0: none */
    struct slice envelope;
    struct slice structure;

    struct listing made;
    size_t made_count;
    uint32_t made_number;    /* message number of the last mail in it */
    size_t envelope_from, envelope_n, structure_from, structure_n; /* of the row at hand, in the output; n 0: not */
};

/* What is asked is known: decides. */
void fetch_listing_begin(struct imap_session *s, struct fetch *w);
/* Whether the mail and what follows up to *out_last are answered from a block. No cursor may be open. */
bool fetch_listing_load(struct imap_session *s, struct fetch *w, uint32_t uid, uint32_t *out_last);
/* The entry of the mail at hand; false: the block does not have it. */
bool fetch_listing_find(struct fetch *w, uint32_t uid);
/* A row was said whole. */
void fetch_listing_row(struct imap_session *s, struct fetch *w, uint32_t uid);
/* All was said: what has come together is worth a block, or not. */
void fetch_listing_end(struct imap_session *s, struct fetch *w);
void fetch_listing_clear(struct fetch *w);

#endif
