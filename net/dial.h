/* Connecting to another host: several addresses in order, each with its own patience, without blocking.
 * Used by the relay. Names are not resolved here (net/dns.h). */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/err.h"
#include "base/slice.h"
#include "net/loop.h"

#define DIAL_ADDRESSES_MAX 20
#define DIAL_ADDRESS_TEXT 48    /* an IPv6 address as text */

struct dial_address {
    char text[DIAL_ADDRESS_TEXT]; /* "10.0.0.1", "2001:db8::1" */
    uint16_t port;
};

/* False: not an IPv4 or IPv6 address as text (brackets are borne). */
bool dial_address_parse(struct slice text, uint16_t port, struct dial_address *out);

struct dial;
/* err ERR_OK: fd is connected and yours, and `which` says to what. Else the last one's reason, also as a
 * text of the system's; fd is -1. The dial is freed when the call returns. */
typedef void (*dial_fn)(void *ctx, enum err err, const char *why, int fd, size_t which);
/* The callback comes from the loop, never inside this call. */
struct dial *dial_start(struct loop *l, const struct dial_address *addresses, size_t n, uint64_t each_ms,
    dial_fn fn, void *ctx);
/* No callback comes. */
void dial_cancel(struct dial *d);

#endif
