/* What streams, channels and listeners see of the loop. Internal to net/.
 *
 * A task is a function that waits to be run once, embedded in its owner, so that queueing costs no
 * memory and freeing the owner can cancel it. Two kinds: work (state changes whose callbacks must
 * come from the loop) runs with what was deferred; flush (output gathered by all callbacks of the
 * turn) runs after all that, so that one send carries it. */
#ifndef NET_LOOP_INTERNAL_H
#define NET_LOOP_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "net/loop.h"

struct loop_task {
    loop_fn fn;
    void *ctx;
    struct loop_task *next;
    struct loop_task **link; /* what points to this one; NULL when not queued */
};

/* Queued already: nothing changes. */
void loop_queue_work(struct loop *l, struct loop_task *t);
void loop_queue_flush(struct loop *l, struct loop_task *t);
void loop_cancel(struct loop *l, struct loop_task *t);
struct event_base *loop_base(struct loop *l);
/* event_add() in milliseconds; our own events never fail to be added but for lack of memory. */
void loop_event_add(struct event *ev);
void loop_event_add_ms(struct event *ev, uint64_t ms);

#endif
