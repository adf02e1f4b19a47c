/* The queue before the hash roles: known networks first, then whoever's network was served longest ago,
 * so that one that floods us with guesses delays itself and not the household. */
#include "base/log.h"
#include "base/secret.h"
#include "storage/auth_internal.h"

#define HASH_TRIES_MAX 2   /* a worker died over it once: bad luck; twice: not again */

struct hash_job {
    struct hash_job *next;
    hash_done_fn fn;             /* NULL: cancelled while a worker has it */
    void *ctx;
    uint64_t req;
    uint64_t network;
    bool is_known;
    unsigned tries;
    uint8_t salt[ARGON2ID_SALT_BYTES];
    uint64_t opslimit;
    uint64_t memlimit;
    uint8_t *password;           /* in the locked arena; password_n bytes */
    size_t password_n;
};

static void job_free(struct hash_job *j)
{
    secret_free(j->password, j->password_n);
    free(j);
}

static void job_finish(struct hash_job *j, enum err e, const uint8_t *ph)
{
    if (j->fn)
        j->fn(j->ctx, e, ph);
    job_free(j);
}

static size_t count_of_network(const struct auth *a, uint64_t network)
{
    size_t n = 0;
    for (const struct hash_job *j = a->hash_queue; j; j = j->next)
        n += j->network == network;
    return n;
}

static bool may_wait(struct auth *a, uint64_t network, bool is_known)
{
    if (network == 0)
        return true;
    if (a->hash_count >= LOGIN_QUEUE_MAX)
        return false;
    return is_known || count_of_network(a, network) < LOGIN_QUEUE_NETWORK_MAX;
}

enum err auth_hash(struct auth *a, const struct hash_order *order, hash_done_fn fn, void *ctx,
    struct hash_job **out)
{
    if (!may_wait(a, order->network, order->is_known) || order->password.n > PASSWORD_BYTES_MAX)
        return ERR_LIMIT;
    uint8_t *password = secret_new(order->password.n);
    if (!password)
        return ERR_LIMIT;
    struct hash_job *j = mem_new(sizeof *j);
    *j = (struct hash_job){.fn = fn, .ctx = ctx, .req = ++a->next_request, .network = order->network,
        .is_known = order->network == 0 || order->is_known,
        .opslimit = order->opslimit, .memlimit = order->memlimit, .password = password,
        .password_n = order->password.n};
    memcpy(j->salt, order->salt, sizeof j->salt);
    if (order->password.n)
        memcpy(password, order->password.p, order->password.n);
    struct hash_job **end = &a->hash_queue;
    while (*end)
        end = &(*end)->next;
    *end = j;
    a->hash_count++;
    *out = j;
    auth_hash_dispatch(a);
    return ERR_OK;
}

static void unlink_job(struct auth *a, struct hash_job *job)
{
    for (struct hash_job **at = &a->hash_queue; *at; at = &(*at)->next) {
        if (*at != job)
            continue;
        *at = job->next;
        job->next = NULL;
        a->hash_count--;
        return;
    }
}

void auth_hash_cancel(struct auth *a, struct hash_job *job)
{
    job->fn = NULL;
    for (struct auth_peer *p = a->peers; p; p = p->next)
        if (p->job == job)
            return;
    unlink_job(a, job);
    job_free(job);
}

/* Whether a worker is busy for this network: then others come first. */
static unsigned busy_for(const struct auth *a, uint64_t network)
{
    unsigned n = 0;
    for (const struct auth_peer *p = a->peers; p; p = p->next)
        n += p->job && p->job->network == network;
    return n;
}

/* The next job: known networks before others; among those the network that has fewest at work and is not
 * the one served last; then the oldest. */
static struct hash_job *choose(struct auth *a)
{
    struct hash_job *best = NULL;
    unsigned best_score = 0;
    for (struct hash_job *j = a->hash_queue; j; j = j->next) {
        unsigned score = (j->is_known ? 0 : 100) + 2 * busy_for(a, j->network) +
            (j->network == a->hash_turn ? 1 : 0);
        if (best && score >= best_score)
            continue;
        best = j;
        best_score = score;
    }
    return best;
}

static void give(struct auth *a, struct auth_peer *worker, struct hash_job *j)
{
    struct buf body;
    unlink_job(a, j);
    worker->job = j;
    j->tries++;
    a->hash_turn = j->network;
    buf_init(&body, PASSWORD_BYTES_MAX + 64);
    wire_put_u64(&body, j->req);
    wire_put_u64(&body, j->opslimit);
    wire_put_u64(&body, j->memlimit);
    buf_put_bytes(&body, j->salt, sizeof j->salt);
    wire_put_bytes(&body, slice_of(j->password, j->password_n));
    auth_send(worker, M_HASH, &body, NULL, 0);
    buf_wipe(&body);
}

void auth_hash_dispatch(struct auth *a)
{
    for (struct auth_peer *p = a->peers; p && a->hash_queue; p = p->next)
        if (p->role == ROLE_HASH && !p->job)
            give(a, p, choose(a));
}

void auth_hash_on_reply(struct auth *a, struct auth_peer *worker, struct slice body)
{
    struct wire w = wire_of(body);
    uint8_t ph[HASH_BYTES];
    uint64_t req = wire_u64(&w);
    enum err e = (enum err)wire_u16(&w);
    wire_copy(&w, ph, sizeof ph);
    struct hash_job *j = worker->job;
    if (!wire_done(&w) || !j || j->req != req) {
        log_event(LOG_ERROR, "hash-reply-refused", LF_U("instance", worker->instance));
        return;
    }
    worker->job = NULL;
    job_finish(j, e, ph);
    secret_wipe(ph, sizeof ph);
    auth_hash_dispatch(a);
}

void auth_hash_on_worker_gone(struct auth *a, struct auth_peer *worker)
{
    struct hash_job *j = worker->job;
    worker->job = NULL;
    if (!j)
        return;
    if (!j->fn || j->tries >= HASH_TRIES_MAX) {
        job_finish(j, ERR_STORE_GONE, NULL);
        return;
    }
    j->next = a->hash_queue;
    a->hash_queue = j;
    a->hash_count++;
    auth_hash_dispatch(a);
}
