/* Changes of the selected mailbox, told to the client; see sync.h. */
#include "retrieval/imap/sync.h"

#include "retrieval/imap/keywords.h"

#define VANISHED_RANGES 500 /* in one line */

struct sync_row {
    uint32_t uid;
    uint64_t flags;
    uint64_t modseq;
};

struct imap_sync {
    struct uid_set gone;       /* UIDs of the view that are to be told as expunged */
    size_t gone_left;          /* ranges of gone not told yet, from the end */
    uint32_t gone_count;       /* and how many of the last of them were told */
    struct uid_set arrived;
    struct sync_row *rows;     /* flags that changed */
    size_t row_count;
    size_t row_cap;
    size_t row_at;
    bool has_removed;
    struct uid_set earlier;    /* to be told as VANISHED (EARLIER) */
    size_t vanished_at;        /* ranges of earlier, or with QRESYNC of gone, that were told */
};

void imap_sync_clear(struct imap_session *s)
{
    struct imap_sync *sync = s->sync;
    if (!sync)
        return;
    uid_set_clear(&sync->gone);
    uid_set_clear(&sync->arrived);
    uid_set_clear(&sync->earlier);
    free(sync->rows);
    free(sync);
    s->sync = NULL;
}

static bool is_own(const struct imap_session *s, const struct mail_row *row)
{
    return row->modseq <= s->own_modseq && uid_set_has(&s->own_uids, row->uid);
}

static void add_row(struct imap_sync *sync, const struct mail_row *row)
{
    if (sync->row_count == sync->row_cap) {
        sync->row_cap = sync->row_cap ? sync->row_cap * 2 : 16;
        sync->rows = mem_resize(sync->rows, sync->row_cap * sizeof(*sync->rows));
    }
    sync->rows[sync->row_count++] = (struct sync_row){row->uid, row->flags, row->modseq};
}

static void note_row(struct imap_session *s, const struct mail_row *row)
{
    const struct view *v = &s->selected->view;
    if (row->uid > view_last_uid(v))
        uid_set_add(&s->sync->arrived, row->uid, row->uid);
    else if (view_number(v, row->uid) != 0 && !is_own(s, row))
        add_row(s->sync, row);
}

static enum err read_changed(struct imap_session *s)
{
    struct mail_cursor *c;
    enum err e = mail_cursor_open_changed(imap_reader(s), s->selected->mailbox,
        s->selected->seen_modseq, &c);
    if (e != ERR_OK)
        return e;
    struct mail_row row;
    while ((e = mail_cursor_next(c, &row)) == ERR_OK)
        note_row(s, &row);
    mail_cursor_close(c);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Expunges are not known so far back: what the view has and the mailbox has not is gone. */
static enum err compare_all(struct imap_session *s, struct uid_set *out_gone)
{
    struct uid_range *runs;
    size_t n;
    enum err e = reader_uid_runs(imap_reader(s), s->selected->mailbox, &runs, &n);
    if (e != ERR_OK)
        return e;
    const struct view *v = &s->selected->view;
    struct view gone = {0};
    struct uid_set living = {.ranges = runs, .n = n, .cap = n};
    struct uid_range *all = mem_new((v->n + 1) * sizeof(*all));
    for (size_t i = 0; i < v->n; i++)
        all[i] = (struct uid_range){v->runs[i].first, v->runs[i].last};
    view_load(&gone, all, v->n);
    view_remove(&gone, &living);
    for (size_t i = 0; i < gone.n; i++)
        uid_set_add(out_gone, gone.runs[i].first, gone.runs[i].last);
    view_clear(&gone);
    free(all);
    uid_set_clear(&living);
    return ERR_OK;
}

static enum err read_gone(struct imap_session *s)
{
    struct uid_set vanished = {0};
    enum err e = reader_vanished(imap_reader(s), s->selected->mailbox, s->selected->gone_modseq,
        &vanished.ranges, &vanished.n);
    if (e == ERR_NOT_FOUND)
        return compare_all(s, &s->sync->gone);
    if (e != ERR_OK)
        return e;
    vanished.cap = vanished.n;
    uid_set_normalise(&vanished);
    view_select_uids(&s->selected->view, &vanished, &s->sync->gone);
    uid_set_clear(&vanished);
    return ERR_OK;
}

/* Not known so far back: all that was ever given and is not there now. */
static enum err vanished_of_old(struct imap_session *s, const struct uid_set *asked, struct uid_set *out)
{
    struct mailbox_info info;
    enum err e = reader_mailbox(imap_reader(s), s->selected->mailbox, &info);
    if (e != ERR_OK || info.uidnext < 2)
        return e;
    struct uid_range all = {1, info.uidnext - 1};
    const struct uid_set given = {.ranges = &all, .n = 1};
    uid_set_intersect(asked, &given, out);
    return ERR_OK;
}

enum err imap_vanished_since(struct imap_session *s, uint64_t since, const struct uid_set *asked,
    struct uid_set *out)
{
    struct uid_set vanished = {0};
    struct uid_set here = {0};
    enum err e = reader_vanished(imap_reader(s), s->selected->mailbox, since, &vanished.ranges, &vanished.n);
    if (e == ERR_NOT_FOUND)
        e = vanished_of_old(s, asked, out);
    else if (e == ERR_OK)
        uid_set_intersect(&vanished, asked, out);
    if (e == ERR_OK) {
        view_select_uids(&s->selected->view, out, &here);
        uid_set_remove(out, &here);
    }
    uid_set_clear(&here);
    uid_set_clear(&vanished);
    return e;
}

enum err imap_sync_resume(struct imap_session *s, uint64_t since, const struct uid_set *known)
{
    static struct uid_range every = {1, UINT32_MAX};
    const struct uid_set all = {.ranges = &every, .n = 1};
    struct mail_cursor *c;
    struct mail_row row;
    s->sync = mem_new(sizeof(*s->sync));
    enum err e = imap_vanished_since(s, since, known ? known : &all, &s->sync->earlier);
    if (e == ERR_OK)
        e = mail_cursor_open_changed(imap_reader(s), s->selected->mailbox, since, &c);
    if (e == ERR_OK) {
        while ((e = mail_cursor_next(c, &row)) == ERR_OK)
            if (view_number(&s->selected->view, row.uid) && (!known || uid_set_has(known, row.uid)))
                add_row(s->sync, &row);
        mail_cursor_close(c);
    }
    if (e == ERR_OK || e == ERR_NOT_FOUND)
        return ERR_OK;
    imap_sync_clear(s);
    return e;
}

/* ERR_OK: s->sync holds what is to be told, or is NULL when there is nothing. */
static enum err begin(struct imap_session *s, bool may_expunge)
{
    struct imap_selected *m = s->selected;
    struct mailbox_info info;
    enum err e = reader_mailbox(imap_reader(s), m->mailbox, &info);
    if (e != ERR_OK)
        return e;
    bool has_changed = info.highest_modseq > m->seen_modseq;
    bool has_gone = may_expunge && info.highest_modseq > m->gone_modseq;
    if (!has_changed && !has_gone) {
        s->is_dirty = !may_expunge && info.highest_modseq > m->gone_modseq;
        return ERR_OK;
    }
    s->sync = mem_new(sizeof(*s->sync));
    e = has_changed ? read_changed(s) : ERR_OK;
    if (e == ERR_OK && has_gone)
        e = read_gone(s);
    if (e != ERR_OK) {
        imap_sync_clear(s);
        return e;
    }
    s->sync->gone_left = s->sync->gone.n;
    m->seen_modseq = info.highest_modseq;
    if (may_expunge)
        m->gone_modseq = info.highest_modseq;
    s->is_dirty = m->gone_modseq < info.highest_modseq; /* what may not be told yet */
    return ERR_OK;
}

bool imap_put_vanished(struct imap_session *s, const struct uid_set *uids, bool is_earlier, size_t *at)
{
    while (*at < uids->n) {
        if (imap_room(s) == 0)
            return false;
        size_t n = uids->n - *at < VANISHED_RANGES ? uids->n - *at : VANISHED_RANGES;
        const struct uid_set piece = {.ranges = uids->ranges + *at, .n = n};
        buf_put_str(&s->out, is_earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
        uid_set_put(&piece, &s->out);
        buf_put_str(&s->out, "\r\n");
        *at += n;
    }
    return true;
}

/* From the end, so that numbers told before stay right. */
static bool tell_expunged(struct imap_session *s)
{
    struct imap_sync *sync = s->sync;
    for (; sync->gone_left > 0; sync->gone_left--, sync->gone_count = 0) {
        const struct uid_range *r = &sync->gone.ranges[sync->gone_left - 1];
        uint32_t last = view_number(&s->selected->view, r->last);
        for (; sync->gone_count <= r->last - r->first; sync->gone_count++) {
            if ((sync->gone_count & 63) == 0 && imap_room(s) == 0)
                return false;
            buf_put_str(&s->out, "* ");
            buf_put_u64(&s->out, last - sync->gone_count);
            buf_put_str(&s->out, " EXPUNGE\r\n");
        }
    }
    return true;
}

static bool tell_gone(struct imap_session *s)
{
    struct imap_sync *sync = s->sync;
    if (!imap_put_vanished(s, &sync->earlier, true, &sync->vanished_at))
        return false;
    if (sync->earlier.n == 0 && (s->has_qresync || s->is_uid_only)) {
        if (!imap_put_vanished(s, &sync->gone, false, &sync->vanished_at))
            return false;
    } else if (!tell_expunged(s)) {
        return false;
    }
    if (!sync->has_removed)
        view_remove(&s->selected->view, &sync->gone);
    sync->has_removed = true;
    return true;
}

static void tell_arrived(struct imap_session *s)
{
    struct imap_sync *sync = s->sync;
    struct view *v = &s->selected->view;
    if (sync->arrived.n == 0)
        return;
    for (size_t i = 0; i < sync->arrived.n; i++)
        for (uint32_t uid = sync->arrived.ranges[i].first; uid <= sync->arrived.ranges[i].last; uid++)
            view_add(v, uid);
    uid_set_clear(&sync->arrived);
    s->selected->has_new_recent = true;
    buf_put_str(&s->out, "* ");
    buf_put_u64(&s->out, view_count(v));
    buf_put_str(&s->out, " EXISTS\r\n");
    if (s->has_rev2)
        return;
    buf_put_str(&s->out, "* ");
    buf_put_u64(&s->out, view_count_from(v, s->selected->recent_from));
    buf_put_str(&s->out, " RECENT\r\n");
}

void imap_put_changed(struct imap_session *s, uint32_t uid, uint64_t flags, uint64_t modseq, bool says_flags)
{
    uint32_t number = view_number(&s->selected->view, uid);
    if (number == 0)
        return; /* expunged in the meantime, and told so */
    if (s->is_uid_only && !says_flags && !s->has_condstore)
        return; /* nothing to say of it */
    imap_announce_keywords(s, flags);
    bool has_said_uid = imap_put_fetch_head(s, number, uid);
    if (!has_said_uid && (s->by_uid || s->has_qresync || s->has_rev2))
        buf_printf(&s->out, "UID %u%s", uid, says_flags || s->has_condstore ? " " : "");
    if (says_flags) {
        buf_put_str(&s->out, "FLAGS ");
        imap_put_flags(s->base.retrieval, flags, uid >= s->selected->recent_from, &s->out);
    }
    if (s->has_condstore)
        buf_printf(&s->out, "%sMODSEQ (%llu)", says_flags ? " " : "", (unsigned long long)modseq);
    buf_put_str(&s->out, ")\r\n");
}

static bool tell_flags(struct imap_session *s)
{
    struct imap_sync *sync = s->sync;
    for (; sync->row_at < sync->row_count; sync->row_at++) {
        if ((sync->row_at & 7) == 0 && imap_room(s) == 0)
            return false;
        const struct sync_row *row = &sync->rows[sync->row_at];
        imap_put_changed(s, row->uid, row->flags, row->modseq, true);
    }
    return true;
}

enum imap_step imap_sync_step(struct imap_session *s, bool may_expunge)
{
    if (!s->sync) {
        enum err e = begin(s, may_expunge);
        if (e == ERR_AGAIN)
            return IMAP_STEP_AGAIN;
        if (e == ERR_NOT_FOUND) {
            imap_bye(s, "The selected mailbox was deleted");
            return IMAP_STEP_CLOSE;
        }
        if (e != ERR_OK) {
            s->is_dirty = true; /* the next command tries again */
            return IMAP_STEP_DONE;
        }
    }
    if (!s->sync)
        return IMAP_STEP_DONE;
    if (!tell_gone(s))
        return IMAP_STEP_ROOM;
    tell_arrived(s);
    if (!tell_flags(s))
        return IMAP_STEP_ROOM;
    imap_sync_clear(s);
    return IMAP_STEP_DONE;
}
