/* Byte queues of streams; see fifo.h. */
#include "net/fifo.h"

#define FIFO_LEAST 512

struct slice fifo_slice(const struct fifo *f)
{
    return f->p ? slice_of(f->p + f->start, fifo_size(f)) : SLICE_EMPTY;
}

static void wipe_and_free(uint8_t *p, size_t used)
{
    if (p)
        explicit_bzero(p, used);
    free(p);
}

/* Not realloc: that would leave a copy of the old bytes behind. */
static void move_to_bigger(struct fifo *f, size_t cap)
{
    uint8_t *p = mem_resize(NULL, cap);
    size_t held = fifo_size(f);
    if (held)
        memcpy(p, f->p + f->start, held);
    wipe_and_free(f->p, f->used);
    *f = (struct fifo){.p = p, .end = held, .used = held, .cap = cap};
}

uint8_t *fifo_reserve(struct fifo *f, size_t n)
{
    size_t held = fifo_size(f);
    if (held == 0)
        f->start = f->end = 0;
    if (f->cap - f->end >= n && f->p)
        return f->p + f->end;
    if (f->cap >= held + n && f->start >= held) {
        memcpy(f->p, f->p + f->start, held);
        f->start = 0;
        f->end = held;
        return f->p + held;
    }
    size_t cap = f->cap > FIFO_LEAST / 2 ? f->cap : FIFO_LEAST / 2;
    if (cap < held + n || f->start < held)
        cap *= 2;
    move_to_bigger(f, cap > held + n ? cap : held + n);
    return f->p + f->end;
}

void fifo_added(struct fifo *f, size_t n)
{
    ENSURE(n <= f->cap - f->end);
    f->end += n;
    if (f->used < f->end)
        f->used = f->end;
}

void fifo_put(struct fifo *f, struct slice bytes)
{
    if (bytes.n == 0)
        return;
    memcpy(fifo_reserve(f, bytes.n), bytes.p, bytes.n);
    fifo_added(f, bytes.n);
}

void fifo_consume(struct fifo *f, size_t n)
{
    ENSURE(n <= fifo_size(f));
    f->start += n;
}

void fifo_trim(struct fifo *f)
{
    if (f->p && fifo_size(f) == 0)
        fifo_clear(f);
}

void fifo_clear(struct fifo *f)
{
    wipe_and_free(f->p, f->used);
    *f = (struct fifo){0};
}
