/* Fields of messages between roles and of records in the database: little-endian numbers and
 * length-prefixed bytes. The reader is a cursor with a sticky error that never reads outside its
 * slice; read all fields, then ask wire_done() once. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/buf.h"

void wire_put_u8(struct buf *b, uint8_t v);
void wire_put_u16(struct buf *b, uint16_t v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
/* Length as u32, then the bytes. */
void wire_put_bytes(struct buf *b, struct slice s);
/* LEB128, for records where size counts. */
void wire_put_varint(struct buf *b, uint64_t v);
/* Length as varint, then the bytes. */
void wire_put_short(struct buf *b, struct slice s);

struct wire {
    struct slice rest;
    bool failed;
};

struct wire wire_of(struct slice s);
static inline uint8_t wire_u8(struct wire *w);
uint16_t wire_u16(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
/* Valid as long as the slice read from. Empty after an error. */
struct slice wire_bytes(struct wire *w);
static inline struct slice wire_fixed(struct wire *w, size_t n);
static inline uint64_t wire_varint(struct wire *w);
static inline struct slice wire_short(struct wire *w);

/* Inlined: a listing decodes a summary of some hundred fields per letter. */
static inline struct slice wire_fixed(struct wire *w, size_t n)
{
    if (w->failed || n > w->rest.n) {
        w->failed = true;
        return SLICE_EMPTY;
    }
    struct slice s = {w->rest.p, n};
    w->rest.n -= n;
    if (n)
        w->rest.p += n;
    return s;
}

static inline uint8_t wire_u8(struct wire *w)
{
    struct slice s = wire_fixed(w, 1);
    return s.n ? s.p[0] : 0;
}

static inline uint64_t wire_varint(struct wire *w)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t c = wire_u8(w);
        if (w->failed || (shift == 63 && c > 1))
            break;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return v;
    }
    w->failed = true;
    return 0;
}

static inline struct slice wire_short(struct wire *w)
{
    uint64_t n = wire_varint(w);
    return wire_fixed(w, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

/* Copies exactly n bytes; zeroes out after an error. */
void wire_copy(struct wire *w, void *out, size_t n);
/* No error, and nothing is left. */
bool wire_done(const struct wire *w);
bool wire_at_end(const struct wire *w);

#endif
