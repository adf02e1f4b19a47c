/* Compression before sealing, for seal.c. One context each way and one scratch buffer, made when a
 * process first needs them: setting up a zstd context costs more than a small letter. */
#include <zstd.h>

#include "storage/seal_internal.h"

/* Measured on real letters, microseconds a piece and what is left of it (docs/schema.md): 4 KiB at
 * level 1: 23, 0.45; at 3: 33, 0.44. Small pieces (summaries, trace headers) of 700 bytes at level 1:
 * 8.3, 0.58 and 2.5 to unpack; at -1: 4.3, 0.74 and 0.3 to unpack, and listings unpack very many. */
#define PACK_LEVEL 1
#define PACK_LEVEL_SMALL (-1)
#define PACK_SMALL_BYTES 2048
/* What is smaller gains nothing. */
#define PACK_LEAST_BYTES 256
#define SCRATCH_BYTES ZSTD_COMPRESSBOUND(CHUNK_TEXT_BYTES)

static ZSTD_CCtx *compressor;
static ZSTD_DCtx *decompressor;
static uint8_t *scratch;

static ZSTD_CCtx *compressor_new(void)
{
    compressor = ZSTD_createCCtx();
    ENSURE(compressor != NULL);
    /* The content size is what bounds the reader; a checksum would say nothing that the seal does not. */
    size_t set = ZSTD_CCtx_setParameter(compressor, ZSTD_c_contentSizeFlag, 1);
    ENSURE(!ZSTD_isError(set));
    set = ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 0);
    ENSURE(!ZSTD_isError(set));
    return compressor;
}

static ZSTD_CCtx *compressor_for(size_t text_bytes)
{
    ZSTD_CCtx *c = compressor ? compressor : compressor_new();
    int level = text_bytes < PACK_SMALL_BYTES ? PACK_LEVEL_SMALL : PACK_LEVEL;
    size_t set = ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
    ENSURE(!ZSTD_isError(set));
    return c;
}

uint8_t *unpack_scratch(void)
{
    if (!scratch)
        scratch = mem_new(SCRATCH_BYTES);
    return scratch;
}

struct slice pack_text(struct slice text, uint8_t *out_flags)
{
    ENSURE(text.n <= CHUNK_TEXT_BYTES);
    *out_flags = ENVELOPE_STORED;
    if (text.n < PACK_LEAST_BYTES)
        return text;
    uint8_t *to = unpack_scratch();
    size_t n = ZSTD_compress2(compressor_for(text.n), to, SCRATCH_BYTES, text.p, text.n);
    if (ZSTD_isError(n) || n >= text.n)
        return text;
    *out_flags = ENVELOPE_ZSTD;
    return slice_of(to, n);
}

enum err unpack_text(uint8_t flags, struct slice packed, size_t max, struct buf *out)
{
    if (flags == ENVELOPE_STORED) {
        if (packed.n > max)
            return ERR_DAMAGED;
        buf_put(out, packed);
        return buf_error(out);
    }
    if (flags != ENVELOPE_ZSTD)
        return ERR_DAMAGED;
    /* Both special values (unknown, error) are above any max. */
    unsigned long long size = ZSTD_getFrameContentSize(packed.p, packed.n);
    if (size > max)
        return ERR_DAMAGED;
    /* An empty text has a place too. */
    uint8_t *room = buf_room(out, (size_t)size + (size == 0));
    if (!room)
        return ERR_TOO_BIG;
    if (!decompressor)
        decompressor = ZSTD_createDCtx();
    ENSURE(decompressor != NULL);
    size_t n = ZSTD_decompressDCtx(decompressor, room, (size_t)size, packed.p, packed.n);
    if (ZSTD_isError(n) || n != size)
        return ERR_DAMAGED;
    buf_grew(out, n);
    return ERR_OK;
}
