/* The life of a role process; see role.h. The order is: control channel, boot data, what the role
 * opens, the sandbox, "ready", the loop. A process whose supervisor is gone ends at once: nobody could
 * start its peers again. */
#include "storage/role.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "storage/boot.h"
#include "storage/settings.h"

const char *role_name(enum role r)
{
    static const char *const names[ROLE_COUNT] = {"supervisor", "store", "auth", "hash", "smtp",
        "door", "retrieval", "relay"};
    return (unsigned)r < ROLE_COUNT ? names[r] : "unknown";
}

void role_stop(struct role_context *c)
{
    c->stopping = true;
    loop_stop(c->loop);
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

static void stop_asked(void *ctx)
{
    struct role_context *c = ctx;
    if (c->stopping)
        return;
    c->stopping = true;
    if (c->ops->on_stop)
        c->ops->on_stop(c);
    else
        role_stop(c);
}

static void log_level_apply(const struct role_context *c)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct slice text = settings_text(c->settings, "log.level");
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (slice_equal(text, slice_str(names[i])))
            log_set_level((enum log_level)i);
}

static enum err channel_came(struct role_context *c, struct slice body, const int *fds, size_t nfds)
{
    struct wire w = wire_of(body);
    unsigned peer = wire_u8(&w);
    uint32_t instance = wire_u32(&w);
    uint64_t account = wire_u64(&w);
    if (!wire_done(&w) || nfds != 1 || peer >= ROLE_COUNT)
        return ERR_SYNTAX;
    if (c->ops->on_channel)
        c->ops->on_channel(c, (enum role)peer, instance, account, fds[0]);
    else
        close(fds[0]);
    return ERR_OK;
}

static enum err settings_came(struct role_context *c, struct slice body)
{
    enum err e = settings_decode(body, c->settings);
    if (e)
        return e;
    log_level_apply(c);
    if (c->ops->on_settings)
        c->ops->on_settings(c);
    return ERR_OK;
}

static enum err certificates_came(struct role_context *c, struct slice body)
{
    enum err e = role_certificates_decode(body, c->certificates, &c->certificate_count);
    if (e == ERR_OK && c->ops->on_certificates)
        c->ops->on_certificates(c);
    return e;
}

static enum err control_dispatch(struct role_context *c, uint16_t type, struct slice body,
    const int *fds, size_t nfds)
{
    if (type == M_CHANNEL)
        return channel_came(c, body, fds, nfds);
    if (type == M_SETTINGS)
        return settings_came(c, body);
    if (type == M_CERTIFICATES)
        return certificates_came(c, body);
    if (type == M_STOP)
        stop_asked(c);
    else if (c->ops->on_control)
        c->ops->on_control(c, type, body, fds, nfds);
    else
        close_all(fds, nfds);
    return ERR_OK;
}

static void on_control(void *ctx, struct channel *ch, uint16_t type, struct slice body,
    const int *fds, size_t nfds)
{
    struct role_context *c = ctx;
    enum err e = ERR_DENIED;
    (void)ch;
    if (message_allowed(ROLE_SUPERVISOR, c->ops->role, type))
        e = control_dispatch(c, type, body, fds, nfds);
    if (e == ERR_OK)
        return;
    close_all(fds, nfds);
    log_event(LOG_ERROR, "bad-control-message", LF_U("type", type), LF("reason", err_text(e)));
}

static void on_control_closed(void *ctx, struct channel *ch)
{
    struct role_context *c = ctx;
    (void)ch;
    if (!c->stopping)
        log_event(LOG_WARNING, "supervisor-gone", LF("meaning", "ending at once"));
    role_stop(c);
}

static const struct channel_events control_events = {
    .on_message = on_control,
    .on_closed = on_control_closed,
};

static enum err wait_for(uint16_t type, struct buf *body, int *fds, size_t *inout_nfds)
{
    uint16_t got;
    enum err e = channel_wait_message(ROLE_CONTROL_FD, &got, body, fds, inout_nfds);
    if (e)
        return e;
    return got == type ? ERR_OK : ERR_SYNTAX;
}

static enum err boot_apply(struct role_context *c, const struct role_boot *b)
{
    c->instance = b->instance;
    c->account = b->account;
    c->folder = mem_strdup(b->folder);
    c->keys = secret_new(sizeof *c->keys);
    if (!c->keys)
        return ERR_LIMIT;
    *c->keys = b->keys;
    memcpy(c->listeners, b->listeners, sizeof c->listeners);
    c->listener_count = b->listener_count;
    return settings_decode(b->settings, c->settings);
}

static enum err boot_wait(struct role_context *c, struct buf *body)
{
    int fds[CHANNEL_FDS_MAX];
    size_t nfds = CHANNEL_FDS_MAX;
    struct role_boot b = {0};
    enum err e = wait_for(M_BOOT, body, fds, &nfds);
    if (e == ERR_OK)
        e = role_boot_decode(buf_slice(body), fds, nfds, &b);
    if (e == ERR_OK)
        e = boot_apply(c, &b);
    secret_wipe(&b.keys, sizeof b.keys);
    return e;
}

static enum err certificates_wait(struct role_context *c, struct buf *body)
{
    int fds[CHANNEL_FDS_MAX];
    size_t nfds = CHANNEL_FDS_MAX;
    enum err e = wait_for(M_CERTIFICATES, body, fds, &nfds);
    if (e)
        return e;
    return role_certificates_decode(buf_slice(body), c->certificates, &c->certificate_count);
}

static enum err boot_receive(struct role_context *c)
{
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    enum err e = boot_wait(c, &body);
    buf_wipe(&body);
    if (e == ERR_OK)
        e = certificates_wait(c, &body);
    buf_wipe(&body);
    return e;
}

/* Boot data is there; from here on nothing may block but start(). */
static enum err role_begin(struct role_context *c)
{
    log_level_apply(c);
    c->loop = loop_new();
    c->control = channel_new(c->loop, ROLE_CONTROL_FD, &control_events, c);
    loop_on_signal(c->loop, SIGTERM, stop_asked, c);
    enum err e = c->ops->start ? c->ops->start(c) : ERR_OK;
    if (e)
        return e;
    e = sandbox_enter(c->ops->sandbox_rights);
    return e ? e : channel_send(c->control, M_READY, SLICE_EMPTY, NULL, 0);
}

static void role_end(struct role_context *c)
{
    channel_free(c->control);
    role_certificates_clear(c->certificates, &c->certificate_count);
    secret_free(c->keys, sizeof *c->keys);
    settings_free(c->settings);
    free(c->folder);
}

int role_main(const struct role_ops *ops)
{
    static struct role_context context; /* outlives every callback */
    struct role_context *c = &context;
    log_init(role_name(ops->role), LOG_INFO);
    clock_init();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C is for the supervisor, which stops us in order */
    signal(SIGHUP, SIG_IGN);
    c->ops = ops;
    enum err e = secret_init();
    if (e == ERR_OK) {
        c->settings = settings_new();
        e = boot_receive(c);
    }
    if (e == ERR_OK)
        e = role_begin(c);
    if (e == ERR_OK)
        loop_run(c->loop);
    else
        log_event(LOG_ERROR, "start-failed", LF("reason", err_text(e)));
    if (c->control)
        role_end(c);
    return e ? 1 : 0;
}
