/* SEARCH and UID SEARCH, with the RETURN options of RFC 4731 (MIN MAX ALL COUNT). Goes through the mailbox
 * in slices; a plain SEARCH is answered as it goes, so that a session never holds its results. */
#include "base/clock.h"
#include "retrieval/imap/commands.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/search_program.h"

#define SEARCH_BUSY_MAX 200

enum { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8, RETURN_SAVE = 16 };

struct search {
    struct search_program program;
    bool is_extended;
    unsigned returns;
    /* while it runs */
    enum { SEARCH_BEGIN, SEARCH_SCAN, SEARCH_ROWS, SEARCH_TELL } phase;
    struct search_index *index; /* owned; NULL: every letter is opened */
    uint32_t next_uid;
    unsigned busy_count;
    uint64_t found;
    uint32_t least;
    uint32_t most;
    uint64_t modseq;            /* highest of what is told */
    struct uid_set saved;
    uint32_t least_uid;
    uint32_t most_uid;
    uint64_t least_modseq;
    uint64_t most_modseq;
    struct uid_set all;
    uint64_t unread_count;
    int64_t now;
    size_t tell_at;
};

static void parse_return(struct imap_cursor *c, struct search *w)
{
    imap_space(c);
    imap_open(c);
    while (imap_peek(c) != ')' && !imap_failed(c)) {
        if (imap_take_word(c, "MIN"))
            w->returns |= RETURN_MIN;
        else if (imap_take_word(c, "MAX"))
            w->returns |= RETURN_MAX;
        else if (imap_take_word(c, "ALL"))
            w->returns |= RETURN_ALL;
        else if (imap_take_word(c, "COUNT"))
            w->returns |= RETURN_COUNT;
        else if (imap_take_word(c, "SAVE"))
            w->returns |= RETURN_SAVE;
        else
            imap_fail(c, "MIN, MAX, ALL, COUNT or SAVE was expected");
        imap_take(c, ' ');
    }
    imap_close(c);
    if (!w->returns)
        w->returns = RETURN_ALL;
    w->is_extended = true;
    imap_space(c);
}

/* "SEARCH" [SP "RETURN" SP "(" ... ")"] [SP "CHARSET" SP astring] 1*(SP search-key) */
static void parse(struct imap_cursor *c, void *work)
{
    struct search *w = work;
    struct slice charset = SLICE_EMPTY;
    imap_space(c);
    if (imap_take_word(c, "RETURN"))
        parse_return(c, w);
    if (imap_take_word(c, "CHARSET")) {
        imap_space(c);
        charset = imap_astring(c);
        imap_space(c);
    }
    search_program_parse(c, charset, &w->program);
}

static void clear(struct imap_session *s, void *work)
{
    struct search *w = work;
    (void)s;
    search_index_close(w->index);
    search_program_clear(&w->program);
    uid_set_clear(&w->all);
    uid_set_clear(&w->saved);
}

/* Sets and keywords depend on the mailbox: they are resolved once, against the view as it is now. */
static bool resolve(struct imap_session *s, struct search *w)
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

static void found(struct imap_session *s, struct search *w, const struct mail_row *row, uint32_t number)
{
    uint32_t result = s->by_uid ? row->uid : number;
    if (w->found++ == 0) {
        w->least = result;
        w->least_uid = row->uid;
        w->least_modseq = row->modseq;
    }
    w->most = result;
    w->most_uid = row->uid;
    w->most_modseq = row->modseq;
    if (row->modseq > w->modseq)
        w->modseq = row->modseq;
    if (w->returns & RETURN_SAVE)
        uid_set_add(&w->saved, row->uid, row->uid);
    if (!w->is_extended) {
        buf_put_byte(&s->out, ' ');
        buf_put_u64(&s->out, result);
    } else if (w->returns & RETURN_ALL) {
        uid_set_add(&w->all, result, result);
    }
}

static enum err match(struct imap_session *s, struct search *w, struct letter_source *source, uint32_t number,
    bool *out_match)
{
    const struct search_letter l = {source, number, s->selected->recent_from, w->now, w->index};
    enum search_truth truth = search_program_guess(&w->program, &l);
    *out_match = truth == SEARCH_YES;
    if (truth != SEARCH_MUST_OPEN)
        return ERR_OK;
    if (!w->index)
        return search_program_match(&w->program, &l, out_match);
    /* The cursor goes over rows alone: the few letters that must be opened are opened by themselves. */
    enum err e = letter_handle_open(imap_reader(s), s->selected->mailbox, source->row.uid, &source->handle);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    e = search_program_match(&w->program, &l, out_match);
    struct letter_handle *handle = source->handle;
    letter_source_clear(source);
    letter_handle_close(handle);
    source->handle = NULL;
    return e;
}

static enum err look_at(struct imap_session *s, struct search *w, struct letter_source *source, uint32_t number)
{
    bool is_match = false;
    const struct mail_row row = source->row;
    enum err e = match(s, w, source, number, &is_match);
    if (e == ERR_DAMAGED || e == ERR_KEY_MISSING || e == ERR_UNSUPPORTED) {
        w->unread_count++; /* that letter alone cannot answer */
        return ERR_OK;
    }
    if (!e && is_match)
        found(s, w, &row, number);
    return e;
}

/* ERR_NOT_FOUND: the end. ERR_OK: more, after others had their turn. */
static enum err rows(struct imap_session *s, struct search *w, struct mail_cursor *c)
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
        if (imap_slice_is_over(s) || imap_room(s) == 0)
            return ERR_OK;
    }
    return e;
}

static enum err rows_piece(struct imap_session *s, struct search *w)
{
    struct mail_cursor *c;
    uint32_t last = view_last_uid(&s->selected->view);
    if (last == 0 || w->next_uid > last)
        return ERR_NOT_FOUND;
    enum err e = mail_cursor_open(imap_reader(s), s->selected->mailbox, w->next_uid, last,
        w->index ? MAIL_WANT_ROW : w->program.want, &c);
    if (e)
        return e;
    e = rows(s, w, c);
    mail_cursor_close(c);
    return e;
}

/* RFC 5182 section 2.1: with MIN and MAX alone, "$" is those two. */
static void save(struct imap_session *s, struct search *w)
{
    unsigned ends = w->returns & (RETURN_MIN | RETURN_MAX);
    if (!(w->returns & RETURN_SAVE))
        return;
    if (ends && !(w->returns & (RETURN_ALL | RETURN_COUNT)) && w->found) {
        uid_set_clear(&w->saved);
        if (ends & RETURN_MIN)
            uid_set_add(&w->saved, w->least_uid, w->least_uid);
        if (ends & RETURN_MAX)
            uid_set_add(&w->saved, w->most_uid, w->most_uid);
    }
    uid_set_clear(&s->saved);
    s->saved = w->saved;
    w->saved = (struct uid_set){0};
}

/* RFC 7162 section 3.1.10: of what is told. */
static uint64_t told_modseq(const struct search *w)
{
    unsigned ends = w->returns & (RETURN_MIN | RETURN_MAX);
    if (!ends || (w->returns & (RETURN_ALL | RETURN_COUNT)))
        return w->modseq;
    uint64_t least = ends & RETURN_MIN ? w->least_modseq : 0;
    uint64_t most = ends & RETURN_MAX ? w->most_modseq : 0;
    return least > most ? least : most;
}

static enum imap_step finish(struct imap_session *s, struct search *w)
{
    save(s, w);
    if (w->unread_count)
        imap_no(s, "[SERVERBUG] SEARCH is not complete: %llu damaged letters could not be searched",
            (unsigned long long)w->unread_count);
    else
        imap_ok(s, "SEARCH completed");
    return IMAP_STEP_DONE;
}

/* "* ESEARCH (TAG "a") UID MIN 1 MAX 9 COUNT 5 ALL 1:3,9" */
static void put_extended_head(struct imap_session *s, struct search *w)
{
    buf_put_str(&s->out, "* ESEARCH (TAG \"");
    for (size_t i = 0; i < s->tag.n; i++) {
        if (s->tag.p[i] == '\\')
            buf_put_byte(&s->out, '\\');
        buf_put_byte(&s->out, s->tag.p[i]);
    }
    buf_put_str(&s->out, s->by_uid ? "\") UID" : "\")");
    if (w->found && w->returns & RETURN_MIN)
        buf_printf(&s->out, " MIN %u", w->least);
    if (w->found && w->returns & RETURN_MAX)
        buf_printf(&s->out, " MAX %u", w->most);
    if (w->returns & RETURN_COUNT)
        buf_printf(&s->out, " COUNT %llu", (unsigned long long)w->found);
    if (w->found && w->program.has_modseq)
        buf_printf(&s->out, " MODSEQ %llu", (unsigned long long)told_modseq(w));
    if (w->found && w->returns & RETURN_ALL)
        buf_put_str(&s->out, " ALL ");
}

static enum imap_step tell(struct imap_session *s, struct search *w)
{
    if (w->returns == RETURN_SAVE) /* RFC 5182 section 2.1: no answer but the completion */
        return finish(s, w);
    if (w->tell_at == 0)
        put_extended_head(s, w);
    while (w->tell_at < w->all.n) {
        const struct uid_range *r = &w->all.ranges[w->tell_at++];
        buf_printf(&s->out, r->first == r->last ? "%s%u" : "%s%u:%u", w->tell_at > 1 ? "," : "", r->first,
            r->last);
        if (w->tell_at < w->all.n && imap_room(s) == 0)
            return IMAP_STEP_ROOM;
    }
    buf_put_str(&s->out, "\r\n");
    return finish(s, w);
}

/* RFC 5182 section 2.1: behind a NO "$" is empty. */
static void forget_saved(struct imap_session *s, const struct search *w)
{
    if (w->returns & RETURN_SAVE)
        uid_set_clear(&s->saved);
}

/* Without the index every letter is opened: the same answers, later. */
static void drop_index(struct search *w)
{
    search_index_close(w->index);
    w->index = NULL;
    search_program_unask(&w->program);
    w->phase = SEARCH_ROWS;
}

static enum imap_step begin(struct imap_session *s, struct search *w)
{
    if (w->program.bad_charset) {
        forget_saved(s, w);
        imap_no(s, "[BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252)] this charset is not "
            "known here");
        return IMAP_STEP_DONE;
    }
    if (w->program.has_modseq)
        imap_enable_condstore(s);
    if (s->has_rev2 && !w->is_extended) { /* RFC 9051 section 6.4.4: always ESEARCH */
        w->is_extended = true;
        w->returns = RETURN_ALL;
    }
    if (!resolve(s, w))
        return IMAP_STEP_DONE;
    w->now = clock_wall();
    w->next_uid = 1;
    w->phase = SEARCH_SCAN;
    bool may_help = w->program.want != MAIL_WANT_ROW &&
        settings_bool(s->base.retrieval->settings, "imap.search-index");
    if (!may_help || search_index_open(imap_reader(s), &w->index) != ERR_OK ||
        !search_program_ask(&w->program, w->index))
        drop_index(w);
    if (!w->is_extended)
        buf_put_str(&s->out, "* SEARCH");
    return IMAP_STEP_AGAIN;
}

/* Scans the index for as long as a step may last. */
static enum imap_step scan(struct imap_session *s, struct search *w)
{
    enum err e = ERR_OK;
    while (!e && !imap_slice_is_over(s))
        e = search_index_step(w->index);
    if (e == ERR_NOT_FOUND)
        w->phase = SEARCH_ROWS;
    else if (e && (e != ERR_AGAIN || ++w->busy_count == SEARCH_BUSY_MAX))
        drop_index(w);
    return IMAP_STEP_AGAIN;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct search *w = work;
    if (w->phase == SEARCH_BEGIN) {
        enum imap_step r = begin(s, w);
        if (r == IMAP_STEP_DONE)
            return r;
    }
    if (w->phase == SEARCH_SCAN)
        return scan(s, w);
    if (w->phase == SEARCH_TELL)
        return tell(s, w);
    enum err e = rows_piece(s, w);
    if (e == ERR_OK)
        return imap_room(s) == 0 ? IMAP_STEP_ROOM : IMAP_STEP_AGAIN;
    if (e == ERR_AGAIN && ++w->busy_count < SEARCH_BUSY_MAX)
        return IMAP_STEP_AGAIN;
    if (e == ERR_NOT_FOUND && w->is_extended) {
        w->phase = SEARCH_TELL;
        return tell(s, w);
    }
    if (!w->is_extended && w->found && w->program.has_modseq)
        buf_printf(&s->out, " (MODSEQ %llu)", (unsigned long long)told_modseq(w));
    if (!w->is_extended)
        buf_put_str(&s->out, "\r\n");
    if (e == ERR_NOT_FOUND)
        return finish(s, w);
    forget_saved(s, w);
    imap_no(s, "[SERVERBUG] SEARCH failed: the mailbox could not be read");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_search = {
    .name = "SEARCH",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_KEEPS_NUMBERS,
    .work_size = sizeof(struct search),
    .parse = parse,
    .step = step,
    .clear = clear,
};
