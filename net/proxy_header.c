/* See proxy_header.h. */
#include "net/proxy_header.h"

#include <arpa/inet.h>

#include "net/peer.h"

#define V1_MAX 107   /* of a line with its CRLF */
#define V2_FIXED 16
#define V2_TCP4 0x11
#define V2_TCP6 0x21

static const uint8_t v2_signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static bool is_port(struct slice s)
{
    uint64_t port;
    return s.n > 0 && s.n <= 5 && slice_to_u64(s, 65535, &port);
}

static bool address_of(struct slice text, int family, union peer_address *out)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    snprintf(copy, sizeof copy, "%.*s", SLICE_FMT(text));
    return inet_pton(family, copy, out) == 1;
}

/* "TCP4 source destination port port", without "PROXY " and CRLF. */
static enum err parse_words(struct slice rest, struct proxy_header *out)
{
    struct slice kind = slice_cut(&rest, ' ');
    union peer_address source, destination;
    if (slice_equal(kind, SLICE("UNKNOWN")))
        return ERR_OK;
    int family = slice_equal(kind, SLICE("TCP4")) ? AF_INET : slice_equal(kind, SLICE("TCP6")) ? AF_INET6 : AF_UNSPEC;
    struct slice from = slice_cut(&rest, ' '), to = slice_cut(&rest, ' '), from_port = slice_cut(&rest, ' ');
    if (family == AF_UNSPEC || !address_of(from, family, &source) || !address_of(to, family, &destination) ||
        !is_port(from_port) || !is_port(rest))
        return ERR_SYNTAX;
    peer_text(family, &source, out->peer);
    return ERR_OK;
}

static enum err parse_v1(struct slice input, struct proxy_header *out)
{
    const struct slice word = SLICE("PROXY ");
    size_t n = input.n < word.n ? input.n : word.n;
    if (memcmp(input.p, word.p, n) != 0)
        return ERR_SYNTAX;
    size_t end = slice_find_byte(slice_sub(input, 0, input.n < V1_MAX ? input.n : V1_MAX), '\n');
    if (end >= input.n)
        return input.n < V1_MAX ? ERR_AGAIN : ERR_SYNTAX;
    if (end >= V1_MAX || end < word.n + 1 || input.p[end - 1] != '\r')
        return ERR_SYNTAX;
    out->n = end + 1;
    return parse_words(slice_sub(input, word.n, end - 1 - word.n), out);
}

static enum err parse_v2(struct slice input, struct proxy_header *out)
{
    if (input.n < V2_FIXED)
        return ERR_AGAIN;
    const uint8_t *p = input.p;
    size_t n = (size_t)p[14] << 8 | p[15];
    bool is_proxy = p[12] == 0x21;
    if (!is_proxy && p[12] != 0x20)
        return ERR_SYNTAX;
    if (V2_FIXED + n > PROXY_HEADER_MAX)
        return ERR_TOO_BIG;
    out->n = V2_FIXED + n;
    if (input.n < out->n)
        return ERR_AGAIN;
    if (!is_proxy)
        return ERR_OK;
    union peer_address source;
    if (p[13] == V2_TCP4 && n >= 12) {
        memcpy(&source.v4, p + V2_FIXED, 4);
        peer_text(AF_INET, &source, out->peer);
    } else if (p[13] == V2_TCP6 && n >= 36) {
        memcpy(&source.v6, p + V2_FIXED, 16);
        peer_text(AF_INET6, &source, out->peer);
    } else if (p[13] == V2_TCP4 || p[13] == V2_TCP6) {
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err proxy_header_parse(struct slice input, struct proxy_header *out)
{
    *out = (struct proxy_header){0};
    size_t n = input.n < sizeof v2_signature ? input.n : sizeof v2_signature;
    if (n == 0)
        return ERR_AGAIN;
    return memcmp(input.p, v2_signature, n) == 0 ? parse_v2(input, out) : parse_v1(input, out);
}
