/* FETCH and UID FETCH: the way through the mailbox; see fetch.h. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/fetch.h"
#include "retrieval/imap/sync.h"

#define FETCH_GAP_MAX 64      /* UIDs not asked for that a cursor steps over before it is opened anew */
#define FETCH_BUSY_MAX 20000  /* turns that a FETCH waits for the database */

/* --- which UIDs come next --- */

/* The next UID that is asked for, at least w->next_uid; 0: none. */
static uint32_t expected(struct fetch *w)
{
    while (w->range_at < w->uids.n && w->uids.ranges[w->range_at].last < w->next_uid)
        w->range_at++;
    if (w->range_at == w->uids.n)
        return 0;
    uint32_t first = w->uids.ranges[w->range_at].first;
    return first > w->next_uid ? first : w->next_uid;
}

/* All that is asked for below uid is not in the mailbox any more. */
static void note_gone_below(struct fetch *w, uint64_t uid)
{
    for (uint32_t e = expected(w); e && e < uid; e = expected(w)) {
        uint32_t last = w->uids.ranges[w->range_at].last;
        uint32_t to = last < uid ? last : (uint32_t)(uid - 1);
        uid_set_add(&w->gone, e, to);
        w->next_uid = to + 1;
    }
}

/* --- a letter --- */

static void close_handle(struct fetch *w)
{
    letter_source_clear(&w->source);
    w->source.handle = NULL;
    if (w->handle)
        letter_handle_close(w->handle);
    w->handle = NULL;
}

static void note_unread(struct fetch *w, uint32_t uid)
{
    if (w->damaged_count++ == 0)
        w->damaged_uid = uid;
}

static void note_unseen(struct imap_session *s, struct fetch *w, const struct mail_row *row)
{
    if (w->sets_seen && !s->selected->is_read_only && !(row->flags & FLAG_SEEN))
        uid_set_add(&w->unseen, row->uid, row->uid);
}

/* Turns the letter at hand, or one that is gone, over to a handle. */
static enum err open_handle(struct imap_session *s, struct fetch *w, uint32_t uid)
{
    struct mail_row row;
    enum err e = letter_handle_open(imap_reader(s), s->selected->mailbox, uid, &w->handle);
    if (e != ERR_OK) {
        w->handle = NULL;
        return e;
    }
    row = *letter_handle_row(w->handle);
    letter_source_clear(&w->source);
    w->source = (struct letter_source){.handle = w->handle, .row = row};
    return ERR_OK;
}

/* --- rows under a cursor --- */

enum rows { ROWS_END, ROWS_REOPEN, ROWS_ROOM, ROWS_AGAIN, ROWS_BIG, ROWS_BUSY, ROWS_FAILED };

static enum rows serve(struct imap_session *s, struct fetch *w, const struct mail_row *row,
    struct mail_cursor *c)
{
    size_t mark = s->out.n;
    letter_source_clear(&w->source);
    w->source.cursor = c;
    w->source.row = *row;
    enum fetch_row r = fetch_row_step(s, w);
    if (r == FETCH_ROW_BIG)
        return ROWS_BIG; /* half said; w->item_at tells where it goes on */
    w->next_uid = row->uid + 1;
    if (r == FETCH_ROW_DAMAGED) {
        s->out.n = mark;
        w->is_in_row = false;
        note_unread(w, row->uid);
    } else {
        note_unseen(s, w, row);
    }
    if (imap_room(s) == 0)
        return ROWS_ROOM;
    return imap_slice_is_over(s) ? ROWS_AGAIN : ROWS_END;
}

/* The cursor ends at `last`: what is asked for up to it and was not met is gone. */
static enum rows read_rows(struct imap_session *s, struct fetch *w, struct mail_cursor *c, uint32_t last)
{
    struct mail_row row;
    enum err e;
    while ((e = mail_cursor_next(c, &row)) == ERR_OK) {
        note_gone_below(w, row.uid);
        uint32_t want = expected(w);
        if (want == 0)
            return ROWS_END;
        if (want > row.uid) {
            if (want - row.uid > FETCH_GAP_MAX)
                return ROWS_REOPEN;
            continue;
        }
        enum rows r = serve(s, w, &row, c);
        if (r != ROWS_END)
            return r;
    }
    if (e == ERR_AGAIN)
        return ROWS_BUSY;
    if (e != ERR_NOT_FOUND)
        return ROWS_FAILED;
    note_gone_below(w, (uint64_t)last + 1);
    return expected(w) ? ROWS_REOPEN : ROWS_END;
}

/* One opening of the cursor. */
static enum rows rows_piece(struct imap_session *s, struct fetch *w)
{
    struct mail_cursor *c;
    uint32_t from = expected(w);
    if (from == 0)
        return ROWS_END;
    uint32_t last = w->uids.ranges[w->uids.n - 1].last;
    unsigned want = fetch_listing_load(s, w, from, &last) ? MAIL_WANT_ROW : w->want;
    enum err e = mail_cursor_open(imap_reader(s), s->selected->mailbox, from, last, want, &c);
    if (e != ERR_OK)
        return e == ERR_AGAIN ? ROWS_BUSY : ROWS_FAILED;
    enum rows r = read_rows(s, w, c, last);
    if (r != ROWS_BIG)
        letter_source_clear(&w->source);
    uint32_t uid = w->source.row.uid;
    letter_source_clear(&w->source);
    w->source.cursor = NULL;
    mail_cursor_close(c);
    if (r != ROWS_BIG)
        return r;
    w->next_uid = uid + 1;
    if (open_handle(s, w, uid) == ERR_OK)
        return ROWS_AGAIN;
    /* It cannot be read on: what is said of it so far is closed. */
    note_unread(w, uid);
    buf_put_str(&s->out, ")\r\n");
    w->is_in_row = false;
    return ROWS_AGAIN;
}

/* A letter behind a handle; DONE when it is all said. */
static enum imap_step handle_piece(struct imap_session *s, struct fetch *w)
{
    enum fetch_row r = fetch_row_step(s, w);
    if (r == FETCH_ROW_ROOM)
        return IMAP_STEP_ROOM;
    if (r == FETCH_ROW_AGAIN)
        return IMAP_STEP_AGAIN;
    note_unseen(s, w, &w->source.row);
    close_handle(w);
    return IMAP_STEP_DONE;
}

static enum imap_step failed(struct imap_session *s)
{
    imap_no(s, "[SERVERBUG] FETCH failed: the mailbox could not be read");
    return IMAP_STEP_DONE;
}

static enum imap_step rows(struct imap_session *s, struct fetch *w)
{
    for (;;) {
        if (w->handle) {
            enum imap_step step = handle_piece(s, w);
            if (step != IMAP_STEP_DONE)
                return step;
        }
        switch (rows_piece(s, w)) {
        case ROWS_END:
            fetch_listing_end(s, w);
            w->phase = FETCH_GONE;
            return IMAP_STEP_DONE;
        case ROWS_REOPEN:
            break;
        case ROWS_ROOM:
            return IMAP_STEP_ROOM;
        case ROWS_AGAIN:
        case ROWS_BIG:
            return IMAP_STEP_AGAIN;
        case ROWS_BUSY:
            if (++w->busy_count < FETCH_BUSY_MAX)
                return IMAP_STEP_AGAIN;
            return failed(s);
        default:
            return failed(s);
        }
        if (imap_slice_is_over(s))
            return IMAP_STEP_AGAIN;
    }
}

/* --- letters that others expunged: readable for an hour --- */

static uint32_t take_first(struct uid_set *set)
{
    if (set->n == 0)
        return 0;
    struct uid_range *r = &set->ranges[set->n - 1]; /* from the end: no moving */
    uint32_t uid = r->last;
    if (r->first == r->last)
        set->n--;
    else
        r->last--;
    return uid;
}

static enum imap_step gone(struct imap_session *s, struct fetch *w)
{
    for (;;) {
        if (w->handle) {
            enum imap_step step = handle_piece(s, w);
            if (step != IMAP_STEP_DONE)
                return step;
        }
        if (imap_slice_is_over(s))
            return IMAP_STEP_AGAIN;
        uint32_t uid = take_first(&w->gone);
        if (uid == 0)
            break;
        if (open_handle(s, w, uid) != ERR_OK)
            w->has_gone = true;
    }
    w->phase = FETCH_SEEN;
    return IMAP_STEP_DONE;
}

/* --- \Seen, and the end --- */

static void finish(struct imap_session *s, struct fetch *w)
{
    if (w->damaged_count)
        imap_no(s, "[SERVERBUG] %llu of the messages cannot be read, the stored data is damaged: "
            "the first has UID %u", (unsigned long long)w->damaged_count, w->damaged_uid);
    else if (w->has_unknown_encoding)
        imap_no(s, "[UNKNOWN-CTE] The transfer encoding of some parts is not known here");
    else if (w->has_gone && !s->by_uid)
        imap_no(s, "[EXPUNGEISSUED] Some of the messages are there no more");
    else
        imap_ok(s, "FETCH completed");
}

/* The client hears of \Seen by the sync that follows. */
static enum imap_step seen(struct imap_session *s, struct fetch *w)
{
    if (s->reply.has_come)
        s->is_dirty = true;
    if ((s->reply.has_come && s->reply.err != ERR_OK) || w->seen_sent >= w->unseen.n) {
        finish(s, w);
        return IMAP_STEP_DONE;
    }
    size_t n = w->unseen.n - w->seen_sent < STORE_RANGES_MAX ? w->unseen.n - w->seen_sent : STORE_RANGES_MAX;
    struct store_flags f = {
        .session = s->base.id,
        .mailbox = s->selected->mailbox,
        .op = STORE_FLAGS_ADD,
        .flags = FLAG_SEEN,
        .unchanged_since = UINT64_MAX,
        .uids = w->unseen.ranges + w->seen_sent,
        .uid_count = n,
    };
    w->seen_sent += n;
    imap_reply_reset(s);
    s->request = store_change_flags(imap_store(s), &f, imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

/* CHANGEDSINCE: of the UIDs that were asked for, those that changed; and, with VANISHED, those that went. */
static enum err narrow(struct imap_session *s, struct fetch *w)
{
    struct mail_cursor *c;
    struct mail_row row;
    struct uid_set changed = {0};
    enum err e = w->wants_vanished ? imap_vanished_since(s, w->since, &w->set, &w->vanished) : ERR_OK;
    if (e == ERR_OK)
        e = mail_cursor_open_changed(imap_reader(s), s->selected->mailbox, w->since, &c);
    if (e != ERR_OK)
        return e;
    while ((e = mail_cursor_next(c, &row)) == ERR_OK)
        if (uid_set_has(&w->uids, row.uid))
            uid_set_add(&changed, row.uid, row.uid);
    mail_cursor_close(c);
    uid_set_clear(&w->uids);
    w->uids = changed;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* PARTIAL: of what would be told, a page. */
static void pick_page(struct fetch *w)
{
    struct uid_set page = {0};
    partial_range_pick(&w->partial, &w->uids, &page);
    uid_set_clear(&w->uids);
    w->uids = page;
}

/* DONE with the phase unchanged: the completion is set. */
static enum imap_step begin(struct imap_session *s, struct fetch *w)
{
    if (w->wants_vanished && (!w->is_since || !s->by_uid || !s->has_qresync)) {
        imap_bad(s, "VANISHED goes with UID FETCH, CHANGEDSINCE and ENABLE QRESYNC");
        return IMAP_STEP_DONE;
    }
    if (w->partial.is_asked && !s->by_uid) {
        imap_bad(s, "PARTIAL goes with UID FETCH");
        return IMAP_STEP_DONE;
    }
    if (w->has_modseq)
        imap_enable_condstore(s);
    if (w->uids.n == 0 && !imap_resolve_set(s, &w->set, &w->uids))
        return IMAP_STEP_DONE;
    enum err e = w->is_since ? narrow(s, w) : ERR_OK;
    if (e == ERR_AGAIN && ++w->busy_count < FETCH_BUSY_MAX)
        return IMAP_STEP_AGAIN;
    if (e != ERR_OK)
        return failed(s);
    if (w->partial.is_asked)
        pick_page(w);
    w->next_uid = 1;
    fetch_listing_begin(s, w);
    w->phase = FETCH_VANISHED;
    return IMAP_STEP_DONE;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct fetch *w = work;
    if (w->phase == FETCH_BEGIN) {
        enum imap_step r = begin(s, w);
        if (r != IMAP_STEP_DONE || w->phase == FETCH_BEGIN)
            return r;
    }
    if (w->phase == FETCH_VANISHED) {
        if (!imap_put_vanished(s, &w->vanished, true, &w->vanished_at))
            return IMAP_STEP_ROOM;
        w->phase = FETCH_ROWS;
    }
    if (w->phase == FETCH_ROWS) {
        enum imap_step r = rows(s, w);
        if (r != IMAP_STEP_DONE || w->phase == FETCH_ROWS)
            return r;
    }
    if (w->phase == FETCH_GONE) {
        enum imap_step r = gone(s, w);
        if (r != IMAP_STEP_DONE)
            return r;
        uid_set_normalise(&w->unseen);
    }
    return seen(s, w);
}

const struct imap_command imap_cmd_fetch = {
    .name = "FETCH",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_KEEPS_NUMBERS,
    .work_size = sizeof(struct fetch),
    .parse = fetch_parse,
    .step = step,
    .clear = fetch_clear,
};
