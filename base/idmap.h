/* A hash map from 64-bit ids to pointers it does not own. Late answers look their session up here
 * and find nothing when it is gone, never a dangling pointer. */
#ifndef BASE_IDMAP_H
#define BASE_IDMAP_H

#include "base/slice.h"

struct idmap {
    struct idmap_entry *entries;
    size_t cap;
    size_t count;
    size_t graves;
};

void idmap_clear(struct idmap *m);
/* NULL when there is none. */
void *idmap_find(const struct idmap *m, uint64_t id);
/* Puts or replaces; value must not be NULL. */
void idmap_put(struct idmap *m, uint64_t id, void *value);
/* Returns what was there, or NULL. */
void *idmap_remove(struct idmap *m, uint64_t id);
/* Calls fn for every entry; fn may remove the entry it is given, and no other. */
void idmap_each(struct idmap *m, void (*fn)(void *ctx, uint64_t id, void *value), void *ctx);

#endif
