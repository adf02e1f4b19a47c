/* base/codec.h: whatever decodes prints back as it was (base64 is canonical), and what is printed
 * decodes to the same bytes. */
#include "base/codec.h"

#define FUZZ_MAX 65536

static void decode_then_encode(struct slice text)
{
    struct buf bytes, again;
    buf_init(&bytes, FUZZ_MAX);
    buf_init(&again, 2 * FUZZ_MAX);
    if (base64_get(text, &bytes) == ERR_OK) {
        base64_put(&again, buf_slice(&bytes));
        ENSURE(slice_equal(buf_slice(&again), text));
    }
    buf_clear(&bytes);
    buf_clear(&again);
}

static void encode_then_decode(struct slice data, void (*put)(struct buf *, struct slice),
    enum err (*get)(struct slice, struct buf *))
{
    struct buf text, bytes;
    buf_init(&text, 2 * FUZZ_MAX + 8);
    buf_init(&bytes, FUZZ_MAX + 8);
    put(&text, data);
    ENSURE(get(buf_slice(&text), &bytes) == ERR_OK);
    ENSURE(slice_equal(buf_slice(&bytes), data));
    buf_clear(&text);
    buf_clear(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n > FUZZ_MAX)
        return 0;
    struct slice input = slice_of(p, n);
    decode_then_encode(input);
    encode_then_decode(input, base64_put, base64_get);
    encode_then_decode(input, hex_put, hex_get);
    encode_then_decode(input, base32_put, base32_get);
    return 0;
}
