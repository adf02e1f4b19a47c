/* The body of M_DELIVER and M_APPEND that describes one letter and where it goes, and the reply to every
 * request: shared by the sending side (letter_writer, store_client) and the store. */
#ifndef STORAGE_LETTER_MESSAGE_H
#define STORAGE_LETTER_MESSAGE_H

#include "base/wire.h"
#include "storage/seal.h"
#include "storage/store_client.h"

#define LETTER_INLINE_MAX (40 * 1024)     /* sealed chunks that travel in the committing message */
#define LETTER_TARGETS_PER_MESSAGE 40
#define LETTER_TARGETS_MAX 2000

/* stage u64 (0: all chunks are inline), uid 16, size u64, prefix_size u32, chunks u32, bytes summary,
 * n u16, n times (number u32, bytes sealed). */
struct letter_head {
    uint64_t stage;
    uint8_t uid[LETTER_UID_BYTES];
    uint64_t size;
    uint32_t prefix_size;
    uint32_t chunks;
    struct slice summary;
    uint16_t inline_count;
    struct wire inline_chunks;  /* positioned at the first */
};

void letter_head_encode(const struct letter_head *h, struct buf *out); /* without the inline chunks */
/* False when it is not well-formed or beyond limits; leaves w behind the inline chunks. */
bool letter_head_decode(struct wire *w, struct letter_head *out);

/* account u64, mailbox u64, vault u64, generation u32, has_epoch u8, epoch public key 32 (if has_epoch),
 * wrap WRAP_BYTES, owner prefix size u16, bytes sealed owner prefix. */
struct letter_target {
    uint64_t account;
    uint64_t mailbox;
    uint64_t vault;
    uint32_t generation;
    bool has_epoch;
    uint8_t epoch_public[SEAL_KEY_BYTES];
    uint8_t wrap[WRAP_BYTES];
    uint16_t prefix_size;
    struct slice prefix;
};

void letter_target_encode(const struct letter_target *t, struct buf *out);
bool letter_target_decode(struct wire *w, struct letter_target *out);

void store_reply_encode(uint64_t req, const struct store_reply *r, struct buf *out);
/* Reads what follows req. Arrays are allocated; store_reply_clear() frees them. */
bool store_reply_decode(struct wire *w, struct store_reply *out);
void store_reply_clear(struct store_reply *r);

void uid_ranges_encode(const struct uid_range *r, size_t n, struct buf *out);
/* n u32 then (first u32, last u32): checked to be ascending, disjoint, not empty, not zero. */
bool uid_ranges_decode(struct wire *w, size_t max, struct uid_range **out, size_t *out_n);

#endif
