/* What relay holds in memory: letters, jobs, destinations; and when what is tried. See relay.h.
 *
 * Back-off belongs to the destination: one that cannot be reached is tried once for all its letters, first
 * after relay.retry-first, then twice as long each time, up to relay.retry-longest, all with a quarter of
 * jitter. A letter that alone was put off (a 4xx in its transaction) goes back to the store until it is
 * due. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/secret.h"
#include "smtp/relay.h"

int64_t relay_now_ms(void)
{
    return clock_wall_us() / 1000;
}

static int64_t back_off(const struct relay *r, uint32_t failures)
{
    uint64_t ms = r->config.retry_first_ms;
    for (uint32_t i = 1; i < failures && ms < r->config.retry_longest_ms; i++)
        ms *= 2;
    if (ms > r->config.retry_longest_ms)
        ms = r->config.retry_longest_ms;
    return (int64_t)(ms - ms / 4 + random_u64() % (ms / 2 + 1));
}

/* ---- destinations ---- */

static void on_destination_timer(void *ctx)
{
    relay_destination_wake(ctx);
}

struct relay_destination *relay_destination_get(struct relay *r, struct slice name)
{
    uint8_t hash[HASH_BYTES];
    uint64_t id;
    hash_blake2b(r->hash_key, name, hash);
    memcpy(&id, hash, sizeof id);
    struct relay_destination *first = idmap_find(&r->destinations, id);
    for (struct relay_destination *d = first; d; d = d->next_same_hash)
        if (slice_equal(slice_str(d->name), name))
            return d;
    struct relay_destination *d = mem_new(sizeof *d);
    d->relay = r;
    d->name = mem_strdup(name);
    d->next_same_hash = first;
    d->timer = timer_new(r->loop, on_destination_timer, d);
    idmap_put(&r->destinations, id, d);
    return d;
}

static const struct relay_route *find_route(const struct relay *r, struct slice domain)
{
    const struct relay_route *smarthost = NULL;
    for (const struct relay_route *t = r->routes; t; t = t->next) {
        if (slice_equal(slice_str(t->destination), domain))
            return t;
        if (slice_equal(slice_str(t->destination), SLICE("*")))
            smarthost = t;
    }
    return smarthost;
}

struct relay_destination *relay_destination_of(struct relay *r, struct slice domain)
{
    const struct relay_route *route = find_route(r, domain);
    struct relay_destination *d;
    if (route && slice_equal(slice_str(route->destination), SLICE("*")))
        d = relay_destination_get(r, SLICE("*"));
    else
        d = relay_destination_get(r, domain);
    d->route = route;
    return d;
}

void relay_destination_wake(struct relay_destination *d)
{
    if (d->is_woken)
        return;
    d->is_woken = true;
    d->next_woken = d->relay->woken;
    d->relay->woken = d;
    loop_again(d->relay->loop);
}

/* ---- jobs ---- */

static void put_job(struct relay_job *j, bool at_front)
{
    struct relay_destination *d = j->destination;
    j->state = JOB_QUEUED;
    j->next = at_front ? d->first : NULL;
    j->prev = at_front ? NULL : d->last;
    *(j->next ? &j->next->prev : &d->last) = j;
    *(j->prev ? &j->prev->next : &d->first) = j;
    d->queued++;
    relay_destination_wake(d);
}

static void take_job(struct relay_job *j)
{
    struct relay_destination *d = j->destination;
    *(j->next ? &j->next->prev : &d->last) = j->prev;
    *(j->prev ? &j->prev->next : &d->first) = j->next;
    j->next = j->prev = NULL;
    d->queued--;
}

void relay_job_put_back(struct relay_job *j)
{
    put_job(j, true);
}

static void recipient_free(struct relay_recipient *p)
{
    free(p->answer);
    free(p);
}

void relay_letter_release(struct relay *r, struct relay_letter *l)
{
    if (l->jobs || l->uses > 0)
        return;
    idmap_remove(&r->letters, l->id);
    free((void *)(uintptr_t)l->head.sender.p);
    free((void *)(uintptr_t)l->head.envid.p);
    free(l);
}

void relay_job_free(struct relay_job *j)
{
    struct relay *r = j->destination->relay;
    struct relay_job **at = &j->letter->jobs;
    while (*at != j)
        at = &(*at)->next_of_letter;
    *at = j->next_of_letter;
    while (j->recipients) {
        struct relay_recipient *p = j->recipients;
        j->recipients = p->next;
        recipient_free(p);
    }
    relay_letter_release(r, j->letter);
    free(j);
}

static struct slice keep(struct slice s)
{
    return slice_of(mem_strdup(s), s.n);
}

static struct relay_letter *letter_get(struct relay *r, const struct queue_work *w)
{
    uint64_t id = w->id / 65536;
    struct relay_letter *l = idmap_find(&r->letters, id);
    if (l)
        return l;
    l = mem_new(sizeof *l);
    l->id = id;
    l->head = w->letter;
    l->head.sender = keep(w->letter.sender);
    l->head.envid = keep(w->letter.envid);
    memcpy(l->uid, w->uid, sizeof l->uid);
    l->created = w->created;
    l->size = w->size;
    l->prefix_size = w->prefix_size;
    l->chunks = w->chunks;
    idmap_put(&r->letters, id, l);
    return l;
}

static bool is_known(const struct relay_letter *l, uint64_t recipient)
{
    for (const struct relay_job *j = l->jobs; j; j = j->next_of_letter)
        for (const struct relay_recipient *p = j->recipients; p; p = p->next)
            if (p->id == recipient)
                return true;
    return false;
}

static struct relay_job *job_get(struct relay_letter *l, struct relay_destination *d)
{
    for (struct relay_job *j = l->jobs; j; j = j->next_of_letter)
        if (j->destination == d && j->state == JOB_QUEUED && j->count < RELAY_RECIPIENTS_MAX)
            return j;
    struct relay_job *j = mem_new(sizeof *j);
    j->letter = l;
    j->destination = d;
    j->recipients_end = &j->recipients;
    j->next_of_letter = l->jobs;
    l->jobs = j;
    put_job(j, false);
    return j;
}

static struct relay_recipient *recipient_new(const struct queue_work *w)
{
    const struct queue_recipient *q = &w->recipient;
    size_t n = q->address.n + q->domain.n + q->orcpt.n + 3;
    struct relay_recipient *p = mem_new(sizeof *p + n);
    char *at = p->text;
    memcpy(at, q->address.p, q->address.n);
    p->address = at;
    at += q->address.n + 1;
    memcpy(at, q->domain.p, q->domain.n);
    p->domain = at;
    at += q->domain.n + 1;
    if (q->orcpt.n)
        memcpy(at, q->orcpt.p, q->orcpt.n);
    p->orcpt = at;
    p->id = w->id;
    p->attempts = w->attempts;
    p->notify = q->notify;
    p->is_noticed = w->is_noticed;
    return p;
}

static void job_add(struct relay_job *j, struct relay_recipient *p)
{
    p->next = NULL;
    *j->recipients_end = p;
    j->recipients_end = &p->next;
    j->count++;
}

void relay_queue_add(struct relay *r, const struct queue_work *w)
{
    struct relay_letter *l = letter_get(r, w);
    if (is_known(l, w->id)) {
        r->owed++; /* handed out a second time by a new store */
        return;
    }
    job_add(job_get(l, relay_destination_of(r, w->recipient.domain)), recipient_new(w));
}

/* ---- outcomes ---- */

void relay_recipient_set(struct relay_recipient *p, enum relay_outcome o, struct slice answer)
{
    p->outcome = o;
    free(p->answer);
    p->answer = mem_strdup(slice_sub(answer, 0, QUEUE_ANSWER_MAX));
}

void relay_job_set(struct relay_job *j, enum relay_outcome o, struct slice answer)
{
    for (struct relay_recipient *p = j->recipients; p; p = p->next)
        if (p->outcome == RELAY_PENDING)
            relay_recipient_set(p, o, answer);
}

static int64_t age_s(const struct relay_letter *l)
{
    int64_t age = clock_wall() - l->created;
    return age > 0 ? age : 0;
}

static bool is_too_old(const struct relay *r, const struct relay_letter *l)
{
    return age_s(l) >= (int64_t)r->config.give_up_s;
}

static void log_recipient(const struct relay_job *j, const struct relay_recipient *p, const char *event)
{
    log_event(LOG_INFO, event, LF_X("letter", j->letter->id), LF_S("from", j->letter->head.sender),
        LF("to", p->address), LF("via", j->destination->name), LF("answer", p->answer ? p->answer : ""));
}

/* Recipients with this outcome go to a job of their own in state `state`; NULL when there are none. */
static struct relay_job *split_off(struct relay_job *j, enum relay_outcome o, enum relay_job_state state)
{
    struct relay_job *out = NULL;
    struct relay_recipient *p = j->recipients, *next;
    j->recipients = NULL;
    j->recipients_end = &j->recipients;
    j->count = 0;
    for (; p; p = next) {
        next = p->next;
        if (p->outcome != o) {
            job_add(j, p);
            continue;
        }
        if (!out) {
            out = mem_new(sizeof *out);
            out->state = state;
            out->letter = j->letter;
            out->destination = j->destination;
            out->recipients_end = &out->recipients;
            out->next_of_letter = j->letter->jobs;
            j->letter->jobs = out;
        }
        job_add(out, p);
    }
    return out;
}

static bool wants_notice(const struct relay *r, const struct relay_job *j)
{
    if (j->letter->head.sender.n == 0 || age_s(j->letter) < (int64_t)r->config.notice_after_s)
        return false;
    for (const struct relay_recipient *p = j->recipients; p; p = p->next)
        if (!p->is_noticed && p->outcome != RELAY_DELIVERED && p->outcome != RELAY_FAILED)
            return true;
    return false;
}

static void settle(struct relay *r, struct relay_job *j)
{
    for (struct relay_recipient *p = j->recipients; p; p = p->next) {
        struct queue_result result = {.kind = QUEUE_DONE, .id = p->id,
            .answer = p->answer ? slice_str(p->answer) : SLICE_EMPTY};
        if (p->outcome == RELAY_DELIVERED) {
            r->delivered++;
        } else {
            result.kind = QUEUE_DEFER;
            result.next = relay_now_ms() + back_off(r, p->attempts + 1);
        }
        log_recipient(j, p, p->outcome == RELAY_DELIVERED ? "sent" : "put-off");
        relay_result(r, &result);
    }
    relay_result_job(r, j);
}

void relay_job_done(struct relay_job *j)
{
    struct relay *r = j->destination->relay;
    for (struct relay_recipient *p = j->recipients; p; p = p->next)
        if (p->outcome == RELAY_LATER && is_too_old(r, j->letter))
            p->outcome = RELAY_FAILED;
    struct relay_job *failed = split_off(j, RELAY_FAILED, JOB_REPORTING);
    if (failed) {
        for (struct relay_recipient *p = failed->recipients; p; p = p->next)
            log_recipient(failed, p, "failed");
        r->failed += failed->count;
        relay_bounce(failed);
    }
    if (wants_notice(r, j))
        relay_notice(j, NULL);
    settle(r, j); /* of no recipients, too: the job goes with the batch */
}

/* ---- destinations that fail ---- */

static void tell_destination(struct relay_destination *d)
{
    struct queue_result result = {.kind = QUEUE_DESTINATION, .failures = d->failures, .next = d->next_try,
        .destination = slice_str(d->name), .answer = d->answer ? slice_str(d->answer) : SLICE_EMPTY};
    relay_result(d->relay, &result);
}

/* Of those that wait: who waits too long fails, who waits long hears of it. */
static void look_at_queue(struct relay_destination *d, bool all_fail)
{
    struct relay_job *next;
    for (struct relay_job *j = d->first; j; j = next) {
        next = j->next;
        if (all_fail || is_too_old(d->relay, j->letter)) {
            take_job(j);
            relay_job_set(j, RELAY_FAILED, slice_str(d->answer));
            relay_job_done(j);
        } else if (wants_notice(d->relay, j)) {
            relay_notice(j, d->answer);
        }
    }
}

void relay_destination_failed(struct relay_destination *d, const char *answer, bool is_permanent)
{
    char *copy = mem_strdup(slice_sub(slice_str(answer), 0, QUEUE_ANSWER_MAX));
    free(d->answer);
    d->answer = copy;
    d->is_proven = false;
    if (is_permanent) {
        look_at_queue(d, true);
        return;
    }
    d->failures++;
    d->next_try = relay_now_ms() + back_off(d->relay, d->failures);
    log_event(LOG_INFO, "destination-failed", LF("to", d->name), LF("why", d->answer),
        LF_U("failures", d->failures), LF_U("next_s", (uint64_t)(d->next_try - relay_now_ms()) / 1000),
        LF_U("waiting", d->queued));
    tell_destination(d);
    look_at_queue(d, false);
    relay_destination_wake(d);
}

void relay_destination_is_well(struct relay_destination *d)
{
    d->is_proven = true;
    d->next_try = 0;
    if (d->failures == 0)
        return;
    d->failures = 0;
    tell_destination(d);
}

/* ---- sending ---- */

static bool must_wait(struct relay_destination *d)
{
    int64_t wait = d->next_try - relay_now_ms();
    if (wait <= 0)
        return false;
    if (d->queued > 0 && !timer_is_running(d->timer))
        timer_start(d->timer, (uint64_t)wait + 1);
    return true;
}

struct relay_job *relay_destination_take(struct relay_destination *d)
{
    struct relay_job *j = d->first;
    if (!j || must_wait(d))
        return NULL;
    take_job(j);
    j->state = JOB_SENDING;
    return j;
}

static void pump(struct relay_destination *d)
{
    struct relay *r = d->relay;
    struct relay_connection *c;
    while (d->first && !must_wait(d) && (c = relay_connection_idle(d)) != NULL)
        relay_connection_ready(c);
    /* As long as it has not shown that it takes letters, one connection knocks. */
    while (d->first && !must_wait(d) && d->connecting < d->queued &&
           d->connection_count < (d->is_proven ? r->config.max_per_destination : 1) &&
           r->connection_count < r->config.max_connections)
        relay_connection_start(d);
}

void relay_pump(struct relay *r)
{
    while (r->woken && !r->is_stopping) {
        struct relay_destination *d = r->woken;
        r->woken = d->next_woken;
        d->is_woken = false;
        pump(d);
    }
}

/* ---- orders ---- */

static void route_free(struct relay_route *t)
{
    free(t->destination);
    free(t->host);
    free(t->user);
    if (t->password)
        secret_wipe(t->password, strlen(t->password));
    free(t->password);
    free(t);
}

struct gathering {
    struct relay *relay;
    struct relay_job *jobs;
};

static void gather_jobs(void *ctx, uint64_t id, void *value)
{
    struct gathering *g = ctx;
    (void)id;
    for (struct relay_destination *d = value; d; d = d->next_same_hash) {
        d->route = NULL;
        d->in_clear = d->is_proven = false;
        d->next_try = 0; /* another way: try it now */
        timer_stop(d->timer);
        for (struct relay_connection *c = relay_connection_idle(d); c; c = relay_connection_idle(d))
            relay_connection_quit(c);
        while (d->first) {
            struct relay_job *j = d->first;
            take_job(j);
            j->next = g->jobs;
            g->jobs = j;
        }
    }
}

/* A job that was gathered from one destination may part into several. */
static void place_again(struct relay *r, struct relay_job *j)
{
    while (j->recipients) {
        struct relay_recipient *p = j->recipients;
        j->recipients = p->next;
        job_add(job_get(j->letter, relay_destination_of(r, slice_str(p->domain))), p);
    }
    relay_job_free(j);
}

void relay_routes_replace(struct relay *r, struct relay_route *routes)
{
    struct gathering g = {.relay = r};
    struct relay_route *old = r->routes;
    idmap_each(&r->destinations, gather_jobs, &g);
    r->routes = routes;
    while (g.jobs) {
        struct relay_job *j = g.jobs;
        g.jobs = j->next;
        j->state = JOB_SENDING; /* none to add recipients to */
        place_again(r, j);
    }
    while (old) {
        struct relay_route *next = old->next;
        route_free(old);
        old = next;
    }
}

void relay_forget(struct relay *r, uint64_t letter)
{
    struct relay_letter *l = idmap_find(&r->letters, letter);
    struct relay_job *next;
    for (struct relay_job *j = l ? l->jobs : NULL; j; j = next) {
        next = j->next_of_letter;
        if (j->state != JOB_QUEUED)
            continue;
        take_job(j);
        r->owed += (uint32_t)j->count;
        relay_job_free(j);
    }
}

static void retry_now(struct relay_destination *d)
{
    d->next_try = 0;
    timer_stop(d->timer);
    relay_destination_wake(d);
}

static void retry_one(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    for (struct relay_destination *d = value; d; d = d->next_same_hash)
        retry_now(d);
}

void relay_retry(struct relay *r, struct slice domain)
{
    if (domain.n > 0)
        retry_now(relay_destination_of(r, domain));
    else
        idmap_each(&r->destinations, retry_one, NULL);
}
