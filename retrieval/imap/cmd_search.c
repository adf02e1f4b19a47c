/* SEARCH and UID SEARCH, with the RETURN options of RFC 4731 (MIN MAX ALL COUNT). Goes through the mailbox
 * in slices; a plain SEARCH is answered as it goes, so that a session never holds its results. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/search_return.h"
#include "retrieval/imap/search_run.h"


struct search {
    struct search_run run;
    bool is_extended;
    unsigned returns;
    struct partial_range partial;
    /* while it runs */
    enum { SEARCH_BEGIN, SEARCH_RUN, SEARCH_TELL } phase;
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
    size_t tell_at;
};

/* "SEARCH" [SP "RETURN" SP "(" ... ")"] [SP "CHARSET" SP astring] 1*(SP search-key) */
static void parse(struct imap_cursor *c, void *work)
{
    struct search *w = work;
    struct slice charset = SLICE_EMPTY;
    imap_space(c);
    w->is_extended = search_return_parse(c, &w->returns, &w->partial);
    if (imap_take_word(c, "CHARSET")) {
        imap_space(c);
        charset = imap_astring(c);
        imap_space(c);
    }
    search_program_parse(c, charset, &w->run.program);
}

static void clear(struct imap_session *s, void *work)
{
    struct search *w = work;
    (void)s;
    search_run_clear(&w->run);
    uid_set_clear(&w->all);
    uid_set_clear(&w->saved);
}

/* A page from the beginning needs none of the letters behind it. */
static bool is_enough(const struct search *w)
{
    return w->returns & SEARCH_RETURN_PARTIAL && !(w->returns & (SEARCH_RETURN_COUNT | SEARCH_RETURN_MAX)) &&
        !w->partial.is_from_end && w->found >= w->partial.last;
}

/* "* SEARCH": with the first result, so that progress can be told before it. */
static void put_head(struct imap_session *s, struct search *w)
{
    if (!w->run.is_within_line)
        buf_put_str(&s->out, "* SEARCH");
    w->run.is_within_line = true;
}

static enum err found(struct imap_session *s, void *ctx, struct letter_source *l, uint32_t number)
{
    struct search *w = ctx;
    const struct mail_row *row = &l->row;
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
    if (w->returns & SEARCH_RETURN_SAVE)
        uid_set_add(&w->saved, row->uid, row->uid);
    if (!w->is_extended) {
        put_head(s, w);
        buf_put_byte(&s->out, ' ');
        buf_put_u64(&s->out, result);
    } else if (w->returns & (SEARCH_RETURN_ALL | SEARCH_RETURN_PARTIAL)) {
        uid_set_add(&w->all, result, result);
    }
    return is_enough(w) ? ERR_NOT_FOUND : ERR_OK; /* the end of the mailbox */
}

/* RFC 9394 section 3.1: "$" is the page, and MIN and MAX; with COUNT it is everything that was found. */
static void save_page(struct search *w)
{
    struct uid_set page = {0};
    partial_range_pick(&w->partial, &w->saved, &page);
    if (w->found && w->returns & SEARCH_RETURN_MIN)
        uid_set_add(&page, w->least_uid, w->least_uid);
    if (w->found && w->returns & SEARCH_RETURN_MAX)
        uid_set_add(&page, w->most_uid, w->most_uid);
    uid_set_normalise(&page);
    uid_set_clear(&w->saved);
    w->saved = page;
}

/* RFC 5182 section 2.1: with MIN and MAX alone, "$" is those two. */
static void save(struct imap_session *s, struct search *w)
{
    unsigned ends = w->returns & (SEARCH_RETURN_MIN | SEARCH_RETURN_MAX);
    if (!(w->returns & SEARCH_RETURN_SAVE))
        return;
    if (w->returns & SEARCH_RETURN_PARTIAL && !(w->returns & SEARCH_RETURN_COUNT)) {
        save_page(w);
    } else if (ends && !(w->returns & (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT)) && w->found) {
        uid_set_clear(&w->saved);
        if (ends & SEARCH_RETURN_MIN)
            uid_set_add(&w->saved, w->least_uid, w->least_uid);
        if (ends & SEARCH_RETURN_MAX)
            uid_set_add(&w->saved, w->most_uid, w->most_uid);
    }
    uid_set_clear(&s->saved);
    s->saved = w->saved;
    w->saved = (struct uid_set){0};
}

/* RFC 7162 section 3.1.10: of what is told. */
static uint64_t told_modseq(const struct search *w)
{
    unsigned ends = w->returns & (SEARCH_RETURN_MIN | SEARCH_RETURN_MAX);
    if (!ends || (w->returns & (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT | SEARCH_RETURN_PARTIAL)))
        return w->modseq;
    uint64_t least = ends & SEARCH_RETURN_MIN ? w->least_modseq : 0;
    uint64_t most = ends & SEARCH_RETURN_MAX ? w->most_modseq : 0;
    return least > most ? least : most;
}

static enum imap_step finish(struct imap_session *s, struct search *w)
{
    save(s, w);
    if (w->run.unread_count)
        imap_no(s, "[SERVERBUG] SEARCH is not complete: %llu damaged letters could not be searched",
            (unsigned long long)w->run.unread_count);
    else
        imap_ok(s, "SEARCH completed");
    return IMAP_STEP_DONE;
}

/* " PARTIAL (1:10 " and then the page, or NIL (RFC 9394 section 3.1) */
static void put_partial_head(struct imap_session *s, struct search *w)
{
    struct uid_set page = {0};
    partial_range_pick(&w->partial, &w->all, &page);
    uid_set_clear(&w->all);
    w->all = page;
    buf_put_str(&s->out, " PARTIAL (");
    buf_put(&s->out, w->partial.text);
    buf_put_str(&s->out, w->all.n ? " " : " NIL");
}

/* "* ESEARCH (TAG "a") UID MIN 1 MAX 9 COUNT 5 ALL 1:3,9" */
static void put_extended_head(struct imap_session *s, struct search *w)
{
    search_return_head(s);
    if (w->found && w->returns & SEARCH_RETURN_MIN)
        buf_printf(&s->out, " MIN %u", w->least);
    if (w->found && w->returns & SEARCH_RETURN_MAX)
        buf_printf(&s->out, " MAX %u", w->most);
    if (w->returns & SEARCH_RETURN_COUNT)
        buf_printf(&s->out, " COUNT %llu", (unsigned long long)w->found);
    if (w->found && w->run.program.has_modseq)
        buf_printf(&s->out, " MODSEQ %llu", (unsigned long long)told_modseq(w));
    if (w->found && w->returns & SEARCH_RETURN_ALL)
        buf_put_str(&s->out, " ALL ");
    if (w->returns & SEARCH_RETURN_PARTIAL)
        put_partial_head(s, w);
}

static enum imap_step tell(struct imap_session *s, struct search *w)
{
    if (w->returns == SEARCH_RETURN_SAVE) /* RFC 5182 section 2.1: no answer but the completion */
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
    buf_put_str(&s->out, w->returns & SEARCH_RETURN_PARTIAL ? ")\r\n" : "\r\n");
    return finish(s, w);
}

/* RFC 5182 section 2.1: behind a NO "$" is empty. */
static void forget_saved(struct imap_session *s, const struct search *w)
{
    if (w->returns & SEARCH_RETURN_SAVE)
        uid_set_clear(&s->saved);
}

static enum imap_step begin(struct imap_session *s, struct search *w)
{
    if (s->has_rev2 && !w->is_extended) { /* RFC 9051 section 6.4.4: always ESEARCH */
        w->is_extended = true;
        w->returns = SEARCH_RETURN_ALL;
    }
    w->run.on_found = found;
    w->run.ctx = w;
    if (!search_run_begin(s, &w->run)) {
        if (w->run.program.bad_charset)
            forget_saved(s, w);
        return IMAP_STEP_DONE;
    }
    w->phase = SEARCH_RUN;
    return IMAP_STEP_AGAIN;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct search *w = work;
    enum err e = ERR_OK;
    if (w->phase == SEARCH_BEGIN && begin(s, w) == IMAP_STEP_DONE)
        return IMAP_STEP_DONE;
    if (w->phase == SEARCH_TELL)
        return tell(s, w);
    enum imap_step r = search_run_step(s, &w->run, &e);
    if (r != IMAP_STEP_DONE)
        return r;
    if (!e && w->is_extended) {
        w->phase = SEARCH_TELL;
        return tell(s, w);
    }
    if (!w->is_extended)
        put_head(s, w);
    if (!w->is_extended && w->found && w->run.program.has_modseq)
        buf_printf(&s->out, " (MODSEQ %llu)", (unsigned long long)told_modseq(w));
    if (!w->is_extended)
        buf_put_str(&s->out, "\r\n");
    if (!e)
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
