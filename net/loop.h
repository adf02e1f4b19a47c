/* The event loop of a role: one per process, single-threaded. Hides libevent.
 *
 * A turn is: wait, run the callbacks of everything that is ready, run what was deferred, run the
 * turn-end hook. `store` commits in its turn-end hook, so that all that came in a turn shares one
 * transaction. Nothing may block inside a callback. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"
#include "base/slice.h"

struct loop;
struct timer;
struct watch;

typedef void (*loop_fn)(void *ctx);

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs turns until loop_stop(). */
void loop_run(struct loop *l);
/* One turn; waits at most wait_ms for something to happen. For tests and for synchronous starts. */
void loop_turn(struct loop *l, unsigned wait_ms);
void loop_stop(struct loop *l);
void loop_on_turn_end(struct loop *l, loop_fn fn, void *ctx);
/* Runs fn once, after the callbacks of this turn. This is how sessions are freed: never inside their
 * own call stack. */
void loop_defer(struct loop *l, loop_fn fn, void *ctx);
/* A turn follows at once, without waiting: for work that goes on in slices. */
void loop_again(struct loop *l);
/* fn runs in the loop, not in the signal handler. */
void loop_on_signal(struct loop *l, int signal_number, loop_fn fn, void *ctx);

/* One-shot timers on the monotonic clock. */
struct timer *timer_new(struct loop *l, loop_fn fn, void *ctx);
void timer_start(struct timer *t, uint64_t ms);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);
void timer_free(struct timer *t);

/* A descriptor that this process does not read by stream or channel (libunbound's, a signalfd). */
struct watch *watch_new(struct loop *l, int fd, bool readable, bool writable,
    void (*fn)(void *ctx, bool readable, bool writable), void *ctx);
void watch_set(struct watch *w, bool readable, bool writable);
void watch_free(struct watch *w);

/* The libevent base, for libraries that run on it (libunbound). Only net/ may look inside. */
void *loop_event_base(struct loop *l);

#endif
