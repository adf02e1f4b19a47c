/* Owned bytes that grow up to a maximum given when the buffer is made.
 *
 * Writing beyond the maximum sets a sticky mark and changes nothing more: write all, then ask
 * buf_ok() once. Memory is freed by buf_clear(); buf_reset() keeps it. When the system has no
 * memory the process ends, which is fair because every maximum is a named limit. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <string.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
    uint8_t *p;
    size_t n;
    size_t cap;
    size_t max;
    bool overflowed;
};

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the maximum stays and the buffer can be used again. */
void buf_clear(struct buf *b);
/* As buf_clear(), and wipes the memory first. For what may hold secrets. */
void buf_wipe(struct buf *b);
/* Empties without freeing. */
void buf_reset(struct buf *b);
bool buf_ok(const struct buf *b);
/* ERR_OK or ERR_TOO_BIG. */
enum err buf_error(const struct buf *b) MUST_CHECK;
/* What is in it; valid until the buffer is next changed. */
struct slice buf_slice(const struct buf *b);

static inline void buf_put(struct buf *b, struct slice s);
static inline void buf_put_bytes(struct buf *b, const void *p, size_t n);
static inline void buf_put_str(struct buf *b, const char *nul_ended);
static inline void buf_put_byte(struct buf *b, uint8_t c);
void buf_put_u64(struct buf *b, uint64_t decimal);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes, which the caller writes before buf_grew(). NULL when over the maximum. */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);
/* Drops the first n bytes; the rest moves to the front. */
void buf_consume(struct buf *b, size_t n);

/* The hot ones stand here so that they are inlined: a FETCH response is some hundred small puts. There is
 * room already nearly always; buf_room() is for when there is not. An overflowed buffer has no room. */
static inline void buf_put_bytes(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    uint8_t *at = !b->overflowed && n <= b->cap - b->n ? b->p + b->n : buf_room(b, n);
    if (!at)
        return;
    memcpy(at, p, n);
    b->n += n;
}

static inline void buf_put_byte(struct buf *b, uint8_t c)
{
    uint8_t *at = !b->overflowed && b->n < b->cap ? b->p + b->n : buf_room(b, 1);
    if (!at)
        return;
    *at = c;
    b->n++;
}

static inline void buf_put(struct buf *b, struct slice s)
{
    buf_put_bytes(b, s.p, s.n);
}

static inline void buf_put_str(struct buf *b, const char *nul_ended)
{
    buf_put_bytes(b, nul_ended, strlen(nul_ended));
}

/* Never NULL: allocation failure ends the process with a log line. */
void *mem_new(size_t size);          /* zeroed */
void *mem_resize(void *p, size_t size);
char *mem_strdup(struct slice s);    /* NUL-ended copy */

#endif
