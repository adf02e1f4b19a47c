/* THREAD and UID THREAD (RFC 5256): ORDEREDSUBJECT and REFERENCES. Letters are gathered as a search finds
 * them, made into a tree (thread_tree.c) at once, and told as the client reads. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/search_run.h"
#include "retrieval/imap/sort_rows.h"
#include "retrieval/imap/thread_tree.h"

struct thread {
    struct search_run run;
    bool by_references;
    enum { THREAD_BEGIN, THREAD_RUN, THREAD_TELL } phase;
    struct sort_rows rows;
    struct thread_letter *letters;  /* owned; as many as rows */
    size_t letter_cap;
    uint64_t *references;           /* owned */
    size_t reference_count, reference_cap;
    struct thread_tree tree;
    uint32_t tell_at;
};

/* thread = ["UID" SP] "THREAD" SP thread-alg SP charset 1*(SP search-key) */
static void parse(struct imap_cursor *c, void *work)
{
    struct thread *w = work;
    imap_space(c);
    if (imap_take_word(c, "REFERENCES"))
        w->by_references = true;
    else if (!imap_take_word(c, "ORDEREDSUBJECT"))
        imap_fail(c, "ORDEREDSUBJECT or REFERENCES was expected");
    imap_space(c);
    struct slice charset = imap_astring(c);
    imap_space(c);
    search_program_parse(c, charset, &w->run.program);
}

static void clear(struct imap_session *s, void *work)
{
    struct thread *w = work;
    (void)s;
    search_run_clear(&w->run);
    sort_rows_clear(&w->rows);
    thread_tree_clear(&w->tree);
    free(w->letters);
    free(w->references);
}

/* Step 1: the ids of References, or else the first of In-Reply-To. */
static void take_references(struct thread *w, const struct summary *m, struct thread_letter *l)
{
    uint64_t ids[THREAD_REFERENCES_MAX];
    const struct summary_envelope *e = &m->envelopes[0];
    if (thread_ids(e->fields[SUMMARY_MESSAGE_ID], ids, 1))
        l->id = ids[0];
    size_t n = thread_ids(e->fields[SUMMARY_REFERENCES], ids, THREAD_REFERENCES_MAX);
    if (n == 0 && thread_ids(e->fields[SUMMARY_IN_REPLY_TO], ids, THREAD_REFERENCES_MAX))
        n = 1;
    if (w->reference_count + n > w->reference_cap) {
        w->reference_cap = 2 * w->reference_cap + THREAD_REFERENCES_MAX;
        w->references = mem_resize(w->references, w->reference_cap * sizeof *w->references);
    }
    l->references_at = (uint32_t)w->reference_count;
    l->references_n = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        w->references[w->reference_count++] = ids[i];
}

static enum err found(struct imap_session *s, void *ctx, struct letter_source *source, uint32_t number)
{
    struct thread *w = ctx;
    enum err e = sort_rows_add(&w->rows, source, number, 1u << SORT_SUBJECT, true);
    if (e)
        return e;
    if (w->rows.n > w->letter_cap) {
        w->letter_cap = w->rows.cap;
        w->letters = mem_resize(w->letters, w->letter_cap * sizeof *w->letters);
    }
    const struct sort_row *row = &w->rows.rows[w->rows.n - 1];
    struct thread_letter *l = &w->letters[w->rows.n - 1];
    *l = (struct thread_letter){.result = s->by_uid ? row->uid : row->number, .is_reply = row->is_reply,
        .sent = row->sent};
    if (w->by_references && source->summary->envelope_count)
        take_references(w, source->summary, l);
    return ERR_OK;
}

static int compare_by_subject(const void *a, const void *b, void *ctx)
{
    const struct thread *w = ctx;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    int c = slice_compare(sort_rows_text(&w->rows, &w->rows.rows[x], SORT_SUBJECT),
        sort_rows_text(&w->rows, &w->rows.rows[y], SORT_SUBJECT));
    return c ? c : (x > y) - (x < y);
}

/* Gives each different subject a number, in their order; the empty one is 0. */
static void number_subjects(struct thread *w)
{
    size_t n = w->rows.n;
    uint32_t *order = mem_new(n * sizeof *order);
    uint32_t subject = 0;
    struct slice before = SLICE_EMPTY;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, compare_by_subject, w);
    for (size_t i = 0; i < n; i++) {
        struct slice text = sort_rows_text(&w->rows, &w->rows.rows[order[i]], SORT_SUBJECT);
        subject += !slice_equal(text, before);
        before = text;
        w->letters[order[i]].subject = subject;
    }
    free(order);
}

static void make_tree(struct thread *w)
{
    if (w->rows.n)
        number_subjects(w);
    if (w->by_references)
        thread_by_references(w->letters, w->rows.n, w->references, &w->tree);
    else
        thread_by_subject(w->letters, w->rows.n, &w->tree);
}

static enum imap_step tell(struct imap_session *s, struct thread *w)
{
    if (w->tell_at == 0)
        buf_put_str(&s->out, w->rows.n ? "* THREAD " : "* THREAD");
    while (thread_tree_put(&w->tree, &w->tell_at, &s->out))
        if (imap_room(s) == 0)
            return IMAP_STEP_ROOM;
    buf_put_str(&s->out, "\r\n");
    if (w->run.unread_count)
        imap_no(s, "[SERVERBUG] THREAD is not complete: %llu damaged letters could not be read",
            (unsigned long long)w->run.unread_count);
    else
        imap_ok(s, "THREAD completed");
    return IMAP_STEP_DONE;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct thread *w = work;
    enum err e = ERR_OK;
    if (w->phase == THREAD_BEGIN) {
        w->run.on_found = found;
        w->run.ctx = w;
        w->run.want = MAIL_WANT_SUMMARY | MAIL_WANT_CONTENT;
        w->phase = THREAD_RUN;
        sort_rows_init(&w->rows);
        return search_run_begin(s, &w->run) ? IMAP_STEP_AGAIN : IMAP_STEP_DONE;
    }
    if (w->phase == THREAD_TELL)
        return tell(s, w);
    enum imap_step r = search_run_step(s, &w->run, &e);
    if (r != IMAP_STEP_DONE)
        return r;
    if (e) {
        imap_no(s, "[SERVERBUG] THREAD failed: the mailbox could not be read");
        return IMAP_STEP_DONE;
    }
    make_tree(w);
    w->phase = THREAD_TELL;
    return IMAP_STEP_AGAIN;
}

const struct imap_command imap_cmd_thread = {
    .name = "THREAD",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_KEEPS_NUMBERS,
    .work_size = sizeof(struct thread),
    .parse = parse,
    .step = step,
    .clear = clear,
};
