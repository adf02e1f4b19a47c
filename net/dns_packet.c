/* An answer of the DNS as bytes (RFC 1035 section 4.1). What it says is a stranger's word: every length is checked,
 * and a chain of compressed names may only go backwards. */
#include <arpa/inet.h>
#include <stdio.h>

#include "net/dns.h"

#define HEADER_BYTES 12
#define LABEL_POINTER 0xc0
#define LABELS_MAX 128
#define RCODE_NXDOMAIN 3

struct cursor {
    struct slice packet;
    size_t at;
    bool failed;
};

static unsigned take_u8(struct cursor *c)
{
    if (c->failed || c->at >= c->packet.n) {
        c->failed = true;
        return 0;
    }
    return c->packet.p[c->at++];
}

static unsigned take_u16(struct cursor *c)
{
    unsigned high = take_u8(c);
    return high << 8 | take_u8(c);
}

static void skip(struct cursor *c, size_t n)
{
    if (c->failed || n > c->packet.n - c->at)
        c->failed = true;
    else
        c->at += n;
}

/* One label of n bytes behind what is in out; only what host names are made of. */
static bool take_label(struct cursor *c, unsigned n, char *out, size_t *inout_n)
{
    if (*inout_n + n + 1 > DNS_NAME_MAX)
        return false;
    if (*inout_n > 0)
        out[(*inout_n)++] = '.';
    for (unsigned i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)take_u8(c);
        if (!ascii_is_alnum(byte) && byte != '-' && byte != '_')
            return false;
        out[(*inout_n)++] = (char)ascii_lower(byte);
    }
    return !c->failed;
}

/* Reads a name; the cursor stands behind it. False: it is none that a host has. */
static bool take_name(struct cursor *c, char out[DNS_NAME_MAX + 1])
{
    struct cursor at = *c;
    bool jumped = false;
    size_t n = 0;
    for (unsigned i = 0; i < LABELS_MAX; i++) {
        size_t here = at.at;
        unsigned length = take_u8(&at);
        if (at.failed)
            break;
        if (length == 0) {
            if (!jumped)
                c->at = at.at;
            out[n] = '\0';
            return true;
        }
        if ((length & LABEL_POINTER) == LABEL_POINTER) {
            size_t to = (length & 0x3fu) << 8 | take_u8(&at);
            if (!jumped)
                c->at = at.at;
            jumped = true;
            if (at.failed || to >= here)
                break;
            at.at = to;
        } else if (length > 63 || !take_label(&at, length, out, &n)) {
            break;
        }
    }
    c->failed = true;
    return false;
}

/* A name of whatever bytes. */
static void skip_name(struct cursor *c)
{
    for (unsigned i = 0; i < LABELS_MAX && !c->failed; i++) {
        unsigned length = take_u8(c);
        if (length == 0)
            return;
        if ((length & LABEL_POINTER) == LABEL_POINTER) {
            take_u8(c);
            return;
        }
        if (length > 63)
            break;
        skip(c, length);
    }
    c->failed = true;
}

static bool read_data(struct cursor c, size_t n, enum dns_type type, struct dns_record *out)
{
    if (type == DNS_MX) {
        out->preference = (uint16_t)take_u16(&c);
        return n >= 3 && take_name(&c, out->text);
    }
    if (n != (type == DNS_A ? 4u : 16u))
        return false;
    return inet_ntop(type == DNS_A ? AF_INET : AF_INET6, c.packet.p + c.at, out->text, sizeof out->text) != NULL;
}

static void take_record(struct cursor *c, enum dns_type type, struct dns_answer *out)
{
    skip_name(c);
    unsigned is = take_u16(c);
    unsigned class = take_u16(c);
    skip(c, 4);
    size_t n = take_u16(c);
    struct cursor data = *c;
    skip(c, n);
    if (c->failed || is != type || class != 1 || out->count == DNS_RECORDS_MAX)
        return;
    if (read_data(data, n, type, &out->records[out->count]))
        out->count++;
}

void dns_packet_read(struct slice packet, enum dns_type type, struct dns_answer *out)
{
    struct cursor c = {.packet = packet};
    out->count = 0;
    skip(&c, 3);
    unsigned rcode = take_u8(&c) & 0x0f;
    unsigned questions = take_u16(&c);
    unsigned answers = take_u16(&c);
    skip(&c, 4);
    for (unsigned i = 0; i < questions && !c.failed; i++) {
        skip_name(&c);
        skip(&c, 4);
    }
    for (unsigned i = 0; i < answers && !c.failed; i++)
        take_record(&c, type, out);
    if (packet.n < HEADER_BYTES || (c.failed && out->count == 0))
        out->err = ERR_SYNTAX;
    else if (rcode == RCODE_NXDOMAIN)
        out->err = ERR_NOT_FOUND;
    else
        out->err = rcode == 0 ? ERR_OK : ERR_IO;
}
