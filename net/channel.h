/* Typed messages between two roles over a UNIX seqpacket socket pair.
 *
 * A message is at most CHANNEL_MESSAGE_MAX bytes: type (u16), then its body; descriptors may ride
 * along. Order is kept. Sending never blocks: what the socket does not take waits in a queue; past
 * CHANNEL_QUEUE_HIGH channel_is_full() tells senders of bulk to wait for on_drained. A peer that
 * lets the queue grow past CHANNEL_QUEUE_MAX is cut off. A message that is malformed ends the
 * channel: the peer is not ours any more. */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include "base/buf.h"
#include "base/slice.h"
#include "net/loop.h"

#define CHANNEL_MESSAGE_MAX (64 * 1024 + 512) /* a 63 KiB chunk, sealed, with its envelope */
#define CHANNEL_QUEUE_HIGH (1024 * 1024)
#define CHANNEL_QUEUE_MAX (64 * 1024 * 1024)
#define CHANNEL_FDS_MAX 16
#define CHANNEL_BATCH 64 /* messages taken per readable event, then others */

struct channel;

struct channel_events {
    /* body is valid during the call. fds are owned by the callee (close or keep); nfds mostly 0. */
    void (*on_message)(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
        size_t nfds);
    void (*on_drained)(void *ctx, struct channel *c); /* may be NULL */
    /* The peer is gone. The channel may be freed here. No callback follows. */
    void (*on_closed)(void *ctx, struct channel *c);
};

/* A connected pair, non-blocking, close-on-exec. */
enum err channel_pair(int out_fds[2]) MUST_CHECK;
/* Owns fd. */
struct channel *channel_new(struct loop *l, int fd, const struct channel_events *events, void *ctx);
/* For use after construction, e.g. when ownership moves to another object. */
void channel_set_ctx(struct channel *c, void *ctx);
void channel_free(struct channel *c);
/* Copies body. fds are duplicated into the message and stay the caller's (close them after).
 * ERR_TOO_BIG, ERR_CLOSED (nothing is sent any more), else ERR_OK: sent or queued. */
enum err channel_send(struct channel *c, uint16_t type, struct slice body, const int *fds, size_t nfds)
    MUST_CHECK;
bool channel_is_full(const struct channel *c);
/* Blocks until one message comes (for a role's start, before its loop runs). body is appended to. */
enum err channel_wait_message(int fd, uint16_t *out_type, struct buf *body, int *fds, size_t *inout_nfds)
    MUST_CHECK;
/* Waits (bounded by ms) until the queue is with the kernel. */
enum err channel_flush(struct channel *c, unsigned ms) MUST_CHECK;

#endif
