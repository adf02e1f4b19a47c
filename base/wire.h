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
uint8_t wire_u8(struct wire *w);
uint16_t wire_u16(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
/* Valid as long as the slice read from. Empty after an error. */
struct slice wire_bytes(struct wire *w);
struct slice wire_fixed(struct wire *w, size_t n);
uint64_t wire_varint(struct wire *w);
struct slice wire_short(struct wire *w);
/* Copies exactly n bytes; zeroes out after an error. */
void wire_copy(struct wire *w, void *out, size_t n);
/* No error, and nothing is left. */
bool wire_done(const struct wire *w);
bool wire_at_end(const struct wire *w);

#endif
