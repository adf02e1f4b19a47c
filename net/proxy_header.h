/* The header that a front (HAProxy, nginx, a tunnel) puts before what its client says: PROXY protocol, version 1 in
 * words and version 2 in bytes. Pure. */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include <netinet/in.h>

#include "base/err.h"
#include "base/slice.h"

#define PROXY_HEADER_MAX 1024   /* of version 2 with all that it carries beside addresses */

struct proxy_header {
    size_t n;                   /* bytes of the whole header */
    char peer[INET6_ADDRSTRLEN]; /* "": the front speaks for itself (LOCAL, UNKNOWN, a UNIX socket) */
};

/* ERR_AGAIN: the beginning of a header; ERR_SYNTAX: it is none; ERR_TOO_BIG: a version 2 that is too long. IPv4 in
 * IPv6 becomes IPv4. */
enum err proxy_header_parse(struct slice input, struct proxy_header *out) MUST_CHECK;

#endif
