/* Requests to the store and their answers; see store_client.h. The calls themselves stand in
 * store_calls.c: here is how a request waits, is sent again, and ends. */
#include "storage/store_client.h"

#include "base/clock.h"
#include "base/idmap.h"
#include "base/log.h"
#include "base/secret.h"
#include "storage/letter_message.h"
#include "storage/store_request.h"

#define RETRY_MS 100
/* After a restart of the store, auth tells it again of the open sessions; until it has, "denied" may only
 * mean "not yet". */
#define RESETTLE_MS 5000
#define EPOCHS_MAX 256

struct pending {
    struct store_client *client;
    uint64_t req;
    uint64_t done_req;        /* of "done?", 0: not asked */
    uint16_t type;
    unsigned flags;
    uint8_t rid[16];
    struct buf body;
    store_reply_fn fn;
    void *ctx;
    uint64_t give_up_ms;      /* set while there is no store */
    bool must_retry;
    enum err fails_with;      /* store_client_fail */
};

struct store_client {
    struct loop *loop;
    const struct store_client_events *events;
    void *ctx;
    struct channel *channel;
    struct idmap pending;
    struct idmap asked;       /* done_req -> pending */
    struct timer *timer;
    uint64_t next_req;
    uint64_t generation;
    uint64_t attached_ms;
    uint64_t bulk_out;
    bool was_full;
    uint64_t *failing;        /* requests of store_client_fail, in order */
    size_t failing_count;
    size_t failing_cap;
    struct seal_epoch *epochs; /* EPOCHS_MAX, in the locked arena */
    size_t epoch_count;
};

static void on_message(void *ctx, struct channel *ch, uint16_t type, struct slice body, const int *fds,
    size_t nfds);
static void on_closed(void *ctx, struct channel *ch);
static void on_timer(void *ctx);

struct store_client *store_client_new(struct loop *l, const struct store_client_events *events, void *ctx)
{
    struct store_client *c = mem_new(sizeof *c);
    c->loop = l;
    c->events = events;
    c->ctx = ctx;
    c->next_req = 1;
    c->timer = timer_new(l, on_timer, c);
    return c;
}

static void pending_free(struct pending *p)
{
    idmap_remove(&p->client->pending, p->req);
    if (p->done_req)
        idmap_remove(&p->client->asked, p->done_req);
    buf_clear(&p->body);
    free(p);
}

static void free_each(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    pending_free(value);
}

void store_client_free(struct store_client *c)
{
    if (c->channel)
        channel_free(c->channel);
    idmap_each(&c->pending, free_each, NULL);
    idmap_clear(&c->pending);
    idmap_clear(&c->asked);
    timer_free(c->timer);
    free(c->failing);
    if (c->epochs)
        secret_free(c->epochs, EPOCHS_MAX * sizeof *c->epochs);
    free(c);
}

static void finish(struct pending *p, const struct store_reply *r)
{
    store_reply_fn fn = p->fn;
    void *ctx = p->ctx;
    pending_free(p);
    fn(ctx, r);
}

static void fail(struct pending *p, enum err why)
{
    const struct store_reply r = {.err = why};
    finish(p, &r);
}

static void send_message(struct store_client *c, struct pending *p, uint16_t type, uint64_t req, bool with_body)
{
    struct buf message;
    buf_init(&message, CHANNEL_MESSAGE_MAX);
    wire_put_u64(&message, req);
    if (p->flags & STORE_REQUEST_CHANGE)
        buf_put_bytes(&message, p->rid, sizeof p->rid);
    if (with_body)
        buf_put(&message, buf_slice(&p->body));
    /* What does not reach the store is asked for again on the next channel. */
    enum err e = buf_ok(&message) ? channel_send(c->channel, type, buf_slice(&message), NULL, 0) : ERR_TOO_BIG;
    if (e && e != ERR_CLOSED)
        log_event(LOG_ERROR, "request-not-sent", LF_U("type", type), LF("reason", err_text(e)));
    buf_clear(&message);
}

static void wait_for_store(struct store_client *c, struct pending *p)
{
    if (!p->give_up_ms)
        p->give_up_ms = clock_mono_ms() + STORE_PATIENCE_MS;
    if (!timer_is_running(c->timer))
        timer_start(c->timer, RETRY_MS);
}

uint64_t store_client_request(struct store_client *c, uint16_t type, unsigned flags, struct slice body,
    store_reply_fn fn, void *ctx)
{
    struct pending *p = mem_new(sizeof *p);
    p->client = c;
    p->req = c->next_req++;
    p->type = type;
    p->flags = flags;
    p->fn = fn;
    p->ctx = ctx;
    buf_init(&p->body, CHANNEL_MESSAGE_MAX);
    buf_put(&p->body, body);
    if (flags & STORE_REQUEST_CHANGE)
        random_bytes(p->rid, sizeof p->rid);
    idmap_put(&c->pending, p->req, p);
    if (c->channel)
        send_message(c, p, type, p->req, true);
    else
        wait_for_store(c, p);
    return p->req;
}

static void fail_deferred(void *ctx)
{
    struct store_client *c = ctx;
    uint64_t req = c->failing[0];
    memmove(c->failing, c->failing + 1, --c->failing_count * sizeof *c->failing);
    struct pending *p = idmap_find(&c->pending, req);
    if (p)
        fail(p, p->fails_with);
}

uint64_t store_client_fail(struct store_client *c, enum err why, store_reply_fn fn, void *ctx)
{
    struct pending *p = mem_new(sizeof *p);
    p->client = c;
    p->req = c->next_req++;
    p->fn = fn;
    p->ctx = ctx;
    p->fails_with = why;
    idmap_put(&c->pending, p->req, p);
    if (c->failing_count == c->failing_cap) {
        c->failing_cap = c->failing_cap * 2 + 8;
        c->failing = mem_resize(c->failing, c->failing_cap * sizeof *c->failing);
    }
    c->failing[c->failing_count++] = p->req;
    loop_defer(c->loop, fail_deferred, c);
    return p->req;
}

void store_cancel(struct store_client *c, uint64_t request)
{
    struct pending *p = idmap_find(&c->pending, request);
    if (p)
        pending_free(p);
}

/* --- after a restart of the store ------------------------------------------------------------ */

static void ask_again(void *ctx, uint64_t id, void *value)
{
    struct store_client *c = ctx;
    struct pending *p = value;
    (void)id;
    if (p->fails_with)
        return;
    p->must_retry = false;
    if (p->flags & STORE_REQUEST_CHANGE) {
        if (p->done_req)
            idmap_remove(&c->asked, p->done_req);
        p->done_req = c->next_req++;
        idmap_put(&c->asked, p->done_req, p);
        struct buf message;
        buf_init(&message, 64);
        wire_put_u64(&message, p->done_req);
        buf_put_bytes(&message, p->rid, sizeof p->rid);
        if (channel_send(c->channel, M_DONE, buf_slice(&message), NULL, 0) != ERR_OK)
            wait_for_store(c, p);
        buf_clear(&message);
    } else {
        send_message(c, p, p->type, p->req, true);
    }
}

void store_client_attach(struct store_client *c, int fd)
{
    static const struct channel_events events = {.on_message = on_message, .on_closed = on_closed};
    bool is_new = c->generation > 0;
    if (c->channel)
        channel_free(c->channel);
    c->channel = channel_new(c->loop, fd, &events, c);
    c->generation++;
    c->bulk_out = 0;
    if (is_new)
        c->attached_ms = clock_mono_ms();
    idmap_each(&c->pending, ask_again, c);
    if (c->was_full && c->events->on_drained) {
        c->was_full = false;
        c->events->on_drained(c->ctx);
    }
}

static void start_waiting(void *ctx, uint64_t id, void *value)
{
    (void)id;
    wait_for_store(ctx, value);
}

static void on_closed(void *ctx, struct channel *ch)
{
    struct store_client *c = ctx;
    channel_free(ch);
    c->channel = NULL;
    idmap_each(&c->pending, start_waiting, c);
}

struct late {
    uint64_t now;
    struct pending *out;      /* one that has waited too long */
    struct pending *retry;    /* one that is to be sent again */
    bool any;
};

static void find_late(void *ctx, uint64_t id, void *value)
{
    struct late *l = ctx;
    struct pending *p = value;
    (void)id;
    if (!p->give_up_ms)
        return;
    l->any = true;
    if (p->give_up_ms <= l->now)
        l->out = p;
    else if (p->must_retry)
        l->retry = p;
}

/* Runs only while something waits. Callbacks may make and cancel requests, so one at a time is found. */
static void on_timer(void *ctx)
{
    struct store_client *c = ctx;
    for (;;) {
        struct late l = {.now = clock_mono_ms()};
        idmap_each(&c->pending, find_late, &l);
        if (l.out) {
            fail(l.out, ERR_STORE_GONE);
        } else if (l.retry && c->channel) {
            l.retry->must_retry = false;
            send_message(c, l.retry, l.retry->type, l.retry->req, true);
        } else {
            if (l.any)
                timer_start(c->timer, RETRY_MS);
            return;
        }
    }
}

/* --- what the store says --------------------------------------------------------------------- */

static bool may_be_too_early(const struct store_client *c, const struct pending *p, enum err e)
{
    return e == ERR_DENIED && c->attached_ms && clock_mono_ms() < c->attached_ms + RESETTLE_MS &&
        p->type != M_LOOKUP;
}

static void on_done_reply(struct store_client *c, struct pending *p, struct store_reply *r)
{
    idmap_remove(&c->asked, p->done_req);
    p->done_req = 0;
    if (r->err != ERR_NOT_FOUND)
        finish(p, r); /* it was committed: this is its reply as it was recorded */
    else if (p->flags & STORE_REQUEST_STAGED)
        fail(p, ERR_STORE_GONE);
    else
        send_message(c, p, p->type, p->req, true);
}

static void on_reply(struct store_client *c, struct slice body)
{
    struct wire in = wire_of(body);
    struct store_reply r;
    uint64_t req = wire_u64(&in);
    if (!store_reply_decode(&in, &r)) {
        log_event(LOG_ERROR, "malformed-reply");
        return;
    }
    struct pending *asked = idmap_find(&c->asked, req);
    struct pending *p = idmap_find(&c->pending, req);
    if (asked) {
        on_done_reply(c, asked, &r);
    } else if (p && may_be_too_early(c, p, r.err)) {
        p->must_retry = true;
        wait_for_store(c, p);
    } else if (p) {
        finish(p, &r);
    }
    store_reply_clear(&r);
}

static void on_credit(struct store_client *c, uint64_t bytes)
{
    c->bulk_out -= bytes < c->bulk_out ? bytes : c->bulk_out;
    if (!c->was_full || c->bulk_out > STORE_BULK_WINDOW / 2)
        return;
    c->was_full = false;
    if (c->events->on_drained)
        c->events->on_drained(c->ctx);
}

static void on_message(void *ctx, struct channel *ch, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct store_client *c = ctx;
    struct wire in = wire_of(body);
    (void)ch;
    (void)fds;
    (void)nfds; /* the store never sends descriptors */
    if (type == M_REPLY) {
        on_reply(c, body);
    } else if (type == M_CREDIT) {
        uint64_t bytes = wire_u64(&in);
        if (wire_done(&in))
            on_credit(c, bytes);
    } else if (type == M_RING && c->events->on_ring) {
        uint64_t mailbox = wire_u64(&in);
        uint64_t modseq = wire_u64(&in);
        if (wire_done(&in))
            c->events->on_ring(c->ctx, mailbox, modseq);
    } else if (type == M_DIRECTORY && c->events->on_directory_changed) {
        c->events->on_directory_changed(c->ctx);
    } else if (c->events->on_message) {
        c->events->on_message(c->ctx, type, body);
    }
}

/* --- bulk and epochs ------------------------------------------------------------------------- */

bool store_client_is_full(const struct store_client *c)
{
    return c->bulk_out >= STORE_BULK_WINDOW;
}

uint64_t store_client_generation(const struct store_client *c)
{
    return c->generation;
}

uint64_t store_client_new_stage(struct store_client *c)
{
    return c->next_req++;
}

enum err store_client_bulk(struct store_client *c, uint16_t type, struct slice body)
{
    if (!c->channel)
        return ERR_STORE_GONE;
    if (type == M_STAGE || type == M_APPEND_HOLD) {
        c->bulk_out += body.n;
        if (c->bulk_out >= STORE_BULK_WINDOW)
            c->was_full = true;
    }
    return channel_send(c->channel, type, body, NULL, 0);
}

static struct seal_epoch *find_epoch(struct store_client *c, const struct vault_public *v)
{
    for (size_t i = 0; i < c->epoch_count; i++)
        if (c->epochs[i].vault.vault == v->vault)
            return &c->epochs[i];
    /* Full: the oldest place is as good as any, its vault gets a new epoch when it comes again. */
    if (c->epoch_count == EPOCHS_MAX)
        return &c->epochs[v->vault % EPOCHS_MAX];
    return &c->epochs[c->epoch_count++];
}

const struct seal_epoch *store_client_epoch(struct store_client *c, const struct vault_public *vault)
{
    if (!c->epochs) {
        c->epochs = secret_new(EPOCHS_MAX * sizeof *c->epochs);
        ENSURE(c->epochs != NULL);
    }
    uint64_t now = clock_mono_ms();
    struct seal_epoch *e = find_epoch(c, vault);
    bool fits = e->vault.vault == vault->vault && e->vault.generation == vault->generation &&
        memcmp(e->vault.public_key, vault->public_key, SEAL_KEY_BYTES) == 0 && now < e->until_ms;
    if (!fits && seal_epoch_begin(e, vault, now, STORE_EPOCH_MS) != ERR_OK) {
        *e = (struct seal_epoch){0};
        return NULL;
    }
    return e;
}
