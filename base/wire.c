/* Fields on the wire; see wire.h. */
#include "base/wire.h"

static void put_number(struct buf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    buf_put_bytes(b, bytes, n);
}

void wire_put_u8(struct buf *b, uint8_t v)
{
    buf_put_byte(b, v);
}

void wire_put_u16(struct buf *b, uint16_t v)
{
    put_number(b, v, 2);
}

void wire_put_u32(struct buf *b, uint32_t v)
{
    put_number(b, v, 4);
}

void wire_put_u64(struct buf *b, uint64_t v)
{
    put_number(b, v, 8);
}

void wire_put_bytes(struct buf *b, struct slice s)
{
    ENSURE(s.n <= UINT32_MAX);
    put_number(b, s.n, 4);
    buf_put(b, s);
}

void wire_put_varint(struct buf *b, uint64_t v)
{
    while (v >= 0x80) {
        buf_put_byte(b, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_put_byte(b, (uint8_t)v);
}

void wire_put_short(struct buf *b, struct slice s)
{
    wire_put_varint(b, s.n);
    buf_put(b, s);
}

struct wire wire_of(struct slice s)
{
    return (struct wire){.rest = s};
}

static uint64_t number(struct wire *w, size_t n)
{
    struct slice s = wire_fixed(w, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v |= (uint64_t)s.p[i] << (8 * i);
    return v;
}

uint16_t wire_u16(struct wire *w)
{
    return (uint16_t)number(w, 2);
}

uint32_t wire_u32(struct wire *w)
{
    return (uint32_t)number(w, 4);
}

uint64_t wire_u64(struct wire *w)
{
    return number(w, 8);
}

struct slice wire_bytes(struct wire *w)
{
    uint32_t n = wire_u32(w);
    return wire_fixed(w, n);
}

void wire_copy(struct wire *w, void *out, size_t n)
{
    struct slice s = wire_fixed(w, n);
    memset(out, 0, n);
    if (s.n)
        memcpy(out, s.p, s.n);
}

bool wire_done(const struct wire *w)
{
    return !w->failed && w->rest.n == 0;
}

bool wire_at_end(const struct wire *w)
{
    return w->failed || w->rest.n == 0;
}
