/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/mailbox_tree.h"

#define STATES_ANY (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)

struct one_name {
    struct slice name;
};

static void parse_one_name(struct imap_cursor *c, void *work)
{
    struct one_name *w = work;
    imap_space(c);
    w->name = imap_astring(c);
}

/* --- making a path, component by component --- */

struct making {
    bool has_begun;
    struct buf path;        /* owned */
    struct slice rest;      /* components still to be made */
    uint64_t parent;
    enum special_use use;   /* of the last component */
};

static void making_clear(struct making *m)
{
    buf_clear(&m->path);
}

/* Reads the name and finds what of it exists. False: the completion is set. */
static bool making_begin(struct imap_session *s, struct making *m, struct slice name)
{
    m->has_begun = true;
    buf_init(&m->path, IMAP_MAILBOX_PATH_MAX);
    if (mailbox_name_read(s, name, &m->path) != ERR_OK) {
        imap_no(s, "[CANNOT] No mailbox can have this name");
        return false;
    }
    struct mailbox_tree tree;
    enum err e = mailbox_tree_read(s->base.retrieval, &tree);
    if (e != ERR_OK) {
        imap_no_err(s, e, "looking for the mailbox");
        return false;
    }
    size_t above = mailbox_tree_nearest(&tree, buf_slice(&m->path), &m->rest);
    m->parent = above == SIZE_MAX ? 0 : tree.infos[above].id;
    bool exists = m->rest.n == 0 && !tree.infos[above].is_noselect;
    mailbox_tree_clear(&tree);
    if (exists)
        imap_no(s, "[ALREADYEXISTS] There is a mailbox of this name already");
    return !exists;
}

/* Asks for the next component. keep_last: leaves the last one to the caller. False: nothing to ask. */
static bool making_ask(struct imap_session *s, struct making *m, bool keep_last)
{
    if (m->rest.n == 0 || (keep_last && slice_find_byte(m->rest, IMAP_DELIMITER) == m->rest.n))
        return false;
    struct slice component = slice_cut(&m->rest, IMAP_DELIMITER);
    imap_reply_reset(s);
    s->request = store_mailbox_create_for(imap_store(s), s->base.id, s->base.retrieval->keys, m->parent,
        component, m->rest.n ? SPECIAL_NONE : m->use, imap_on_reply, s);
    return true;
}

/* Takes the reply to making_ask(). False: the completion is set. */
static bool making_replied(struct imap_session *s, struct making *m)
{
    if (s->reply.err != ERR_OK) {
        imap_no_err(s, s->reply.err, "making the mailbox");
        return false;
    }
    m->parent = s->reply.value;
    imap_reply_reset(s);
    return true;
}

/* --- CREATE --- */

struct create {
    struct one_name name; /* first: parse_one_name */
    bool has_unknown_use; /* one that we do not have, or several */
    struct making making;
};

/* use-attr: "\\Sent" … (RFC 6154) */
static void parse_use(struct imap_cursor *c, struct create *w)
{
    static const struct {
        const char *name;
        enum special_use use;
    } uses[] = {
        {"Drafts", SPECIAL_DRAFTS},
        {"Sent", SPECIAL_SENT},
        {"Junk", SPECIAL_JUNK},
        {"Trash", SPECIAL_TRASH},
        {"Archive", SPECIAL_ARCHIVE},
    };
    if (!imap_take(c, '\\'))
        imap_fail(c, "a special use begins with a backslash");
    struct slice word = imap_atom(c);
    enum special_use use = SPECIAL_NONE;
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
        if (slice_equal_nocase(word, slice_str(uses[i].name)))
            use = uses[i].use;
    w->has_unknown_use |= use == SPECIAL_NONE || w->making.use != SPECIAL_NONE;
    w->making.use = use;
}

/* create: "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"] */
static void parse_create(struct imap_cursor *c, void *work)
{
    struct create *w = work;
    parse_one_name(c, &w->name);
    if (!imap_take(c, ' '))
        return;
    imap_open(c);
    if (!imap_take_word(c, "USE"))
        imap_fail(c, "USE was expected");
    imap_space(c);
    imap_open(c);
    while (!imap_failed(c) && imap_peek(c) != ')') {
        parse_use(c, w);
        imap_take(c, ' ');
    }
    imap_close(c);
    imap_close(c);
}

static bool special_use_is_taken(struct imap_session *s, enum special_use use)
{
    struct mailbox_tree tree;
    bool is_taken = false;
    if (use == SPECIAL_NONE || mailbox_tree_read(s->base.retrieval, &tree) != ERR_OK)
        return false; /* the store looks again */
    for (size_t i = 0; i < tree.n; i++)
        is_taken |= tree.infos[i].special_use == use;
    mailbox_tree_clear(&tree);
    return is_taken;
}

static enum imap_step step_create(struct imap_session *s, void *work)
{
    struct create *w = work;
    if (s->reply.has_come && !making_replied(s, &w->making))
        return IMAP_STEP_DONE;
    if (!w->making.has_begun) {
        if (w->has_unknown_use || special_use_is_taken(s, w->making.use)) {
            imap_no(s, "[USEATTR] This special use cannot be given; each is one mailbox's");
            return IMAP_STEP_DONE;
        }
        if (!making_begin(s, &w->making, w->name.name))
            return IMAP_STEP_DONE;
        if (w->making.rest.n == 0) {
            imap_no(s, "[CANNOT] This name holds other mailboxes only");
            return IMAP_STEP_DONE;
        }
    }
    if (making_ask(s, &w->making, false))
        return IMAP_STEP_WAIT;
    imap_ok(s, "[MAILBOXID (F%llu)] CREATE completed", (unsigned long long)w->making.parent);
    return IMAP_STEP_DONE;
}

static void clear_create(struct imap_session *s, void *work)
{
    struct create *w = work;
    (void)s;
    making_clear(&w->making);
}

const struct imap_command imap_cmd_create = {
    .name = "CREATE",
    .states = STATES_ANY,
    .work_size = sizeof(struct create),
    .parse = parse_create,
    .step = step_create,
    .clear = clear_create,
};

/* --- DELETE --- */

/* Looks a mailbox up, \Noselect ones too. False: the completion is set. */
static bool find_any(struct imap_session *s, struct slice name, struct mailbox_info *out, bool *out_children)
{
    struct buf path;
    buf_init(&path, IMAP_MAILBOX_PATH_MAX);
    struct mailbox_tree tree = {0};
    enum err e = mailbox_name_read(s, name, &path);
    if (e == ERR_OK)
        e = mailbox_tree_read(s->base.retrieval, &tree);
    size_t i = e == ERR_OK ? mailbox_tree_find(&tree, buf_slice(&path)) : SIZE_MAX;
    if (i != SIZE_MAX) {
        *out = tree.infos[i];
        *out_children = tree.nodes[i].has_children;
    } else if (e == ERR_OK || e == ERR_SYNTAX || e == ERR_TOO_BIG) {
        imap_no(s, "[NONEXISTENT] There is no such mailbox");
    } else {
        imap_no_err(s, e, "looking for the mailbox");
    }
    mailbox_tree_clear(&tree);
    buf_clear(&path);
    return i != SIZE_MAX;
}

static enum imap_step step_delete(struct imap_session *s, void *work)
{
    struct one_name *w = work;
    if (s->reply.has_come) {
        if (s->reply.err != ERR_OK)
            imap_no_err(s, s->reply.err, "deleting the mailbox");
        else
            imap_ok(s, "DELETE completed");
        return IMAP_STEP_DONE;
    }
    struct mailbox_info info;
    bool has_children;
    if (!find_any(s, w->name, &info, &has_children))
        return IMAP_STEP_DONE;
    if (info.special_use == SPECIAL_INBOX) {
        imap_no(s, "[CANNOT] INBOX cannot be deleted");
        return IMAP_STEP_DONE;
    }
    if (info.is_noselect && has_children) {
        imap_no(s, "[HASCHILDREN] Delete the mailboxes below it first");
        return IMAP_STEP_DONE;
    }
    if (s->selected && s->selected->mailbox == info.id)
        imap_unselect(s);
    s->request = store_mailbox_delete(imap_store(s), s->base.id, info.id, imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

const struct imap_command imap_cmd_delete = {
    .name = "DELETE",
    .states = STATES_ANY,
    .work_size = sizeof(struct one_name),
    .parse = parse_one_name,
    .step = step_delete,
};

/* --- RENAME --- */

struct rename {
    struct slice from_name;
    struct slice to_name;
    struct making making;
    struct mailbox_info from;
    enum { RENAME_BEGIN, RENAME_MAKING, RENAME_LAST } phase;
};

static void parse_rename(struct imap_cursor *c, void *work)
{
    struct rename *w = work;
    imap_space(c);
    w->from_name = imap_astring(c);
    imap_space(c);
    w->to_name = imap_astring(c);
}

/* False: the completion is set. */
static bool rename_begin(struct imap_session *s, struct rename *w)
{
    bool has_children;
    if (!find_any(s, w->from_name, &w->from, &has_children) || !making_begin(s, &w->making, w->to_name))
        return false;
    if (w->making.rest.n == 0) {
        imap_no(s, "[ALREADYEXISTS] There is a mailbox of this name already");
        return false;
    }
    struct buf from;
    buf_init(&from, IMAP_MAILBOX_PATH_MAX);
    bool is_below = false;
    if (mailbox_name_read(s, w->from_name, &from) == ERR_OK) {
        buf_put_byte(&from, IMAP_DELIMITER);
        is_below = slice_starts(buf_slice(&w->making.path), buf_slice(&from));
    }
    buf_clear(&from);
    if (is_below && w->from.special_use != SPECIAL_INBOX) {
        imap_no(s, "[CANNOT] A mailbox cannot be moved below itself");
        return false;
    }
    return true;
}

/* RFC 3501 section 6.3.5: renaming INBOX moves its mails to a new mailbox and leaves it there. */
static enum imap_step move_inbox(struct imap_session *s, struct rename *w)
{
    static const struct uid_range all = {1, UINT32_MAX};
    w->phase = RENAME_LAST;
    s->is_dirty = true;
    s->request = store_copy(imap_store(s), s->base.id, w->from.id, w->making.parent, true, &all, 1,
        imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

static enum imap_step step_rename(struct imap_session *s, void *work)
{
    struct rename *w = work;
    if (w->phase == RENAME_LAST) {
        if (s->reply.err != ERR_OK)
            imap_no_err(s, s->reply.err, "renaming the mailbox");
        else
            imap_ok(s, "RENAME completed");
        return IMAP_STEP_DONE;
    }
    if (s->reply.has_come && !making_replied(s, &w->making))
        return IMAP_STEP_DONE;
    if (w->phase == RENAME_BEGIN && !rename_begin(s, w))
        return IMAP_STEP_DONE;
    w->phase = RENAME_MAKING;
    bool is_inbox = w->from.special_use == SPECIAL_INBOX;
    if (making_ask(s, &w->making, !is_inbox))
        return IMAP_STEP_WAIT;
    if (is_inbox)
        return move_inbox(s, w);
    w->phase = RENAME_LAST;
    s->request = store_mailbox_rename(imap_store(s), s->base.id, s->base.retrieval->keys, w->from.id,
        w->making.parent, w->making.rest, imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

static void clear_rename(struct imap_session *s, void *work)
{
    struct rename *w = work;
    (void)s;
    making_clear(&w->making);
}

const struct imap_command imap_cmd_rename = {
    .name = "RENAME",
    .states = STATES_ANY,
    .work_size = sizeof(struct rename),
    .parse = parse_rename,
    .step = step_rename,
    .clear = clear_rename,
};

/* --- SUBSCRIBE, UNSUBSCRIBE --- */

static enum imap_step step_subscribe(struct imap_session *s, void *work)
{
    struct one_name *w = work;
    bool on = s->run == &imap_cmd_subscribe;
    if (s->reply.has_come) {
        if (s->reply.err != ERR_OK)
            imap_no_err(s, s->reply.err, "the change");
        else
            imap_ok(s, "%s completed", s->run->name);
        return IMAP_STEP_DONE;
    }
    struct mailbox_info info;
    bool has_children;
    if (!find_any(s, w->name, &info, &has_children))
        return IMAP_STEP_DONE;
    s->request = store_mailbox_subscribe(imap_store(s), s->base.id, info.id, on, imap_on_reply, s);
    return IMAP_STEP_WAIT;
}

const struct imap_command imap_cmd_subscribe = {
    .name = "SUBSCRIBE",
    .states = STATES_ANY,
    .work_size = sizeof(struct one_name),
    .parse = parse_one_name,
    .step = step_subscribe,
};

const struct imap_command imap_cmd_unsubscribe = {
    .name = "UNSUBSCRIBE",
    .states = STATES_ANY,
    .work_size = sizeof(struct one_name),
    .parse = parse_one_name,
    .step = step_subscribe,
};
