/* Addresses of peers as text: "10.0.0.1", "2001:db8::1". */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <netinet/in.h>

#include "base/slice.h"

union peer_address {
    struct in_addr v4;
    struct in6_addr v6;
};

/* family: AF_INET or AF_INET6. IPv4 in IPv6 is told as IPv4. */
void peer_text(int family, const union peer_address *a, char out[INET6_ADDRSTRLEN]);
/* Of a socket; "" when it is no TCP socket or the peer has gone. */
void peer_of_socket(int fd, char out[INET6_ADDRSTRLEN]);

#endif
