/* SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3691), EXPUNGE and UID EXPUNGE (RFC 4315). */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/mailbox_tree.h"
#include "retrieval/imap/sync.h"

struct select {
    struct slice name;
    bool has_asked;
    struct mailbox_info info;
};

static void parse_select(struct imap_cursor *c, void *work)
{
    struct select *w = work;
    imap_space(c);
    w->name = imap_astring(c);
}

static enum err load_view(struct imap_session *s, struct imap_selected *m)
{
    struct uid_range *runs;
    size_t n;
    enum err e = reader_uid_runs(imap_reader(s), m->mailbox, &runs, &n);
    if (e != ERR_OK)
        return e;
    view_load(&m->view, runs, n);
    free(runs);
    return ERR_OK;
}

static void say_code(struct imap_session *s, const char *code, uint64_t number, const char *text)
{
    buf_put_str(&s->out, "* OK [");
    buf_put_str(&s->out, code);
    buf_put_byte(&s->out, ' ');
    buf_put_u64(&s->out, number);
    buf_put_str(&s->out, "] ");
    buf_put_str(&s->out, text);
    buf_put_str(&s->out, "\r\n");
}

static void say_number(struct imap_session *s, uint64_t number, const char *word)
{
    buf_put_str(&s->out, "* ");
    buf_put_u64(&s->out, number);
    buf_put_byte(&s->out, ' ');
    buf_put_str(&s->out, word);
    buf_put_str(&s->out, "\r\n");
}

static void say_permanent_flags(struct imap_session *s, const struct imap_selected *m)
{
    buf_put_str(&s->out, "* OK [PERMANENTFLAGS ");
    if (m->is_read_only) {
        buf_put_str(&s->out, "()] Nothing can be changed here\r\n");
        return;
    }
    imap_put_flags(s->base.retrieval, m->announced_keywords, false, &s->out);
    if (buf_ok(&s->out) && s->out.p[s->out.n - 1] == ')')
        s->out.n--;
    buf_put_str(&s->out, " \\*)] These flags and new keywords are kept\r\n");
}

static void say_selected(struct imap_session *s, const struct mailbox_info *info)
{
    struct imap_selected *m = s->selected;
    uint32_t first_unseen = 0;
    imap_put_flags_line(s);
    say_permanent_flags(s, m);
    say_number(s, view_count(&m->view), "EXISTS");
    say_number(s, view_count_from(&m->view, m->recent_from), "RECENT");
    if (info->unseen && reader_first_unseen(imap_reader(s), m->mailbox, &first_unseen) == ERR_OK) {
        uint32_t number = first_unseen ? view_number(&m->view, first_unseen) : 0;
        if (number)
            say_code(s, "UNSEEN", number, "The first one not seen");
    }
    say_code(s, "UIDVALIDITY", info->uidvalidity, "UIDs are valid");
    say_code(s, "UIDNEXT", info->uidnext, "The next UID, or more");
}

/* The last step: the recent mark is known. */
static enum imap_step opened(struct imap_session *s, const struct select *w, uint32_t recent_from)
{
    struct imap_selected *m = mem_new(sizeof(*m));
    m->mailbox = w->info.id;
    m->is_read_only = s->run == &imap_cmd_examine;
    m->uidvalidity = w->info.uidvalidity;
    m->recent_from = recent_from;
    m->seen_modseq = m->gone_modseq = w->info.highest_modseq;
    enum err e = load_view(s, m);
    if (e != ERR_OK) {
        free(m);
        imap_no_err(s, e, "opening the mailbox");
        return IMAP_STEP_DONE;
    }
    s->selected = m;
    s->state = IMAP_STATE_SELECTED;
    /* Mails that came between the two readings stand in the view and are told as changed flags. */
    say_selected(s, &w->info);
    imap_ok(s, "[%s] %s completed", m->is_read_only ? "READ-ONLY" : "READ-WRITE", s->run->name);
    return IMAP_STEP_DONE;
}

static enum imap_step step_select(struct imap_session *s, void *work)
{
    struct select *w = work;
    if (!w->has_asked) {
        w->has_asked = true;
        if (s->selected) {
            imap_unselect(s);
            buf_put_str(&s->out, "* OK [CLOSED] The previous mailbox is closed\r\n");
        }
        if (!mailbox_open_named(s, w->name, "NONEXISTENT", &w->info))
            return IMAP_STEP_DONE;
        if (s->run == &imap_cmd_select && w->info.recent_from < w->info.uidnext) {
            s->request = store_claim_recent(imap_store(s), s->base.id, w->info.id, imap_on_reply, s);
            return IMAP_STEP_WAIT;
        }
        return opened(s, w, w->info.recent_from);
    }
    return opened(s, w, s->reply.err == ERR_OK ? (uint32_t)s->reply.value : w->info.recent_from);
}

const struct imap_command imap_cmd_select = {
    .name = "SELECT",
    .states = IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED,
    .work_size = sizeof(struct select),
    .parse = parse_select,
    .step = step_select,
};

const struct imap_command imap_cmd_examine = {
    .name = "EXAMINE",
    .states = IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED,
    .work_size = sizeof(struct select),
    .parse = parse_select,
    .step = step_select,
};

static void parse_nothing(struct imap_cursor *c, void *work)
{
    (void)c;
    (void)work;
}

static enum imap_step step_unselect(struct imap_session *s, void *work)
{
    (void)work;
    imap_unselect(s);
    imap_ok(s, "%s completed", s->run->name);
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_unselect = {
    .name = "UNSELECT",
    .states = IMAP_STATE_SELECTED,
    .parse = parse_nothing,
    .step = step_unselect,
};

/* CLOSE tells nothing of what it expunges; in a mailbox that was EXAMINEd it expunges nothing. */
static enum imap_step step_close(struct imap_session *s, void *work)
{
    if (!s->reply.has_come && !s->selected->is_read_only) {
        s->request = store_expunge(imap_store(s), s->base.id, s->selected->mailbox, false, NULL, 0,
            imap_on_reply, s);
        return IMAP_STEP_WAIT;
    }
    if (s->reply.has_come && s->reply.err != ERR_OK && s->reply.err != ERR_NOT_FOUND) {
        imap_no_err(s, s->reply.err, "expunging");
        return IMAP_STEP_DONE;
    }
    return step_unselect(s, work);
}

const struct imap_command imap_cmd_close = {
    .name = "CLOSE",
    .states = IMAP_STATE_SELECTED,
    .parse = parse_nothing,
    .step = step_close,
};

struct expunge {
    struct uid_set set;
    bool has_set;
    struct uid_set uids;
    size_t sent;            /* ranges of uids that were asked for */
};

/* "EXPUNGE" / "UID" SP "EXPUNGE" SP sequence-set */
static void parse_expunge(struct imap_cursor *c, void *work)
{
    struct expunge *w = work;
    if (imap_peek(c) != ' ')
        return;
    imap_space(c);
    w->has_set = true;
    sequence_set_parse(c, &w->set);
}

static void clear_expunge(struct imap_session *s, void *work)
{
    struct expunge *w = work;
    (void)s;
    uid_set_clear(&w->set);
    uid_set_clear(&w->uids);
}

static enum imap_step ask_expunge(struct imap_session *s, struct expunge *w)
{
    size_t n = w->uids.n - w->sent < STORE_RANGES_MAX ? w->uids.n - w->sent : STORE_RANGES_MAX;
    const struct uid_range *from = n ? w->uids.ranges + w->sent : NULL;
    w->sent += n;
    s->request = store_expunge(imap_store(s), s->base.id, s->selected->mailbox, false, from, n,
        imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

static enum imap_step step_expunge(struct imap_session *s, void *work)
{
    struct expunge *w = work;
    if (s->reply.has_come) {
        s->is_dirty = true;
        bool is_over = s->reply.err != ERR_OK || w->sent == w->uids.n;
        if (!is_over)
            return ask_expunge(s, w);
        if (s->reply.err != ERR_OK)
            imap_no_err(s, s->reply.err, "expunging");
        else
            imap_ok(s, "EXPUNGE completed");
        return IMAP_STEP_DONE;
    }
    if (w->has_set != s->by_uid) {
        imap_bad(s, s->by_uid ? "UID EXPUNGE wants a set of UIDs" : "EXPUNGE takes no set");
        return IMAP_STEP_DONE;
    }
    if (w->has_set) {
        (void)imap_resolve_set(s, &w->set, &w->uids); /* UIDs: never beyond the view */
        if (w->uids.n == 0) {
            imap_ok(s, "EXPUNGE completed");
            return IMAP_STEP_DONE;
        }
    }
    return ask_expunge(s, w);
}

const struct imap_command imap_cmd_expunge = {
    .name = "EXPUNGE",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID | IMAP_CMD_WRITES | IMAP_CMD_SYNC,
    .work_size = sizeof(struct expunge),
    .parse = parse_expunge,
    .step = step_expunge,
    .clear = clear_expunge,
};
