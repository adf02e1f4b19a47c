/* SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3691), EXPUNGE and UID EXPUNGE (RFC 4315). */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/keywords.h"
#include "retrieval/imap/mailbox_tree.h"
#include "retrieval/imap/response.h"
#include "retrieval/imap/sync.h"

struct select {
    struct slice name;
    bool wants_condstore;
    bool wants_resync;          /* QRESYNC, with what the client knows: */
    uint32_t uidvalidity;
    uint64_t modseq;
    bool has_numbers;           /* known sequence match data were sent */
    struct uid_set known;       /* empty: all */
    bool has_asked;
    struct mailbox_info info;
};

/* known-uids and known sequence match data: sets without "*". */
static void parse_known(struct imap_cursor *c, struct uid_set *out)
{
    sequence_set_parse(c, out);
    for (size_t i = 0; i < out->n; i++)
        if (out->ranges[i].first == SEQUENCE_STAR || out->ranges[i].last == SEQUENCE_STAR)
            imap_fail(c, "a set of known UIDs has no \"*\"");
    if (out->is_saved)
        imap_fail(c, "a set of known UIDs is written out");
    sequence_set_resolve(out, 0);
}

/* "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP "(" numbers SP uids ")"] ")" (RFC 7162 section 3.2.5).
 * The last pair helps servers that forget expunges; we need it not. */
static void parse_resync(struct imap_cursor *c, struct select *w)
{
    struct uid_set unused = {0};
    w->wants_resync = true;
    imap_space(c);
    imap_open(c);
    w->uidvalidity = imap_number(c);
    imap_space(c);
    w->modseq = imap_number64(c);
    if (w->modseq == 0)
        imap_fail(c, "a mod-sequence is 1 or more");
    if (imap_take(c, ' ') && imap_peek(c) != '(') {
        parse_known(c, &w->known);
        imap_take(c, ' ');
    }
    if (imap_take(c, '(')) {
        w->has_numbers = true;
        parse_known(c, &unused);
        imap_space(c);
        uid_set_clear(&unused);
        parse_known(c, &unused);
        imap_close(c);
    }
    uid_set_clear(&unused);
    imap_close(c);
}

/* SP mailbox [SP "(" select-param *(SP select-param) ")"] */
static void parse_select(struct imap_cursor *c, void *work)
{
    struct select *w = work;
    imap_space(c);
    w->name = imap_astring(c);
    if (!imap_take(c, ' '))
        return;
    imap_open(c);
    do {
        if (imap_take_word(c, "CONDSTORE"))
            w->wants_condstore = true;
        else if (!w->wants_resync && imap_take_word(c, "QRESYNC"))
            parse_resync(c, w);
        else
            imap_fail(c, "CONDSTORE or QRESYNC was expected");
    } while (imap_take(c, ' '));
    imap_close(c);
}

static void clear_select(struct imap_session *s, void *work)
{
    struct select *w = work;
    (void)s;
    uid_set_clear(&w->known);
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

/* RFC 9051 section 6.3.2: the mailbox's LIST line, with its name as LIST says it. */
static void say_list_line(struct imap_session *s, const struct select *w)
{
    struct buf path;
    buf_init(&path, IMAP_MAILBOX_PATH_MAX);
    if (mailbox_name_read(s, w->name, &path) == ERR_OK) {
        buf_put_str(&s->out, "* LIST () \"/\" ");
        imap_put_mailbox(&s->out, buf_slice(&path), s->has_utf8);
        buf_put_str(&s->out, "\r\n");
    }
    buf_clear(&path);
}

static void say_unseen(struct imap_session *s, const struct mailbox_info *info)
{
    struct imap_selected *m = s->selected;
    uint32_t first = 0;
    if (s->is_uid_only || info->unseen == 0 ||
        reader_first_unseen(imap_reader(s), m->mailbox, &first) != ERR_OK || first == 0)
        return;
    uint32_t number = view_number(&m->view, first);
    if (number)
        say_code(s, "UNSEEN", number, "The first one not seen");
}

static void say_selected(struct imap_session *s, const struct select *w)
{
    const struct mailbox_info *info = &w->info;
    struct imap_selected *m = s->selected;
    imap_put_flags_line(s);
    say_permanent_flags(s, m);
    say_number(s, view_count(&m->view), "EXISTS");
    if (s->has_rev2) {
        say_list_line(s, w);
    } else {
        say_number(s, view_count_from(&m->view, m->recent_from), "RECENT");
        say_unseen(s, info);
    }
    say_code(s, "UIDVALIDITY", info->uidvalidity, "UIDs are valid");
    say_code(s, "UIDNEXT", info->uidnext, "The next UID, or more");
    say_code(s, "HIGHESTMODSEQ", info->highest_modseq, "Changes are numbered up to here");
    buf_printf(&s->out, "* OK [MAILBOXID (F%llu)] Its name for good\r\n", (unsigned long long)info->id);
}

/* The last step: the recent mark is known. */
static enum imap_step opened(struct imap_session *s, const struct select *w, uint32_t recent_from)
{
    struct imap_selected *m = mem_new(sizeof(*m));
    m->mailbox = w->info.id;
    m->is_read_only = s->run == &imap_cmd_examine;
    m->uidvalidity = w->info.uidvalidity;
    m->recent_from = s->has_rev2 ? UINT32_MAX : recent_from; /* IMAP4rev2 has no \Recent */
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
    say_selected(s, w);
    if (w->wants_resync && w->uidvalidity == w->info.uidvalidity) {
        e = imap_sync_resume(s, w->modseq, w->known.n ? &w->known : NULL);
        if (e != ERR_OK) { /* the client would take it for in step with us */
            imap_unselect(s);
            imap_no_err(s, e, "reading what changed");
            return IMAP_STEP_DONE;
        }
    }
    imap_ok(s, "[%s] %s completed", m->is_read_only ? "READ-ONLY" : "READ-WRITE", s->run->name);
    return IMAP_STEP_DONE;
}

static enum imap_step step_select(struct imap_session *s, void *work)
{
    struct select *w = work;
    if (!w->has_asked) {
        w->has_asked = true;
        if (w->wants_resync && !s->has_qresync) {
            imap_bad(s, "ENABLE QRESYNC comes first");
            return IMAP_STEP_DONE;
        }
        if (w->has_numbers && s->is_uid_only) {
            imap_bad(s, "[UIDREQUIRED] With UIDONLY letters are named by UID");
            return IMAP_STEP_DONE;
        }
        if (s->selected) {
            imap_unselect(s);
            buf_put_str(&s->out, "* OK [CLOSED] The previous mailbox is closed\r\n");
        }
        if (!mailbox_open_named(s, w->name, "NONEXISTENT", &w->info))
            return IMAP_STEP_DONE;
        s->has_condstore |= w->wants_condstore;
        if (s->run == &imap_cmd_select && !s->has_rev2 && w->info.recent_from < w->info.uidnext) {
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
    .clear = clear_select,
};

const struct imap_command imap_cmd_examine = {
    .name = "EXAMINE",
    .states = IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED,
    .work_size = sizeof(struct select),
    .parse = parse_select,
    .step = step_select,
    .clear = clear_select,
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
    uint64_t modseq;        /* highest of the replies */
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
        if (s->reply.modseq > w->modseq)
            w->modseq = s->reply.modseq;
        bool is_over = s->reply.err != ERR_OK || w->sent == w->uids.n;
        if (!is_over)
            return ask_expunge(s, w);
        if (s->reply.err != ERR_OK)
            imap_no_err(s, s->reply.err, "expunging");
        else if (w->modseq && s->has_qresync) /* RFC 7162 section 3.2.7; all below it is told before this */
            imap_ok(s, "[HIGHESTMODSEQ %llu] EXPUNGE completed", (unsigned long long)w->modseq);
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
