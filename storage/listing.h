/* Listing blocks: what FETCH says of the envelopes and structures of some consecutive mails of a mailbox,
 * packed and sealed together, so that a listing opens one block where it would open a hundred
 * summaries. Made by the owner's session from what it has just said, kept by the store, which cannot read
 * it. Only a cache: letters and UIDs never change, so a block is never wrong; it goes with the first of
 * its mails that is freed, and a damaged one is as good as none. */
#ifndef STORAGE_LISTING_H
#define STORAGE_LISTING_H

#include "storage/seal.h"

#define LISTING_MAILS_MAX 100
#define LISTING_SPAN_MAX 4096               /* UIDs that a block may reach over */
#define LISTING_TEXT_MAX (56 * 1024)
#define LISTING_SEALED_MAX (LISTING_TEXT_MAX + 64)

/* The text: for each mail, UIDs ascending: uid u32, envelope and structure as wire_put_short. */
struct listing {
    uint64_t mailbox;
    uint32_t first;
    uint32_t last;
    struct buf text;
};

/* Appends to out. ERR_TOO_BIG when the text is over its maximum. */
enum err listing_seal(const struct vault_keys *v, const struct listing *l, struct buf *out) MUST_CHECK;
/* Fills l->text (emptied first) for the mailbox and UIDs that l names; ERR_DAMAGED. */
enum err listing_open(const struct vault_keys *v, struct slice sealed, struct listing *l) MUST_CHECK;

#endif
