/* Owned bytes; see buf.h. */
#include "base/buf.h"

#include <sodium.h>

#include "base/log.h"

void *mem_new(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    ENSURE(p != NULL);
    return p;
}

void *mem_resize(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    ENSURE(q != NULL);
    return q;
}

char *mem_strdup(struct slice s)
{
    char *p = mem_new(s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    return p;
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_clear(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
    if (b->p)
        sodium_memzero(b->p, b->cap);
    buf_clear(b);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->overflowed = false;
}

bool buf_ok(const struct buf *b)
{
    return !b->overflowed;
}

enum err buf_error(const struct buf *b)
{
    return b->overflowed ? ERR_TOO_BIG : ERR_OK;
}

struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}

uint8_t *buf_room(struct buf *b, size_t n)
{
    if (b->overflowed || n > b->max || b->n > b->max - n) {
        b->overflowed = true;
        return NULL;
    }
    if (b->n + n > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < b->n + n)
            cap += cap / 2 + 64;
        if (cap > b->max)
            cap = b->max;
        b->p = mem_resize(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_grew(struct buf *b, size_t n)
{
    ENSURE(n <= b->cap - b->n);
    b->n += n;
}

void buf_put_u64(struct buf *b, uint64_t decimal)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + decimal % 10);
        decimal /= 10;
    } while (decimal);
    buf_put_bytes(b, digits + at, sizeof digits - at);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof small) {
        buf_put_bytes(b, small, (size_t)n);
        return;
    }
    if (!buf_room(b, (size_t)n))
        return;
    char *big = mem_new((size_t)n + 1);
    va_start(args, format);
    vsnprintf(big, (size_t)n + 1, format, args);
    va_end(args);
    buf_put_bytes(b, big, (size_t)n);
    free(big);
}

void buf_consume(struct buf *b, size_t n)
{
    ENSURE(n <= b->n);
    if (n == 0)
        return;
    b->n -= n;
    memmove(b->p, b->p + n, b->n);
}
