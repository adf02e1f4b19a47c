/* Lists of networks as settings write them: "127.0.0.0/8 ::1/128 192.0.2.7", parted by spaces. Pure
 * text and bits; no look-ups. */
#ifndef STORAGE_NETWORK_H
#define STORAGE_NETWORK_H

#include "base/slice.h"

/* Every word is an address, or a network whose bits are in range. An empty list is valid. */
bool networks_are_valid(struct slice list);
/* address: "10.0.0.1", "2001:db8::1"; "::ffff:10.0.0.1" counts as 10.0.0.1. Not an address: false. */
bool networks_contain(struct slice list, const char *address);

#endif
