/* SORT and UID SORT (RFC 5256), with RETURN (ESORT, RFC 5267 section 3) and DISPLAYFROM and DISPLAYTO (RFC
 * 5957). Letters are gathered as a search finds them, sorted once, and told as the client reads. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/search_return.h"
#include "retrieval/imap/search_run.h"
#include "retrieval/imap/sort_rows.h"

#define CRITERIA_MAX 16

enum criterion { BY_ARRIVAL, BY_DATE, BY_SIZE, BY_TEXT };

struct sort_key {
    enum criterion by;
    enum sort_text text;
    bool is_reverse;
};

struct sort {
    struct search_run run;
    struct sort_key keys[CRITERIA_MAX];
    size_t key_count;
    unsigned texts;            /* bits of enum sort_text that are needed */
    bool want_sent;
    bool is_extended;
    unsigned returns;
    enum { SORT_BEGIN, SORT_RUN, SORT_TELL } phase;
    struct sort_rows rows;
    uint64_t modseq;
    size_t tell_at;
    bool has_head;
};

static const struct {
    const char *name;
    enum criterion by;
    enum sort_text text;
} names[] = {
    {"ARRIVAL", BY_ARRIVAL, 0}, {"CC", BY_TEXT, SORT_CC}, {"DATE", BY_DATE, 0}, {"FROM", BY_TEXT, SORT_FROM},
    {"SIZE", BY_SIZE, 0}, {"SUBJECT", BY_TEXT, SORT_SUBJECT}, {"TO", BY_TEXT, SORT_TO},
    {"DISPLAYFROM", BY_TEXT, SORT_DISPLAY_FROM}, {"DISPLAYTO", BY_TEXT, SORT_DISPLAY_TO},
};

static void parse_key(struct imap_cursor *c, struct sort *w)
{
    struct sort_key k = {.is_reverse = imap_take_word(c, "REVERSE")};
    if (k.is_reverse)
        imap_space(c);
    struct slice name = imap_atom(c);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!slice_equal_nocase(name, slice_str(names[i].name)))
            continue;
        k.by = names[i].by;
        k.text = names[i].text;
        if (w->key_count == CRITERIA_MAX) {
            imap_fail(c, "there are too many sort keys");
            return;
        }
        w->keys[w->key_count++] = k;
        w->texts |= k.by == BY_TEXT ? 1u << k.text : 0;
        w->want_sent |= k.by == BY_DATE;
        return;
    }
    imap_fail(c, "there is no such sort key");
}

/* sort = ["UID" SP] "SORT" [SP "RETURN" ...] SP "(" sort-key *(SP sort-key) ")" SP charset 1*(SP search-key) */
static void parse(struct imap_cursor *c, void *work)
{
    struct sort *w = work;
    imap_space(c);
    w->is_extended = search_return_parse(c, &w->returns, NULL);
    imap_open(c);
    do
        parse_key(c, w);
    while (imap_take(c, ' ') && !imap_failed(c));
    imap_close(c);
    imap_space(c);
    struct slice charset = imap_astring(c);
    imap_space(c);
    search_program_parse(c, charset, &w->run.program);
}

static void clear(struct imap_session *s, void *work)
{
    struct sort *w = work;
    (void)s;
    search_run_clear(&w->run);
    sort_rows_clear(&w->rows);
}

static enum err found(struct imap_session *s, void *ctx, struct letter_source *l, uint32_t number)
{
    struct sort *w = ctx;
    (void)s;
    if (l->row.modseq > w->modseq)
        w->modseq = l->row.modseq;
    return sort_rows_add(&w->rows, l, number, w->texts, w->want_sent);
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *a, const void *b, void *ctx)
{
    const struct sort *w = ctx;
    const struct sort_row *x = a;
    const struct sort_row *y = b;
    for (size_t i = 0; i < w->key_count; i++) {
        const struct sort_key *k = &w->keys[i];
        int c = k->by == BY_ARRIVAL ? compare_numbers(x->arrival, y->arrival) :
            k->by == BY_DATE        ? compare_numbers(x->sent, y->sent) :
            k->by == BY_SIZE        ? compare_numbers((int64_t)x->size, (int64_t)y->size) :
                slice_compare(sort_rows_text(&w->rows, x, k->text), sort_rows_text(&w->rows, y, k->text));
        if (c)
            return k->is_reverse ? -c : c;
    }
    return compare_numbers(x->number, y->number);
}

static uint32_t result_of(const struct imap_session *s, const struct sort *w, size_t i)
{
    return s->by_uid ? w->rows.rows[i].uid : w->rows.rows[i].number;
}

static void put_head(struct imap_session *s, const struct sort *w)
{
    size_t n = w->rows.n;
    if (!w->is_extended) {
        buf_put_str(&s->out, "* SORT");
        return;
    }
    search_return_head(s);
    if (n && w->returns & SEARCH_RETURN_MIN)
        buf_printf(&s->out, " MIN %u", result_of(s, w, 0));
    if (n && w->returns & SEARCH_RETURN_MAX)
        buf_printf(&s->out, " MAX %u", result_of(s, w, n - 1));
    if (w->returns & SEARCH_RETURN_COUNT)
        buf_printf(&s->out, " COUNT %zu", n);
    if (n && w->run.program.has_modseq)
        buf_printf(&s->out, " MODSEQ %llu", (unsigned long long)w->modseq);
    if (n && w->returns & SEARCH_RETURN_ALL)
        buf_put_str(&s->out, " ALL");
}

/* RFC 5182 section 2.1 and 2.4: "$" is what the RETURN options tell of. */
static void save(struct imap_session *s, const struct sort *w)
{
    bool ends_only = w->returns & (SEARCH_RETURN_MIN | SEARCH_RETURN_MAX) &&
        !(w->returns & (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT));
    if (!(w->returns & SEARCH_RETURN_SAVE))
        return;
    uid_set_clear(&s->saved);
    for (size_t i = 0; i < w->rows.n; i++) {
        bool is_told = !ends_only || (i == 0 && w->returns & SEARCH_RETURN_MIN) ||
            (i == w->rows.n - 1 && w->returns & SEARCH_RETURN_MAX);
        if (is_told)
            uid_set_add(&s->saved, w->rows.rows[i].uid, w->rows.rows[i].uid);
    }
    uid_set_normalise(&s->saved);
}

static enum imap_step finish(struct imap_session *s, const struct sort *w)
{
    save(s, w);
    if (w->run.unread_count)
        imap_no(s, "[SERVERBUG] SORT is not complete: %llu damaged letters could not be read",
            (unsigned long long)w->run.unread_count);
    else
        imap_ok(s, "SORT completed");
    return IMAP_STEP_DONE;
}

static enum imap_step tell(struct imap_session *s, struct sort *w)
{
    bool has_list = !w->is_extended || w->returns & SEARCH_RETURN_ALL;
    if (w->is_extended && w->returns == SEARCH_RETURN_SAVE)
        return finish(s, w);
    if (!w->has_head)
        put_head(s, w);
    w->has_head = true;
    while (has_list && w->tell_at < w->rows.n) {
        buf_put_byte(&s->out, w->is_extended && w->tell_at > 0 ? ',' : ' ');
        buf_put_u64(&s->out, result_of(s, w, w->tell_at++));
        if (imap_room(s) == 0)
            return IMAP_STEP_ROOM;
    }
    if (!w->is_extended && w->rows.n && w->run.program.has_modseq)
        buf_printf(&s->out, " (MODSEQ %llu)", (unsigned long long)w->modseq);
    buf_put_str(&s->out, "\r\n");
    return finish(s, w);
}

static enum imap_step begin(struct imap_session *s, struct sort *w)
{
    w->run.on_found = found;
    w->run.ctx = w;
    w->run.want = w->texts || w->want_sent ? MAIL_WANT_SUMMARY | MAIL_WANT_CONTENT : MAIL_WANT_ROW;
    if (!search_run_begin(s, &w->run)) {
        if (w->returns & SEARCH_RETURN_SAVE)
            uid_set_clear(&s->saved);
        return IMAP_STEP_DONE;
    }
    sort_rows_init(&w->rows);
    w->phase = SORT_RUN;
    return IMAP_STEP_AGAIN;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct sort *w = work;
    enum err e = ERR_OK;
    if (w->phase == SORT_BEGIN)
        return begin(s, w);
    if (w->phase == SORT_TELL)
        return tell(s, w);
    enum imap_step r = search_run_step(s, &w->run, &e);
    if (r != IMAP_STEP_DONE)
        return r;
    if (e) {
        imap_no(s, "[SERVERBUG] SORT failed: the mailbox could not be read");
        return IMAP_STEP_DONE;
    }
    if (w->rows.n)
        qsort_r(w->rows.rows, w->rows.n, sizeof *w->rows.rows, compare, w);
    w->phase = SORT_TELL;
    return IMAP_STEP_AGAIN;
}

const struct imap_command imap_cmd_sort = {
    .name = "SORT",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_KEEPS_NUMBERS,
    .work_size = sizeof(struct sort),
    .parse = parse,
    .step = step,
    .clear = clear,
};
