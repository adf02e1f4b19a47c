/* The calls of store_client.h: each puts its request together and sends it. */
#include "storage/letter_message.h"
#include "storage/store_request.h"

static void put_name(struct buf *body, const struct vault_keys *keys, enum seal_name_kind kind,
    struct slice name)
{
    struct buf sealed;
    uint8_t hash[NAME_HASH_BYTES];
    buf_init(&sealed, 4096);
    /* Callers check names; one that cannot be sealed travels as empty and is refused as malformed. */
    if (name_seal(keys, kind, name, &sealed) != ERR_OK)
        buf_reset(&sealed);
    name_hash(keys, kind, name, hash);
    wire_put_bytes(body, buf_slice(&sealed));
    buf_put_bytes(body, hash, sizeof hash);
    buf_clear(&sealed);
}

static struct buf new_body(uint64_t session)
{
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    if (session)
        wire_put_u64(&body, session);
    return body;
}

static uint64_t send_body(struct store_client *c, uint16_t type, unsigned flags, struct buf *body,
    store_reply_fn fn, void *ctx)
{
    uint64_t req = store_client_request(c, type, flags, buf_slice(body), fn, ctx);
    buf_clear(body);
    return req;
}

uint64_t store_lookup(struct store_client *c, struct slice canonical, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(0);
    wire_put_bytes(&body, canonical);
    return send_body(c, M_LOOKUP, 0, &body, fn, ctx);
}

uint64_t store_may_send_as(struct store_client *c, uint64_t session, struct slice canonical,
    store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_bytes(&body, canonical);
    return send_body(c, M_MAY_SEND_AS, 0, &body, fn, ctx);
}

uint64_t store_change_flags(struct store_client *c, const struct store_flags *f, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(f->session);
    wire_put_u64(&body, f->mailbox);
    wire_put_u8(&body, (uint8_t)f->op);
    wire_put_u64(&body, f->flags);
    wire_put_u64(&body, f->unchanged_since);
    uid_ranges_encode(f->uids, f->uid_count, &body);
    return send_body(c, M_FLAGS, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

static uint64_t send_expunge(struct store_client *c, uint64_t session, uint64_t mailbox, uint8_t how,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, mailbox);
    wire_put_u8(&body, how);
    uid_ranges_encode(uids, uid_count, &body);
    return send_body(c, M_EXPUNGE, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_expunge(struct store_client *c, uint64_t session, uint64_t mailbox, bool whatever,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx)
{
    return send_expunge(c, session, mailbox, whatever, uids, uid_count, fn, ctx);
}

uint64_t store_expunge_whole(struct store_client *c, uint64_t session, uint64_t mailbox,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx)
{
    return send_expunge(c, session, mailbox, EXPUNGE_WHOLE, uids, uid_count, fn, ctx);
}

uint64_t store_copy(struct store_client *c, uint64_t session, uint64_t from, uint64_t to, bool move,
    const struct uid_range *uids, size_t uid_count, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, from);
    wire_put_u64(&body, to);
    wire_put_u8(&body, move);
    uid_ranges_encode(uids, uid_count, &body);
    return send_body(c, M_COPY, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_mailbox_create(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    uint64_t parent, struct slice name, store_reply_fn fn, void *ctx)
{
    return store_mailbox_create_for(c, session, keys, parent, name, 0, fn, ctx);
}

uint64_t store_mailbox_create_for(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    uint64_t parent, struct slice name, unsigned special_use, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, parent);
    wire_put_u8(&body, (uint8_t)special_use);
    put_name(&body, keys, SEAL_NAME_MAILBOX, name);
    return send_body(c, M_MAILBOX_CREATE, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_mailbox_rename(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    uint64_t mailbox, uint64_t new_parent, struct slice new_name, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, mailbox);
    wire_put_u64(&body, new_parent);
    put_name(&body, keys, SEAL_NAME_MAILBOX, new_name);
    return send_body(c, M_MAILBOX_RENAME, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_mailbox_delete(struct store_client *c, uint64_t session, uint64_t mailbox, store_reply_fn fn,
    void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, mailbox);
    return send_body(c, M_MAILBOX_DELETE, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_mailbox_subscribe(struct store_client *c, uint64_t session, uint64_t mailbox, bool on,
    store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, mailbox);
    wire_put_u8(&body, on);
    return send_body(c, M_SUBSCRIBE, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_claim_recent(struct store_client *c, uint64_t session, uint64_t mailbox, store_reply_fn fn,
    void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, mailbox);
    return send_body(c, M_CLAIM_RECENT, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_keyword(struct store_client *c, uint64_t session, const struct vault_keys *keys,
    struct slice keyword, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    put_name(&body, keys, SEAL_NAME_KEYWORD, keyword);
    return send_body(c, M_KEYWORD, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_adopt(struct store_client *c, uint64_t session, uint64_t vault,
    const struct store_adoption *a, size_t n, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, vault);
    wire_put_u32(&body, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_put_u64(&body, a[i].letter);
        buf_put_bytes(&body, a[i].wrap, WRAP_BYTES);
    }
    return send_body(c, M_ADOPT, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_replace_summary(struct store_client *c, uint64_t session, uint64_t letter,
    struct slice sealed, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, letter);
    wire_put_bytes(&body, sealed);
    return send_body(c, M_SUMMARY, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_search_write(struct store_client *c, const struct store_search *w, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(w->session);
    wire_put_u8(&body, (uint8_t)w->op);
    wire_put_u64(&body, w->vault);
    wire_put_u64(&body, w->segment);
    wire_put_u64(&body, w->number);
    wire_put_u64(&body, w->upto);
    wire_put_bytes(&body, w->sealed);
    return send_body(c, M_SEARCH, STORE_REQUEST_CHANGE, &body, fn, ctx);
}

uint64_t store_put_listing(struct store_client *c, uint64_t session, uint64_t mailbox, uint32_t first,
    uint32_t last, struct slice sealed, store_reply_fn fn, void *ctx)
{
    struct buf body = new_body(session);
    wire_put_u64(&body, mailbox);
    wire_put_u32(&body, first);
    wire_put_u32(&body, last);
    wire_put_bytes(&body, sealed);
    return send_body(c, M_LISTING, STORE_REQUEST_CHANGE, &body, fn, ctx);
}
