/* Open addressing with linear probing; see idmap.h. */
#include "base/idmap.h"

#include "base/buf.h"

struct idmap_entry {
    uint64_t id;
    void *value; /* NULL: free, GRAVE: was removed */
};

static char grave;
#define GRAVE ((void *)&grave)

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    return x ^ (x >> 33);
}

void idmap_clear(struct idmap *m)
{
    free(m->entries);
    *m = (struct idmap){0};
}

static struct idmap_entry *find_entry(const struct idmap *m, uint64_t id)
{
    if (m->cap == 0)
        return NULL;
    for (size_t i = mix(id) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct idmap_entry *e = &m->entries[i];
        if (!e->value)
            return NULL;
        if (e->value != GRAVE && e->id == id)
            return e;
    }
}

void *idmap_find(const struct idmap *m, uint64_t id)
{
    struct idmap_entry *e = find_entry(m, id);
    return e ? e->value : NULL;
}

static void put_new(struct idmap *m, uint64_t id, void *value)
{
    size_t i = mix(id) & (m->cap - 1);
    while (m->entries[i].value && m->entries[i].value != GRAVE)
        i = (i + 1) & (m->cap - 1);
    if (m->entries[i].value == GRAVE)
        m->graves--;
    m->entries[i] = (struct idmap_entry){id, value};
    m->count++;
}

static void grow(struct idmap *m)
{
    struct idmap bigger = {.cap = 16};
    while (bigger.cap < m->count * 4)
        bigger.cap *= 2;
    bigger.entries = mem_new(bigger.cap * sizeof *bigger.entries);
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].value && m->entries[i].value != GRAVE)
            put_new(&bigger, m->entries[i].id, m->entries[i].value);
    free(m->entries);
    *m = bigger;
}

void idmap_put(struct idmap *m, uint64_t id, void *value)
{
    ENSURE(value != NULL);
    struct idmap_entry *e = find_entry(m, id);
    if (e) {
        e->value = value;
        return;
    }
    if ((m->count + m->graves + 1) * 2 > m->cap)
        grow(m);
    put_new(m, id, value);
}

void *idmap_remove(struct idmap *m, uint64_t id)
{
    struct idmap_entry *e = find_entry(m, id);
    if (!e)
        return NULL;
    void *value = e->value;
    e->value = GRAVE;
    m->count--;
    m->graves++;
    return value;
}

void idmap_each(struct idmap *m, void (*fn)(void *ctx, uint64_t id, void *value), void *ctx)
{
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].value && m->entries[i].value != GRAVE)
            fn(ctx, m->entries[i].id, m->entries[i].value);
}
