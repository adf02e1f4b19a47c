/* Administrative requests: each goes to the role that answers it, several at a time. After one that
 * changed settings or certificates the reply waits until every role was sent the new ones, so that who
 * sets something and connects next meets it. */
#include <unistd.h>

#include "admin/supervisor_internal.h"
#include "base/log.h"

struct admin_pending {
    uint64_t req;
    admin_done_fn fn;
    void *ctx;
    enum role to;
    bool is_status;
    bool changes_settings;
    bool waits_for_refresh;
    enum err err;     /* while it waits */
    struct buf text;
    struct buf json;
};

static bool op_is(const struct admin_request *r, const char *op)
{
    return slice_equal(r->op, slice_str(op));
}

static void answer(admin_done_fn fn, void *ctx, enum err err, struct slice text, struct slice json)
{
    struct admin_reply reply = {.err = err, .text = text, .json = json, .fd = -1};
    fn(ctx, &reply);
}

static void answer_error(admin_done_fn fn, void *ctx, enum err err, const char *text)
{
    struct buf json;
    buf_init(&json, 4096);
    buf_printf(&json, "{\"error\":\"%s\"}", text); /* texts of ours, without quotes */
    answer(fn, ctx, err, slice_str(text), buf_slice(&json));
    buf_clear(&json);
}

static void answer_certificates(struct supervisor *s, admin_done_fn fn, void *ctx)
{
    struct buf text, json;
    buf_init(&text, CHANNEL_MESSAGE_MAX / 2);
    buf_init(&json, CHANNEL_MESSAGE_MAX);
    own_certificates(s, &text, &json);
    answer(fn, ctx, ERR_OK, buf_slice(&text), buf_slice(&json));
    buf_clear(&text);
    buf_clear(&json);
}

/* The place in the list; it is valid until the next one is put or removed. */
static struct admin_pending *pending_put(struct supervisor *s, const struct admin_request *r,
    admin_done_fn fn, void *ctx)
{
    if (!s->pending)
        s->pending = mem_new(PENDING_MAX * sizeof *s->pending);
    if (s->pending_count == PENDING_MAX)
        return NULL;
    struct admin_pending *p = &s->pending[s->pending_count++];
    *p = (struct admin_pending){.req = ++s->last_req, .fn = fn, .ctx = ctx,
        .to = admin_op_role(r->op), .is_status = op_is(r, "status")};
    p->changes_settings = op_is(r, "config.set") || op_is(r, "cert.set");
    buf_init(&p->text, CHANNEL_MESSAGE_MAX);
    buf_init(&p->json, CHANNEL_MESSAGE_MAX);
    return p;
}

/* Takes it off the list; the caller answers, which may put new ones. */
static struct admin_pending pending_take(struct supervisor *s, size_t i)
{
    struct admin_pending p = s->pending[i];
    s->pending[i] = s->pending[--s->pending_count];
    return p;
}

static void pending_finish(struct admin_pending *p, enum err err, struct slice text, struct slice json)
{
    answer(p->fn, p->ctx, err, text, json);
    buf_wipe(&p->text);
    buf_wipe(&p->json);
}

/* The role's own answer, with the descriptor that came with it. */
static void pending_pass(struct admin_pending *p, const struct admin_reply *r)
{
    p->fn(p->ctx, r);
    buf_wipe(&p->text);
    buf_wipe(&p->json);
}

static void send_request(struct supervisor *s, const struct admin_request *r, admin_done_fn fn,
    void *ctx)
{
    struct role_process *to = process_find(s, admin_op_role(r->op));
    struct admin_request copy = *r;
    struct buf body;
    if (!to || !process_is_alive(to)) {
        answer_error(fn, ctx, ERR_STORE_GONE, "the server is being restarted; try again");
        return;
    }
    struct admin_pending *p = pending_put(s, r, fn, ctx);
    if (!p) {
        answer_error(fn, ctx, ERR_LIMIT, "too many commands are under way");
        return;
    }
    copy.req = p->req;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    admin_request_encode(&copy, &body);
    if (buf_ok(&body))
        process_send(to, M_ADMIN, buf_slice(&body), NULL, 0);
    else {
        struct admin_pending gone = pending_take(s, s->pending_count - 1);
        answer_error(gone.fn, gone.ctx, ERR_TOO_BIG, "the command is too long");
    }
    buf_wipe(&body);
}

static void send_certificate(struct supervisor *s, const struct admin_request *r, admin_done_fn fn,
    void *ctx)
{
    struct admin_request sealed = {.op = r->op};
    struct buf hex;
    buf_init(&hex, CHANNEL_MESSAGE_MAX);
    enum err e = own_seal_key(s, r, &hex);
    if (e == ERR_OK) {
        admin_request_add(&sealed, "host", admin_request_get(r, "host"));
        admin_request_add(&sealed, "chain", admin_request_get(r, "chain"));
        admin_request_add(&sealed, "key", buf_slice(&hex));
        send_request(s, &sealed, fn, ctx);
    } else if (e == ERR_LIMIT) {
        answer_error(fn, ctx, e, "there are as many certificates as there may be");
    } else {
        answer_error(fn, ctx, e, "certificate and key are not PEM, or do not belong together");
    }
    buf_clear(&hex);
}

static void send_route(struct supervisor *s, const struct admin_request *r, admin_done_fn fn, void *ctx)
{
    struct admin_request sealed = {.op = r->op};
    struct buf hex;
    buf_init(&hex, 8192);
    enum err e = own_seal_password(s, r, &hex);
    for (size_t i = 0; i < r->count; i++)
        if (!slice_equal(r->pairs[i].key, SLICE("password")))
            sealed.pairs[sealed.count++] = r->pairs[i];
    admin_request_add(&sealed, "password", buf_slice(&hex));
    if (e == ERR_OK)
        send_request(s, &sealed, fn, ctx);
    else
        answer_error(fn, ctx, e, "the route's destination or password is malformed");
    buf_clear(&hex);
}

static void send_dkim(struct supervisor *s, const struct admin_request *r, admin_done_fn fn, void *ctx)
{
    struct admin_request sealed = {.op = r->op};
    struct buf hex;
    buf_init(&hex, 16384);
    enum err e = own_seal_dkim(s, r, &hex);
    for (size_t i = 0; i < r->count; i++)
        if (!slice_equal(r->pairs[i].key, SLICE("key")))
            sealed.pairs[sealed.count++] = r->pairs[i];
    admin_request_add(&sealed, "key", buf_slice(&hex));
    if (e == ERR_OK)
        send_request(s, &sealed, fn, ctx);
    else
        answer_error(fn, ctx, e, "this is not a domain name");
    buf_clear(&hex);
}

void admin_ask(struct supervisor *s, const struct admin_request *r, admin_done_fn fn, void *ctx)
{
    if (op_is(r, "cert.show"))
        answer_certificates(s, fn, ctx);
    else if (op_is(r, "cert.set"))
        send_certificate(s, r, fn, ctx);
    else if (op_is(r, "dkim.add"))
        send_dkim(s, r, fn, ctx);
    else if (op_is(r, "route.add") && admin_request_get(r, "password").n > 0)
        send_route(s, r, fn, ctx);
    else
        send_request(s, r, fn, ctx);
}

void admin_forget(struct supervisor *s, void *ctx)
{
    for (size_t i = s->pending_count; i-- > 0;) {
        if (s->pending[i].ctx != ctx)
            continue;
        struct admin_pending p = pending_take(s, i);
        buf_wipe(&p.text);
        buf_wipe(&p.json);
    }
}

static void wait_for_refresh(struct supervisor *s, struct admin_pending *p, const struct admin_reply *r)
{
    p->waits_for_refresh = true;
    p->err = r->err;
    buf_put(&p->text, r->text);
    buf_put(&p->json, r->json);
    supervisor_refresh(s);
}

static void finish_status(struct supervisor *s, struct admin_pending *p, const struct admin_reply *r)
{
    own_status(s, r->text, r->json, &p->text, &p->json);
    pending_finish(p, r->err, buf_slice(&p->text), buf_slice(&p->json));
}

void admin_reply_came(struct supervisor *s, struct slice body, int fd)
{
    struct admin_reply r;
    if (admin_reply_decode(body, &r) != ERR_OK) {
        log_event(LOG_ERROR, "bad-admin-reply");
        return;
    }
    for (size_t i = 0; i < s->pending_count; i++) {
        if (s->pending[i].req != r.req || s->pending[i].waits_for_refresh)
            continue;
        if (r.err == ERR_OK && s->pending[i].changes_settings) {
            wait_for_refresh(s, &s->pending[i], &r);
            return;
        }
        struct admin_pending p = pending_take(s, i);
        r.fd = fd;
        if (p.is_status)
            finish_status(s, &p, &r);
        else
            pending_pass(&p, &r);
        return;
    }
}

void admin_refreshed(struct supervisor *s)
{
    for (size_t i = s->pending_count; i-- > 0;) {
        if (!s->pending[i].waits_for_refresh)
            continue;
        struct admin_pending p = pending_take(s, i);
        pending_finish(&p, p.err, buf_slice(&p.text), buf_slice(&p.json));
    }
}

/* What was under way with it has no answer any more; what it had committed stays. */
void admin_role_died(struct supervisor *s, enum role role)
{
    for (size_t i = s->pending_count; i-- > 0;) {
        if (s->pending[i].to != role || s->pending[i].waits_for_refresh)
            continue;
        struct admin_pending p = pending_take(s, i);
        answer_error(p.fn, p.ctx, ERR_STORE_GONE,
            "the server was restarted meanwhile; look whether it was done, and try again");
        buf_wipe(&p.text);
        buf_wipe(&p.json);
    }
}
