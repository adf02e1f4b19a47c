/* Bytes in, bytes out, in order and contiguous: what streams hold between the socket and a session.
 * Internal to net/. Holds no memory when empty after fifo_trim(); memory is wiped before it is given
 * back, because passwords pass here. Limits are the caller's matter. */
#ifndef NET_FIFO_H
#define NET_FIFO_H

#include "base/buf.h"
#include "base/slice.h"

struct fifo {
    uint8_t *p; /* owned */
    size_t start;
    size_t end;
    size_t used; /* the furthest that end has been: what there is to wipe */
    size_t cap;
};

static inline size_t fifo_size(const struct fifo *f)
{
    return f->end - f->start;
}

/* Valid until the next call on f, but for fifo_consume(). */
struct slice fifo_slice(const struct fifo *f);
/* Room for n more bytes behind the held ones; write there, then fifo_added(). */
uint8_t *fifo_reserve(struct fifo *f, size_t n);
void fifo_added(struct fifo *f, size_t n);
void fifo_put(struct fifo *f, struct slice bytes);
/* Drops the first n bytes; the memory stays untouched until the next reserve or trim. */
void fifo_consume(struct fifo *f, size_t n);
/* Gives the memory back if nothing is held. */
void fifo_trim(struct fifo *f);
void fifo_clear(struct fifo *f);

#endif
