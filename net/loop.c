/* The event loop over libevent; see loop.h for the order of a turn. */
#include <signal.h>

#include "base/buf.h"
#include "net/loop_internal.h"

struct deferred {
    loop_fn fn;
    void *ctx;
};

struct deferred_list {
    struct deferred *items; /* owned */
    size_t n;
    size_t cap;
};

struct task_list {
    struct loop_task *first;
    struct loop_task **end;
    struct loop_task marker; /* where the round that runs now ends */
};

struct loop_signal {
    struct loop_signal *next;
    struct event ev;
    loop_fn fn;
    void *ctx;
};

struct loop {
    struct event_base *base; /* owned */
    struct event wake;       /* bounds the wait of a turn */
    struct deferred_list deferred;
    struct deferred_list running;
    struct task_list work;
    struct task_list flush;
    struct loop_signal *signals; /* owned */
    loop_fn turn_end;
    void *turn_end_ctx;
    bool again;
    bool stopped;
};

struct timer {
    struct event ev;
    loop_fn fn;
    void *ctx;
};

struct watch {
    struct event ev;
    struct loop *loop;
    int fd;
    void (*fn)(void *ctx, bool readable, bool writable);
    void *ctx;
};

static void list_init(struct task_list *t)
{
    t->first = NULL;
    t->end = &t->first;
}

static void list_add(struct task_list *list, struct loop_task *t)
{
    if (t->link)
        return;
    t->next = NULL;
    t->link = list->end;
    *list->end = t;
    list->end = &t->next;
}

static void list_remove(struct task_list *list, struct loop_task *t)
{
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    else if (list->end == &t->next)
        list->end = t->link;
    t->link = NULL;
}

/* Runs what is queued now; what these queue waits for the next turn. A marker ends the round, so
 * that a task may be cancelled or queued by another while the round goes on. */
static void list_run(struct task_list *list)
{
    if (!list->first)
        return;
    list_add(list, &list->marker);
    while (list->first && list->first != &list->marker) {
        struct loop_task *t = list->first;
        list_remove(list, t);
        t->fn(t->ctx);
    }
    if (list->marker.link)
        list_remove(list, &list->marker);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
}

struct loop *loop_new(void)
{
    struct loop *l = mem_new(sizeof *l);
    struct event_config *config = event_config_new();
    ENSURE(config != NULL);
    ENSURE(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    ENSURE(l->base != NULL);
    ENSURE(event_assign(&l->wake, l->base, -1, 0, on_wake, NULL) == 0);
    list_init(&l->work);
    list_init(&l->flush);
    signal(SIGPIPE, SIG_IGN);
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (l->signals) {
        struct loop_signal *s = l->signals;
        l->signals = s->next;
        event_del(&s->ev);
        free(s);
    }
    event_del(&l->wake);
    event_base_free(l->base);
    free(l->deferred.items);
    free(l->running.items);
    free(l);
}

static void run_deferred(struct loop *l)
{
    struct deferred_list round = l->deferred;
    l->deferred = l->running;
    l->running = (struct deferred_list){0};
    for (size_t i = 0; i < round.n; i++)
        round.items[i].fn(round.items[i].ctx);
    round.n = 0;
    l->running = round;
}

static bool has_more(const struct loop *l)
{
    return l->again || l->stopped || l->deferred.n || l->work.first || l->flush.first;
}

/* wait: NULL is for ever. */
static void turn(struct loop *l, const struct timeval *wait)
{
    int flags = EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_ONCE;
    if (has_more(l) || (wait && wait->tv_sec == 0 && wait->tv_usec == 0))
        flags |= EVLOOP_NONBLOCK;
    else if (wait)
        ENSURE(event_add(&l->wake, wait) == 0);
    l->again = false;
    ENSURE(event_base_loop(l->base, flags) >= 0);
    if (wait)
        event_del(&l->wake);
    run_deferred(l);
    list_run(&l->work);
    list_run(&l->flush);
    if (l->turn_end)
        l->turn_end(l->turn_end_ctx);
}

void loop_turn(struct loop *l, unsigned wait_ms)
{
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = (long)(wait_ms % 1000) * 1000};
    turn(l, &wait);
}

void loop_run(struct loop *l)
{
    while (!l->stopped)
        turn(l, NULL);
    l->stopped = false;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

void loop_on_turn_end(struct loop *l, loop_fn fn, void *ctx)
{
    l->turn_end = fn;
    l->turn_end_ctx = ctx;
}

void loop_defer(struct loop *l, loop_fn fn, void *ctx)
{
    struct deferred_list *d = &l->deferred;
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->items = mem_resize(d->items, d->cap * sizeof *d->items);
    }
    d->items[d->n++] = (struct deferred){fn, ctx};
}

void loop_again(struct loop *l)
{
    l->again = true;
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    struct loop_signal *s = ctx;
    (void)number;
    (void)what;
    s->fn(s->ctx);
}

void loop_on_signal(struct loop *l, int signal_number, loop_fn fn, void *ctx)
{
    struct loop_signal *s = mem_new(sizeof *s);
    s->fn = fn;
    s->ctx = ctx;
    s->next = l->signals;
    l->signals = s;
    ENSURE(event_assign(&s->ev, l->base, signal_number, EV_SIGNAL | EV_PERSIST, on_signal, s) == 0);
    loop_event_add(&s->ev);
}

void loop_queue_work(struct loop *l, struct loop_task *t)
{
    list_add(&l->work, t);
}

void loop_queue_flush(struct loop *l, struct loop_task *t)
{
    list_add(&l->flush, t);
}

void loop_cancel(struct loop *l, struct loop_task *t)
{
    if (t->link)
        list_remove(l->work.end == &t->next ? &l->work : &l->flush, t);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

void *loop_event_base(struct loop *l)
{
    return l->base;
}

void loop_event_add(struct event *ev)
{
    ENSURE(event_add(ev, NULL) == 0);
}

void loop_event_add_ms(struct event *ev, uint64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    ENSURE(event_add(ev, &wait) == 0);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct timer *t = ctx;
    (void)fd;
    (void)what;
    t->fn(t->ctx); /* may free t */
}

struct timer *timer_new(struct loop *l, loop_fn fn, void *ctx)
{
    struct timer *t = mem_new(sizeof *t);
    t->fn = fn;
    t->ctx = ctx;
    ENSURE(event_assign(&t->ev, l->base, -1, 0, on_timer, t) == 0);
    return t;
}

void timer_start(struct timer *t, uint64_t ms)
{
    loop_event_add_ms(&t->ev, ms);
}

void timer_stop(struct timer *t)
{
    event_del(&t->ev);
}

bool timer_is_running(const struct timer *t)
{
    return event_pending(&t->ev, EV_TIMEOUT, NULL) != 0;
}

void timer_free(struct timer *t)
{
    if (!t)
        return;
    event_del(&t->ev);
    free(t);
}

static void on_watch(evutil_socket_t fd, short what, void *ctx)
{
    struct watch *w = ctx;
    (void)fd;
    w->fn(w->ctx, what & EV_READ, what & EV_WRITE); /* may free w */
}

struct watch *watch_new(struct loop *l, int fd, bool readable, bool writable,
    void (*fn)(void *ctx, bool readable, bool writable), void *ctx)
{
    struct watch *w = mem_new(sizeof *w);
    w->loop = l;
    w->fd = fd;
    w->fn = fn;
    w->ctx = ctx;
    ENSURE(event_assign(&w->ev, l->base, fd, EV_READ | EV_PERSIST, on_watch, w) == 0);
    watch_set(w, readable, writable);
    return w;
}

void watch_set(struct watch *w, bool readable, bool writable)
{
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    event_del(&w->ev);
    if (!what)
        return;
    ENSURE(event_assign(&w->ev, w->loop->base, w->fd, (short)(what | EV_PERSIST), on_watch, w) == 0);
    loop_event_add(&w->ev);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    event_del(&w->ev);
    free(w);
}
