/* See network.h. The counts stand in the map itself, in place of pointers. */
#include "smtp/network.h"

#include <arpa/inet.h>

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
