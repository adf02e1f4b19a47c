/* See peer.h. */
#include "net/peer.h"

#include <arpa/inet.h>
#include <sys/socket.h>

void peer_text(int family, const union peer_address *a, char out[INET6_ADDRSTRLEN])
{
    const void *address = a;
    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6)) {
        family = AF_INET;
        address = &a->v6.s6_addr[12];
    }
    if (!inet_ntop(family, address, out, INET6_ADDRSTRLEN))
        out[0] = '\0';
}

void peer_of_socket(int fd, char out[INET6_ADDRSTRLEN])
{
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof address;
    union peer_address a;
    out[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&address, &n) != 0)
        return;
    if (address.ss_family == AF_INET) {
        a.v4 = ((const struct sockaddr_in *)(const void *)&address)->sin_addr;
        peer_text(AF_INET, &a, out);
    } else if (address.ss_family == AF_INET6) {
        a.v6 = ((const struct sockaddr_in6 *)(const void *)&address)->sin6_addr;
        peer_text(AF_INET6, &a, out);
    }
}
