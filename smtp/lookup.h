/* Answers of the store to "where does this address deliver", remembered for smtp.lookup-cache
 * seconds, so that a sender who brings a hundred letters to one mailbox asks once. Bounded; emptied
 * when the store says that the directory changed. Answers that may be otherwise in a moment (quota,
 * disk, store gone) are not kept. */
#ifndef SMTP_LOOKUP_H
#define SMTP_LOOKUP_H

#include "base/idmap.h"
#include "storage/store_client.h"

struct lookup_cache {
    struct idmap by_hash;
    uint8_t key[32];        /* of the hash: a peer cannot choose what collides */
};

struct lookup_answer {
    enum err err;
    size_t target_count;
    const struct store_target *targets;
};

void lookup_cache_init(struct lookup_cache *c);
/* Forgets all. */
void lookup_cache_flush(struct lookup_cache *c);
/* What is known at now_ms; the answer's targets are valid until the cache is next changed. */
bool lookup_cache_find(const struct lookup_cache *c, struct slice canonical, uint64_t now_ms,
    struct lookup_answer *out);
void lookup_cache_put(struct lookup_cache *c, struct slice canonical, const struct lookup_answer *a,
    uint64_t until_ms);

#endif
