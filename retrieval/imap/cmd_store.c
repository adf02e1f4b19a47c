/* STORE and UID STORE. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/keywords.h"

struct store {
    struct uid_set set;
    enum store_flag_op op;
    bool is_silent;
    struct imap_flags flags;
    /* while it runs */
    enum { STORE_BEGIN, STORE_KEYWORDS, STORE_CHANGE, STORE_TELL } phase;
    struct uid_set uids;
    size_t sent;
    size_t keyword_at;
    uint64_t bits;
    uint64_t modseq;        /* highest that our changes gave */
    size_t tell_range;      /* telling goes on at this range and UID */
    uint32_t tell_uid;
};

/* store-att-flags: (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
static void parse(struct imap_cursor *c, void *work)
{
    struct store *w = work;
    imap_space(c);
    sequence_set_parse(c, &w->set);
    imap_space(c);
    w->op = imap_take(c, '+') ? STORE_FLAGS_ADD : imap_take(c, '-') ? STORE_FLAGS_REMOVE : STORE_FLAGS_SET;
    if (imap_take_word(c, "FLAGS.SILENT"))
        w->is_silent = true;
    else if (!imap_take_word(c, "FLAGS"))
        imap_fail(c, "FLAGS or FLAGS.SILENT was expected");
    imap_space(c);
    if (imap_peek(c) == '(') {
        imap_flag_list(c, &w->flags);
        return;
    }
    do
        imap_flag(c, &w->flags);
    while (imap_take(c, ' '));
}

static void clear(struct imap_session *s, void *work)
{
    struct store *w = work;
    (void)s;
    uid_set_clear(&w->set);
    uid_set_clear(&w->uids);
}

static enum imap_step ask(struct imap_session *s, struct store *w)
{
    size_t n = w->uids.n - w->sent < STORE_RANGES_MAX ? w->uids.n - w->sent : STORE_RANGES_MAX;
    struct store_flags f = {
        .session = s->base.id,
        .mailbox = s->selected->mailbox,
        .op = w->op,
        .flags = w->bits,
        .unchanged_since = UINT64_MAX,
        .uids = w->uids.ranges + w->sent,
        .uid_count = n,
    };
    w->sent += n;
    imap_reply_reset(s);
    s->request = store_change_flags(imap_store(s), &f, imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

/* The sync that follows leaves out what we changed ourselves. */
static void remember_own(struct imap_session *s, struct store *w)
{
    uid_set_clear(&s->own_uids);
    s->own_uids = w->uids;
    s->own_modseq = w->modseq;
    w->uids = (struct uid_set){0};
    s->is_dirty = true;
}

static void put_row(struct imap_session *s, const struct mail_row *row)
{
    uint32_t number = view_number(&s->selected->view, row->uid);
    if (number == 0)
        return;
    imap_announce_keywords(s, row->flags);
    buf_put_str(&s->out, "* ");
    buf_put_u64(&s->out, number);
    buf_put_str(&s->out, " FETCH (");
    if (s->by_uid) {
        buf_put_str(&s->out, "UID ");
        buf_put_u64(&s->out, row->uid);
        buf_put_byte(&s->out, ' ');
    }
    buf_put_str(&s->out, "FLAGS ");
    imap_put_flags(s->base.retrieval, row->flags, row->uid >= s->selected->recent_from, &s->out);
    buf_put_str(&s->out, ")\r\n");
}

/* Rows of one range, from tell_uid on. ERR_OK: the range is told; ERR_LIMIT: no room. */
static enum err tell_range(struct imap_session *s, struct store *w)
{
    struct uid_range r = w->uids.ranges[w->tell_range];
    uint32_t from = w->tell_uid > r.first ? w->tell_uid : r.first;
    struct mail_cursor *c;
    enum err e = mail_cursor_open(imap_reader(s), s->selected->mailbox, from, r.last, MAIL_WANT_ROW, &c);
    if (e != ERR_OK)
        return e;
    struct mail_row row;
    while ((e = mail_cursor_next(c, &row)) == ERR_OK) {
        put_row(s, &row);
        w->tell_uid = row.uid + 1;
        if (imap_room(s) == 0) {
            e = ERR_LIMIT;
            break;
        }
    }
    mail_cursor_close(c);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum imap_step tell(struct imap_session *s, struct store *w)
{
    for (; w->tell_range < w->uids.n; w->tell_range++) {
        if (imap_slice_is_over(s))
            return IMAP_STEP_AGAIN;
        enum err e = tell_range(s, w);
        if (e == ERR_LIMIT)
            return IMAP_STEP_ROOM;
        if (e == ERR_AGAIN)
            return IMAP_STEP_AGAIN;
        if (e != ERR_OK)
            break; /* the change is made; what could not be told is told by the sync */
    }
    if (w->tell_range == w->uids.n)
        remember_own(s, w);
    imap_ok(s, "STORE completed");
    return IMAP_STEP_DONE;
}

static enum imap_step changed(struct imap_session *s, struct store *w)
{
    s->is_dirty = true;
    if (s->reply.err != ERR_OK) {
        imap_no_err(s, s->reply.err, "changing flags");
        return IMAP_STEP_DONE;
    }
    w->modseq = s->reply.modseq;
    if (w->sent < w->uids.n)
        return ask(s, w);
    if (!w->is_silent) {
        w->phase = STORE_TELL;
        return tell(s, w);
    }
    remember_own(s, w);
    imap_ok(s, "STORE completed");
    return IMAP_STEP_DONE;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct store *w = work;
    bool has_failed;
    switch (w->phase) {
    case STORE_BEGIN:
        if (!imap_resolve_set(s, &w->set, &w->uids))
            return IMAP_STEP_DONE;
        if (w->uids.n == 0) {
            imap_ok(s, "STORE completed; there was nothing to do");
            return IMAP_STEP_DONE;
        }
        w->bits = w->flags.bits;
        w->phase = STORE_KEYWORDS;
        __attribute__((fallthrough));
    case STORE_KEYWORDS:
        if (imap_keywords_resolve(s, &w->flags, &w->keyword_at, &w->bits, &has_failed) == IMAP_STEP_WAIT)
            return IMAP_STEP_WAIT;
        if (has_failed)
            return IMAP_STEP_DONE;
        w->phase = STORE_CHANGE;
        return ask(s, w);
    case STORE_CHANGE:
        return changed(s, w);
    default:
        return tell(s, w);
    }
}

const struct imap_command imap_cmd_store = {
    .name = "STORE",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_KEEPS_NUMBERS | IMAP_CMD_WRITES,
    .work_size = sizeof(struct store),
    .parse = parse,
    .step = step,
    .clear = clear,
};
