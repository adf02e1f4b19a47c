/* How many connections a network has open: IPv4 by /24, IPv6 by /64. */
#ifndef SMTP_NETWORK_H
#define SMTP_NETWORK_H

#include "base/idmap.h"

/* A number that stands for the network of "10.0.0.1" or "2001:db8::1"; 0 for what is no address. */
uint64_t smtp_network_of(const char *peer);
/* Counts one more; returns how many there are now. */
size_t smtp_network_enter(struct idmap *networks, uint64_t network);
void smtp_network_leave(struct idmap *networks, uint64_t network);

#endif
