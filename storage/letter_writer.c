/* A letter on its way in; see letter_writer.h. One pass: each byte is parsed and copied into the open
 * chunk once; a full chunk is compressed and sealed, and kept if the letter is small, else sent. */
#include "storage/letter_writer.h"

#include "base/log.h"
#include "base/secret.h"
#include "message/parser.h"
#include "storage/letter_message.h"
#include "storage/queue.h"
#include "storage/store_request.h"

/* With a summary and the trace header it must fit one message, or the chunks are staged after all. */
#define COMMIT_BYTES_MAX (48 * 1024)
#define HELD_INLINE_MAX 4096       /* sealed chunks of one letter among several that wait for one commit */
#define RECIPIENTS_IN_MESSAGE 2048 /* bytes of foreign recipients; more go ahead of it */
#define RECIPIENTS_PIECE (32 * 1024)

struct letter_writer {
    struct store_client *client;
    struct message_parser *parser;
    const struct summary *summary;    /* after finish */
    struct letter_keys *keys;         /* in the locked arena */
    struct buf open;                  /* text of the chunk that is being filled */
    struct buf inline_chunks;         /* as they stand in the committing message */
    uint16_t inline_count;
    uint32_t chunks;
    uint64_t size;
    uint64_t stage;                   /* 0: nothing was staged */
    uint64_t generation;              /* of the store when staging began */
    bool staged_chunks;
    enum err failed;
    uint64_t request;                 /* the committing one, while it is under way */
    store_reply_fn fn;
    void *ctx;
};

struct letter_writer *letter_writer_new(struct store_client *c)
{
    struct letter_writer *w = mem_new(sizeof *w);
    w->client = c;
    w->parser = message_parser_new();
    w->keys = secret_new(sizeof *w->keys);
    if (w->keys)
        letter_keys_generate(w->keys);
    else
        w->failed = ERR_LIMIT;
    buf_init(&w->open, CHUNK_TEXT_BYTES);
    buf_init(&w->inline_chunks, 2 * LETTER_INLINE_MAX + LETTER_PREFIX_MAX + CHUNK_TEXT_BYTES);
    return w;
}

static void drop_stage(struct store_client *c, uint64_t stage, uint64_t generation)
{
    struct buf body;
    if (!stage || generation != store_client_generation(c))
        return;
    buf_init(&body, 16);
    wire_put_u64(&body, stage);
    if (store_client_bulk(c, M_STAGE_DROP, buf_slice(&body)) != ERR_OK)
        log_event(LOG_DEBUG, "stage-not-dropped", LF("meaning", "the store is gone, and the stage with it"));
    buf_clear(&body);
}

void letter_writer_free(struct letter_writer *w)
{
    if (!w)
        return;
    if (w->request)
        store_cancel(w->client, w->request);
    else
        drop_stage(w->client, w->stage, w->generation);
    message_parser_free(w->parser);
    secret_free(w->keys, sizeof *w->keys);
    buf_wipe(&w->open);
    buf_clear(&w->inline_chunks);
    free(w);
}

bool letter_writer_is_full(const struct letter_writer *w)
{
    return store_client_is_full(w->client);
}

uint64_t letter_writer_size(const struct letter_writer *w)
{
    return w->size;
}

static void begin_stage(struct letter_writer *w)
{
    if (w->stage)
        return;
    w->stage = store_client_new_stage(w->client);
    w->generation = store_client_generation(w->client);
}

static void send_chunk(struct letter_writer *w, uint32_t number, struct slice sealed)
{
    struct buf body;
    if (w->generation != store_client_generation(w->client))
        w->failed = ERR_STORE_GONE;
    if (w->failed)
        return;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    wire_put_u64(&body, w->stage);
    buf_put_bytes(&body, w->keys->uid, sizeof w->keys->uid);
    wire_put_u32(&body, number);
    wire_put_bytes(&body, sealed);
    enum err e = store_client_bulk(w->client, M_STAGE, buf_slice(&body));
    if (e)
        w->failed = e == ERR_CLOSED ? ERR_STORE_GONE : e;
    buf_clear(&body);
}

/* The letter turned out not to be small: what was kept goes to the store. */
static void stage_inline(struct letter_writer *w)
{
    begin_stage(w);
    w->staged_chunks = true;
    struct wire in = wire_of(buf_slice(&w->inline_chunks));
    while (!wire_at_end(&in)) {
        uint32_t number = wire_u32(&in);
        send_chunk(w, number, wire_bytes(&in));
    }
    w->inline_count = 0;
    buf_clear(&w->inline_chunks);
}

static void add_chunk(struct letter_writer *w, uint32_t number, bool is_last, struct slice text)
{
    struct buf sealed;
    buf_init(&sealed, CHANNEL_MESSAGE_MAX);
    enum err e = chunk_seal(w->keys, number, is_last, text, &sealed);
    if (e) {
        w->failed = e;
    } else if (w->staged_chunks) {
        send_chunk(w, number, buf_slice(&sealed));
    } else {
        wire_put_u32(&w->inline_chunks, number);
        wire_put_bytes(&w->inline_chunks, buf_slice(&sealed));
        w->inline_count++;
        if (w->inline_chunks.n > LETTER_INLINE_MAX)
            stage_inline(w);
    }
    buf_clear(&sealed);
}

static void close_chunk(struct letter_writer *w, bool is_last)
{
    if (w->chunks == CHUNK_COUNT_MAX)
        w->failed = ERR_TOO_BIG;
    if (!w->failed)
        add_chunk(w, w->chunks++, is_last, buf_slice(&w->open));
    buf_reset(&w->open);
}

void letter_writer_feed(struct letter_writer *w, struct slice bytes)
{
    ENSURE(!w->summary);
    w->size += bytes.n;
    if (w->failed)
        return;
    message_parser_feed(w->parser, bytes);
    while (bytes.n > 0 && !w->failed) {
        /* Whether a full chunk is the last is known when the next byte comes. */
        if (w->open.n == CHUNK_TEXT_BYTES)
            close_chunk(w, false);
        struct slice piece = slice_sub(bytes, 0, CHUNK_TEXT_BYTES - w->open.n);
        buf_put(&w->open, piece);
        bytes = slice_from(bytes, piece.n);
    }
}

const struct summary *letter_writer_finish(struct letter_writer *w)
{
    if (w->summary)
        return w->summary;
    if (w->open.n > 0 && !w->failed)
        close_chunk(w, true);
    buf_wipe(&w->open);
    w->summary = message_parser_finish(w->parser);
    return w->summary;
}

/* --- committing ------------------------------------------------------------------------------ */

static void on_committed(void *ctx, const struct store_reply *r)
{
    struct letter_writer *w = ctx;
    w->request = 0;
    w->stage = 0; /* the store has ended it, whatever the outcome */
    w->fn(w->ctx, r);
}

/* Callbacks come from the loop, never inside the call: a request that cannot be made is sent as one that
 * the store refuses at once, or fails by the client's patience. */
static void refuse(struct letter_writer *w, enum err why)
{
    log_event(LOG_WARNING, "letter-not-stored", LF("reason", err_text(why)));
    w->request = store_client_fail(w->client, why, on_committed, w);
}

static enum err seal_summary(struct letter_writer *w, struct buf *out)
{
    struct buf record;
    buf_init(&record, SUMMARY_BYTES_MAX);
    enum err e = summary_encode(w->summary, &record);
    if (!e)
        e = summary_seal(w->keys, buf_slice(&record), out);
    buf_wipe(&record);
    return e;
}

static void put_head(struct letter_writer *w, size_t prefix_size, struct slice summary, struct buf *body)
{
    struct letter_head h = {.stage = w->stage, .size = w->size, .prefix_size = (uint32_t)prefix_size,
        .chunks = w->chunks, .summary = summary, .inline_count = w->inline_count};
    memcpy(h.uid, w->keys->uid, sizeof h.uid);
    letter_head_encode(&h, body);
    buf_put(body, buf_slice(&w->inline_chunks));
}

/* "Delivered-To: ADDRESS" for one owner. */
static enum err put_owner_prefix(struct letter_writer *w, const struct store_target *t, struct letter_target *out,
    struct buf *sealed)
{
    struct buf text;
    buf_init(&text, OWNER_PREFIX_MAX);
    buf_put_str(&text, "Delivered-To: ");
    buf_put_str(&text, t->address);
    buf_put_str(&text, "\r\n");
    enum err e = buf_error(&text);
    if (!e)
        e = owner_prefix_seal(w->keys, t->vault.vault, buf_slice(&text), sealed);
    out->prefix_size = (uint16_t)text.n;
    out->prefix = buf_slice(sealed);
    buf_clear(&text);
    return e;
}

static enum err put_target(struct letter_writer *w, const struct store_target *t, struct buf *body)
{
    struct letter_target out = {.account = t->account, .mailbox = t->mailbox, .vault = t->vault.vault,
        .generation = t->vault.generation, .has_epoch = true};
    const struct seal_epoch *epoch = store_client_epoch(w->client, &t->vault);
    struct buf sealed;
    if (!epoch)
        return ERR_DAMAGED;
    memcpy(out.epoch_public, epoch->public_key, sizeof out.epoch_public);
    wrap_for_epoch(epoch, w->keys, out.wrap);
    buf_init(&sealed, OWNER_PREFIX_MAX + SEAL_OVERHEAD_MAX);
    enum err e = put_owner_prefix(w, t, &out, &sealed);
    if (!e)
        letter_target_encode(&out, body);
    buf_clear(&sealed);
    return e;
}

static bool came_before(const struct store_target *targets, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (targets[k].account == targets[i].account)
            return true;
    return false;
}

/* The first of them into the committing message, the others ahead of it. */
static enum err put_targets(struct letter_writer *w, const struct store_target *targets, size_t n,
    struct buf *first)
{
    struct buf more;
    size_t in_message = 0;
    enum err e = n <= LETTER_TARGETS_MAX ? ERR_OK : ERR_LIMIT;
    buf_init(&more, CHANNEL_MESSAGE_MAX);
    for (size_t i = 0; i < n && !e; i++) {
        if (came_before(targets, i))
            continue;
        if (in_message < LETTER_TARGETS_PER_MESSAGE) {
            e = put_target(w, &targets[i], first);
            in_message++;
            continue;
        }
        if (more.n == 0) {
            begin_stage(w);
            wire_put_u64(&more, w->stage);
        }
        e = put_target(w, &targets[i], &more);
        if (!e && more.n > CHANNEL_MESSAGE_MAX / 2) {
            e = store_client_bulk(w->client, M_STAGE_TARGETS, buf_slice(&more));
            buf_reset(&more);
        }
    }
    if (!e && more.n)
        e = store_client_bulk(w->client, M_STAGE_TARGETS, buf_slice(&more));
    buf_clear(&more);
    return e;
}

static enum err add_prefix(struct letter_writer *w, struct slice prefix, size_t summary_bytes)
{
    if (prefix.n > LETTER_PREFIX_MAX)
        return ERR_TOO_BIG;
    if (prefix.n)
        add_chunk(w, CHUNK_PREFIX, true, prefix);
    if (!w->failed && !w->staged_chunks && w->inline_chunks.n + summary_bytes > COMMIT_BYTES_MAX)
        stage_inline(w);
    return w->failed;
}

static void commit(struct letter_writer *w, uint16_t type, struct buf *body)
{
    unsigned flags = STORE_REQUEST_CHANGE | (w->stage ? STORE_REQUEST_STAGED : 0);
    if (w->stage && w->generation != store_client_generation(w->client))
        refuse(w, ERR_STORE_GONE);
    else
        w->request = store_client_request(w->client, type, flags, buf_slice(body), on_committed, w);
}

static enum err stage_recipients(struct letter_writer *w, struct slice all)
{
    struct buf body;
    enum err e = ERR_OK;
    begin_stage(w);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    while (all.n > 0 && !e) {
        struct slice piece = slice_sub(all, 0, RECIPIENTS_PIECE);
        all = slice_from(all, piece.n);
        buf_reset(&body);
        wire_put_u64(&body, w->stage);
        buf_put(&body, piece);
        e = store_client_bulk(w->client, M_STAGE_RECIPIENTS, buf_slice(&body));
    }
    buf_clear(&body);
    return e;
}

/* K for the queue, and who is to get the letter. */
static enum err put_outbound(struct letter_writer *w, const struct letter_outbound *o, struct buf *out)
{
    struct queue_letter q = {.sender = o->sender, .flags = o->flags, .envid = o->envid};
    const struct seal_epoch *epoch = store_client_epoch(w->client, &o->key);
    if (!epoch)
        return ERR_DAMAGED;
    memcpy(q.epoch_public, epoch->public_key, sizeof q.epoch_public);
    wrap_for_epoch(epoch, w->keys, q.wrap);
    if (w->summary->has_8bit_body)
        q.flags |= QUEUE_8BIT;
    if (w->summary->has_8bit_header)
        q.flags |= QUEUE_UTF8_HEADER;
    queue_letter_encode(&q, out);
    if (o->recipients.n > RECIPIENTS_IN_MESSAGE)
        return stage_recipients(w, o->recipients);
    buf_put(out, o->recipients);
    return buf_error(out);
}

/* What differs between the ways in. */
struct delivery {
    uint64_t session;
    const struct letter_outbound *outbound;
    struct slice results;
};

static void deliver(struct letter_writer *w, const struct delivery *d, struct slice prefix,
    const struct store_target *targets, size_t n, store_reply_fn fn, void *ctx)
{
    struct buf outbound;
    struct buf body;
    struct buf summary;
    struct buf first;
    w->fn = fn;
    w->ctx = ctx;
    letter_writer_finish(w);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    buf_init(&summary, SUMMARY_BYTES_MAX + 1024);
    buf_init(&first, CHANNEL_MESSAGE_MAX);
    buf_init(&outbound, CHANNEL_MESSAGE_MAX);
    enum err e = seal_summary(w, &summary);
    if (!e)
        e = add_prefix(w, prefix, summary.n);
    if (!e)
        e = put_targets(w, targets, n, &first);
    if (!e && d->outbound)
        e = put_outbound(w, d->outbound, &outbound);
    if (!e) {
        wire_put_u64(&body, d->session);
        wire_put_bytes(&body, buf_slice(&outbound));
        wire_put_bytes(&body, d->results);
        put_head(w, prefix.n, buf_slice(&summary), &body);
        buf_put(&body, buf_slice(&first));
        e = buf_error(&body);
    }
    if (e)
        refuse(w, e);
    else
        commit(w, M_DELIVER, &body);
    buf_clear(&body);
    buf_clear(&summary);
    buf_clear(&first);
    buf_clear(&outbound);
}

void letter_deliver(struct letter_writer *w, struct slice prefix, const struct store_target *targets,
    size_t n, store_reply_fn fn, void *ctx)
{
    deliver(w, &(struct delivery){0}, prefix, targets, n, fn, ctx);
}

void letter_report(struct letter_writer *w, struct slice prefix, const struct store_target *targets, size_t n,
    struct slice results, store_reply_fn fn, void *ctx)
{
    deliver(w, &(struct delivery){.results = results}, prefix, targets, n, fn, ctx);
}

void letter_submit(struct letter_writer *w, uint64_t session, struct slice prefix,
    const struct store_target *targets, size_t n, const struct letter_outbound *outbound, store_reply_fn fn,
    void *ctx)
{
    deliver(w, &(struct delivery){session, outbound, SLICE_EMPTY}, prefix, targets, n, fn, ctx);
}

/* The body of APPEND from the letter on. */
static enum err put_append(struct letter_writer *w, const struct vault_keys *keys, uint64_t mailbox,
    uint64_t flags, int64_t internal_date, struct buf *body)
{
    struct letter_target target = {.mailbox = mailbox, .vault = keys->vault,
        .generation = keys->generation};
    struct buf summary;
    letter_writer_finish(w);
    buf_init(&summary, SUMMARY_BYTES_MAX + 1024);
    enum err e = seal_summary(w, &summary);
    if (!e)
        e = add_prefix(w, SLICE_EMPTY, summary.n);
    if (!e) {
        wrap_for_vault(keys, w->keys, target.wrap);
        put_head(w, 0, buf_slice(&summary), body);
        wire_put_u64(body, mailbox);
        wire_put_u64(body, flags);
        wire_put_u64(body, (uint64_t)internal_date);
        letter_target_encode(&target, body);
        e = buf_error(body);
    }
    buf_clear(&summary);
    return e;
}

void letter_append(struct letter_writer *w, uint64_t session, const struct vault_keys *keys,
    uint64_t mailbox, uint64_t flags, int64_t internal_date, store_reply_fn fn, void *ctx)
{
    struct buf body;
    w->fn = fn;
    w->ctx = ctx;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    wire_put_u64(&body, session);
    enum err e = put_append(w, keys, mailbox, flags, internal_date, &body);
    if (e)
        refuse(w, e);
    else
        commit(w, M_APPEND, &body);
    buf_clear(&body);
}

/* --- groups ---------------------------------------------------------------------------------- */

struct letter_group {
    struct store_client *client;
    uint64_t id;
    uint64_t generation;              /* of the store when it began */
    uint32_t count;
    enum err failed;
    uint64_t request;
    store_reply_fn fn;
    void *ctx;
};

struct letter_group *letter_group_new(struct store_client *c)
{
    struct letter_group *g = mem_new(sizeof *g);
    *g = (struct letter_group){.client = c, .id = store_client_new_stage(c),
        .generation = store_client_generation(c)};
    return g;
}

void letter_group_free(struct letter_group *g)
{
    if (!g)
        return;
    if (g->request)
        store_cancel(g->client, g->request);
    else if (g->id)
        drop_stage(g->client, g->id, g->generation);
    free(g);
}

static enum err send_held(struct letter_group *g, struct letter_writer *w, struct buf *body)
{
    if (g->generation != store_client_generation(g->client) ||
        (w->stage && w->generation != g->generation))
        return ERR_STORE_GONE;
    enum err e = store_client_bulk(g->client, M_APPEND_HOLD, buf_slice(body));
    if (!e)
        w->stage = 0; /* ends with the group */
    return e;
}

void letter_group_hold(struct letter_group *g, struct letter_writer *w, const struct vault_keys *keys,
    uint64_t mailbox, uint64_t flags, int64_t internal_date)
{
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    wire_put_u64(&body, g->id);
    letter_writer_finish(w);
    if (!w->failed && !w->staged_chunks && w->inline_chunks.n > HELD_INLINE_MAX)
        stage_inline(w); /* the store holds the rest in its memory */
    enum err e = g->failed ? g->failed : put_append(w, keys, mailbox, flags, internal_date, &body);
    if (!e)
        e = send_held(g, w, &body);
    g->failed = e;
    g->count++;
    buf_clear(&body);
}

static void on_group_committed(void *ctx, const struct store_reply *r)
{
    struct letter_group *g = ctx;
    g->request = 0;
    if (r->err == ERR_OK)
        g->id = 0; /* the store has ended it */
    g->fn(g->ctx, r);
}

void letter_group_commit(struct letter_group *g, uint64_t session, uint64_t replaced_mailbox,
    uint32_t replaced_uid, store_reply_fn fn, void *ctx)
{
    struct buf body;
    g->fn = fn;
    g->ctx = ctx;
    if (!g->failed && g->generation != store_client_generation(g->client))
        g->failed = ERR_STORE_GONE;
    if (g->failed) {
        g->request = store_client_fail(g->client, g->failed, on_group_committed, g);
        return;
    }
    buf_init(&body, 64);
    wire_put_u64(&body, session);
    wire_put_u64(&body, g->id);
    wire_put_u32(&body, g->count);
    wire_put_u64(&body, replaced_mailbox);
    wire_put_u32(&body, replaced_uid);
    g->request = store_client_request(g->client, M_APPEND_HELD, STORE_REQUEST_CHANGE | STORE_REQUEST_STAGED,
        buf_slice(&body), on_group_committed, g);
    buf_clear(&body);
}
