/* LIST with its extensions (RFC 5258, RFC 5819, RFC 6154), LSUB, STATUS (with SIZE, RFC 8438). */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/list_pattern.h"
#include "retrieval/imap/mailbox_tree.h"
#include "retrieval/imap/response.h"

#define STATES_ANY (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define LIST_PATTERNS_MAX 16

/* --- status items --- */

enum status_item { STATUS_MESSAGES = 1, STATUS_RECENT = 2, STATUS_UIDNEXT = 4, STATUS_UIDVALIDITY = 8,
    STATUS_UNSEEN = 16, STATUS_DELETED = 32, STATUS_SIZE = 64, STATUS_HIGHESTMODSEQ = 128,
    STATUS_MAILBOXID = 256, STATUS_APPENDLIMIT = 512,
    STATUS_DELETED_STORAGE = 1024 };

static const struct {
    const char *name;
    unsigned item;
} status_items[] = {
    {"MESSAGES", STATUS_MESSAGES},
    {"RECENT", STATUS_RECENT},
    {"UIDNEXT", STATUS_UIDNEXT},
    {"UIDVALIDITY", STATUS_UIDVALIDITY},
    {"UNSEEN", STATUS_UNSEEN},
    {"DELETED", STATUS_DELETED},
    {"SIZE", STATUS_SIZE},
    {"HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ},
    {"MAILBOXID", STATUS_MAILBOXID},
    {"APPENDLIMIT", STATUS_APPENDLIMIT},
    {"DELETED-STORAGE", STATUS_DELETED_STORAGE},
};
#define STATUS_ITEMS (sizeof(status_items) / sizeof(status_items[0]))

/* "(" status-att *(SP status-att) ")" */
static unsigned parse_status_items(struct imap_cursor *c)
{
    unsigned items = 0;
    imap_open(c);
    do {
        struct slice word = imap_atom(c);
        size_t i = 0;
        while (i < STATUS_ITEMS && !slice_equal_nocase(word, slice_str(status_items[i].name)))
            i++;
        if (i == STATUS_ITEMS)
            imap_fail(c, "there is no such status item");
        else
            items |= status_items[i].item;
    } while (imap_take(c, ' '));
    imap_close(c);
    return items;
}

static uint64_t count_recent(struct imap_session *s, const struct mailbox_info *info)
{
    struct uid_range *runs;
    size_t n;
    if (info->recent_from >= info->uidnext ||
        reader_uid_runs(imap_reader(s), info->id, &runs, &n) != ERR_OK)
        return 0;
    struct view v = {0};
    view_load(&v, runs, n);
    free(runs);
    uint64_t count = view_count_from(&v, info->recent_from);
    view_clear(&v);
    return count;
}

/* RFC 9208 section 4.1.1; in octets. */
static uint64_t deleted_bytes(struct imap_session *s, const struct mailbox_info *info)
{
    uint64_t bytes = 0;
    if (info->deleted == 0 || reader_deleted_bytes(imap_reader(s), info->id, &bytes) != ERR_OK)
        return 0;
    return bytes;
}

static uint64_t status_value(struct imap_session *s, const struct mailbox_info *info, unsigned item)
{
    switch (item) {
    case STATUS_MESSAGES:
        return info->messages;
    case STATUS_RECENT:
        return count_recent(s, info);
    case STATUS_UIDNEXT:
        return info->uidnext;
    case STATUS_UIDVALIDITY:
        return info->uidvalidity;
    case STATUS_UNSEEN:
        return info->unseen;
    case STATUS_DELETED:
        return info->deleted;
    case STATUS_APPENDLIMIT:
        return settings_number(s->base.retrieval->settings, "imap.append-max");
    case STATUS_DELETED_STORAGE:
        return deleted_bytes(s, info);
    case STATUS_HIGHESTMODSEQ:
        return info->highest_modseq;
    default:
        return info->size_bytes;
    }
}

static void put_status(struct imap_session *s, struct slice path, const struct mailbox_info *info,
    unsigned items)
{
    buf_put_str(&s->out, "* STATUS ");
    imap_put_mailbox(&s->out, path, s->has_utf8);
    bool is_first = true;
    for (size_t i = 0; i < STATUS_ITEMS; i++) {
        if (!(items & status_items[i].item))
            continue;
        buf_put_str(&s->out, is_first ? " (" : " ");
        is_first = false;
        buf_put_str(&s->out, status_items[i].name);
        buf_put_byte(&s->out, ' ');
        if (status_items[i].item == STATUS_MAILBOXID)
            buf_printf(&s->out, "(F%llu)", (unsigned long long)info->id);
        else
            buf_put_u64(&s->out, status_value(s, info, status_items[i].item));
    }
    buf_put_str(&s->out, ")\r\n");
}

struct status {
    struct slice name;
    unsigned items;
};

static void parse_status(struct imap_cursor *c, void *work)
{
    struct status *w = work;
    imap_space(c);
    w->name = imap_astring(c);
    imap_space(c);
    w->items = parse_status_items(c);
}

static enum imap_step step_status(struct imap_session *s, void *work)
{
    const struct status *w = work;
    struct mailbox_info info;
    if (w->items & STATUS_HIGHESTMODSEQ)
        imap_enable_condstore(s);
    if (!mailbox_open_named(s, w->name, "NONEXISTENT", &info))
        return IMAP_STEP_DONE;
    struct buf path;
    buf_init(&path, IMAP_MAILBOX_PATH_MAX);
    if (mailbox_name_read(s, w->name, &path) == ERR_OK)
        put_status(s, buf_slice(&path), &info, w->items);
    buf_clear(&path);
    imap_ok(s, "STATUS completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_status = {
    .name = "STATUS",
    .states = STATES_ANY,
    .work_size = sizeof(struct status),
    .parse = parse_status,
    .step = step_status,
};

/* --- LIST and LSUB --- */

struct list {
    bool only_subscribed;
    bool only_special;
    bool is_recursive;
    bool says_subscribed;
    unsigned status;
    struct slice reference;
    struct slice patterns[LIST_PATTERNS_MAX];
    size_t pattern_count;
    /* while it runs */
    bool has_begun;
    struct mailbox_tree tree;
    struct buf full_patterns;               /* owned; the full_* slices lie in it */
    struct slice full[LIST_PATTERNS_MAX];
    bool *has_subscribed_below;             /* owned; per node */
    size_t at;
};

static void parse_select_options(struct imap_cursor *c, struct list *w)
{
    while (!imap_failed(c) && imap_peek(c) != ')') {
        if (imap_take_word(c, "SUBSCRIBED"))
            w->only_subscribed = w->says_subscribed = true;
        else if (imap_take_word(c, "SPECIAL-USE"))
            w->only_special = true;
        else if (imap_take_word(c, "RECURSIVEMATCH"))
            w->is_recursive = true;
        else if (!imap_take_word(c, "REMOTE"))
            imap_fail(c, "there is no such selection option");
        if (imap_peek(c) != ')')
            imap_space(c);
    }
    imap_close(c);
    if (w->is_recursive && !w->only_subscribed)
        imap_fail(c, "RECURSIVEMATCH goes with SUBSCRIBED");
}

static void parse_return_options(struct imap_cursor *c, struct list *w)
{
    imap_open(c);
    while (!imap_failed(c) && imap_peek(c) != ')') {
        if (imap_take_word(c, "SUBSCRIBED")) {
            w->says_subscribed = true;
        } else if (imap_take_word(c, "STATUS")) {
            imap_space(c);
            w->status = parse_status_items(c);
        } else if (!imap_take_word(c, "CHILDREN") && !imap_take_word(c, "SPECIAL-USE")) {
            imap_fail(c, "there is no such return option"); /* those two are always said */
        }
        if (imap_peek(c) != ')')
            imap_space(c);
    }
    imap_close(c);
}

static void parse_pattern(struct imap_cursor *c, struct list *w)
{
    if (w->pattern_count == LIST_PATTERNS_MAX) {
        imap_fail(c, "there are too many patterns");
        return;
    }
    struct slice pattern = imap_list_mailbox(c);
    if (pattern.n > LIST_PATTERN_MAX)
        imap_fail(c, "the pattern is too long");
    w->patterns[w->pattern_count++] = pattern;
}

/* list: "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP "RETURN" SP list-return-opts] */
static void parse_list(struct imap_cursor *c, void *work)
{
    struct list *w = work;
    imap_space(c);
    if (imap_take(c, '(')) {
        parse_select_options(c, w);
        imap_space(c);
    }
    w->reference = imap_astring(c);
    imap_space(c);
    if (imap_take(c, '(')) {
        do
            parse_pattern(c, w);
        while (imap_take(c, ' '));
        imap_close(c);
    } else {
        parse_pattern(c, w);
    }
    if (imap_peek(c) == ' ') {
        imap_space(c);
        if (!imap_take_word(c, "RETURN"))
            imap_fail(c, "RETURN was expected");
        imap_space(c);
        parse_return_options(c, w);
    }
}

static void parse_lsub(struct imap_cursor *c, void *work)
{
    struct list *w = work;
    imap_space(c);
    w->reference = imap_astring(c);
    imap_space(c);
    parse_pattern(c, w);
}

static void clear_list(struct imap_session *s, void *work)
{
    struct list *w = work;
    (void)s;
    mailbox_tree_clear(&w->tree);
    buf_clear(&w->full_patterns);
    free(w->has_subscribed_below);
}

/* The reference and a pattern make one pattern by standing behind one another. */
static void make_full_patterns(struct imap_session *s, struct list *w)
{
    buf_init(&w->full_patterns, LIST_PATTERNS_MAX * 4 * (LIST_PATTERN_MAX + IMAP_LITERAL_MAX));
    size_t ends[LIST_PATTERNS_MAX];
    for (size_t i = 0; i < w->pattern_count; i++) {
        struct buf whole;
        buf_init(&whole, LIST_PATTERN_MAX);
        buf_put(&whole, w->reference);
        buf_put(&whole, w->patterns[i]);
        if (buf_ok(&whole)) /* a longer one matches nothing */
            mailbox_pattern_read(s, buf_slice(&whole), &w->full_patterns);
        else
            buf_put_byte(&w->full_patterns, IMAP_DELIMITER);
        buf_clear(&whole);
        ends[i] = w->full_patterns.n;
    }
    for (size_t i = 0, from = 0; i < w->pattern_count; from = ends[i], i++)
        w->full[i] = slice_sub(buf_slice(&w->full_patterns), from, ends[i] - from);
}

static enum err begin(struct imap_session *s, struct list *w)
{
    w->has_begun = true;
    make_full_patterns(s, w);
    enum err e = mailbox_tree_read(s->base.retrieval, &w->tree);
    if (e != ERR_OK)
        return e;
    const struct mailbox_tree *t = &w->tree;
    w->has_subscribed_below = mem_new(t->n + 1);
    for (size_t i = t->n; i-- > 0;) { /* parents stand before their children */
        size_t parent = t->nodes[i].parent;
        if (parent != SIZE_MAX)
            w->has_subscribed_below[parent] |= t->infos[i].is_subscribed || w->has_subscribed_below[i];
    }
    return ERR_OK;
}

static bool matches_any(const struct list *w, struct slice path)
{
    for (size_t i = 0; i < w->pattern_count; i++)
        if (list_pattern_matches(w->full[i], path, IMAP_DELIMITER))
            return true;
    return false;
}

static const char *special_use_name(enum special_use use)
{
    switch (use) {
    case SPECIAL_DRAFTS:
        return "\\Drafts";
    case SPECIAL_SENT:
        return "\\Sent";
    case SPECIAL_JUNK:
        return "\\Junk";
    case SPECIAL_TRASH:
        return "\\Trash";
    case SPECIAL_ARCHIVE:
        return "\\Archive";
    default:
        return NULL;
    }
}

static void put_list_line(struct imap_session *s, const struct list *w, size_t i, bool is_below_only)
{
    const struct mailbox_info *info = &w->tree.infos[i];
    const char *use = special_use_name(info->special_use);
    bool is_lsub = s->run == &imap_cmd_lsub;
    buf_put_str(&s->out, is_lsub ? "* LSUB (" : "* LIST (");
    buf_put_str(&s->out, w->tree.nodes[i].has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (info->is_noselect || (is_lsub && is_below_only))
        buf_put_str(&s->out, " \\Noselect");
    if (use) {
        buf_put_byte(&s->out, ' ');
        buf_put_str(&s->out, use);
    }
    if (w->says_subscribed && info->is_subscribed)
        buf_put_str(&s->out, " \\Subscribed");
    buf_put_str(&s->out, ") \"/\" ");
    imap_put_mailbox(&s->out, w->tree.nodes[i].path, s->has_utf8);
    if (!is_lsub && is_below_only)
        buf_put_str(&s->out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    buf_put_str(&s->out, "\r\n");
}

static void list_one(struct imap_session *s, const struct list *w, size_t i)
{
    const struct mailbox_info *info = &w->tree.infos[i];
    bool only_subscribed = w->only_subscribed || s->run == &imap_cmd_lsub;
    /* LSUB shows what is above a subscribed mailbox when "%" stops there (RFC 3501 section 6.3.9). */
    bool shows_above = w->is_recursive || (s->run == &imap_cmd_lsub && w->full[0].n &&
        w->full[0].p[w->full[0].n - 1] == '%');
    bool is_below_only = false;
    if (only_subscribed && !info->is_subscribed) {
        if (!shows_above || !w->has_subscribed_below[i])
            return;
        is_below_only = true;
    }
    if (w->only_special && !special_use_name(info->special_use))
        return;
    if (!matches_any(w, w->tree.nodes[i].path))
        return;
    put_list_line(s, w, i, is_below_only);
    if (w->status && !info->is_noselect)
        put_status(s, w->tree.nodes[i].path, info, w->status);
}

static enum imap_step step_list(struct imap_session *s, void *work)
{
    struct list *w = work;
    bool asks_delimiter = w->pattern_count == 1 && w->patterns[0].n == 0 && !w->only_subscribed;
    if (asks_delimiter) {
        buf_put_str(&s->out, "* ");
        buf_put_str(&s->out, s->run->name);
        buf_put_str(&s->out, " (\\Noselect) \"/\" \"\"\r\n");
    } else {
        enum err e = w->has_begun ? ERR_OK : begin(s, w);
        if (e != ERR_OK) {
            imap_no_err(s, e, "reading the list of mailboxes");
            return IMAP_STEP_DONE;
        }
        for (; w->at < w->tree.n; w->at++) {
            if (imap_room(s) == 0)
                return IMAP_STEP_ROOM;
            list_one(s, w, w->at);
            if (imap_slice_is_over(s)) {
                w->at++;
                return IMAP_STEP_AGAIN;
            }
        }
    }
    imap_ok(s, "%s completed", s->run->name);
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_list = {
    .name = "LIST",
    .states = STATES_ANY,
    .work_size = sizeof(struct list),
    .parse = parse_list,
    .step = step_list,
    .clear = clear_list,
};

const struct imap_command imap_cmd_lsub = {
    .name = "LSUB",
    .states = STATES_ANY,
    .work_size = sizeof(struct list),
    .parse = parse_lsub,
    .step = step_list,
    .clear = clear_list,
};
