/* Encoding of letters, targets and replies between roles; see letter_message.h. */
#include "storage/letter_message.h"

#include "storage/letter_writer.h"

#define REPLY_TARGETS_MAX 100

void letter_head_encode(const struct letter_head *h, struct buf *out)
{
    wire_put_u64(out, h->stage);
    buf_put_bytes(out, h->uid, sizeof h->uid);
    wire_put_u64(out, h->size);
    wire_put_u32(out, h->prefix_size);
    wire_put_u32(out, h->chunks);
    wire_put_bytes(out, h->summary);
    wire_put_u16(out, h->inline_count);
}

bool letter_head_decode(struct wire *w, struct letter_head *out)
{
    out->stage = wire_u64(w);
    wire_copy(w, out->uid, sizeof out->uid);
    out->size = wire_u64(w);
    out->prefix_size = wire_u32(w);
    out->chunks = wire_u32(w);
    out->summary = wire_bytes(w);
    out->inline_count = wire_u16(w);
    out->inline_chunks = *w;
    for (unsigned i = 0; i < out->inline_count; i++) {
        wire_u32(w);
        wire_bytes(w);
    }
    uint64_t chunks = out->size / CHUNK_TEXT_BYTES + (out->size % CHUNK_TEXT_BYTES != 0);
    return !w->failed && out->prefix_size <= LETTER_PREFIX_MAX && out->chunks <= CHUNK_COUNT_MAX &&
        chunks == out->chunks;
}

void letter_target_encode(const struct letter_target *t, struct buf *out)
{
    wire_put_u64(out, t->account);
    wire_put_u64(out, t->mailbox);
    wire_put_u64(out, t->vault);
    wire_put_u32(out, t->generation);
    wire_put_u8(out, t->has_epoch);
    if (t->has_epoch)
        buf_put_bytes(out, t->epoch_public, sizeof t->epoch_public);
    buf_put_bytes(out, t->wrap, sizeof t->wrap);
    wire_put_u16(out, t->prefix_size);
    wire_put_bytes(out, t->prefix);
}

bool letter_target_decode(struct wire *w, struct letter_target *out)
{
    out->account = wire_u64(w);
    out->mailbox = wire_u64(w);
    out->vault = wire_u64(w);
    out->generation = wire_u32(w);
    uint8_t has_epoch = wire_u8(w);
    out->has_epoch = has_epoch != 0;
    if (has_epoch)
        wire_copy(w, out->epoch_public, sizeof out->epoch_public);
    wire_copy(w, out->wrap, sizeof out->wrap);
    out->prefix_size = wire_u16(w);
    out->prefix = wire_bytes(w);
    return !w->failed && has_epoch <= 1 && out->prefix_size <= OWNER_PREFIX_MAX &&
        out->prefix.n <= OWNER_PREFIX_MAX + SEAL_OVERHEAD_MAX && !out->prefix_size == !out->prefix.n;
}

void uid_ranges_encode(const struct uid_range *r, size_t n, struct buf *out)
{
    wire_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_put_u32(out, r[i].first);
        wire_put_u32(out, r[i].last);
    }
}

bool uid_ranges_decode(struct wire *w, size_t max, struct uid_range **out, size_t *out_n)
{
    uint32_t n = wire_u32(w);
    if (w->failed || n > max || n > w->rest.n / 8) {
        w->failed = true;
        return false;
    }
    struct uid_range *ranges = mem_new(n * sizeof *ranges);
    uint64_t above = 0;
    for (uint32_t i = 0; i < n; i++) {
        ranges[i].first = wire_u32(w);
        ranges[i].last = wire_u32(w);
        if (ranges[i].first <= above || ranges[i].last < ranges[i].first)
            w->failed = true;
        above = ranges[i].last;
    }
    if (w->failed) {
        free(ranges);
        return false;
    }
    *out = ranges;
    *out_n = n;
    return true;
}

static void target_encode(const struct store_target *t, struct buf *out)
{
    wire_put_u64(out, t->account);
    wire_put_u64(out, t->mailbox);
    wire_put_u64(out, t->vault.vault);
    wire_put_u32(out, t->vault.generation);
    buf_put_bytes(out, t->vault.public_key, sizeof t->vault.public_key);
    wire_put_bytes(out, slice_str(t->address));
}

static void target_decode(struct wire *w, struct store_target *t)
{
    t->account = wire_u64(w);
    t->mailbox = wire_u64(w);
    t->vault.vault = wire_u64(w);
    t->vault.generation = wire_u32(w);
    wire_copy(w, t->vault.public_key, sizeof t->vault.public_key);
    struct slice address = wire_bytes(w);
    if (address.n >= sizeof t->address)
        w->failed = true;
    else if (address.n)
        memcpy(t->address, address.p, address.n);
}

void store_reply_encode(uint64_t req, const struct store_reply *r, struct buf *out)
{
    wire_put_u64(out, req);
    wire_put_u16(out, (uint16_t)r->err);
    wire_put_u64(out, r->modseq);
    wire_put_u64(out, r->value);
    wire_put_u32(out, r->uidvalidity);
    uid_ranges_encode(r->ranges, r->range_count, out);
    uid_ranges_encode(r->ranges2, r->range2_count, out);
    wire_put_u16(out, (uint16_t)r->target_count);
    for (size_t i = 0; i < r->target_count; i++)
        target_encode(&r->targets[i], out);
}

/* COPY's source ranges need not ascend as ours do, but each list is made ascending by the store. */
bool store_reply_decode(struct wire *w, struct store_reply *out)
{
    *out = (struct store_reply){0};
    struct uid_range *ranges = NULL;
    struct uid_range *ranges2 = NULL;
    uint16_t err = wire_u16(w);
    out->err = err < ERR_COUNT ? (enum err)err : ERR_INTERNAL;
    out->modseq = wire_u64(w);
    out->value = wire_u64(w);
    out->uidvalidity = wire_u32(w);
    if (uid_ranges_decode(w, SIZE_MAX, &ranges, &out->range_count))
        out->ranges = ranges;
    if (uid_ranges_decode(w, SIZE_MAX, &ranges2, &out->range2_count))
        out->ranges2 = ranges2;
    uint16_t n = wire_u16(w);
    if (w->failed || n > REPLY_TARGETS_MAX) {
        w->failed = true;
        store_reply_clear(out);
        return false;
    }
    struct store_target *targets = n ? mem_new(n * sizeof *targets) : NULL;
    for (uint16_t i = 0; i < n; i++)
        target_decode(w, &targets[i]);
    out->targets = targets;
    out->target_count = n;
    if (!wire_done(w)) {
        store_reply_clear(out);
        return false;
    }
    return true;
}

void store_reply_clear(struct store_reply *r)
{
    free((void *)(uintptr_t)r->ranges);
    free((void *)(uintptr_t)r->ranges2);
    free((void *)(uintptr_t)r->targets);
    *r = (struct store_reply){.err = r->err};
}
