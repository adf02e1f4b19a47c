/* Where a destination is (RFC 5321 section 5.1): the host of its route, or its mail exchangers in the order of
 * preference, those of one preference in any order; without MX the domain's own addresses; a null MX (RFC 7505)
 * takes no mail at all. Of our own name among them, it and all that are less preferred are left out: letters do not
 * come back to us. */
#include "base/hash.h"
#include "base/log.h"
#include "smtp/relay.h"

static void ask_host(struct relay_connection *c);

static void put_host(struct relay_connection *c, struct slice name)
{
    if (c->host_count == RELAY_HOSTS_MAX || name.n > DNS_NAME_MAX)
        return;
    memcpy(c->hosts[c->host_count], name.p, name.n);
    c->hosts[c->host_count++][name.n] = '\0';
}

static uint16_t port_of(const struct relay_connection *c)
{
    return c->destination->route ? c->destination->route->port : c->relay->config.port;
}

static void put_address(struct relay_connection *c, struct slice text)
{
    if (c->address_count == DIAL_ADDRESSES_MAX ||
        !dial_address_parse(text, port_of(c), &c->addresses[c->address_count]))
        return;
    c->host_of[c->address_count++] = c->host_at;
}

/* ---- addresses ---- */

static void on_addresses(void *ctx, const struct dns_answer *a)
{
    struct relay_connection *c = ctx;
    c->question = 0;
    for (size_t i = 0; i < a->count && !a->err; i++)
        put_address(c, slice_str(a->records[i].text));
    if (c->asked_type == DNS_A) {
        c->asked_type = DNS_AAAA;
    } else {
        c->asked_type = DNS_A;
        c->host_at++;
    }
    ask_host(c);
}

static void ask_host(struct relay_connection *c)
{
    while (c->host_at < c->host_count) {
        struct slice host = slice_str(c->hosts[c->host_at]);
        size_t before = c->address_count;
        put_address(c, host); /* it may be one */
        if (c->address_count == before) {
            c->question = dns_ask(c->relay->dns, host, c->asked_type, on_addresses, c);
            return;
        }
        c->host_at++;
    }
    if (c->address_count > 0)
        relay_connection_dial(c);
    else
        relay_connection_lost(c, "no address of its mail servers could be found", SLICE_EMPTY);
}

/* ---- mail exchangers ---- */

static int before(const struct dns_record *a, const struct dns_record *b)
{
    return (int)a->preference - (int)b->preference;
}

/* By preference; equal ones in an order that changes. There are few. */
static void sort(struct dns_record *r, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = random_u64() % i;
        struct dns_record swap = r[k];
        r[k] = r[i - 1];
        r[i - 1] = swap;
    }
    for (size_t i = 1; i < n; i++) {
        struct dns_record one = r[i];
        size_t k = i;
        for (; k > 0 && before(&one, &r[k - 1]) < 0; k--)
            r[k] = r[k - 1];
        r[k] = one;
    }
}

static bool is_us(const struct relay_connection *c, const char *host)
{
    return slice_equal_nocase(slice_str(host), buf_slice(&c->relay->config.host));
}

static void take_exchangers(struct relay_connection *c, const struct dns_answer *a)
{
    struct dns_record *r = mem_new((a->count + 1) * sizeof *r);
    memcpy(r, a->records, a->count * sizeof *r);
    sort(r, a->count);
    for (size_t i = 0; i < a->count && !is_us(c, r[i].text); i++)
        if (*r[i].text)
            put_host(c, slice_str(r[i].text));
    free(r);
}

static void on_exchangers(void *ctx, const struct dns_answer *a)
{
    struct relay_connection *c = ctx;
    char why[DNS_NAME_MAX + 80];
    c->question = 0;
    if (a->err == ERR_NOT_FOUND) {
        snprintf(why, sizeof why, "550 5.1.2 there is no domain %s", c->destination->name);
        relay_connection_hopeless(c, why);
        return;
    }
    if (a->err) {
        relay_connection_lost(c, "its mail servers cannot be looked up", slice_str(err_text(a->err)));
        return;
    }
    if (a->count == 1 && !*a->records[0].text) {
        snprintf(why, sizeof why, "556 5.1.10 the domain %s says that it takes no mail", c->destination->name);
        relay_connection_hopeless(c, why);
        return;
    }
    if (a->count == 0)
        put_host(c, slice_str(c->destination->name));
    else
        take_exchangers(c, a);
    if (c->host_count == 0)
        relay_connection_hopeless(c, "554 5.4.6 this domain's mail leads back to this server");
    else
        ask_host(c);
}

void relay_resolve(struct relay_connection *c)
{
    const struct relay_route *route = c->destination->route;
    struct dial_address any;
    c->asked_type = DNS_A;
    if (route && slice_equal_nocase(slice_str(route->host), SLICE("localhost"))) {
        put_host(c, SLICE("localhost"));
        put_address(c, SLICE("127.0.0.1"));
        put_address(c, SLICE("::1"));
        relay_connection_dial(c);
    } else if (!c->relay->dns && !(route && dial_address_parse(slice_str(route->host), 1, &any))) {
        relay_connection_lost(c, "names cannot be looked up: see the setting dns.servers", SLICE_EMPTY);
    } else if (route) {
        put_host(c, slice_str(route->host));
        ask_host(c);
    } else {
        c->question = dns_ask(c->relay->dns, slice_str(c->destination->name), DNS_MX, on_exchangers, c);
    }
}
