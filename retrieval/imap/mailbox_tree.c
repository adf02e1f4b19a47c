/* Mailboxes by name; see mailbox_tree.h. */
#include "retrieval/imap/mailbox_tree.h"

#include "message/decode.h"

void mailbox_tree_clear(struct mailbox_tree *t)
{
    free(t->infos);
    free(t->nodes);
    free(t->memory);
    *t = (struct mailbox_tree){0};
}

struct ordered {
    const struct mailbox_info *info;
    char *path;             /* owned while sorting */
    bool is_inbox;          /* it or below it */
};

/* Sorts "a" < "a/b" < "a b": the delimiter before every other byte. INBOX and what is below it first. */
static int compare(const void *a, const void *b)
{
    const struct ordered *x = a;
    const struct ordered *y = b;
    if (x->is_inbox != y->is_inbox)
        return x->is_inbox ? -1 : 1;
    const char *p = x->path;
    const char *q = y->path;
    while (*p && *p == *q) {
        p++;
        q++;
    }
    int c = *p == IMAP_DELIMITER ? 1 : (uint8_t)*p;
    int d = *q == IMAP_DELIMITER ? 1 : (uint8_t)*q;
    return c - d;
}

static const char *path_of_id(const struct ordered *o, size_t n, uint64_t id)
{
    for (size_t i = n; i-- > 0;) /* the nearest one above stands close before */
        if (o[i].info->id == id)
            return o[i].path;
    return NULL;
}

/* A name that could not be opened is shown by its number, so that the mailbox can be reached. */
static void put_component(struct buf *out, const struct mailbox_info *info)
{
    if (info->name[0])
        buf_put_str(out, info->name);
    else
        buf_printf(out, "damaged-%llu", (unsigned long long)info->id);
}

static bool make_path(struct ordered *o, size_t i, const struct mailbox_info *info)
{
    const char *above = NULL;
    if (info->parent && !(above = path_of_id(o, i, info->parent)))
        return false;
    struct buf path;
    buf_init(&path, IMAP_MAILBOX_PATH_MAX);
    if (above) {
        buf_put_str(&path, above);
        buf_put_byte(&path, IMAP_DELIMITER);
    }
    put_component(&path, info);
    bool ok = buf_ok(&path);
    if (ok) {
        struct slice p = buf_slice(&path);
        o[i] = (struct ordered){.info = info, .path = mem_strdup(p),
            .is_inbox = slice_equal(p, SLICE("INBOX")) || slice_starts(p, SLICE("INBOX/"))};
    }
    buf_clear(&path);
    return ok;
}

static void fill(struct mailbox_tree *t, const struct ordered *o, size_t n)
{
    size_t bytes = 1;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(o[i].path);
    t->memory = mem_new(bytes);
    t->nodes = mem_new((n + 1) * sizeof(*t->nodes));
    t->infos = mem_new((n + 1) * sizeof(*t->infos));
    t->n = n;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(o[i].path);
        memcpy(t->memory + at, o[i].path, length);
        t->nodes[i] = (struct mailbox_node){.path = slice_of(t->memory + at, length), .parent = SIZE_MAX};
        t->infos[i] = *o[i].info;
        at += length;
        for (size_t k = i; t->infos[i].parent && k-- > 0;)
            if (t->infos[k].id == t->infos[i].parent) {
                t->nodes[i].parent = k;
                t->nodes[k].has_children = true;
                break;
            }
    }
}

enum err mailbox_tree_read(struct retrieval *r, struct mailbox_tree *out)
{
    struct mailbox_info *infos;
    size_t n;
    enum err e = reader_mailboxes(r->reader, r->account, &infos, &n);
    if (e != ERR_OK)
        return e;
    struct ordered *o = mem_new((n + 1) * sizeof(*o));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += make_path(o, kept, &infos[i]);
    qsort(o, kept, sizeof(*o), compare);
    *out = (struct mailbox_tree){0};
    fill(out, o, kept);
    for (size_t i = 0; i < kept; i++)
        free(o[i].path);
    free(o);
    free(infos);
    return ERR_OK;
}

size_t mailbox_tree_find(const struct mailbox_tree *t, struct slice path)
{
    for (size_t i = 0; i < t->n; i++)
        if (slice_equal(t->nodes[i].path, path))
            return i;
    return SIZE_MAX;
}

size_t mailbox_tree_nearest(const struct mailbox_tree *t, struct slice path, struct slice *out_rest)
{
    for (size_t end = path.n; end > 0; end--) {
        if (end != path.n && path.p[end] != IMAP_DELIMITER)
            continue;
        size_t i = mailbox_tree_find(t, slice_sub(path, 0, end));
        if (i != SIZE_MAX) {
            *out_rest = slice_from(path, end == path.n ? end : end + 1);
            return i;
        }
    }
    *out_rest = path;
    return SIZE_MAX;
}

void mailbox_pattern_read(struct imap_session *s, struct slice as_written, struct buf *out)
{
    size_t from = out->n;
    bool is_plain = s->has_utf8 || !slice_is_ascii(as_written);
    if (is_plain || utf7_imap_get(as_written, out) != ERR_OK) {
        out->n = from;
        buf_put(out, as_written);
    }
    struct slice got = slice_from(buf_slice(out), from);
    struct slice top = slice_sub(got, 0, slice_find_byte(got, IMAP_DELIMITER));
    if (slice_equal_nocase(top, SLICE("INBOX")) && buf_ok(out))
        memcpy(out->p + from, "INBOX", 5);
}

static bool is_component(struct slice c)
{
    if (c.n == 0 || c.n > MAILBOX_NAME_MAX)
        return false;
    for (size_t i = 0; i < c.n; i++)
        if (c.p[i] < 0x20 || c.p[i] == 0x7f || c.p[i] == '%' || c.p[i] == '*')
            return false;
    return !slice_equal(c, SLICE(".")) && !slice_equal(c, SLICE(".."));
}

enum err mailbox_name_read(struct imap_session *s, struct slice as_written, struct buf *out_path)
{
    mailbox_pattern_read(s, as_written, out_path);
    if (!buf_ok(out_path))
        return ERR_TOO_BIG;
    if (out_path->n > 1 && out_path->p[out_path->n - 1] == IMAP_DELIMITER)
        out_path->n--;
    struct slice rest = buf_slice(out_path);
    if (!slice_is_utf8(rest) || rest.n == 0 || rest.p[rest.n - 1] == IMAP_DELIMITER)
        return ERR_SYNTAX;
    for (int depth = 0; rest.n; depth++) {
        if (depth == MAILBOX_DEPTH_MAX)
            return ERR_TOO_BIG;
        if (!is_component(slice_cut(&rest, IMAP_DELIMITER)))
            return ERR_SYNTAX;
    }
    return ERR_OK;
}

bool mailbox_open_named(struct imap_session *s, struct slice as_written, const char *code,
    struct mailbox_info *out)
{
    struct buf path;
    buf_init(&path, IMAP_MAILBOX_PATH_MAX);
    struct mailbox_tree tree = {0};
    size_t i = SIZE_MAX;
    enum err e = mailbox_name_read(s, as_written, &path);
    if (e == ERR_OK)
        e = mailbox_tree_read(s->base.retrieval, &tree);
    if (e == ERR_OK)
        i = mailbox_tree_find(&tree, buf_slice(&path));
    if (i != SIZE_MAX)
        *out = tree.infos[i];
    bool is_noselect = i != SIZE_MAX && out->is_noselect;
    mailbox_tree_clear(&tree);
    buf_clear(&path);
    if (e == ERR_SYNTAX || e == ERR_TOO_BIG)
        imap_no(s, "[CANNOT] No mailbox can have this name");
    else if (e != ERR_OK)
        imap_no_err(s, e, "looking for the mailbox");
    else if (i == SIZE_MAX)
        imap_no(s, "[%s] There is no such mailbox", code);
    else if (is_noselect)
        imap_no(s, "[CANNOT] This name holds other mailboxes only");
    else
        return true;
    return false;
}
