/* UIDBATCHES (draft-ietf-mailmaint-imap-uidbatches): ranges of UIDs that each hold so many letters, from the newest
 * on, for clients that work through a mailbox piece by piece. Answered from the view, without reading a letter. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/search_return.h"

#define BATCH_LETTERS_MIN 500
#define BATCHES_MAX 4000 /* 22 bytes each: what the output holds */

struct batches {
    uint32_t letters;       /* in each */
    uint32_t first;         /* batches that are asked for, counted from 1 */
    uint32_t last;
    bool has_range;
};

/* "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number] */
static void parse(struct imap_cursor *c, void *work)
{
    struct batches *w = work;
    imap_space(c);
    w->letters = imap_number(c);
    w->first = 1;
    w->last = UINT32_MAX;
    if (imap_peek(c) != ' ')
        return;
    imap_space(c);
    w->has_range = true;
    w->first = imap_number(c);
    if (!imap_take(c, ':'))
        imap_fail(c, "a range of batches as 1:10 was expected");
    w->last = imap_number(c);
}

/* False: the completion is set. */
static bool is_sensible(struct imap_session *s, const struct batches *w, uint32_t all)
{
    if (w->first == 0 || w->last < w->first) {
        imap_bad(s, "[CLIENTBUG] Batches are counted upwards from 1");
    } else if (w->letters < BATCH_LETTERS_MIN) {
        imap_no(s, "[TOOSMALL] A batch has at least %u letters", BATCH_LETTERS_MIN);
    } else if ((w->has_range ? w->last - w->first : (all + w->letters - 1ULL) / w->letters) >= BATCHES_MAX) {
        imap_no(s, "[TOOMANY] One answer names at most %u batches", BATCHES_MAX);
    } else {
        return true;
    }
    return false;
}

/* The oldest UID of a batch; the last one reaches down to 1. */
static uint32_t low_uid(const struct view *v, uint64_t letters, uint64_t batch)
{
    uint64_t all = view_count(v);
    return batch * letters >= all ? 1 : view_uid(v, (uint32_t)(all - batch * letters + 1));
}

static enum imap_step step(struct imap_session *s, void *work)
{
    const struct batches *w = work;
    const struct view *v = &s->selected->view;
    uint64_t all = view_count(v);
    if (!is_sensible(s, w, view_count(v)))
        return IMAP_STEP_DONE;
    buf_put_str(&s->out, "* UIDBATCHES (TAG ");
    search_put_tag(s);
    buf_put_byte(&s->out, ')');
    for (uint64_t batch = w->first; batch <= w->last && (batch - 1) * w->letters < all; batch++) {
        uint32_t high = batch == 1 ? view_last_uid(v) : low_uid(v, w->letters, batch - 1) - 1;
        buf_printf(&s->out, "%c%u:%u", batch == w->first ? ' ' : ',', high, low_uid(v, w->letters, batch));
    }
    buf_put_str(&s->out, "\r\n");
    imap_ok(s, "UIDBATCHES completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_uidbatches = {
    .name = "UIDBATCHES",
    .states = IMAP_STATE_SELECTED,
    .work_size = sizeof(struct batches),
    .parse = parse,
    .step = step,
};
