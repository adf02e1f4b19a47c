/* libunbound on our loop; see dns.h. Its own event base is ours, so nothing blocks and there is no thread. What it
 * thinks of signatures comes beside the packet: a bogus answer has a packet that looks good (`sec` alone tells). */
#include "net/dns.h"

#include <stdio.h>
#include <unbound.h>
#include <unbound-event.h>

#include "base/buf.h"
#include "base/idmap.h"
#include "base/log.h"

#define CLASS_IN 1
#define SEC_BOGUS 1
#define SEC_SECURE 2

struct dns {
    struct loop *loop;
    struct ub_ctx *context;
    struct idmap questions;
    uint64_t last;
};

struct question {
    struct dns *dns;
    uint64_t id;
    int async;
    enum dns_type type;
    struct timer *timer;
    bool is_asked;
    bool is_asking;            /* libunbound may answer from its cache inside the call */
    struct dns_answer *held;   /* owned; what it answered then */
    dns_fn fn;
    void *ctx;
};

/* The root's keys of 2017 and 2024 (IANA). */
static const char *const root_keys[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

static enum err configure(struct ub_ctx *context, struct slice servers)
{
    int rc = ub_ctx_set_option(context, "do-not-query-localhost:", "no");
    if (!rc)
        rc = ub_ctx_set_option(context, "outgoing-range:", "128");
    if (!rc)
        rc = ub_ctx_set_option(context, "infra-cache-max-rtt:", "4000");
    for (size_t i = 0; !rc && servers.n == 0 && i < sizeof root_keys / sizeof root_keys[0]; i++)
        rc = ub_ctx_add_ta(context, root_keys[i]);
    while (!rc && servers.n > 0) {
        char *server = mem_strdup(slice_cut(&servers, ' '));
        if (*server)
            rc = ub_ctx_set_fwd(context, server);
        free(server);
    }
    return rc ? ERR_SYNTAX : ERR_OK;
}

enum err dns_new(struct loop *l, struct slice servers, struct dns **out)
{
    struct dns *d = mem_new(sizeof *d);
    d->loop = l;
    d->context = ub_ctx_create_event(loop_event_base(l));
    enum err e = d->context ? configure(d->context, servers) : ERR_INTERNAL;
    if (e)
        dns_free(d);
    else
        *out = d;
    return e;
}

static void question_free(struct question *q)
{
    idmap_remove(&q->dns->questions, q->id);
    timer_free(q->timer);
    free(q->held);
    free(q);
}

static void free_each(void *ctx, uint64_t id, void *value)
{
    (void)ctx;
    (void)id;
    question_free(value);
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    if (d->context)
        ub_ctx_delete(d->context);
    idmap_each(&d->questions, free_each, NULL);
    idmap_clear(&d->questions);
    free(d);
}

static void finish(struct question *q, const struct dns_answer *a)
{
    dns_fn fn = q->fn;
    void *ctx = q->ctx;
    question_free(q);
    fn(ctx, a);
}

/* data is the question's number, never a pointer: an answer that comes after all finds nothing. */
struct ticket {
    struct dns *dns;
    uint64_t id;
};

static void on_answer(void *data, int rcode, void *packet, int n, int sec, char *why_bogus, int was_ratelimited)
{
    struct ticket *t = data;
    struct question *q = idmap_find(&t->dns->questions, t->id);
    struct dns_answer *a = mem_new(sizeof *a);
    (void)was_ratelimited;
    free(t);
    if (rcode != 0 || !packet || n <= 0)
        a->err = ERR_IO;
    else if (sec == SEC_BOGUS)
        a->err = ERR_DAMAGED;
    else if (q)
        dns_packet_read(slice_of(packet, (size_t)n), q->type, a);
    a->is_secure = sec == SEC_SECURE;
    if (a->err == ERR_DAMAGED)
        log_event(LOG_WARNING, "dns-bogus", LF("why", why_bogus ? why_bogus : ""));
    if (q && q->is_asking) {
        q->held = a;
        timer_start(q->timer, 0);
        return;
    }
    if (q)
        finish(q, a);
    free(a);
}

static void on_timer(void *ctx)
{
    struct question *q = ctx;
    struct dns_answer *a = q->held;
    q->held = NULL;
    if (a) {
        finish(q, a);
        free(a);
        return;
    }
    a = mem_new(sizeof *a);
    a->err = q->is_asked ? ERR_TIMEOUT : ERR_SYNTAX;
    finish(q, a); /* libunbound goes on: its late answer fills the cache */
    free(a);
}

uint64_t dns_ask(struct dns *d, struct slice name, enum dns_type type, dns_fn fn, void *ctx)
{
    struct question *q = mem_new(sizeof *q);
    struct ticket *t = mem_new(sizeof *t);
    q->dns = d;
    q->id = ++d->last;
    q->type = type;
    q->fn = fn;
    q->ctx = ctx;
    q->timer = timer_new(d->loop, on_timer, q);
    idmap_put(&d->questions, q->id, q);
    uint64_t id = q->id;
    *t = (struct ticket){d, id};
    char *text = mem_strdup(name);
    timer_start(q->timer, DNS_PATIENCE_MS);
    q->is_asked = q->is_asking = true;
    if (name.n == 0 || name.n > DNS_NAME_MAX ||
        ub_resolve_event(d->context, text, type, CLASS_IN, t, on_answer, &q->async) != 0) {
        free(t);
        q->is_asked = false;
        timer_start(q->timer, 0);
    }
    q->is_asking = false;
    free(text);
    return id;
}

void dns_cancel(struct dns *d, uint64_t question)
{
    struct question *q = idmap_find(&d->questions, question);
    if (q)
        question_free(q);
}
