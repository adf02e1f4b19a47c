/* The process of the `smtp` role: start, channels to store and auth, settings, certificates, the end.
 * Sessions are session.c's matter. It opens no file and connects to nobody. */
#include "smtp/smtp_role.h"

#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "message/decode.h"
#include "smtp/limits.h"
#include "smtp/session.h"
#include "storage/front.h"

/* ---- settings and certificates ---- */

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

static void take_settings(struct smtp_server *server)
{
    const struct settings *set = server->role->settings;
    struct smtp_config *c = &server->config;
    take_host(&c->host, settings_text(set, "hostname"));
    buf_reset(&c->domain);
    buf_put(&c->domain, settings_text(set, "domain"));
    c->max_size_bytes = settings_number(set, "smtp.max-size");
    c->max_recipients = settings_number(set, "smtp.max-recipients");
    c->max_errors = settings_number(set, "smtp.max-errors");
    c->max_connections = settings_number(set, "smtp.max-connections");
    c->max_per_network = settings_number(set, "smtp.max-per-network");
    c->keeps_bcc = slice_equal(settings_text(set, "submission.bcc"), SLICE("keep"));
    c->shows_client = settings_bool(set, "submission.show-client");
    c->network_connections = settings_number(set, "smtp.network-connections");
    c->network_errors = settings_number(set, "smtp.network-errors");
    c->max_idle_commands = settings_number(set, "smtp.max-idle-commands");
    c->greeting_wait_ms = settings_number(set, "smtp.greeting-wait");
    c->lookup_cache_ms = settings_number(set, "smtp.lookup-cache") * 1000;
}

/* Without a usable certificate the old context goes on; without any there is no TLS. */
static void take_certificates(struct smtp_server *server)
{
    struct role_context *role = server->role;
    struct tls_certificate certificates[ROLE_CERTIFICATES_MAX];
    struct tls_context *tls = NULL;
    for (size_t i = 0; i < role->certificate_count; i++)
        certificates[i] = (struct tls_certificate){buf_slice(&role->certificates[i].chain_pem),
            buf_slice(&role->certificates[i].key_pem)};
    enum err e = role->certificate_count == 0
                     ? ERR_NOT_FOUND
                     : tls_context_new(certificates, role->certificate_count, NULL, &tls);
    if (e != ERR_OK) {
        log_event(LOG_WARNING, "no-certificate", LF("err", err_text(e)));
        return;
    }
    if (server->tls != NULL)
        tls_context_release(server->tls);
    server->tls = tls;
}

static void on_settings(struct role_context *c)
{
    take_settings(c->state);
}

static void on_certificates(struct role_context *c)
{
    take_certificates(c->state);
}

/* ---- the store ---- */

static void wake_session(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    smtp_session_on_room(value);
}

static void on_drained(void *ctx)
{
    struct smtp_server *server = ctx;
    idmap_each(&server->sessions, wake_session, NULL);
}

static void on_directory_changed(void *ctx)
{
    struct smtp_server *server = ctx;
    lookup_cache_flush(&server->lookups);
}

static const struct store_client_events store_events = {
    .on_directory_changed = on_directory_changed,
    .on_drained = on_drained,
};

/* ---- doors ---- */

static bool service_of(const char *name, enum smtp_service *out)
{
    static const struct {
        const char *name;
        enum smtp_service service;
    } services[] = {
        {"smtp", SMTP_RECEIVING},
        {"submission", SMTP_SUBMISSION},
        {"submission-alt", SMTP_SUBMISSION},
        {"submissions", SMTP_SUBMISSIONS},
        {"local", SMTP_LOCAL},
    };
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (!slice_equal(slice_str(name), slice_str(services[i].name)))
            continue;
        *out = services[i].service;
        return true;
    }
    return false;
}

static void on_peer(void *ctx, int fd, const char *peer)
{
    struct smtp_door *door = ctx;
    smtp_session_start(door->server, door->service, fd, peer);
}

static void on_accept(void *ctx, int fd)
{
    struct smtp_door *door = ctx;
    if (front_tells_peer(door->server->role->settings, door->name, fd))
        proxy_gate_take(door->server->gate, fd, on_peer, door);
    else
        on_peer(door, fd, "");
}

static void open_doors(struct smtp_server *server)
{
    struct role_context *role = server->role;
    for (size_t i = 0; i < role->listener_count; i++) {
        struct smtp_door *door = &server->doors[server->door_count];
        if (!service_of(role->listeners[i].name, &door->service))
            continue;
        door->server = server;
        door->name = role->listeners[i].name;
        door->listener = listener_new(server->loop, role->listeners[i].fd, on_accept, door);
        server->door_count++;
    }
}

static void close_doors(struct smtp_server *server)
{
    for (size_t i = 0; i < server->door_count; i++)
        listener_free(server->doors[i].listener);
    server->door_count = 0;
    proxy_gate_free(server->gate);
    server->gate = NULL;
}

/* ---- the role ---- */

static enum err start(struct role_context *c)
{
    struct smtp_server *server = mem_new(sizeof *server);
    c->state = server;
    server->role = c;
    server->loop = c->loop;
    server->store = store_client_new(c->loop, &store_events, server);
    server->auth = auth_client_new(c->loop);
    server->last_id = random_u64() >> 16; /* ids of different processes do not meet in the log */
    lookup_cache_init(&server->lookups);
    buf_init(&server->line, LETTER_PREFIX_MAX);
    buf_init(&server->config.host, ADDRESS_DOMAIN_MAX);
    buf_init(&server->config.domain, ADDRESS_DOMAIN_MAX);
    take_settings(server);
    take_certificates(server);
    decode_init(); /* previews are made here; the sandbox opens no module of iconv */
    server->gate = proxy_gate_new(c->loop);
    open_doors(server);
    return ERR_OK;
}

static void on_channel(struct role_context *c, enum role peer, uint32_t instance, uint64_t account,
    int fd)
{
    struct smtp_server *server = c->state;
    (void)instance;
    (void)account;
    if (peer == ROLE_STORE)
        store_client_attach(server->store, fd);
    else if (peer == ROLE_AUTH)
        auth_client_attach(server->auth, fd);
    else
        close(fd);
    lookup_cache_flush(&server->lookups); /* a new store may have changed its mind */
}

static void stop_now(void *ctx)
{
    struct smtp_server *server = ctx;
    role_stop(server->role);
}

static void stop_session(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    smtp_session_stop(value);
}

static void on_stop(struct role_context *c)
{
    struct smtp_server *server = c->state;
    if (server->is_stopping)
        return;
    server->is_stopping = true;
    close_doors(server);
    idmap_each(&server->sessions, stop_session, NULL);
    server->stop_timer = timer_new(server->loop, stop_now, server);
    timer_start(server->stop_timer, SMTP_STOP_MS);
    smtp_server_session_gone(server);
}

void smtp_server_session_gone(struct smtp_server *server)
{
    if (server->is_stopping && server->sessions.count == 0)
        role_stop(server->role);
}

const struct role_ops smtp_role_ops = {
    .role = ROLE_SMTP,
    .sandbox_rights = SANDBOX_ACCEPT,
    .start = start,
    .on_channel = on_channel,
    .on_settings = on_settings,
    .on_certificates = on_certificates,
    .on_stop = on_stop,
};
