/* What the files of sealing share and nobody else sees: the one call that seals, the one that opens,
 * and compression with contexts that a process makes once. */
#ifndef STORAGE_SEAL_INTERNAL_H
#define STORAGE_SEAL_INTERNAL_H

#include <sodium.h>

#include "storage/seal.h"

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

/* Flags of a compressed envelope; authenticated. */
#define ENVELOPE_STORED 0
#define ENVELOPE_ZSTD 1

/* Associated data is short and of fixed form: put together on the stack. */
struct associated {
    uint8_t p[96];
    size_t n;
};
void associated_put(struct associated *a, struct slice bytes);
void associated_put_le(struct associated *a, uint64_t value, size_t bytes);

/* out: text.n + TAG_BYTES. */
void aead_seal(const uint8_t *key, const uint8_t *nonce, struct slice associated, struct slice text,
    uint8_t *out);
/* out: sealed.n - TAG_BYTES; written only when the seal verifies. */
enum err aead_open(const uint8_t *key, const uint8_t *nonce, struct slice associated,
    struct slice sealed, uint8_t *out) MUST_CHECK;

/* What to seal: compressed text with *out_flags ENVELOPE_ZSTD, or `text` itself when that is no gain.
 * Valid until the next call of either function. text: CHUNK_TEXT_BYTES at most. */
struct slice pack_text(struct slice text, uint8_t *out_flags);
/* Room for what is opened before unpack_text(): CHUNK_TEXT_BYTES. */
uint8_t *unpack_scratch(void);
/* Appends the text, max bytes at most; ERR_DAMAGED for what is no such text. */
enum err unpack_text(uint8_t flags, struct slice packed, size_t max, struct buf *out) MUST_CHECK;

#endif
