/* Raw DEFLATE both ways on a stream (RFC 1951, for RFC 4978), by zlib; see stream_internal.h.
 *
 * What comes in is inflated only as far as the session has room for it: a bomb costs its sender's patience
 * and not our memory. Each write is flushed, so that a reply never waits for the next one. */
#include "net/stream_internal.h"

#include <zlib.h>

#define INFLATE_WINDOW (-15)     /* what any peer may use */
#define DEFLATE_WINDOW (-13)     /* ours: 8 KiB back, so that a session stays small */
#define DEFLATE_MEMORY 6
#define DEFLATE_LEVEL 3
#define RECEIVE_BYTES (16 * 1024)
#define SEND_STEP (16 * 1024)

struct deflate_link {
    z_stream in;
    z_stream out;
    bool may_have_more;          /* inflate() filled what it was given */
    uint8_t received[RECEIVE_BYTES];
};

struct deflate_link *deflate_link_new(void)
{
    struct deflate_link *d = mem_new(sizeof *d);
    if (inflateInit2(&d->in, INFLATE_WINDOW) != Z_OK) {
        free(d);
        return NULL;
    }
    if (deflateInit2(&d->out, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW, DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        inflateEnd(&d->in);
        free(d);
        return NULL;
    }
    return d;
}

void deflate_link_free(struct deflate_link *d)
{
    if (!d)
        return;
    inflateEnd(&d->in);
    deflateEnd(&d->out);
    free(d);
}

bool deflate_link_has_buffered(const struct deflate_link *d)
{
    return d->in.avail_in > 0 || d->may_have_more;
}

uint8_t *deflate_link_buffer(struct deflate_link *d, size_t *out_room)
{
    *out_room = sizeof d->received;
    return d->received;
}

void deflate_link_received(struct deflate_link *d, size_t n)
{
    d->in.next_in = d->received;
    d->in.avail_in = (uInt)n;
}

enum err deflate_link_inflate(struct deflate_link *d, uint8_t *p, size_t n, size_t *out_n)
{
    d->in.next_out = p;
    d->in.avail_out = (uInt)n;
    int r = inflate(&d->in, Z_SYNC_FLUSH);
    *out_n = n - d->in.avail_out;
    d->may_have_more = d->in.avail_out == 0;
    if (*out_n > 0)
        return ERR_OK;
    if (r == Z_STREAM_END)
        return ERR_CLOSED;
    return r == Z_OK || r == Z_BUF_ERROR ? ERR_AGAIN : ERR_SYNTAX;
}

void deflate_link_put(struct deflate_link *d, struct slice bytes, struct fifo *out)
{
    d->out.next_in = (Bytef *)(uintptr_t)bytes.p; /* zlib does not write there */
    d->out.avail_in = (uInt)bytes.n;
    do {
        uint8_t *p = fifo_reserve(out, SEND_STEP);
        d->out.next_out = p;
        d->out.avail_out = SEND_STEP;
        int r = deflate(&d->out, Z_SYNC_FLUSH);
        ENSURE(r == Z_OK || r == Z_BUF_ERROR);
        fifo_added(out, SEND_STEP - d->out.avail_out);
    } while (d->out.avail_out == 0);
}
