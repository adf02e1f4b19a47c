/* Asking the DNS, on the loop: libunbound in this process, which asks from the root and validates by default, or
 * asks the servers that it is told. Used by the relay. */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/err.h"
#include "base/slice.h"
#include "net/loop.h"

#define DNS_NAME_MAX 255
#define DNS_RECORDS_MAX 40       /* of one answer; more are passed over */
#define DNS_PATIENCE_MS 15000

enum dns_type { DNS_A = 1, DNS_MX = 15, DNS_AAAA = 28 };

struct dns_record {
    uint16_t preference;         /* MX */
    char text[DNS_NAME_MAX + 1]; /* MX: the host, lower case, without the last dot ("" is the root); A, AAAA: the
                                    address as text */
};

/* err: ERR_OK (perhaps of no records), ERR_NOT_FOUND (there is no such name), ERR_TIMEOUT, ERR_DAMAGED (the
 * signatures do not verify: somebody may be lying), ERR_IO (the servers failed), ERR_SYNTAX. */
struct dns_answer {
    enum err err;
    bool is_secure;              /* signed, and verified */
    size_t count;
    struct dns_record records[DNS_RECORDS_MAX];
};

struct dns;

/* servers: "192.0.2.53 2001:db8::53@5353", parted by blanks; empty: from the root, with validation. Before the
 * sandbox. */
enum err dns_new(struct loop *l, struct slice servers, struct dns **out) MUST_CHECK;
void dns_free(struct dns *d);

typedef void (*dns_fn)(void *ctx, const struct dns_answer *a);
/* The callback comes once, from the loop, unless dns_cancel() came before. Returns the number of the question. */
uint64_t dns_ask(struct dns *d, struct slice name, enum dns_type type, dns_fn fn, void *ctx);
void dns_cancel(struct dns *d, uint64_t question);

/* Reads an answer packet (RFC 1035 section 4): records of the type, whatever name they stand under (aliases are
 * followed by who made the packet). Pure. */
void dns_packet_read(struct slice packet, enum dns_type type, struct dns_answer *out);

#endif
