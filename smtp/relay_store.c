/* What passes between relay and the store: work and routes in; results out, in batches. While one batch
 * waits for its commit the next one gathers, so that a storm is recorded with few commits and a single
 * letter at once. A result is never given up: a store that cannot write is asked again. */
#include "base/log.h"
#include "base/secret.h"
#include "smtp/relay.h"
#include "storage/messages.h"
#include "storage/store_request.h"

#define BATCH_BYTES (48 * 1024)
#define BATCH_RETRY_MS 1000
#define GATHER_MS 3              /* while letters are on the way, so that one commit records several */
#define GATHER_BYTES 2048
#define WANT_STEP 256            /* so many settled recipients are told of at once */

struct relay_batch {
    struct relay_batch *next;
    struct buf body;
    struct relay_job *jobs;      /* freed with the commit */
};

/* ---- results ---- */

static struct relay_batch *last_batch(struct relay *r)
{
    struct relay_batch *b = r->batches_first;
    while (b && b->next)
        b = b->next;
    /* The first one may be under way. */
    bool is_open = b && !(b == r->batches_first && r->batch_request) && b->body.n < BATCH_BYTES;
    if (is_open)
        return b;
    struct relay_batch *fresh = mem_new(sizeof *fresh);
    buf_init(&fresh->body, CHANNEL_MESSAGE_MAX - 64);
    if (b)
        b->next = fresh;
    else
        r->batches_first = fresh;
    return fresh;
}

void relay_result(struct relay *r, const struct queue_result *result)
{
    queue_result_encode(result, &last_batch(r)->body);
}

void relay_result_job(struct relay *r, struct relay_job *j)
{
    struct relay_batch *b = last_batch(r);
    j->state = JOB_SETTLING;
    j->next = b->jobs;
    b->jobs = j;
}

bool relay_has_results(const struct relay *r)
{
    return r->batches_first != NULL;
}

static void tell_want(struct relay *r, uint32_t n)
{
    struct buf body;
    buf_init(&body, 16);
    wire_put_u32(&body, n);
    if (store_client_bulk(r->store, M_RELAY_WANT, buf_slice(&body)) != ERR_OK)
        log_event(LOG_DEBUG, "want-waits", LF("meaning", "the store is being restarted"));
    buf_clear(&body);
}

static void end_batch(struct relay *r)
{
    struct relay_batch *b = r->batches_first;
    r->batches_first = b->next;
    while (b->jobs) {
        struct relay_job *j = b->jobs;
        b->jobs = j->next;
        r->owed += (uint32_t)j->count;
        relay_job_free(j);
    }
    buf_clear(&b->body);
    free(b);
    if (r->owed >= WANT_STEP) {
        tell_want(r, r->owed);
        r->owed = 0;
    }
}

static void on_recorded(void *ctx, const struct store_reply *reply)
{
    struct relay *r = ctx;
    r->batch_request = 0;
    if (reply->err == ERR_OK || reply->err == ERR_SYNTAX) {
        if (reply->err)
            log_event(LOG_ERROR, "results-refused", LF("reason", err_text(reply->err)));
        end_batch(r);
        relay_gather_results(r);
        return;
    }
    log_event(LOG_WARNING, "results-not-recorded", LF("reason", err_text(reply->err)),
        LF("meaning", "they are kept and told again"));
    timer_start(r->batch_timer, BATCH_RETRY_MS);
}

void relay_gather_results(struct relay *r)
{
    const struct relay_batch *b = r->batches_first;
    if (!b || r->batch_request || timer_is_running(r->batch_timer))
        return;
    if (r->sending > 0 && b->body.n < GATHER_BYTES && !r->is_stopping)
        timer_start(r->batch_timer, GATHER_MS);
    else
        relay_flush_results(r);
}

void relay_flush_results(struct relay *r)
{
    struct relay_batch *b = r->batches_first;
    if (b && !r->batch_request && !timer_is_running(r->batch_timer))
        r->batch_request = store_client_request(r->store, M_RELAY_RESULT, STORE_REQUEST_CHANGE,
            buf_slice(&b->body), on_recorded, r);
}

/* ---- work, routes, orders ---- */

static void take_work(struct relay *r, struct slice body)
{
    struct wire in = wire_of(body);
    struct queue_work w;
    while (!wire_at_end(&in)) {
        if (!queue_work_decode(&in, &w)) {
            log_event(LOG_ERROR, "malformed-work");
            return;
        }
        relay_queue_add(r, &w);
    }
}

/* What the store remembers of destinations that failed. */
static void take_state(struct relay *r, struct slice body)
{
    struct wire in = wire_of(body);
    struct queue_result s;
    while (!wire_at_end(&in) && queue_result_decode(&in, &s)) {
        struct relay_destination *d = relay_destination_get(r, s.destination);
        if (d->failures > 0 || d->connection_count > 0)
            continue; /* we know better */
        d->failures = s.failures;
        d->next_try = s.next;
        free(d->answer);
        d->answer = mem_strdup(s.answer);
    }
}

static char *open_password(struct relay *r, const struct queue_route *q)
{
    struct buf text;
    char *password = NULL;
    if (q->password.n == 0)
        return mem_strdup(SLICE_EMPTY);
    buf_init(&text, ROUTE_PASSWORD_MAX);
    enum err e = seal_blob_open(r->role->keys->route, q->destination, q->password, &text);
    if (e)
        log_event(LOG_ERROR, "route-password-lost", LF_S("route", q->destination), LF("reason", err_text(e)));
    else
        password = mem_strdup(buf_slice(&text));
    buf_wipe(&text);
    return password;
}

static void take_routes(struct relay *r, struct slice body)
{
    struct wire in = wire_of(body);
    struct relay_route *first = NULL;
    struct queue_route q;
    for (size_t n = 0; n < RELAY_ROUTES_MAX && !wire_at_end(&in) && queue_route_decode(&in, &q); n++) {
        struct relay_route *route = mem_new(sizeof *route);
        route->destination = mem_strdup(q.destination);
        route->host = mem_strdup(q.host);
        route->port = q.port;
        route->tls = q.tls;
        route->user = mem_strdup(q.user);
        route->password = open_password(r, &q);
        route->next = first;
        first = route;
    }
    relay_routes_replace(r, first);
}

void relay_store_message(void *relay, uint16_t type, struct slice body)
{
    struct relay *r = relay;
    struct wire in = wire_of(body);
    if (type == M_RELAY_WORK)
        take_work(r, body);
    else if (type == M_RELAY_CHUNKS)
        relay_content_came(r, body);
    else if (type == M_RELAY_STATE)
        take_state(r, body);
    else if (type == M_RELAY_ROUTES)
        take_routes(r, body);
    else if (type == M_RELAY_DKIM)
        relay_dkim_take(r, body);
    else if (type == M_RELAY_FORGET)
        relay_forget(r, wire_u64(&in));
    else if (type == M_RELAY_RETRY)
        relay_retry(r, wire_bytes(&in));
}

void relay_store_attach(struct relay *r, int fd)
{
    store_client_attach(r->store, fd);
    r->owed = 0;
    tell_want(r, QUEUE_HELD_MAX);
    relay_content_ask_again(r);
}
