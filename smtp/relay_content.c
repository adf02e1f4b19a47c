/* A letter's text on its way out: fetched from the store a message at a time, each chunk opened when it is
 * needed. The Return-Path that stands on top of the trace header is ours alone and is left out (RFC 5321
 * section 4.4). */
#include "base/log.h"
#include "base/secret.h"
#include "smtp/relay.h"
#include "storage/messages.h"
#include "storage/store_request.h"

struct relay_content {
    struct relay *relay;
    struct relay_letter *letter;
    struct letter_keys *keys;     /* in the locked arena */
    uint64_t cookie;
    void (*on_more)(void *ctx);
    void *ctx;
    struct buf held;              /* sealed chunks that have come */
    struct wire at;
    uint32_t next;                /* the chunk that is needed next */
    bool is_asked;
    enum err err;
};

static void ask(struct relay_content *c)
{
    struct buf body;
    buf_init(&body, 64);
    wire_put_u64(&body, c->cookie);
    wire_put_u64(&body, c->letter->id);
    wire_put_u32(&body, c->next);
    c->is_asked = true;
    if (store_client_bulk(c->relay->store, M_RELAY_FETCH, buf_slice(&body)) != ERR_OK)
        log_event(LOG_DEBUG, "fetch-waits", LF("meaning", "the store is being restarted"));
    buf_clear(&body);
}

static enum err agree(struct relay *r, const uint8_t epoch_public[SEAL_KEY_BYTES])
{
    if (r->has_agreed && memcmp(r->agreed_epoch, epoch_public, SEAL_KEY_BYTES) == 0)
        return ERR_OK;
    r->has_agreed = false;
    enum err e = seal_epoch_agree(r->keys, epoch_public, r->agreed_key);
    if (e)
        return e;
    memcpy(r->agreed_epoch, epoch_public, SEAL_KEY_BYTES);
    r->has_agreed = true;
    return ERR_OK;
}

struct relay_content *relay_content_open(struct relay *r, struct relay_letter *l, void (*on_more)(void *ctx),
    void *ctx)
{
    struct relay_content *c = mem_new(sizeof *c);
    c->relay = r;
    c->letter = l;
    l->uses++;
    c->on_more = on_more;
    c->ctx = ctx;
    c->cookie = ++r->last_cookie;
    c->next = l->prefix_size > 0 ? CHUNK_PREFIX : 0;
    buf_init(&c->held, CHANNEL_MESSAGE_MAX);
    c->keys = secret_new(sizeof *c->keys);
    c->err = c->keys ? agree(r, l->head.epoch_public) : ERR_LIMIT;
    if (!c->err)
        c->err = wrap_open_summary(r->keys, l->head.epoch_public, r->agreed_key, l->uid,
            slice_of(l->head.wrap, sizeof l->head.wrap), c->keys);
    if (!c->err)
        letter_keys_complete(c->keys);
    idmap_put(&r->contents, c->cookie, c);
    if (!c->err && (c->next == CHUNK_PREFIX || l->chunks > 0))
        ask(c);
    return c;
}

void relay_content_close(struct relay_content *c)
{
    if (!c)
        return;
    idmap_remove(&c->relay->contents, c->cookie);
    c->letter->uses--;
    relay_letter_release(c->relay, c->letter);
    secret_free(c->keys, sizeof *c->keys);
    buf_clear(&c->held);
    free(c);
}

static struct slice without_return_path(struct slice text)
{
    if (!slice_starts_nocase(text, SLICE("Return-Path:")))
        return text;
    return slice_from(text, slice_find_byte(text, '\n') + 1);
}

static enum err open_chunk(struct relay_content *c, uint32_t number, struct slice sealed, struct buf *out)
{
    struct buf *text = &c->relay->scratch2;
    bool is_last = number == CHUNK_PREFIX || number + 1 == c->letter->chunks;
    if (number != CHUNK_PREFIX)
        return chunk_open(c->keys, number, is_last, sealed, out);
    buf_reset(text);
    enum err e = chunk_open(c->keys, number, is_last, sealed, text);
    if (!e)
        buf_put(out, without_return_path(buf_slice(text)));
    return e ? e : buf_error(out);
}

enum err relay_content_next(struct relay_content *c, struct buf *out)
{
    if (c->err)
        return c->err;
    if (c->next != CHUNK_PREFIX && c->next >= c->letter->chunks)
        return ERR_NOT_FOUND;
    if (c->is_asked)
        return ERR_AGAIN;
    if (wire_at_end(&c->at)) {
        ask(c);
        return ERR_AGAIN;
    }
    uint32_t number = wire_u32(&c->at);
    struct slice sealed = wire_bytes(&c->at);
    c->err = c->at.failed || number != c->next ? ERR_DAMAGED : open_chunk(c, number, sealed, out);
    c->next = number == CHUNK_PREFIX ? 0 : number + 1;
    return c->err;
}

void relay_content_came(struct relay *r, struct slice body)
{
    struct wire in = wire_of(body);
    struct relay_content *c = idmap_find(&r->contents, wire_u64(&in));
    enum err e = (enum err)wire_u16(&in);
    if (!c || in.failed || !c->is_asked)
        return;
    c->is_asked = false;
    buf_reset(&c->held);
    buf_put(&c->held, in.rest);
    c->at = wire_of(buf_slice(&c->held));
    if (e || in.rest.n == 0)
        c->err = e == ERR_NOT_FOUND || e == ERR_OK ? ERR_CLOSED : e;
    c->on_more(c->ctx);
}

static void ask_again(void *ctx, uint64_t id, void *value)
{
    struct relay_content *c = value;
    (void)ctx;
    (void)id;
    if (c->is_asked)
        ask(c);
}

void relay_content_ask_again(struct relay *r)
{
    idmap_each(&r->contents, ask_again, NULL);
}
