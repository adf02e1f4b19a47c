/* See trace.h. */
#include "smtp/trace.h"

#include "base/clock.h"

/* A name that a peer chose stands in our header: only what host names and address literals are made
 * of, the rest as "?". */
static void put_sanitised(struct buf *out, struct slice name)
{
    static const char allowed[] = "-._:[]";
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool is_fine = ascii_is_alnum(c) || (c != 0 && strchr(allowed, c) != NULL);
        buf_put_byte(out, is_fine ? c : '?');
    }
}

/* RFC 5321 section 4.1.3: an IPv6 literal has a tag. */
static void put_peer(struct buf *out, struct slice peer)
{
    if (peer.n == 0)
        return;
    buf_put_str(out, slice_find_byte(peer, ':') < peer.n ? " ([IPv6:" : " ([");
    buf_put(out, peer);
    buf_put_str(out, "])");
}

static void put_protocol(struct buf *out, const struct trace *t)
{
    /* RFC 3848 and RFC 6531 section 4.3 */
    if (t->is_lmtp)
        buf_put_str(out, t->is_utf8 ? "UTF8LMTP" : "LMTP");
    else
        buf_put_str(out, t->is_utf8 ? "UTF8SMTP" : t->is_extended ? "ESMTP" : "SMTP");
    if (!t->is_extended && !t->is_utf8)
        return;
    if (t->tls.n > 0)
        buf_put_byte(out, 'S');
    if (t->is_submission)
        buf_put_byte(out, 'A');
}

void trace_put(struct buf *out, const struct trace *t)
{
    buf_put_str(out, "Return-Path: <");
    buf_put(out, t->reverse_path);
    buf_put_str(out, ">\r\nReceived: ");
    /* Deviation: RFC 5321 section 4.4 wants a From clause; on submission it would tell the world where
     * our users are (section 7.6 speaks of that). */
    if (!t->hides_client) {
        buf_put_str(out, "from ");
        put_sanitised(out, t->hello);
        put_peer(out, t->peer);
        buf_put_str(out, "\r\n\t");
    }
    buf_put_str(out, "by ");
    buf_put(out, t->host);
    buf_put_str(out, " with ");
    put_protocol(out, t);
    buf_put_str(out, " id ");
    buf_put(out, t->id);
    if (t->tls.n > 0) {
        buf_put_str(out, "\r\n\t(");
        buf_put(out, t->tls);
        buf_put_byte(out, ')');
    }
    if (t->recipient.n > 0) {
        buf_put_str(out, "\r\n\tfor <");
        buf_put(out, t->recipient);
        buf_put_byte(out, '>');
    }
    buf_put_str(out, "; ");
    clock_put_rfc5322(out, t->wall);
    buf_put_str(out, "\r\n");
}
