/* Mailboxes, keywords, and the UIDs of a mailbox: which there are, which went; see reader.h. */
#include "base/log.h"
#include "storage/reader_internal.h"

#define LIST_FIRST 16

enum mailbox_column {
    MAILBOX_ID, MAILBOX_PARENT, MAILBOX_NAME, MAILBOX_SPECIAL, MAILBOX_SUBSCRIBED, MAILBOX_NOSELECT,
    MAILBOX_UIDVALIDITY, MAILBOX_UIDNEXT, MAILBOX_MODSEQ, MAILBOX_RECENT_FROM, MAILBOX_MESSAGES,
    MAILBOX_UNSEEN, MAILBOX_DELETED, MAILBOX_SIZE, MAILBOX_VAULT
};

static uint64_t column_u64(struct stmt *s, int column)
{
    int64_t v = stmt_int(s, column);
    return v < 0 ? 0 : (uint64_t)v;
}

/* A UID or the like: 1 at least. */
static uint32_t column_nonzero(struct stmt *s, int column)
{
    int64_t v = stmt_int(s, column);
    return v < 1 ? 1 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* Opens a sealed name into a C string of `size` bytes; false when it does not open or cannot be one. */
static bool open_name(struct reader *r, uint64_t vault, enum seal_name_kind kind, struct slice sealed,
    char *out, size_t size)
{
    struct buf name;
    if (!r->keys || r->keys->vault != vault)
        return false;
    buf_init(&name, SEAL_NAME_MAX + SEAL_NAME_PAD);
    bool fine = name_open(r->keys, kind, sealed, &name) == ERR_OK && name.n > 0 && name.n < size &&
        slice_is_utf8(buf_slice(&name));
    if (fine) {
        memcpy(out, name.p, name.n);
        out[name.n] = '\0';
    }
    buf_clear(&name);
    return fine;
}

static void read_mailbox(struct reader *r, struct stmt *s, struct mailbox_info *out)
{
    int64_t special = stmt_int(s, MAILBOX_SPECIAL);
    *out = (struct mailbox_info){
        .id = column_u64(s, MAILBOX_ID),
        .parent = column_u64(s, MAILBOX_PARENT),
        .special_use = special >= 0 && special <= SPECIAL_ARCHIVE ? (enum special_use)special : SPECIAL_NONE,
        .is_subscribed = stmt_int(s, MAILBOX_SUBSCRIBED) != 0,
        .is_noselect = stmt_int(s, MAILBOX_NOSELECT) != 0,
        .uidvalidity = column_nonzero(s, MAILBOX_UIDVALIDITY),
        .uidnext = column_nonzero(s, MAILBOX_UIDNEXT),
        .highest_modseq = column_u64(s, MAILBOX_MODSEQ),
        .recent_from = column_nonzero(s, MAILBOX_RECENT_FROM),
        .messages = column_u64(s, MAILBOX_MESSAGES),
        .unseen = column_u64(s, MAILBOX_UNSEEN),
        .deleted = column_u64(s, MAILBOX_DELETED),
        .size_bytes = column_u64(s, MAILBOX_SIZE),
    };
    if (out->special_use == SPECIAL_INBOX) {
        memcpy(out->name, "INBOX", sizeof "INBOX");
        return;
    }
    uint64_t vault = column_u64(s, MAILBOX_VAULT);
    bool is_open = open_name(r, vault, SEAL_NAME_MAILBOX, stmt_bytes(s, MAILBOX_NAME), out->name,
        sizeof out->name);
    /* Letters' and mailboxes' ids share the list of what was logged; those of mailboxes are marked. */
    if (!is_open && r->keys && r->keys->vault == vault)
        reader_note_damage(r, "mailbox-name", out->id | 1ULL << 63);
}

/* Moves parents before children; what hangs on nothing (or on itself) becomes top level. */
static void sort_by_depth(struct mailbox_info *all, size_t n)
{
    struct idmap placed = {0};
    size_t done = 0;
    for (unsigned depth = 0; depth < MAILBOX_DEPTH_MAX && done < n; depth++) {
        size_t end = done;
        for (size_t i = done; i < n; i++) {
            if (depth == 0 ? all[i].parent != 0 : !idmap_find(&placed, all[i].parent))
                continue;
            struct mailbox_info here = all[i];
            all[i] = all[end];
            all[end++] = here;
        }
        if (end == done)
            break;
        for (; done < end; done++)
            idmap_put(&placed, all[done].id, all);
    }
    for (; done < n; done++) {
        log_event(LOG_ERROR, "mailbox-without-parent", LF_U("mailbox", all[done].id));
        all[done].parent = 0;
    }
    idmap_clear(&placed);
}

enum err reader_mailboxes(struct reader *r, uint64_t account, struct mailbox_info **out, size_t *out_n)
{
    struct mailbox_info *all = NULL;
    size_t n = 0;
    size_t cap = 0;
    struct stmt *s = db_use(r->mail, READ_MAILBOXES);
    stmt_bind_int(s, "account", (int64_t)account);
    enum err e = reader_first_step(s);
    for (; !e; e = stmt_step(s)) {
        if (n == cap) {
            cap = cap ? cap * 2 : LIST_FIRST;
            all = mem_resize(all, cap * sizeof *all);
        }
        read_mailbox(r, s, &all[n++]);
    }
    stmt_reset(s);
    if (e != ERR_NOT_FOUND) {
        free(all);
        return e;
    }
    sort_by_depth(all, n);
    *out = all;
    *out_n = n;
    return ERR_OK;
}

enum err reader_mailbox(struct reader *r, uint64_t mailbox, struct mailbox_info *out)
{
    struct stmt *s = db_use(r->mail, READ_MAILBOX);
    stmt_bind_int(s, "id", (int64_t)mailbox);
    enum err e = reader_first_step(s);
    if (!e)
        read_mailbox(r, s, out);
    stmt_reset(s);
    return e;
}

enum err reader_keywords(struct reader *r, uint64_t account, struct keyword_info **out, size_t *out_n)
{
    struct keyword_info *all = mem_new((FLAG_KEYWORD_LAST + 1) * sizeof *all);
    size_t n = 0;
    struct stmt *s = db_use(r->mail, READ_KEYWORDS);
    stmt_bind_int(s, "account", (int64_t)account);
    enum err e = reader_first_step(s);
    for (; !e && n <= FLAG_KEYWORD_LAST; e = stmt_step(s)) {
        int64_t bit = stmt_int(s, 0);
        if (bit < FLAG_KEYWORD_FIRST || bit > FLAG_KEYWORD_LAST)
            continue;
        if (open_name(r, r->keys ? r->keys->vault : 0, SEAL_NAME_KEYWORD, stmt_bytes(s, 1), all[n].name,
                sizeof all[n].name))
            all[n++].bit = (unsigned)bit;
        else
            reader_note_damage(r, "keyword-name", (uint64_t)bit | 1ULL << 62);
    }
    stmt_reset(s);
    if (e && e != ERR_NOT_FOUND) {
        free(all);
        return e;
    }
    *out = all;
    *out_n = n;
    return ERR_OK;
}

/* --- UIDs --- */

void range_list_add(struct range_list *l, uint32_t first, uint32_t last)
{
    if (l->n > 0 && l->items[l->n - 1].last != UINT32_MAX && l->items[l->n - 1].last + 1 == first) {
        l->items[l->n - 1].last = last;
        return;
    }
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : LIST_FIRST;
        l->items = mem_resize(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->n++] = (struct uid_range){first, last};
}

static int compare_ranges(const void *a, const void *b)
{
    uint32_t x = ((const struct uid_range *)a)->first;
    uint32_t y = ((const struct uid_range *)b)->first;
    return (x > y) - (x < y);
}

void range_list_tidy(struct range_list *l)
{
    size_t n = 0;
    if (l->n)
        qsort(l->items, l->n, sizeof *l->items, compare_ranges);
    for (size_t i = 0; i < l->n; i++) {
        struct uid_range *before = n ? &l->items[n - 1] : NULL;
        if (!before || (before->last != UINT32_MAX && before->last + 1 < l->items[i].first))
            l->items[n++] = l->items[i];
        else if (before->last < l->items[i].last)
            before->last = l->items[i].last;
    }
    l->n = n;
}

static enum err take_ranges(struct range_list *l, enum err e, struct uid_range **out, size_t *out_n)
{
    if (e && e != ERR_NOT_FOUND) {
        free(l->items);
        return e;
    }
    *out = l->items;
    *out_n = l->n;
    return ERR_OK;
}

/* What is in the mailbox by what is not: below UIDNEXT, each UID is there, expunged or vanished, and of
 * the last two there are few ranges where the first has 100,000 rows. The answer is used
 * only if it has as many UIDs as the mailbox has messages. */
static enum err read_gone(struct reader *r, uint64_t mailbox, struct range_list *gone, uint64_t *out_uidnext,
    uint64_t *out_messages)
{
    struct stmt *s = db_use(r->mail, READ_UIDS_GONE);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    *out_uidnext = 0;
    *out_messages = 0;
    enum err e;
    for (e = reader_first_step(s); !e; e = stmt_step(s)) {
        int64_t first = stmt_int(s, 1);
        int64_t last = stmt_int(s, 2);
        if (stmt_int(s, 0) == 0) {
            *out_uidnext = column_nonzero(s, 1);
            *out_messages = column_u64(s, 2);
        } else if (first >= 1 && first <= last && last <= UINT32_MAX) {
            range_list_add(gone, (uint32_t)first, (uint32_t)last);
        }
    }
    stmt_reset(s);
    range_list_tidy(gone);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* The ranges between those of `gone`, from 1 up to below uidnext; returns how many UIDs they hold. */
static uint64_t complement(const struct range_list *gone, uint64_t uidnext, struct range_list *out)
{
    uint64_t next = 1;
    uint64_t count = 0;
    for (size_t i = 0; i <= gone->n && next < uidnext; i++) {
        uint64_t end = i < gone->n && gone->items[i].first < uidnext ? gone->items[i].first : uidnext;
        if (next < end) {
            range_list_add(out, (uint32_t)next, (uint32_t)(end - 1));
            count += end - next;
        }
        next = i < gone->n ? (uint64_t)gone->items[i].last + 1 : uidnext;
    }
    return count;
}

/* Row by row: right in any case, and a quarter of a microsecond each. */
static enum err walk_uids(struct reader *r, uint64_t mailbox, struct range_list *out)
{
    struct stmt *s = db_use(r->mail, READ_UIDS);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "first", 1);
    stmt_bind_int(s, "last", UINT32_MAX);
    enum err e;
    for (e = reader_first_step(s); !e; e = stmt_step(s)) {
        uint32_t uid = (uint32_t)stmt_int(s, 0);
        range_list_add(out, uid, uid);
    }
    stmt_reset(s);
    return e;
}

enum err reader_uid_runs(struct reader *r, uint64_t mailbox, struct uid_range **out, size_t *out_n)
{
    struct range_list gone = {0};
    struct range_list list = {0};
    uint64_t uidnext;
    uint64_t messages;
    enum err e = read_gone(r, mailbox, &gone, &uidnext, &messages);
    if (!e && complement(&gone, uidnext, &list) != messages) {
        list.n = 0;
        e = walk_uids(r, mailbox, &list);
    }
    free(gone.items);
    return take_ranges(&list, e, out, out_n);
}

static enum err check_floor(struct reader *r, uint64_t mailbox, uint64_t since)
{
    struct stmt *s = db_use(r->mail, READ_VANISHED_FLOOR);
    stmt_bind_int(s, "id", (int64_t)mailbox);
    enum err e = reader_first_step(s);
    if (!e && since < column_u64(s, 0))
        e = ERR_NOT_FOUND;
    stmt_reset(s);
    return e;
}

enum err reader_vanished(struct reader *r, uint64_t mailbox, uint64_t since, struct uid_range **out,
    size_t *out_n)
{
    struct range_list list = {0};
    enum err e = check_floor(r, mailbox, since);
    if (e)
        return e;
    struct stmt *s = db_use(r->mail, READ_VANISHED);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "since", since > INT64_MAX ? INT64_MAX : (int64_t)since);
    for (e = reader_first_step(s); !e; e = stmt_step(s)) {
        int64_t first = stmt_int(s, 0);
        int64_t last = stmt_int(s, 1);
        if (first >= 1 && first <= last && last <= UINT32_MAX)
            range_list_add(&list, (uint32_t)first, (uint32_t)last);
    }
    stmt_reset(s);
    range_list_tidy(&list);
    return take_ranges(&list, e, out, out_n);
}

enum err reader_first_unseen(struct reader *r, uint64_t mailbox, uint32_t *out_uid)
{
    struct mailbox_info info;
    enum err e = reader_mailbox(r, mailbox, &info);
    if (e)
        return e;
    /* The fewer there are, the nearer to the end: counted from there. */
    bool from_end = info.unseen > 0 && info.unseen < info.messages / 2;
    struct stmt *s = db_use(r->mail, from_end ? READ_FIRST_UNSEEN_FROM_END : READ_FIRST_UNSEEN);
    uint32_t found = 0;
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    if (from_end)
        stmt_bind_int(s, "unseen", (int64_t)info.unseen);
    e = info.unseen ? reader_first_step(s) : ERR_NOT_FOUND;
    for (; !e; e = from_end ? stmt_step(s) : ERR_NOT_FOUND)
        found = column_nonzero(s, 0);
    stmt_reset(s);
    if (e != ERR_NOT_FOUND)
        return e;
    *out_uid = found;
    return ERR_OK;
}

enum err reader_deleted_bytes(struct reader *r, uint64_t mailbox, uint64_t *out)
{
    struct stmt *s = db_use(r->mail, READ_DELETED_BYTES);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    enum err e = reader_first_step(s);
    if (!e)
        *out = column_u64(s, 0);
    stmt_reset(s);
    return e;
}

enum err reader_listing(struct reader *r, uint64_t mailbox, uint32_t uid, struct listing *out)
{
    if (!r->keys)
        return ERR_NOT_FOUND;
    struct stmt *s = db_use(r->mail, READ_LISTING);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "from", (int64_t)uid - LISTING_SPAN_MAX);
    stmt_bind_int(s, "uid", uid);
    enum err e = reader_first_step(s);
    int64_t first = e ? 0 : stmt_int(s, 0);
    int64_t last = e ? 0 : stmt_int(s, 1);
    if (!e && (first < 1 || last > UINT32_MAX))
        e = ERR_NOT_FOUND;
    if (!e) {
        out->mailbox = mailbox;
        out->first = (uint32_t)first;
        out->last = (uint32_t)last;
        e = listing_open(r->keys, stmt_bytes(s, 2), out);
    }
    stmt_reset(s);
    if (e == ERR_DAMAGED)
        reader_note_damage(r, "listing", mailbox);
    return e ? ERR_NOT_FOUND : ERR_OK;
}
