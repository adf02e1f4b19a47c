/* The form of the search index on the disk: sealed segments, each over some hundred or thousand letters of
 * one vault. docs/search.md describes it.
 *
 *   directory   which letters, in order (a letter's place is its "doc"), and how many blocks there are
 *   words       blocks of sorted tokens, each with the length of its postings
 *   postings    one stream, cut into blocks: for each token, in order, the docs that hold it, with the
 *               fields they hold it in
 *
 * Blocks are packed and sealed under a key from the vault's symmetric key, bound to vault, generation,
 * segment and number. What is read back is not trusted: every decoder checks what it reads. */
#ifndef STORAGE_SEARCH_SEGMENT_H
#define STORAGE_SEARCH_SEGMENT_H

#include "base/wire.h"
#include "storage/seal.h"

#define SEARCH_DOCS_MAX 2048               /* letters of one segment */
#define SEARCH_WORDS_TEXT_MAX (24 * 1024)  /* bytes of tokens in a block of words */
#define SEARCH_WORDS_MAX 5000              /* tokens in it */
#define SEARCH_POSTINGS_BYTES (48 * 1024)  /* of a block of postings; the last is shorter */
#define SEARCH_BLOCK_MAX CHUNK_TEXT_BYTES
#define SEARCH_SEALED_MAX (SEARCH_BLOCK_MAX + 64)
#define SEARCH_BLOCKS_MAX 16384            /* of either kind */
/* Numbers of blocks: words from 0 on, postings from here on, and the directory. */
#define SEARCH_POSTINGS_FIRST 32768
#define SEARCH_DIRECTORY 65535
#define SEARCH_SEGMENTS_MAX 4096           /* of a vault; letters beyond are opened */

/* Where in a letter a token stands. */
enum search_field {
    SEARCH_IN_SUBJECT = 1, SEARCH_IN_FROM = 2, SEARCH_IN_TO = 4, SEARCH_IN_CC = 8, SEARCH_IN_BCC = 16,
    SEARCH_IN_BODY = 32,
    SEARCH_IN_HEADER = 64      /* any field, name or value; trace fields apart */
};

enum err search_block_seal(const struct vault_keys *v, uint64_t segment, uint32_t number, struct slice text,
    struct buf *out) MUST_CHECK;
enum err search_block_open(const struct vault_keys *v, uint64_t segment, uint32_t number, struct slice sealed,
    struct buf *out) MUST_CHECK;

/* A block of words: count u32, stream offset u64, text bytes ("\0token\0token\0"), lengths varint each. */
struct search_words {
    uint32_t count;
    uint64_t stream_at;        /* where the first token's postings begin */
    struct slice text;
    struct slice lengths;
};
enum err search_words_decode(struct slice block, struct search_words *out) MUST_CHECK;

/* doc of the last posting, UINT32_MAX before the first. The cursor fails on what cannot be. */
struct search_posting {
    uint32_t doc;
    uint8_t fields;
};
void search_posting_put(struct buf *out, uint32_t previous, const struct search_posting *p);
/* False at the end, or when w has failed. */
bool search_posting_get(struct wire *w, struct search_posting *inout);

struct search_directory {
    uint64_t stream_bytes;
    uint32_t words_blocks;
    uint32_t postings_blocks;
    uint32_t docs;
    bool is_full;              /* no letter more is to be added by replacing it */
    uint64_t *letters;         /* owned; ascending, shifted left by one; lowest bit: must be opened */
};
void search_directory_encode(const struct search_directory *d, struct buf *out);
enum err search_directory_decode(struct slice text, struct search_directory *out) MUST_CHECK;
void search_directory_clear(struct search_directory *d);

#endif
