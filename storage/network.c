/* Networks; see network.h. */
#include "storage/network.h"

#include <arpa/inet.h>

/* IPv4 is kept as the IPv4-mapped part of IPv6, so that there is one kind of address. */
struct network {
    uint8_t address[16];
    unsigned bits;
};

static bool address_parse(struct slice text, struct network *out, bool *out_is_v4)
{
    char s[INET6_ADDRSTRLEN];
    struct network n = {.address = {[10] = 0xff, [11] = 0xff}, .bits = 128};
    if (text.n == 0 || text.n >= sizeof s)
        return false;
    memcpy(s, text.p, text.n);
    s[text.n] = '\0';
    *out_is_v4 = inet_pton(AF_INET, s, n.address + 12) == 1;
    if (!*out_is_v4 && inet_pton(AF_INET6, s, n.address) != 1)
        return false;
    *out = n;
    return true;
}

static bool network_parse(struct slice word, struct network *out)
{
    bool is_v4, has_bits = slice_find_byte(word, '/') < word.n;
    struct slice address = slice_cut(&word, '/');
    struct network n;
    if (!address_parse(address, &n, &is_v4))
        return false;
    if (has_bits) {
        uint64_t bits;
        if (!slice_to_u64(word, is_v4 ? 32 : 128, &bits))
            return false;
        n.bits = (unsigned)bits + (is_v4 ? 96 : 0);
    }
    *out = n;
    return true;
}

bool networks_are_valid(struct slice list)
{
    struct network n;
    while (list.n > 0) {
        struct slice word = slice_cut(&list, ' ');
        if (word.n > 0 && !network_parse(word, &n))
            return false;
    }
    return true;
}

static bool network_has(const struct network *n, const uint8_t address[16])
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address, address, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (n->address[whole] & mask) == (address[whole] & mask);
}

bool networks_contain(struct slice list, const char *address)
{
    struct network n, peer;
    bool is_v4;
    if (!address_parse(slice_str(address), &peer, &is_v4))
        return false;
    while (list.n > 0) {
        struct slice word = slice_cut(&list, ' ');
        if (word.n > 0 && network_parse(word, &n) && network_has(&n, peer.address))
            return true;
    }
    return false;
}
