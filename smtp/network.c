/* See network.h. The counts stand in the map itself, in place of pointers. */
#include "smtp/network.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/buf.h"
#include "smtp/limits.h"

uint64_t smtp_network_of(const char *peer)
{
    struct in_addr v4;
    struct in6_addr v6;
    uint64_t network = 0;
    if (inet_pton(AF_INET, peer, &v4) == 1)
        return (1ULL << 32) | (ntohl(v4.s_addr) >> 8);
    if (inet_pton(AF_INET6, peer, &v6) != 1)
        return 0;
    memcpy(&network, v6.s6_addr, sizeof network);
    return network;
}

size_t smtp_network_enter(struct idmap *networks, uint64_t network)
{
    uintptr_t count = (uintptr_t)idmap_find(networks, network) + 1;
    idmap_put(networks, network, (void *)count);
    return count;
}

void smtp_network_leave(struct idmap *networks, uint64_t network)
{
    uintptr_t count = (uintptr_t)idmap_find(networks, network);
    if (count > 1)
        idmap_put(networks, network, (void *)(count - 1));
    else
        idmap_remove(networks, network);
}

static void free_tally(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    free(value);
}

void smtp_tallies_clear(struct idmap *tallies)
{
    idmap_each(tallies, free_tally, NULL);
    idmap_clear(tallies);
}

/* When there are too many all are forgotten: a flood from everywhere is not one network's doing. */
struct smtp_tally *smtp_tally_of(struct idmap *tallies, uint64_t network, uint64_t now_ms)
{
    struct smtp_tally *t = idmap_find(tallies, network);
    if (t == NULL) {
        if (tallies->count >= SMTP_TALLIES_MAX)
            smtp_tallies_clear(tallies);
        t = mem_new(sizeof *t);
        t->since_ms = now_ms;
        idmap_put(tallies, network, t);
    }
    if (now_ms - t->since_ms >= SMTP_TALLY_MS)
        *t = (struct smtp_tally){.since_ms = now_ms};
    return t;
}
