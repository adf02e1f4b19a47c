/* Failure counters per network; see login_brake.h. A table of fixed size: a network is looked for in a
 * few places chosen by a keyed hash, and takes the place of the one not heard of for longest. */
#include "storage/login_brake.h"

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/hash.h"

#define PLACES 8

struct entry {
    uint64_t network;
    uint64_t at_ms;
    uint32_t failures;
    bool is_known;
};

struct login_brake {
    uint8_t key[HASH_BYTES];
    struct entry entries[BRAKE_NETWORKS_MAX];
};

struct login_brake *login_brake_new(void)
{
    struct login_brake *b = mem_new(sizeof *b);
    random_bytes(b->key, sizeof b->key);
    return b;
}

void login_brake_free(struct login_brake *b)
{
    free(b);
}

uint64_t login_brake_network(struct login_brake *b, const char *peer)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t hash[HASH_BYTES];
    uint8_t bytes[16];
    struct slice network;
    if (inet_pton(AF_INET, peer, bytes) == 1)
        network = slice_of(bytes, 3);
    else if (inet_pton(AF_INET6, peer, bytes) != 1)
        return 0;
    else if (memcmp(bytes, mapped, sizeof mapped) == 0)
        network = slice_of(bytes + 12, 3);
    else
        network = slice_of(bytes, 8);
    uint64_t value;
    hash_blake2b(b->key, network, hash);
    memcpy(&value, hash, sizeof value);
    return value | 1;
}

static struct entry *find(const struct login_brake *b, uint64_t network)
{
    for (size_t i = 0; i < PLACES; i++) {
        const struct entry *e = &b->entries[(network / 2 + i) % BRAKE_NETWORKS_MAX];
        if (e->network == network)
            return (struct entry *)(uintptr_t)e;
    }
    return NULL;
}

/* The network's entry, put in the place of the oldest when it has none. */
static struct entry *take(struct login_brake *b, uint64_t network, uint64_t now_ms)
{
    struct entry *e = find(b, network);
    if (!e) {
        e = &b->entries[network / 2 % BRAKE_NETWORKS_MAX];
        for (size_t i = 1; i < PLACES; i++) {
            struct entry *other = &b->entries[(network / 2 + i) % BRAKE_NETWORKS_MAX];
            if (other->at_ms < e->at_ms)
                e = other;
        }
        *e = (struct entry){.network = network, .at_ms = now_ms};
    }
    for (uint64_t age = now_ms - e->at_ms; age >= BRAKE_FORGET_MS && e->failures; age -= BRAKE_FORGET_MS)
        e->failures /= 2;
    e->at_ms = now_ms;
    return e;
}

void login_brake_note_success(struct login_brake *b, uint64_t network, uint64_t now_ms)
{
    if (!network)
        return;
    struct entry *e = take(b, network, now_ms);
    e->is_known = true;
    e->failures = 0;
}

uint64_t login_brake_note_failure(struct login_brake *b, uint64_t network, uint64_t now_ms)
{
    if (!network)
        return 0;
    struct entry *e = take(b, network, now_ms);
    if (e->failures < UINT32_MAX)
        e->failures++;
    if (e->is_known || e->failures <= BRAKE_FREE_FAILURES)
        return 0;
    unsigned doublings = e->failures - BRAKE_FREE_FAILURES - 1;
    uint64_t delay = doublings > 10 ? BRAKE_DELAY_MAX_MS : (uint64_t)BRAKE_STEP_MS << doublings;
    return delay < BRAKE_DELAY_MAX_MS ? delay : BRAKE_DELAY_MAX_MS;
}

bool login_brake_is_known(const struct login_brake *b, uint64_t network)
{
    const struct entry *e = network ? find(b, network) : NULL;
    return e && e->is_known;
}
