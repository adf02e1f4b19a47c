/* A connection: plain or TLS behind one face, non-blocking, with back-pressure both ways.
 *
 * Timeline of the callbacks: stream_new() → (TLS: handshake → on_secure) → on_data, as often as there
 * is new input and reading is not paused → on_writable, once after output that was over the high
 * water mark has drained below STREAM_OUTPUT_LOW → on_timeout, at most once per deadline →
 * on_closed, exactly once and last, unless stream_free() came before. No callback comes inside a
 * call of a stream_ function; all come from the loop.
 *
 * Input is held until consumed, up to the input maximum; then the socket is not read (the peer
 * waits). Output is sent as the socket takes it; a session that has more to say than
 * stream_output_room() waits for on_writable. Idle streams hold no buffers. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/err.h"
#include "base/slice.h"
#include "net/loop.h"
#include "net/tls.h"

#define STREAM_INPUT_DEFAULT (16 * 1024)  /* what a connection may make us hold before login */
#define STREAM_OUTPUT_HIGH (128 * 1024)   /* sessions stop producing here */
#define STREAM_OUTPUT_LOW (32 * 1024)
#define STREAM_OUTPUT_MAX (512 * 1024)    /* beyond this a session's author was careless: closed */
#define STREAM_READ_STEP (64 * 1024)      /* read at most this much per readable event, then others */

struct stream;

struct stream_events {
    void (*on_data)(void *ctx);
    void (*on_writable)(void *ctx);
    void (*on_secure)(void *ctx);              /* the TLS handshake is done */
    void (*on_timeout)(void *ctx);             /* idle or deadline; NULL: the stream closes */
    void (*on_closed)(void *ctx, enum err why); /* ERR_CLOSED: the peer ended it properly */
};

/* Takes ownership of fd (a connected socket, TCP or UNIX). */
struct stream *stream_new(struct loop *l, int fd, const struct stream_events *events, void *ctx);
/* Sends nothing more; closes at once. May be called from inside a callback. No callback follows. */
void stream_free(struct stream *s);
/* Writes what is pending (with TLS: close_notify), then closes; at most STREAM_LINGER_MS. Input is
 * no longer read. on_closed follows. */
#define STREAM_LINGER_MS 10000
void stream_finish(struct stream *s);

/* All input not yet consumed; valid until the next stream_ call on s. */
struct slice stream_input(struct stream *s);
void stream_consume(struct stream *s, size_t n);
/* Drops what has come of an overlong line that was told of; true while more of it is still to come. For who
 * chooses max by what the input begins with: only behind this is that the line. */
bool stream_skips_line(struct stream *s);
/* A line ended by CRLF within max bytes (with the CRLF). ERR_OK: *out_line is it without the CRLF,
 * valid until the next stream_ call, already consumed. ERR_AGAIN: not yet. ERR_TOO_BIG: longer than
 * max (or than the input maximum); told once, and all of the line is dropped, also what of it is
 * still to come. ERR_SYNTAX: a bare LF or CR (or NUL) stands in it; the bytes up to the LF are
 * consumed.
 * With lenient_lf a bare LF ends a line too (IMAP and POP3 clients of old). */
enum err stream_line(struct stream *s, size_t max, bool lenient_lf, struct slice *out_line) MUST_CHECK;
void stream_set_input_max(struct stream *s, size_t max);
/* While paused nothing is read and on_data does not come. Input that is there stays. After resume,
 * on_data comes (from the loop) when input is held, also without new bytes. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

void stream_write(struct stream *s, struct slice bytes);
void stream_write_str(struct stream *s, const char *nul_ended);
size_t stream_output_pending(const struct stream *s);
/* How much may be written before STREAM_OUTPUT_HIGH; 0 arms on_writable. */
size_t stream_output_room(struct stream *s);

/* Ends with on_timeout when for so long neither a byte was taken from the peer nor by it. 0: off.
 * Each byte resets it: combine with a deadline against drips. */
void stream_set_idle_timeout(struct stream *s, uint64_t ms);
/* A total: on_timeout so long from now whatever the peer does, until set again. 0: off. */
void stream_set_deadline(struct stream *s, uint64_t ms);

/* Server side. Whatever came in clear and was not consumed is dropped (RFC 3207 section 4.2; command
 * injection). What is pending in clear is sent first. on_secure or on_closed follows. When TLS ends,
 * the connection ends: no clear byte is read after it. */
void stream_start_tls(struct stream *s, struct tls_context *tls);
/* Client side, with a context of tls_context_new_client(). host: the name that is asked for (SNI), not for
 * an address; may be empty. As above otherwise. */
void stream_start_tls_client(struct stream *s, struct tls_context *tls, struct slice host);
/* After on_secure of a client: whether the chain leads to a trust anchor and covers host. ERR_DENIED: no. */
enum err stream_verify_peer(const struct stream *s, struct slice host) MUST_CHECK;
/* From now on both ways are raw DEFLATE (RFC 4978); what was written before goes out as it is. False:
 * there is no memory, it is compressed already, or clear bytes wait to be read. */
bool stream_start_deflate(struct stream *s);
bool stream_is_secure(const struct stream *s);
/* True when unread clear bytes stood behind the STARTTLS line and were dropped. */
bool stream_dropped_clear_input(const struct stream *s);
/* For logs: "TLS1.3 TLS_AES_256_GCM_SHA384"; empty when plain. NUL-ended, lives as long as s. */
const char *stream_tls_description(const struct stream *s);
/* RFC 9266 tls-exporter / RFC 5929 tls-server-end-point channel binding; ERR_UNSUPPORTED when none
 * (TLS 1.2 without extended master secret). out: at least 64 bytes. */
enum stream_binding { STREAM_BINDING_EXPORTER, STREAM_BINDING_SERVER_END_POINT };
enum err stream_channel_binding(struct stream *s, enum stream_binding kind, uint8_t *out,
    size_t *out_n) MUST_CHECK;
/* "10.0.0.1" / "2001:db8::1" of the peer; "" for UNIX sockets. Lives as long as s. */
const char *stream_peer(const struct stream *s);
/* The peer is another than the socket's, as a front said. */
void stream_set_peer(struct stream *s, const char *address);

#endif
