/* Whether a connection comes from a front that tells its clients' addresses (settings proxy.*). */
#ifndef STORAGE_FRONT_H
#define STORAGE_FRONT_H

#include "storage/settings.h"

/* listener: its name, as in the setting proxy.listeners. */
bool front_tells_peer(const struct settings *s, const char *listener, int fd);

#endif
