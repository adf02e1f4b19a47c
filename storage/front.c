/* See front.h. */
#include "storage/front.h"

#include "net/peer.h"

static bool is_listed(struct slice names, struct slice wanted)
{
    while (names.n > 0)
        if (slice_equal(slice_cut(&names, ' '), wanted))
            return true;
    return false;
}

bool front_tells_peer(const struct settings *s, const char *listener, int fd)
{
    char peer[INET6_ADDRSTRLEN];
    if (settings_text(s, "proxy.networks").n == 0 ||
        !is_listed(settings_text(s, "proxy.listeners"), slice_str(listener)))
        return false;
    peer_of_socket(fd, peer);
    return settings_has_network(s, "proxy.networks", peer);
}
