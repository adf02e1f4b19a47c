/* STORE and UID STORE. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/sync.h"

struct store {
    struct uid_set set;
    enum store_flag_op op;
    bool is_silent;
    bool is_conditional;    /* UNCHANGEDSINCE (RFC 7162 section 3.1.3) */
    uint64_t unchanged_since;
    struct imap_flags flags;
    /* while it runs */
    enum { STORE_BEGIN, STORE_KEYWORDS, STORE_CHANGE, STORE_TELL } phase;
    struct uid_set uids;
    size_t sent;
    size_t keyword_at;
    uint64_t bits;
    struct uid_set failed;  /* UIDs that had changed */
    bool was_dirty;         /* others changed something that is not told yet */
    uint64_t modseq;        /* highest that our changes gave */
    size_t tell_range;      /* telling goes on at this range and UID */
    uint32_t tell_uid;
};

/* store-modifiers: SP "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" */
static void parse_modifiers(struct imap_cursor *c, struct store *w)
{
    if (!imap_take(c, '('))
        return;
    if (!imap_take_word(c, "UNCHANGEDSINCE"))
        imap_fail(c, "UNCHANGEDSINCE was expected");
    imap_space(c);
    w->unchanged_since = imap_number64(c);
    w->is_conditional = true;
    imap_close(c);
    imap_space(c);
}

/* store-att-flags: (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
static void parse(struct imap_cursor *c, void *work)
{
    struct store *w = work;
    imap_space(c);
    sequence_set_parse(c, &w->set);
    imap_space(c);
    parse_modifiers(c, w);
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
    uid_set_clear(&w->failed);
}

static enum imap_step ask(struct imap_session *s, struct store *w)
{
    size_t n = w->uids.n - w->sent < STORE_RANGES_MAX ? w->uids.n - w->sent : STORE_RANGES_MAX;
    struct store_flags f = {
        .session = s->base.id,
        .mailbox = s->selected->mailbox,
        .op = w->op,
        .flags = w->bits,
        .unchanged_since = w->is_conditional ? w->unchanged_since : UINT64_MAX,
        .uids = w->uids.ranges + w->sent,
        .uid_count = n,
    };
    w->sent += n;
    imap_reply_reset(s);
    s->request = store_change_flags(imap_store(s), &f, imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

/* The sync that follows leaves out what we changed ourselves, unless others did so, too. */
static void remember_own(struct imap_session *s, struct store *w)
{
    uid_set_clear(&s->own_uids);
    s->is_dirty = true;
    if (w->was_dirty && w->is_silent)
        return;
    s->own_uids = w->uids;
    s->own_modseq = w->modseq;
    w->uids = (struct uid_set){0};
}

/* "[MODIFIED 7,9]" by UID or number, as the command was given. */
static void finish(struct imap_session *s, struct store *w)
{
    struct uid_set told = {0};
    if (w->failed.n == 0) {
        imap_ok(s, "STORE completed");
        return;
    }
    for (size_t i = 0; i < w->failed.n; i++) {
        struct uid_range r = w->failed.ranges[i];
        if (s->by_uid) {
            uid_set_add(&told, r.first, r.last);
            continue;
        }
        for (uint32_t uid = view_next(&s->selected->view, r.first); uid && uid <= r.last;
            uid = view_next(&s->selected->view, uid + 1)) {
            uint32_t number = view_number(&s->selected->view, uid);
            uid_set_add(&told, number, number);
        }
    }
    imap_ok(s, "STORE completed");
    buf_reset(&s->completion);
    buf_put_str(&s->completion, "OK [MODIFIED ");
    uid_set_put(&told, &s->completion);
    buf_put_str(&s->completion, "] Some had changed since then");
    if (!buf_ok(&s->completion)) { /* longer than a line may be */
        buf_clear(&s->completion);
        imap_no(s, "[LIMIT] Too many had changed since then; ask for fewer at a time");
    }
    uid_set_clear(&told);
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
        imap_put_changed(s, row.uid, row.flags, row.modseq, !w->is_silent);
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
    finish(s, w);
    return IMAP_STEP_DONE;
}

static void note_failed(struct imap_session *s, struct store *w)
{
    for (size_t i = 0; i < s->reply.ranges.n; i++)
        uid_set_add(&w->failed, s->reply.ranges.ranges[i].first, s->reply.ranges.ranges[i].last);
}

static enum imap_step changed(struct imap_session *s, struct store *w)
{
    s->is_dirty = true;
    if (s->reply.err != ERR_OK) {
        imap_no_err(s, s->reply.err, "changing flags");
        return IMAP_STEP_DONE;
    }
    w->modseq = s->reply.modseq;
    note_failed(s, w);
    if (w->sent < w->uids.n)
        return ask(s, w);
    uid_set_normalise(&w->failed);
    uid_set_remove(&w->uids, &w->failed);
    if (!w->is_silent || s->has_condstore) { /* the new mod-sequences are told in any case */
        w->phase = STORE_TELL;
        return tell(s, w);
    }
    remember_own(s, w);
    finish(s, w);
    return IMAP_STEP_DONE;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct store *w = work;
    bool has_failed;
    switch (w->phase) {
    case STORE_BEGIN:
        w->was_dirty = s->is_dirty;
        if (w->is_conditional)
            imap_enable_condstore(s);
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
