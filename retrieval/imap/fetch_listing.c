/* Listing blocks under FETCH; see fetch_listing.h. */
#include "retrieval/imap/fetch_listing.h"

#include "base/log.h"
#include "retrieval/imap/fetch.h"

#define LISTING_MAILS_WORTH 50   /* fewer are said from their summaries */
#define LISTING_ENTRY_SPARE 16   /* uid and two lengths */
#define LISTINGS_ON_WAY_MAX 16   /* to the store, of one account; more are dropped and made another time */

/* What a row says without its letter. */
static bool is_of_row(enum fetch_kind kind)
{
    return kind == FETCH_FLAGS || kind == FETCH_UID || kind == FETCH_INTERNALDATE || kind == FETCH_SIZE ||
        kind == FETCH_MODSEQ || kind == FETCH_SAVEDATE;
}

void fetch_listing_begin(struct imap_session *s, struct fetch *w)
{
    struct fetch_listing *l = &w->listing;
    bool has_envelope = false;
    bool has_structure = false;
    bool has_other = s->has_utf8; /* its strings are written otherwise */
    for (size_t i = 0; i < w->item_count; i++) {
        enum fetch_kind kind = w->items[i].kind;
        has_envelope |= kind == FETCH_ENVELOPE;
        has_structure |= kind == FETCH_BODYSTRUCTURE;
        has_other |= kind != FETCH_ENVELOPE && kind != FETCH_BODYSTRUCTURE && !is_of_row(kind);
    }
    l->is_usable = !has_other && (has_envelope || has_structure);
    l->is_making = l->is_usable && has_envelope && has_structure;
    if (l->is_usable) {
        buf_init(&l->block.text, LISTING_TEXT_MAX);
        buf_init(&l->made.text, LISTING_TEXT_MAX);
    }
}

bool fetch_listing_load(struct imap_session *s, struct fetch *w, uint32_t uid, uint32_t *out_last)
{
    struct fetch_listing *l = &w->listing;
    if (!l->is_usable)
        return false;
    bool holds = l->has_block && uid >= l->block.first && uid <= l->block.last;
    if (!holds) {
        l->has_block = reader_listing(imap_reader(s), s->selected->mailbox, uid, &l->block) == ERR_OK;
        l->rest = wire_of(buf_slice(&l->block.text));
        l->uid = 0;
    }
    if (l->has_block && *out_last > l->block.last)
        *out_last = l->block.last;
    return l->has_block;
}

bool fetch_listing_find(struct fetch *w, uint32_t uid)
{
    struct fetch_listing *l = &w->listing;
    while (l->uid < uid && !wire_at_end(&l->rest)) {
        uint32_t next = wire_u32(&l->rest);
        l->envelope = wire_short(&l->rest);
        l->structure = wire_short(&l->rest);
        l->uid = l->rest.failed ? UINT32_MAX : next;
    }
    return l->uid == uid && !l->rest.failed && l->envelope.n > 0 && l->structure.n > 0;
}

static void forget_made(struct fetch_listing *l)
{
    buf_reset(&l->made.text);
    l->made_count = 0;
}

static void on_put(void *ctx, const struct store_reply *reply)
{
    struct retrieval *r = ctx;
    r->listings_on_way--;
    if (reply->err && reply->err != ERR_NOT_FOUND && reply->err != ERR_DISK_FULL)
        log_event(LOG_INFO, "listing-not-kept", LF("reason", err_text(reply->err)));
}

static void put_made(struct imap_session *s, struct fetch_listing *l)
{
    struct retrieval *r = s->base.retrieval;
    struct buf sealed;
    if (!r->keys || r->listings_on_way >= LISTINGS_ON_WAY_MAX) {
        forget_made(l);
        return;
    }
    buf_init(&sealed, LISTING_SEALED_MAX);
    l->made.mailbox = s->selected->mailbox;
    if (listing_seal(r->keys, &l->made, &sealed) == ERR_OK) {
        r->listings_on_way++;
        store_put_listing(r->store, s->base.id, l->made.mailbox, l->made.first, l->made.last, buf_slice(&sealed),
            on_put, r);
    }
    buf_clear(&sealed);
    forget_made(l);
}

void fetch_listing_row(struct imap_session *s, struct fetch *w, uint32_t uid)
{
    struct fetch_listing *l = &w->listing;
    bool is_whole = l->is_making && l->envelope_n && l->structure_n;
    uint32_t number = is_whole ? view_number(&s->selected->view, uid) : 0;
    struct slice envelope = is_whole ? slice_sub(buf_slice(&s->out), l->envelope_from, l->envelope_n) : SLICE_EMPTY;
    struct slice structure = is_whole ? slice_sub(buf_slice(&s->out), l->structure_from, l->structure_n) : SLICE_EMPTY;
    size_t size = envelope.n + structure.n + LISTING_ENTRY_SPARE;
    l->envelope_n = l->structure_n = 0;
    /* A block holds neighbours: a mail between that was not asked for ends it. */
    if (!is_whole || size > LISTING_TEXT_MAX || (l->made_count && number != l->made_number + 1)) {
        forget_made(l);
        if (!is_whole || size > LISTING_TEXT_MAX)
            return;
    }
    if (l->made_count && (l->made.text.n + size > LISTING_TEXT_MAX || uid - l->made.first >= LISTING_SPAN_MAX))
        put_made(s, l);
    if (l->made_count == 0)
        l->made.first = uid;
    wire_put_u32(&l->made.text, uid);
    wire_put_short(&l->made.text, envelope);
    wire_put_short(&l->made.text, structure);
    l->made.last = uid;
    l->made_number = number;
    if (++l->made_count == LISTING_MAILS_MAX)
        put_made(s, l);
}

void fetch_listing_end(struct imap_session *s, struct fetch *w)
{
    if (w->listing.made_count >= LISTING_MAILS_WORTH)
        put_made(s, &w->listing);
}

void fetch_listing_clear(struct fetch *w)
{
    buf_clear(&w->listing.block.text);
    buf_clear(&w->listing.made.text);
}
