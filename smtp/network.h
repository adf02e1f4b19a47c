/* How many connections a network has open: IPv4 by /24, IPv6 by /64. */
#ifndef SMTP_NETWORK_H
#define SMTP_NETWORK_H

#include "base/idmap.h"

/* A number that stands for the network of "10.0.0.1" or "2001:db8::1"; 0 for what is no address. */
uint64_t smtp_network_of(const char *peer);
/* Counts one more; returns how many there are now. */
size_t smtp_network_enter(struct idmap *networks, uint64_t network);
void smtp_network_leave(struct idmap *networks, uint64_t network);

/* What a network did in the period that runs (SMTP_TALLY_MS); networks of smtp.unlimited-networks have
 * none. */
struct smtp_tally {
    uint64_t since_ms;
    uint64_t connections;
    uint64_t errors;
};

/* The network's, begun anew when its period is over; valid until the next call. At most SMTP_TALLIES_MAX
 * are kept. */
struct smtp_tally *smtp_tally_of(struct idmap *tallies, uint64_t network, uint64_t now_ms);
void smtp_tallies_clear(struct idmap *tallies);

#endif
