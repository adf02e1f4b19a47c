/* The process of the `relay` role: it takes work from the store and brings it to other servers. It has no
 * files and no listening socket; it holds the secret half of the queue's key and the passwords of routes. */
#include "smtp/relay_role.h"

#include <unistd.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "message/address.h"
#include "smtp/relay.h"
#include "storage/admin_ops.h"
#include "storage/messages.h"

static void take_host(struct buf *out, struct slice setting)
{
    char name[256] = "";
    buf_reset(out);
    buf_put(out, setting);
    if (out->n == 0 && gethostname(name, sizeof name - 1) == 0)
        buf_put_str(out, name);
    if (out->n == 0)
        buf_put_str(out, "localhost");
}

static void take_settings(struct relay *r)
{
    const struct settings *s = r->role->settings;
    struct relay_config *c = &r->config;
    take_host(&c->host, settings_text(s, "hostname"));
    c->retry_first_ms = settings_number(s, "relay.retry-first") * 1000;
    c->retry_longest_ms = settings_number(s, "relay.retry-longest") * 1000;
    c->notice_after_s = settings_number(s, "relay.notice-after");
    c->give_up_s = settings_number(s, "relay.give-up");
    c->max_connections = settings_number(s, "relay.max-connections");
    c->max_per_destination = settings_number(s, "relay.max-per-destination");
    c->port = (uint16_t)settings_number(s, "relay.port");
    c->letters_per_connection = settings_number(s, "relay.letters-per-connection");
}

static void on_settings(struct role_context *c)
{
    take_settings(c->state);
}

static void finish_stop(struct relay *r)
{
    if (r->is_stopping && r->connection_count == 0 && !relay_has_results(r))
        role_stop(r->role);
}

static void on_turn_end(void *ctx)
{
    struct relay *r = ctx;
    relay_pump(r);
    relay_gather_results(r);
    relay_connections_free_gone(r);
    finish_stop(r);
}

static void on_batch_timer(void *ctx)
{
    relay_flush_results(ctx);
}

static const struct store_client_events store_events = {
    .on_message = relay_store_message,
};

static enum err make_keys(struct relay *r)
{
    r->keys = secret_new(sizeof *r->keys);
    r->agreed_key = secret_new(SEAL_KEY_BYTES);
    if (!r->keys || !r->agreed_key)
        return ERR_LIMIT;
    queue_keys_from(r->role->keys->queue, r->keys);
    return tls_context_new_client(&r->tls);
}

static enum err start(struct role_context *c)
{
    struct relay *r = mem_new(sizeof *r);
    c->state = r;
    r->role = c;
    r->loop = c->loop;
    r->store = store_client_new(c->loop, &store_events, r);
    r->batch_timer = timer_new(c->loop, on_batch_timer, r);
    random_bytes(r->hash_key, sizeof r->hash_key);
    buf_init(&r->config.host, 256);
    buf_init(&r->scratch, 256 * 1024);
    buf_init(&r->scratch2, 256 * 1024);
    buf_init(&r->scratch3, 512 * 1024);
    take_settings(r);
    loop_on_turn_end(c->loop, on_turn_end, r);
    enum err e = dns_new(c->loop, settings_text(c->settings, "dns.servers"), &r->dns);
    if (e)
        log_event(LOG_ERROR, "no-dns", LF("reason", err_text(e)),
            LF("meaning", "only routes with an address work; look at the setting dns.servers"));
    return make_keys(r);
}

static void on_channel(struct role_context *c, enum role peer, uint32_t instance, uint64_t account, int fd)
{
    (void)instance;
    (void)account;
    if (peer == ROLE_STORE)
        relay_store_attach(c->state, fd);
    else
        close(fd);
}

static void refuse_check(struct relay *r, uint64_t req, const char *why)
{
    struct buf json, body;
    buf_init(&json, 1024);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    struct json j = json_of(&json);
    json_object(&j, NULL);
    json_text(&j, "error", slice_str(why));
    json_end(&j);
    admin_reply_encode(req, ERR_NOT_FOUND, slice_str(why), buf_slice(&json), &body);
    if (channel_send(r->role->control, M_ADMIN_REPLY, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "admin-reply-not-sent", LF("to", "supervisor"));
    buf_clear(&json);
    buf_clear(&body);
}

/* `relay check [DOMAIN]` */
static void on_control(struct role_context *c, uint16_t type, struct slice body, const int *fds, size_t nfds)
{
    struct relay *r = c->state;
    struct admin_request request;
    struct buf name;
    (void)fds;
    (void)nfds;
    if (type != M_ADMIN || admin_request_decode(body, &request) != ERR_OK)
        return;
    struct slice domain = admin_request_get(&request, "domain");
    buf_init(&name, DNS_NAME_MAX + 8);
    enum err e = domain.n > 0 ? domain_canonical(domain, &name) : ERR_OK;
    if (domain.n == 0)
        buf_put_str(&name, "*");
    struct relay_destination *d = e ? NULL : relay_destination_of(r, buf_slice(&name));
    if (!slice_equal(request.op, SLICE("relay.check")) || e)
        refuse_check(r, request.req, "this is not a domain name\n");
    else if (domain.n == 0 && !d->route)
        refuse_check(r, request.req, "there is no smarthost: name a domain, or see `route add`\n");
    else
        relay_connection_check(d, request.req);
    buf_clear(&name);
}

static void stop_now(void *ctx)
{
    struct relay *r = ctx;
    role_stop(r->role);
}

static void quit_idle(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    for (struct relay_destination *d = value; d; d = d->next_same_hash)
        for (struct relay_connection *c = relay_connection_idle(d); c; c = relay_connection_idle(d))
            relay_connection_quit(c);
}

static void on_stop(struct role_context *c)
{
    struct relay *r = c->state;
    r->is_stopping = true;
    idmap_each(&r->destinations, quit_idle, NULL);
    r->stop_timer = timer_new(r->loop, stop_now, r);
    timer_start(r->stop_timer, RELAY_STOP_MS);
    loop_again(r->loop);
}

const struct role_ops relay_role_ops = {
    .role = ROLE_RELAY,
    .sandbox_rights = SANDBOX_NETWORK,
    .start = start,
    .on_channel = on_channel,
    .on_settings = on_settings,
    .on_control = on_control,
    .on_stop = on_stop,
};
