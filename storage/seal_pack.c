/* Compression before sealing, for seal.c. One context each way and one scratch buffer, made when a
 * process first needs them: setting up a zstd context costs more than a small letter. */
#include <zstd.h>

#include "storage/seal_internal.h"

/* Level 1: docs/schema.md has the measurement. */
#define PACK_LEVEL 1
/* What is smaller gains nothing. */
#define PACK_LEAST 64
#define SCRATCH_BYTES ZSTD_COMPRESSBOUND(CHUNK_TEXT_BYTES)

static ZSTD_CCtx *compressor;
static ZSTD_DCtx *decompressor;
static uint8_t *scratch;

static ZSTD_CCtx *compressor_get(void)
{
    if (compressor)
        return compressor;
    compressor = ZSTD_createCCtx();
    ENSURE(compressor != NULL);
    size_t set = ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, PACK_LEVEL);
    ENSURE(!ZSTD_isError(set));
    /* The content size is what bounds the reader; a checksum would say nothing that the seal does not. */
    set = ZSTD_CCtx_setParameter(compressor, ZSTD_c_contentSizeFlag, 1);
    ENSURE(!ZSTD_isError(set));
    set = ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 0);
    ENSURE(!ZSTD_isError(set));
    return compressor;
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
    if (text.n < PACK_LEAST)
        return text;
    uint8_t *to = unpack_scratch();
    size_t n = ZSTD_compress2(compressor_get(), to, SCRATCH_BYTES, text.p, text.n);
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
    uint8_t *room = buf_room(out, (size_t)size + 1);
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
