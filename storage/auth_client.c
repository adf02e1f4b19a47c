/* The asking side of logins; see auth_client.h. Requests are few and short-lived: a list will do. While
 * auth is away they wait for its next channel, at most LOGIN_PATIENCE_MS. */
#include "storage/auth_client.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/channel.h"
#include "storage/settings.h"

#define LOGIN_PATIENCE_MS 40000   /* auth answers within LOGIN_ATTEMPT_MS */
#define CHECK_MS 1000

struct request {
    struct request *next;
    uint64_t number;
    login_reply_fn fn;
    void *ctx;
    uint64_t until_ms;
    bool is_sent;
    uint16_t type;
    struct buf body;          /* owned until it is sent; wiped */
};

struct auth_client {
    struct loop *loop;        /* borrowed */
    struct channel *channel;  /* owned; NULL while auth is away */
    struct request *requests; /* owned */
    uint64_t next_number;
    bool is_scram_of_use;     /* as auth says */
    struct timer *timer;
};

static void request_free(struct request *r)
{
    buf_wipe(&r->body);
    free(r);
}

/* Takes the request out of the list. */
static struct request *take(struct auth_client *c, uint64_t number)
{
    for (struct request **at = &c->requests; *at; at = &(*at)->next) {
        struct request *r = *at;
        if (r->number != number)
            continue;
        *at = r->next;
        return r;
    }
    return NULL;
}

static void fail(struct auth_client *c, uint64_t number, enum err e)
{
    struct request *r = take(c, number);
    if (!r)
        return;
    struct login_reply reply = {.err = e, .fd = -1};
    login_reply_fn fn = r->fn;
    void *ctx = r->ctx;
    request_free(r);
    fn(ctx, &reply);
}

/* The oldest request for which `over` holds; callbacks may change the list, so it is looked for anew. */
static struct request *find_over(struct auth_client *c, bool sent_only, uint64_t now)
{
    for (struct request *r = c->requests; r; r = r->next)
        if (sent_only ? r->is_sent : now >= r->until_ms)
            return r;
    return NULL;
}

static void on_timer(void *ctx)
{
    struct auth_client *c = ctx;
    struct request *r;
    uint64_t now = clock_mono_ms();
    while ((r = find_over(c, false, now)) != NULL)
        fail(c, r->number, ERR_STORE_GONE);
    if (c->requests)
        timer_start(c->timer, CHECK_MS);
}

static void request_send(struct auth_client *c, struct request *r)
{
    if (!c->channel || channel_send(c->channel, r->type, buf_slice(&r->body), NULL, 0) != ERR_OK)
        return;
    r->is_sent = true;
    buf_wipe(&r->body);
}

static bool reply_decode(uint16_t type, struct slice body, uint64_t *out_number, struct login_reply *out)
{
    struct wire w = wire_of(body);
    *out = (struct login_reply){0};
    *out_number = wire_u64(&w);
    if (type == M_SCRAM_REPLY) {
        out->salt = wire_bytes(&w);
        out->rounds = wire_u32(&w);
        return wire_done(&w) && out->salt.n > 0 && out->rounds > 0;
    }
    out->err = (enum err)wire_u16(&w);
    out->session = wire_u64(&w);
    out->account = wire_u64(&w);
    out->address = wire_bytes(&w);
    out->signature = wire_bytes(&w);
    return type == M_LOGIN_REPLY && wire_done(&w) && (unsigned)out->err < ERR_COUNT;
}

static void on_message(void *ctx, struct channel *channel, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct auth_client *c = ctx;
    struct login_reply reply;
    uint64_t number;
    if (type == M_SCRAM_OFFER && body.n == 1 && nfds == 0) {
        c->is_scram_of_use = body.p[0] != 0;
        return;
    }
    bool good = reply_decode(type, body, &number, &reply) && nfds <= 1;
    reply.fd = nfds == 1 ? fds[0] : -1;
    struct request *r = good ? take(c, number) : NULL;
    if (!good)
        log_event(LOG_ERROR, "message-refused", LF("from", "auth"), LF_U("type", type));
    if (!r) {
        for (size_t i = 0; i < nfds; i++)
            close(fds[i]);
        /* Cancelled meanwhile: smtp's session is over now; the door's ends with the descriptor. */
        if (good && reply.session && nfds == 0)
            auth_logout(c, reply.session);
        return;
    }
    (void)channel;
    login_reply_fn fn = r->fn;
    void *fn_ctx = r->ctx;
    request_free(r);
    fn(fn_ctx, &reply);
}

static void on_closed(void *ctx, struct channel *channel)
{
    struct auth_client *c = ctx;
    struct request *r;
    channel_free(channel);
    c->channel = NULL;
    /* What auth had taken died with it; what was not sent waits for the next. */
    while ((r = find_over(c, true, 0)) != NULL)
        fail(c, r->number, ERR_STORE_GONE);
}

struct auth_client *auth_client_new(struct loop *l)
{
    struct auth_client *c = mem_new(sizeof *c);
    c->loop = l;
    c->timer = timer_new(l, on_timer, c);
    return c;
}

void auth_client_free(struct auth_client *c)
{
    if (!c)
        return;
    while (c->requests)
        request_free(take(c, c->requests->number));
    channel_free(c->channel);
    timer_free(c->timer);
    free(c);
}

void auth_client_attach(struct auth_client *c, int fd)
{
    static const struct channel_events events = {.on_message = on_message, .on_closed = on_closed};
    if (c->channel)
        on_closed(c, c->channel);
    c->channel = channel_new(c->loop, fd, &events, c);
    for (struct request *r = c->requests; r; r = r->next)
        request_send(c, r);
}

static struct request *request_new(struct auth_client *c, uint16_t type, login_reply_fn fn, void *ctx)
{
    struct request *r = mem_new(sizeof *r);
    r->number = ++c->next_number;
    r->type = type;
    r->fn = fn;
    r->ctx = ctx;
    r->until_ms = clock_mono_ms() + LOGIN_PATIENCE_MS;
    buf_init(&r->body, 8192);
    wire_put_u64(&r->body, r->number);
    return r;
}

static uint64_t request_begin(struct auth_client *c, struct request *r)
{
    r->next = c->requests;
    c->requests = r;
    request_send(c, r);
    if (!timer_is_running(c->timer))
        timer_start(c->timer, CHECK_MS);
    return r->number;
}

uint64_t auth_scram(struct auth_client *c, struct slice user, login_reply_fn fn, void *ctx)
{
    struct request *r = request_new(c, M_SCRAM, fn, ctx);
    wire_put_bytes(&r->body, slice_sub(user, 0, LOGIN_USER_MAX));
    return request_begin(c, r);
}

uint64_t auth_login(struct auth_client *c, const struct login *l, login_reply_fn fn, void *ctx)
{
    struct request *r = request_new(c, M_LOGIN, fn, ctx);
    wire_put_u8(&r->body, (uint8_t)l->protocol);
    wire_put_u8(&r->body, l->is_secure);
    wire_put_bytes(&r->body, slice_str(l->peer));
    /* What is too long is nobody's: an empty password never proves anything. */
    bool fits = l->user.n <= LOGIN_USER_MAX && l->password.n <= LOGIN_PASSWORD_MAX;
    wire_put_bytes(&r->body, slice_sub(l->user, 0, LOGIN_USER_MAX));
    wire_put_bytes(&r->body, fits ? l->password : SLICE_EMPTY);
    wire_put_bytes(&r->body, l->tag);
    wire_put_bytes(&r->body, l->message);
    wire_put_bytes(&r->body, l->proof);
    return request_begin(c, r);
}

bool auth_offers_scram(const struct auth_client *c, const struct settings *s)
{
    struct slice choice = settings_text(s, "login.scram");
    return slice_equal(choice, SLICE("auto")) ? c->is_scram_of_use : slice_equal(choice, SLICE("yes"));
}

void auth_cancel(struct auth_client *c, uint64_t request)
{
    struct request *r = take(c, request);
    if (r)
        request_free(r);
}

void auth_logout(struct auth_client *c, uint64_t session)
{
    struct buf body;
    if (!c->channel)
        return;
    buf_init(&body, 16);
    wire_put_u64(&body, session);
    if (channel_send(c->channel, M_LOGOUT, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "auth-gone", LF_X("session", session));
    buf_clear(&body);
}
