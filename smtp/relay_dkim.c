/* The keys that sign letters, as the store hands them out (opened here alone), and the signing of one letter: an RSA and
 * an Ed25519 signature for the domain of its From. A letter of a domain without keys goes unsigned. */
#include "base/clock.h"
#include "base/log.h"
#include "message/address.h"
#include "smtp/relay.h"
#include "storage/seal.h"

#define KEYS_MAX 2000

struct relay_dkim_key {
    struct relay_dkim_key *next;
    char *domain;
    char *selector;
    enum sign_algorithm algorithm;
    struct sign_key *key;
};

static void free_keys(struct relay *r)
{
    while (r->dkim_keys) {
        struct relay_dkim_key *k = r->dkim_keys;
        r->dkim_keys = k->next;
        free(k->domain);
        free(k->selector);
        sign_key_free(k->key);
        free(k);
    }
}

static enum err open_key(const struct relay *r, struct slice domain, struct slice selector, struct slice sealed,
    struct relay_dkim_key *k)
{
    struct buf name, pem;
    buf_init(&name, 2 * ADDRESS_DOMAIN_MAX);
    buf_init(&pem, SIGN_PEM_MAX);
    buf_printf(&name, "%.*s._domainkey.%.*s", SLICE_FMT(selector), SLICE_FMT(domain));
    enum err e = seal_blob_open(r->role->keys->dkim, buf_slice(&name), sealed, &pem);
    if (!e)
        e = sign_key_open(k->algorithm, buf_slice(&pem), &k->key);
    buf_clear(&name);
    buf_wipe(&pem);
    return e;
}

static void take_key(struct relay *r, struct slice domain, struct slice selector, uint8_t algorithm,
    struct slice sealed)
{
    struct relay_dkim_key *k = mem_new(sizeof *k);
    k->algorithm = (enum sign_algorithm)algorithm;
    enum err e = open_key(r, domain, selector, sealed, k);
    if (e) {
        log_event(LOG_ERROR, "dkim-key-lost", LF_S("domain", domain), LF_S("selector", selector),
            LF("reason", err_text(e)));
        free(k);
        return;
    }
    k->domain = mem_strdup(domain);
    k->selector = mem_strdup(selector);
    k->next = r->dkim_keys;
    r->dkim_keys = k;
}

void relay_dkim_take(struct relay *r, struct slice body)
{
    struct wire in = wire_of(body);
    if (wire_u8(&in))
        free_keys(r);
    for (size_t n = 0; n < KEYS_MAX && !wire_at_end(&in); n++) {
        struct slice domain = wire_bytes(&in), selector = wire_bytes(&in);
        uint8_t algorithm = wire_u8(&in);
        struct slice sealed = wire_bytes(&in);
        if (in.failed)
            return;
        take_key(r, domain, selector, algorithm, sealed);
    }
}

void relay_dkim_sign(const struct relay *r, struct dkim_message *m, uint64_t letter, struct buf *out)
{
    struct buf domain;
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 8);
    enum err e = dkim_end(m);
    if (!e && dkim_from_domain(m, &domain) == ERR_OK)
        for (const struct relay_dkim_key *k = r->dkim_keys; k && !e; k = k->next) {
            const struct dkim_signer s = {slice_str(k->domain), slice_str(k->selector), k->algorithm, k->key,
                clock_wall()};
            if (slice_equal(buf_slice(&domain), s.domain))
                e = dkim_sign(m, &s, out);
        }
    if (e)
        log_event(LOG_WARNING, "not-signed", LF_X("letter", letter), LF("reason", err_text(e)));
    buf_clear(&domain);
}
