/* Going through the selected mailbox with a search program; see search_run.h. */
#include "retrieval/imap/search_run.h"

#include "base/clock.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/search_return.h"
#include "retrieval/imap/sync.h"

#define BUSY_MAX 200

/* Sets and keywords depend on the mailbox: they are resolved once, against the view as it is now. */
static bool resolve(struct imap_session *s, struct search_run *w)
{
    const struct view *v = &s->selected->view;
    for (size_t i = 0; i < w->program.n; i++) {
        struct search_key *k = &w->program.keys[i];
        if (k->set.is_saved) { /* "$": UIDs, whatever the command numbers by */
            k->kind = SEARCH_UIDS;
            view_select_uids(v, &s->saved, &k->set);
            continue;
        }
        if (k->kind == SEARCH_UIDS)
            sequence_set_resolve(&k->set, view_last_uid(v));
        if (k->kind == SEARCH_NUMBERS && s->is_uid_only) {
            imap_bad(s, "[UIDREQUIRED] With UIDONLY letters are named by UID");
            return false;
        }
        if (k->kind == SEARCH_NUMBERS) {
            sequence_set_resolve(&k->set, view_count(v));
            if (k->set.n && k->set.ranges[k->set.n - 1].last > view_count(v)) {
                imap_bad(s, "there is no message of this number");
                return false;
            }
        }
        if (k->kind == SEARCH_KEYWORD || k->kind == SEARCH_UNKEYWORD)
            k->number = imap_keyword_bit(s->base.retrieval, k->name);
    }
    return true;
}

static enum err open_and_match(struct imap_session *s, struct search_run *w, const struct search_letter *l)
{
    bool is_match = false;
    enum err e = search_program_match(&w->program, l, &is_match);
    return e || !is_match ? e : w->on_found(s, w->ctx, l->source, l->number);
}

static enum err match(struct imap_session *s, struct search_run *w, struct letter_source *source, uint32_t number)
{
    const struct search_letter l = {source, number, s->selected->recent_from, w->now, w->index};
    enum search_truth truth = search_program_guess(&w->program, &l);
    if (truth != SEARCH_MUST_OPEN)
        return truth == SEARCH_YES ? w->on_found(s, w->ctx, source, number) : ERR_OK;
    if (w->cursor_want & MAIL_WANT_CONTENT)
        return open_and_match(s, w, &l);
    /* The cursor goes over rows alone: the few letters that must be opened are opened by themselves. */
    enum err e = letter_handle_open(imap_reader(s), s->selected->mailbox, source->row.uid, &source->handle);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    e = open_and_match(s, w, &l);
    struct letter_handle *handle = source->handle;
    letter_source_clear(source);
    letter_handle_close(handle);
    source->handle = NULL;
    return e;
}

static enum err look_at(struct imap_session *s, struct search_run *w, struct letter_source *source, uint32_t number)
{
    enum err e = match(s, w, source, number);
    if (e == ERR_DAMAGED || e == ERR_KEY_MISSING || e == ERR_UNSUPPORTED) {
        w->unread_count++; /* that letter alone cannot answer */
        return ERR_OK;
    }
    return e;
}

/* ERR_NOT_FOUND: the end. ERR_OK: more, after others had their turn. */
static enum err rows(struct imap_session *s, struct search_run *w, struct mail_cursor *c)
{
    struct letter_source source = {.cursor = c};
    enum err e;
    while ((e = mail_cursor_next(c, &source.row)) == ERR_OK) {
        uint32_t uid = source.row.uid;
        uint32_t number = view_number(&s->selected->view, uid);
        if (number)
            e = look_at(s, w, &source, number);
        letter_source_clear(&source);
        source.cursor = c;
        if (e)
            break;
        if (uid == UINT32_MAX)
            return ERR_NOT_FOUND;
        w->next_uid = uid + 1;
        w->looked_at += number != 0;
        if (imap_slice_is_over(s) || imap_room(s) == 0)
            return ERR_OK;
    }
    return e;
}

static enum err rows_piece(struct imap_session *s, struct search_run *w)
{
    struct mail_cursor *c;
    uint32_t last = view_last_uid(&s->selected->view);
    if (last == 0 || w->next_uid > last)
        return ERR_NOT_FOUND;
    w->cursor_want = w->want | (w->index ? MAIL_WANT_ROW : w->program.want);
    enum err e = mail_cursor_open(imap_reader(s), s->selected->mailbox, w->next_uid, last, w->cursor_want, &c);
    if (e)
        return e;
    e = rows(s, w, c);
    mail_cursor_close(c);
    return e;
}

/* Without the index every letter is opened: the same answers, later. */
static void drop_index(struct search_run *w)
{
    search_index_close(w->index);
    w->index = NULL;
    search_program_unask(&w->program);
    w->is_scanned = true;
}

static void open_index(struct imap_session *s, struct search_run *w)
{
    if (search_index_open(imap_reader(s), &w->index) != ERR_OK || !search_program_ask(&w->program, w->index))
        drop_index(w);
}

/* Scans the index for as long as a step may last. */
static void scan(struct imap_session *s, struct search_run *w)
{
    enum err e = ERR_OK;
    while (!e && !imap_slice_is_over(s))
        e = search_index_step(w->index);
    if (e == ERR_NOT_FOUND) {
        w->is_scanned = true;
    } else if (e == ERR_BUSY && ++w->busy_count < BUSY_MAX) {
        search_index_close(w->index);
        w->index = NULL;
        open_index(s, w);
    } else if (e && (e != ERR_AGAIN || ++w->busy_count >= BUSY_MAX)) {
        drop_index(w);
    }
}

bool search_run_begin(struct imap_session *s, struct search_run *w)
{
    if (w->program.bad_charset) {
        imap_no(s, "[BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252)] this charset is not "
            "known here");
        return false;
    }
    if (w->program.has_modseq)
        imap_enable_condstore(s);
    if (!resolve(s, w))
        return false;
    w->now = clock_wall();
    w->next_uid = 1;
    w->told_ms = clock_mono_ms();
    bool may_help = w->program.want != MAIL_WANT_ROW &&
        settings_bool(s->base.retrieval->settings, "imap.search-index");
    if (may_help)
        open_index(s, w);
    else
        drop_index(w);
    return true;
}

/* "* OK [INPROGRESS ("a1" 12 500)] words" (RFC 9585 section 4) */
static void tell_progress(struct imap_session *s, struct search_run *w)
{
    uint64_t now = clock_mono_ms();
    uint32_t all = view_count(&s->selected->view);
    uint64_t every = settings_number(s->base.retrieval->settings, "imap.progress-every") * 1000;
    if (w->is_within_line || w->looked_at >= all || now - w->told_ms < every)
        return;
    w->told_ms = now;
    buf_put_str(&s->out, "* OK [INPROGRESS (");
    search_put_tag(s);
    buf_printf(&s->out, " %u %u)] Still looking\r\n", w->looked_at, all);
}

enum imap_step search_run_step(struct imap_session *s, struct search_run *w, enum err *out_end)
{
    tell_progress(s, w);
    if (!w->is_scanned) {
        scan(s, w);
        return IMAP_STEP_AGAIN;
    }
    enum err e = rows_piece(s, w);
    if (e == ERR_OK)
        return imap_room(s) == 0 ? IMAP_STEP_ROOM : IMAP_STEP_AGAIN;
    if (e == ERR_AGAIN && ++w->busy_count < BUSY_MAX)
        return IMAP_STEP_AGAIN;
    *out_end = e == ERR_NOT_FOUND ? ERR_OK : e;
    return IMAP_STEP_DONE;
}

void search_run_clear(struct search_run *w)
{
    search_index_close(w->index);
    w->index = NULL;
    search_program_clear(&w->program);
}
