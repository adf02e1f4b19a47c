/* Coding of administrative requests and replies; see admin_ops.h. */
#include "storage/admin_ops.h"

enum role admin_op_role(struct slice op)
{
    bool is_auth = slice_starts(op, SLICE("user.")) || slice_starts(op, SLICE("session.")) ||
        slice_starts(op, SLICE("login.")) || slice_starts(op, SLICE("app-password."));
    if (slice_starts(op, SLICE("relay.")))
        return ROLE_RELAY;
    return is_auth ? ROLE_AUTH : ROLE_STORE;
}

void admin_request_encode(const struct admin_request *r, struct buf *out)
{
    wire_put_u64(out, r->req);
    wire_put_bytes(out, r->op);
    wire_put_u16(out, (uint16_t)r->count);
    for (size_t i = 0; i < r->count; i++) {
        wire_put_bytes(out, r->pairs[i].key);
        wire_put_bytes(out, r->pairs[i].value);
    }
}

enum err admin_request_decode(struct slice body, struct admin_request *out)
{
    struct wire w = wire_of(body);
    struct admin_request r = {.req = wire_u64(&w)};
    r.op = wire_bytes(&w);
    r.count = wire_u16(&w);
    if (w.failed)
        return ERR_SYNTAX;
    if (r.count > ADMIN_PAIRS_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < r.count; i++) {
        r.pairs[i].key = wire_bytes(&w);
        r.pairs[i].value = wire_bytes(&w);
    }
    if (!wire_done(&w))
        return ERR_SYNTAX;
    *out = r;
    return ERR_OK;
}

void admin_request_add(struct admin_request *r, const char *key, struct slice value)
{
    ENSURE(r->count < ADMIN_PAIRS_MAX);
    r->pairs[r->count++] = (struct admin_pair){slice_str(key), value};
}

struct slice admin_request_get(const struct admin_request *r, const char *key)
{
    for (size_t i = 0; i < r->count; i++)
        if (slice_equal(r->pairs[i].key, slice_str(key)))
            return r->pairs[i].value;
    return SLICE_EMPTY;
}

void admin_reply_encode(uint64_t req, enum err err, struct slice text, struct slice json, struct buf *out)
{
    wire_put_u64(out, req);
    wire_put_u16(out, (uint16_t)err);
    wire_put_bytes(out, text);
    wire_put_bytes(out, json);
}

enum err admin_reply_decode(struct slice body, struct admin_reply *out)
{
    struct wire w = wire_of(body);
    struct admin_reply r = {.req = wire_u64(&w), .fd = -1};
    r.err = (enum err)wire_u16(&w);
    r.text = wire_bytes(&w);
    r.json = wire_bytes(&w);
    if (!wire_done(&w) || (unsigned)r.err >= ERR_COUNT)
        return ERR_SYNTAX;
    *out = r;
    return ERR_OK;
}
