/* Where connections of a front wait until their PROXY header has come. The header alone is taken from the
 * socket; what follows it, TLS for instance, is as it would be without. */
#ifndef NET_PROXY_GATE_H
#define NET_PROXY_GATE_H

#include "net/loop.h"

#define PROXY_WAIT_MS 5000      /* for the whole header */
#define PROXY_WAITING_MAX 1000  /* connections; more are closed */

struct proxy_gate;
/* Owns fd. peer: the address of the client, "" when the front speaks for itself. */
typedef void (*proxy_fn)(void *ctx, int fd, const char *peer);

struct proxy_gate *proxy_gate_new(struct loop *l);
/* Closes what waits. NULL is fine. */
void proxy_gate_free(struct proxy_gate *g);
/* Takes fd (non-blocking). fn follows from the loop; it never does when the header is wrong or late: then fd is closed and
 * the log says why. */
void proxy_gate_take(struct proxy_gate *g, int fd, proxy_fn fn, void *ctx);

#endif
