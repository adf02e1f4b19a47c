/* The outbound queue inside the store; see store_queue.c. For the store's own files. */
#ifndef STORAGE_STORE_QUEUE_H
#define STORAGE_STORE_QUEUE_H

#include "storage/queue.h"
#include "storage/store.h"

int64_t store_queue_now(void);
int64_t store_queue_due(const struct store *s, int64_t wanted, int64_t id);
/* Puts a letter that is being committed into the queue. outbound: queue_letter and its recipients; staged:
 * more of them. ERR_DENIED: the sender is not the account's. ERR_LIMIT: a brake. */
enum err store_queue_put(struct store *s, uint64_t account, int64_t letter, struct slice outbound,
    struct slice staged) MUST_CHECK;
enum err store_queue_results(struct store *s, struct wire in) MUST_CHECK;
enum err store_queue_settle(struct store *s, int64_t letter) MUST_CHECK;
enum err store_do_relay_result(struct store *s, struct store_work *w) MUST_CHECK;
/* After each turn: hands out what came in it and what is due. */
void store_queue_turn(struct store *s, bool has_committed);
/* Once a second. */
void store_queue_tick(struct store *s);
/* The peer is gone: what it held is handed out again to the next one. */
void store_queue_forget_relay(struct store *s, const struct store_peer *p);
void store_queue_send_routes(struct store *s);
void store_queue_send_dkim(struct store *s);
void store_on_relay_want(struct store *s, struct store_peer *p, struct slice body);
void store_on_relay_fetch(struct store *s, struct store_peer *p, struct slice body);
void store_queue_tell_forget(struct store *s, int64_t letter);
void store_queue_tell_retry(struct store *s, struct slice destination);

#endif
