/* Encoding of the queue's messages; see queue.h. Decoders check every length against its limit. */
#include "storage/queue.h"

void queue_letter_encode(const struct queue_letter *q, struct buf *out)
{
    wire_put_short(out, q->sender);
    wire_put_u8(out, q->flags);
    wire_put_short(out, q->envid);
    buf_put_bytes(out, q->epoch_public, sizeof q->epoch_public);
    buf_put_bytes(out, q->wrap, sizeof q->wrap);
}

bool queue_letter_decode(struct wire *w, struct queue_letter *out)
{
    out->sender = wire_short(w);
    out->flags = wire_u8(w);
    out->envid = wire_short(w);
    wire_copy(w, out->epoch_public, sizeof out->epoch_public);
    wire_copy(w, out->wrap, sizeof out->wrap);
    return !w->failed && out->sender.n <= QUEUE_ADDRESS_MAX && out->envid.n <= QUEUE_ENVID_MAX;
}

void queue_recipient_encode(const struct queue_recipient *r, struct buf *out)
{
    wire_put_short(out, r->address);
    wire_put_short(out, r->domain);
    wire_put_u8(out, r->notify);
    wire_put_short(out, r->orcpt);
}

bool queue_recipient_decode(struct wire *w, struct queue_recipient *out)
{
    out->address = wire_short(w);
    out->domain = wire_short(w);
    out->notify = wire_u8(w);
    out->orcpt = wire_short(w);
    return !w->failed && out->address.n > 0 && out->address.n <= QUEUE_ADDRESS_MAX && out->domain.n > 0 &&
        out->domain.n <= ROUTE_HOST_MAX && out->orcpt.n <= QUEUE_ORCPT_MAX;
}

void queue_work_encode(const struct queue_work *q, struct buf *out)
{
    wire_put_u64(out, q->id);
    wire_put_u32(out, q->attempts);
    wire_put_u8(out, q->is_noticed);
    queue_recipient_encode(&q->recipient, out);
    queue_letter_encode(&q->letter, out);
    buf_put_bytes(out, q->uid, sizeof q->uid);
    wire_put_u64(out, (uint64_t)q->created);
    wire_put_u64(out, q->size);
    wire_put_u32(out, q->prefix_size);
    wire_put_u32(out, q->chunks);
}

bool queue_work_decode(struct wire *w, struct queue_work *out)
{
    out->id = wire_u64(w);
    out->attempts = wire_u32(w);
    out->is_noticed = wire_u8(w) != 0;
    if (!queue_recipient_decode(w, &out->recipient) || !queue_letter_decode(w, &out->letter))
        return false;
    wire_copy(w, out->uid, sizeof out->uid);
    out->created = (int64_t)wire_u64(w);
    out->size = wire_u64(w);
    out->prefix_size = wire_u32(w);
    out->chunks = wire_u32(w);
    return !w->failed && out->chunks <= CHUNK_COUNT_MAX;
}

void queue_result_encode(const struct queue_result *r, struct buf *out)
{
    wire_put_u8(out, (uint8_t)r->kind);
    wire_put_u64(out, r->id);
    wire_put_u64(out, (uint64_t)r->next);
    wire_put_u32(out, r->failures);
    wire_put_short(out, r->destination);
    wire_put_short(out, slice_sub(r->answer, 0, QUEUE_ANSWER_MAX));
}

bool queue_result_decode(struct wire *w, struct queue_result *out)
{
    unsigned kind = wire_u8(w);
    out->kind = (enum queue_result_kind)kind;
    out->id = wire_u64(w);
    out->next = (int64_t)wire_u64(w);
    out->failures = wire_u32(w);
    out->destination = wire_short(w);
    out->answer = wire_short(w);
    return !w->failed && kind >= QUEUE_DONE && kind < QUEUE_RESULT_KINDS &&
        out->destination.n <= ROUTE_HOST_MAX && out->answer.n <= QUEUE_ANSWER_MAX && out->next >= 0;
}

static const char *const tls_names[ROUTE_TLS_COUNT] = {"may", "none", "must", "verify", "implicit"};

const char *route_tls_name(enum route_tls t)
{
    return (unsigned)t < ROUTE_TLS_COUNT ? tls_names[t] : "unknown";
}

bool route_tls_parse(struct slice name, enum route_tls *out)
{
    for (unsigned i = 0; i < ROUTE_TLS_COUNT; i++) {
        if (slice_equal(name, slice_str(tls_names[i]))) {
            *out = (enum route_tls)i;
            return true;
        }
    }
    return false;
}

void queue_route_encode(const struct queue_route *r, struct buf *out)
{
    wire_put_short(out, r->destination);
    wire_put_short(out, r->host);
    wire_put_u16(out, r->port);
    wire_put_u8(out, (uint8_t)r->tls);
    wire_put_short(out, r->user);
    wire_put_short(out, r->password);
}

bool queue_route_decode(struct wire *w, struct queue_route *out)
{
    out->destination = wire_short(w);
    out->host = wire_short(w);
    out->port = wire_u16(w);
    unsigned tls = wire_u8(w);
    out->tls = (enum route_tls)tls;
    out->user = wire_short(w);
    out->password = wire_short(w);
    return !w->failed && tls < ROUTE_TLS_COUNT && out->destination.n <= ROUTE_HOST_MAX &&
        out->host.n <= ROUTE_HOST_MAX && out->user.n <= ROUTE_USER_MAX &&
        out->password.n <= ROUTE_PASSWORD_MAX + SEAL_OVERHEAD_MAX;
}
