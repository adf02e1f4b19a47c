/* See lookup.h. */
#include "smtp/lookup.h"

#include "base/hash.h"
#include "message/address.h"
#include "smtp/limits.h"

struct entry {
    uint64_t until_ms;
    enum err err;
    uint16_t address_n;
    uint16_t target_count;
    uint8_t address[ADDRESS_MAX];
    struct store_target targets[];
};

void lookup_cache_init(struct lookup_cache *c)
{
    *c = (struct lookup_cache){0};
    random_bytes(c->key, sizeof c->key);
}

static void free_entry(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    free(value);
}

void lookup_cache_flush(struct lookup_cache *c)
{
    idmap_each(&c->by_hash, free_entry, NULL);
    idmap_clear(&c->by_hash);
}

static uint64_t hash_of(const struct lookup_cache *c, struct slice canonical)
{
    uint8_t hash[HASH_BYTES];
    uint64_t id;
    hash_blake2b(c->key, canonical, hash);
    memcpy(&id, hash, sizeof id);
    return id;
}

bool lookup_cache_find(const struct lookup_cache *c, struct slice canonical, uint64_t now_ms,
    struct lookup_answer *out)
{
    const struct entry *e = idmap_find(&c->by_hash, hash_of(c, canonical));
    if (e == NULL || e->until_ms <= now_ms ||
        !slice_equal(slice_of(e->address, e->address_n), canonical))
        return false;
    *out = (struct lookup_answer){e->err, e->target_count, e->targets};
    return true;
}

static bool may_be_kept(struct slice canonical, const struct lookup_answer *a)
{
    return (a->err == ERR_OK || a->err == ERR_NOT_FOUND || a->err == ERR_DENIED) &&
           canonical.n <= ADDRESS_MAX && a->target_count <= SMTP_LOOKUP_TARGETS_MAX;
}

void lookup_cache_put(struct lookup_cache *c, struct slice canonical, const struct lookup_answer *a,
    uint64_t until_ms)
{
    if (!may_be_kept(canonical, a))
        return;
    if (c->by_hash.count >= SMTP_LOOKUPS_MAX)
        lookup_cache_flush(c);
    struct entry *e = mem_new(sizeof *e + a->target_count * sizeof e->targets[0]);
    e->until_ms = until_ms;
    e->err = a->err;
    e->address_n = (uint16_t)canonical.n;
    e->target_count = (uint16_t)a->target_count;
    memcpy(e->address, canonical.p, canonical.n);
    if (a->target_count > 0)
        memcpy(e->targets, a->targets, a->target_count * sizeof e->targets[0]);
    uint64_t id = hash_of(c, canonical);
    free(idmap_remove(&c->by_hash, id));
    idmap_put(&c->by_hash, id, e);
}
