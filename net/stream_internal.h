/* What stream.c and stream_tls.c share. Internal to net/.
 *
 *     OPEN ──start_tls──> HANDSHAKE ──done──> OPEN
 *       └────── finish ──────┴──> ENDING ──all sent──> LINGER ──EOF, limit──> CLOSED
 *     any state ──error, EOF, stream_free──> CLOSED
 */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H

#include <gnutls/gnutls.h>
#include <netinet/in.h>

#include "net/fifo.h"
#include "net/loop_internal.h"
#include "net/stream.h"

enum stream_state {
    STREAM_OPEN,
    STREAM_HANDSHAKE,
    STREAM_ENDING, /* output is being sent, then we close */
    STREAM_LINGER, /* our side is shut; the peer's rest is read and dropped */
    STREAM_CLOSED
};

#define STREAM_READ_LEAST 4096               /* the first read of a burst */
#define STREAM_LINGER_BYTES (256 * 1024)     /* dropped after our end, then the peer gets a reset */
#define STREAM_TLS_TEXT 96

struct stream {
    struct loop *loop; /* borrowed */
    const struct stream_events *events;
    void *ctx;
    int fd; /* owned; -1 when closed */
    enum stream_state state;
    enum err why; /* why the end is near; ERR_OK: it is not */
    unsigned busy; /* callbacks on the stack */

    bool freed;         /* stream_free() came inside a callback */
    bool tcp;
    bool paused;
    bool eof;           /* the peer ended; nothing is read any more */
    bool deliver;       /* held input that on_data has not been told of */
    bool skipping_line; /* the rest of a line that was too long is dropped */
    bool dropped_clear;
    bool over_high;     /* on_writable is owed */
    bool reading;       /* rd is added */
    bool writing;       /* wr is added */

    struct fifo in;
    struct fifo out; /* in clear; what is encrypted already waits in tls */
    size_t in_max;
    size_t read_step;
    size_t linger_left;

    struct event rd;
    struct event wr;
    struct event timer;
    struct loop_task work;
    struct loop_task flush;
    uint64_t timer_due; /* 0: not running */
    uint64_t idle_ms;
    uint64_t last_activity;
    uint64_t deadline;
    uint64_t linger_due;

    struct tls_link *tls; /* owned; NULL: plain */
    struct deflate_link *deflate; /* owned; NULL: not compressed */
    char peer[INET6_ADDRSTRLEN];
    char tls_text[STREAM_TLS_TEXT];
};

/* stream.c, for stream_tls.c: one send() of what f holds. ERR_AGAIN: the socket took less. */
enum err stream_send_fifo(int fd, struct fifo *f, bool *out_progress) MUST_CHECK;

/* stream_tls.c: a TLS session on a descriptor, between two byte queues of its own. */
struct tls_link;

/* clear: sent before the first TLS byte; its bytes move into the link. NULL without memory or with
 * credentials that GnuTLS refuses. */
struct tls_link *tls_link_new(struct tls_context *context, int fd, struct fifo *clear);
void tls_link_free(struct tls_link *t);
/* Client: before the handshake, and after it. */
void tls_link_ask_for(struct tls_link *t, struct slice host);
enum err tls_link_verify(const struct tls_link *t, struct slice host) MUST_CHECK;
/* A readable event came: the socket may be read again. */
void tls_link_wake(struct tls_link *t);
/* ERR_OK: done. ERR_AGAIN. ERR_CLOSED, ERR_IO, ERR_SYNTAX: failed; an alert may wait to be sent. */
enum err tls_link_handshake(struct tls_link *t) MUST_CHECK;
bool tls_link_is_secure(const struct tls_link *t);
/* Decrypted bytes. ERR_CLOSED: close_notify or EOF; from then on always. */
enum err tls_link_receive(struct tls_link *t, uint8_t *p, size_t n, size_t *out_n) MUST_CHECK;
/* Whether tls_link_receive() or the handshake may go on without new bytes from the socket. */
bool tls_link_has_buffered(const struct tls_link *t);
/* Encrypts from `clear` and sends. ERR_OK: all is with the kernel. ERR_AGAIN: wait for writable. */
enum err tls_link_transmit(struct tls_link *t, struct fifo *clear, bool *out_progress) MUST_CHECK;
/* Encrypted bytes that wait for the socket. */
size_t tls_link_pending(const struct tls_link *t);
/* Queues close_notify once; tls_link_transmit() sends it. */
void tls_link_goodbye(struct tls_link *t);
/* Gives back what an idle connection does not need. */
void tls_link_trim(struct tls_link *t);
void tls_link_describe(const struct tls_link *t, char *out, size_t cap);
enum err tls_link_binding(const struct tls_link *t, enum stream_binding kind, uint8_t *out,
    size_t *out_n) MUST_CHECK;

/* stream_deflate.c */
struct deflate_link;

/* NULL without memory. */
struct deflate_link *deflate_link_new(void);
void deflate_link_free(struct deflate_link *d);
/* Where compressed bytes are to be received, when deflate_link_has_buffered() is false; and how many came. */
uint8_t *deflate_link_buffer(struct deflate_link *d, size_t *out_room);
void deflate_link_received(struct deflate_link *d, size_t n);
/* Whether deflate_link_inflate() may go on without new bytes. */
bool deflate_link_has_buffered(const struct deflate_link *d);
/* At most n bytes. ERR_AGAIN: nothing without new bytes. ERR_CLOSED: the peer ended it. ERR_SYNTAX: no DEFLATE. */
enum err deflate_link_inflate(struct deflate_link *d, uint8_t *p, size_t n, size_t *out_n) MUST_CHECK;
/* Appends the compressed bytes, flushed. */
void deflate_link_put(struct deflate_link *d, struct slice bytes, struct fifo *out);

/* tls.c */
enum err tls_context_begin(struct tls_context *c, gnutls_session_t *out) MUST_CHECK;

#endif
