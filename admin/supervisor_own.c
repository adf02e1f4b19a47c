/* What the supervisor answers itself: who runs, and the certificates, whose keys it alone can open. */
#include "admin/supervisor_internal.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "net/tls.h"
#include "message/address.h"
#include "net/sign_key.h"
#include "storage/queue.h"
#include "storage/seal.h"

#define KEY_PEM_MAX (16 * 1024)
#define CHAIN_PEM_MAX (24 * 1024)
/* All of them travel to smtp and door in one message, with room for its numbers. */
#define CERTIFICATES_BYTES_MAX (CHANNEL_MESSAGE_MAX - 1024)

/* ---- status ---- */

static void put_age(struct buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s < 120)
        buf_printf(out, "%llu s", (unsigned long long)s);
    else if (s < 7200)
        buf_printf(out, "%llu min", (unsigned long long)(s / 60));
    else if (s < 2 * 86400)
        buf_printf(out, "%llu h", (unsigned long long)(s / 3600));
    else
        buf_printf(out, "%llu days", (unsigned long long)(s / 86400));
}

static void status_text(const struct supervisor *s, struct slice store_text, struct buf *out)
{
    uint64_t now = clock_mono_ms();
    if (s->listeners) {
        buf_printf(out, "Letterlock " LETTERLOCK_VERSION " serves %s, for ", s->folder->path);
        put_age(out, now - s->started_ms);
        buf_put_str(out, "\n");
        for (size_t i = 0; i < s->listeners->count; i++)
            buf_printf(out, "  %-15s %s\n", s->listeners->list[i].name, s->listeners->list[i].address);
        for (const struct role_process *p = s->processes; p; p = p->next) {
            buf_printf(out, "  %-10s pid %-7d ", role_name(p->role), (int)p->pid);
            buf_put_str(out, p->is_ready ? "runs for " : "not ready, for ");
            put_age(out, now - p->started_ms);
            buf_printf(out, p->restarts ? ", started again %u times\n" : "\n", p->restarts);
        }
    } else {
        buf_printf(out, "No server runs on %s.\n", s->folder->path);
    }
    buf_put(out, store_text);
}

static void status_roles(const struct supervisor *s, struct json *j)
{
    uint64_t now = clock_mono_ms();
    json_array(j, "roles");
    for (const struct role_process *p = s->processes; s->listeners && p; p = p->next) {
        json_object(j, NULL);
        json_text(j, "role", slice_str(role_name(p->role)));
        json_number(j, "pid", p->pid);
        json_bool(j, "ready", p->is_ready);
        json_unsigned(j, "uptime_s", (now - p->started_ms) / 1000);
        json_unsigned(j, "restarts", p->restarts);
        json_end(j);
    }
    json_end(j);
}

static void status_listeners(const struct supervisor *s, struct json *j)
{
    json_array(j, "listeners");
    for (size_t i = 0; s->listeners && i < s->listeners->count; i++) {
        json_object(j, NULL);
        json_text(j, "name", slice_str(s->listeners->list[i].name));
        json_text(j, "address", slice_str(s->listeners->list[i].address));
        json_end(j);
    }
    json_end(j);
}

void own_status(struct supervisor *s, struct slice store_text, struct slice store_json, struct buf *text,
    struct buf *json)
{
    status_text(s, store_text, text);
    struct json j = json_of(json);
    json_object(&j, NULL);
    json_bool(&j, "running", s->listeners != NULL);
    json_text(&j, "version", SLICE(LETTERLOCK_VERSION));
    json_text(&j, "folder", slice_str(s->folder->path));
    json_unsigned(&j, "uptime_s", (clock_mono_ms() - s->started_ms) / 1000);
    status_roles(s, &j);
    status_listeners(s, &j);
    buf_put_str(json, ",\"store\":");
    buf_put(json, store_json.n ? store_json : SLICE("null"));
    json_end(&j);
}

/* ---- certificates ---- */

static void describe(const struct role_certificate *c, const char *host, struct buf *text,
    struct json *j)
{
    struct buf names, fingerprint, until;
    int64_t not_after = 0;
    buf_init(&names, 4096);
    buf_init(&fingerprint, 256);
    buf_init(&until, 64);
    enum err e = tls_describe(buf_slice(&c->chain_pem), &names, &fingerprint, &not_after);
    clock_put_rfc5322(&until, not_after);
    json_object(j, NULL);
    json_text(j, "host", slice_str(host));
    json_text(j, "names", buf_slice(&names));
    json_text(j, "sha256", buf_slice(&fingerprint));
    json_number(j, "not_after", not_after);
    json_text(j, "chain", buf_slice(&c->chain_pem));
    json_end(j);
    buf_printf(text, "%s: ", *host ? host : "default");
    if (e)
        buf_put_str(text, "cannot be read\n");
    else
        buf_printf(text, "for %.*s, until %.*s\n  SHA-256 %.*s\n", SLICE_FMT(names), SLICE_FMT(until),
            SLICE_FMT(fingerprint));
    buf_clear(&names);
    buf_clear(&fingerprint);
    buf_clear(&until);
}

void own_certificates(struct supervisor *s, struct buf *text, struct buf *json)
{
    struct json j = json_of(json);
    json_array(&j, NULL);
    for (size_t i = 0; i < s->certificate_count; i++)
        describe(&s->certificates[i], s->certificate_hosts[i], text, &j);
    json_end(&j);
    if (s->certificate_count == 0)
        buf_put_str(text, "There is no certificate: letterlock cert set --cert FILE --key FILE\n");
}

static enum err check_room(const struct supervisor *s, struct slice host, size_t bytes)
{
    size_t n = 1;
    for (size_t i = 0; i < s->certificate_count; i++) {
        if (slice_equal(host, slice_str(s->certificate_hosts[i])))
            continue;
        n++;
        bytes += s->certificates[i].chain_pem.n + s->certificates[i].key_pem.n;
    }
    return n <= ROLE_CERTIFICATES_MAX && bytes <= CERTIFICATES_BYTES_MAX ? ERR_OK : ERR_LIMIT;
}

static enum err check_pair(struct slice chain, struct slice key)
{
    struct tls_certificate pair = {chain, key};
    struct tls_context *context;
    enum err e = tls_context_new(&pair, 1, NULL, &context);
    if (e == ERR_OK)
        tls_context_release(context);
    return e;
}

enum err own_seal_key(struct supervisor *s, const struct admin_request *r, struct buf *out_hex)
{
    struct slice host = admin_request_get(r, "host");
    struct slice chain = admin_request_get(r, "chain"), key = admin_request_get(r, "key");
    struct buf sealed;
    if (chain.n > CHAIN_PEM_MAX || key.n > KEY_PEM_MAX || host.n > 253)
        return ERR_TOO_BIG;
    enum err e = check_room(s, host, chain.n + key.n);
    if (e == ERR_OK)
        e = check_pair(chain, key);
    if (e)
        return e;
    buf_init(&sealed, KEY_PEM_MAX + SEAL_OVERHEAD_MAX);
    e = seal_blob(s->keys->tls, host, key, &sealed);
    if (e == ERR_OK)
        hex_put(out_hex, buf_slice(&sealed));
    buf_clear(&sealed);
    return e;
}

enum err own_seal_password(struct supervisor *s, const struct admin_request *r, struct buf *out_hex)
{
    struct slice destination = admin_request_get(r, "destination");
    struct slice password = admin_request_get(r, "password");
    struct buf name, sealed;
    buf_init(&name, ROUTE_HOST_MAX + 8);
    buf_init(&sealed, ROUTE_PASSWORD_MAX + SEAL_OVERHEAD_MAX);
    enum err e = password.n > ROUTE_PASSWORD_MAX ? ERR_TOO_BIG : ERR_OK;
    if (slice_equal(destination, SLICE("*")))
        buf_put(&name, destination);
    else if (!e)
        e = domain_canonical(destination, &name);
    if (!e)
        e = seal_blob(s->keys->route, buf_slice(&name), password, &sealed);
    if (!e)
        hex_put(out_hex, buf_slice(&sealed));
    buf_clear(&name);
    buf_clear(&sealed);
    return e;
}

enum err own_seal_dkim(struct supervisor *s, const struct admin_request *r, struct buf *out_hex)
{
    struct buf domain, name, sealed;
    struct slice selector = admin_request_get(r, "selector"), key = admin_request_get(r, "key");
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 8);
    buf_init(&name, 2 * ADDRESS_DOMAIN_MAX);
    buf_init(&sealed, SIGN_PEM_MAX + SEAL_OVERHEAD_MAX);
    enum err e = key.n == 0 || key.n > SIGN_PEM_MAX || selector.n > 63 ? ERR_SYNTAX : ERR_OK;
    if (!e)
        e = domain_canonical(admin_request_get(r, "domain"), &domain);
    if (!e) {
        buf_printf(&name, "%.*s._domainkey.%.*s", SLICE_FMT(selector), SLICE_FMT(buf_slice(&domain)));
        e = seal_blob(s->keys->dkim, buf_slice(&name), key, &sealed);
    }
    if (!e)
        hex_put(out_hex, buf_slice(&sealed));
    buf_clear(&domain);
    buf_clear(&name);
    buf_clear(&sealed);
    return e;
}

/* One that cannot be opened is left out, and said: mail goes on with the others. */
static void certificate_open(struct supervisor *s, struct slice host, struct slice chain,
    struct slice sealed)
{
    struct role_certificate *c = &s->certificates[s->certificate_count];
    char *name = s->certificate_hosts[s->certificate_count];
    buf_init(&c->chain_pem, CHAIN_PEM_MAX);
    buf_init(&c->key_pem, KEY_PEM_MAX);
    buf_put(&c->chain_pem, chain);
    enum err e = seal_blob_open(s->keys->tls, host, sealed, &c->key_pem);
    if (e == ERR_OK && buf_ok(&c->chain_pem) && host.n < sizeof s->certificate_hosts[0]) {
        snprintf(name, sizeof s->certificate_hosts[0], "%.*s", SLICE_FMT(host));
        s->certificate_count++;
        return;
    }
    buf_clear(&c->chain_pem);
    buf_wipe(&c->key_pem);
    log_event(LOG_ERROR, "certificate-left-out", LF_S("host", host),
        LF("why", "its key was sealed under another server.key, or is damaged"));
}

enum err own_certificates_decode(struct supervisor *s, struct wire *w)
{
    role_certificates_clear(s->certificates, &s->certificate_count);
    size_t n = wire_u16(w);
    for (size_t i = 0; i < n && !w->failed; i++) {
        struct slice host = wire_bytes(w);
        struct slice chain = wire_bytes(w);
        struct slice sealed = wire_bytes(w);
        if (!w->failed && s->certificate_count < ROLE_CERTIFICATES_MAX)
            certificate_open(s, host, chain, sealed);
    }
    return wire_done(w) ? ERR_OK : ERR_SYNTAX;
}
