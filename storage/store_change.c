/* Changes of mails: flags, expunge, copy and move. Flags and expunge go on in slices over several turns;
 * a copy is all or nothing and so one piece. */
#include "storage/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/store_sql.h"

#define COPY_ROWS_MAX 2000000 /* more than a mailbox of ours should hold: 80 MB while it runs */

/* Where this slice of a range ends: at most STORE_SLICE_ROWS mails. */
static enum err slice_end(struct store *s, uint64_t mailbox, uint32_t first, uint32_t last, uint32_t *out)
{
    struct stmt *q = db_use(s->mail, SQL_MAIL_NTH);
    stmt_bind_int(q, "mailbox", (int64_t)mailbox);
    stmt_bind_int(q, "first", first);
    stmt_bind_int(q, "last", last);
    stmt_bind_int(q, "n", STORE_SLICE_ROWS);
    enum err e = stmt_step(q);
    *out = e ? last : (uint32_t)stmt_int(q, 0) - 1;
    stmt_reset(q);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err count_mailbox(struct store *s, uint64_t mailbox, uint64_t modseq, const int64_t sums[4],
    int64_t uids)
{
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_COUNT);
    stmt_bind_int(q, "id", (int64_t)mailbox);
    stmt_bind_int(q, "modseq", (int64_t)modseq);
    stmt_bind_int(q, "messages", sums[0]);
    stmt_bind_int(q, "unseen", sums[1]);
    stmt_bind_int(q, "deleted", sums[2]);
    stmt_bind_int(q, "size", sums[3]);
    stmt_bind_int(q, "uids", uids);
    return stmt_run(q);
}

/* Takes the ranges of the request, in its first slice. No ranges: all. */
static enum err take_ranges(struct store_work *w, bool none_is_all)
{
    if (w->is_resumed)
        return ERR_OK;
    if (!uid_ranges_decode(&w->body, STORE_RANGES_MAX, &w->ranges, &w->range_count) || !wire_done(&w->body))
        return ERR_SYNTAX;
    if (w->range_count == 0 && none_is_all) {
        free(w->ranges);
        w->ranges = mem_new(sizeof *w->ranges);
        w->ranges[0] = (struct uid_range){1, UINT32_MAX};
        w->range_count = 1;
    }
    w->uid_at = w->range_count ? w->ranges[0].first : 0;
    return ERR_OK;
}

/* Steps behind `last` of the present range; true when all ranges are done. */
static bool next_piece(struct store_work *w, uint32_t last)
{
    if (last < w->ranges[w->range_at].last) {
        w->uid_at = last + 1;
        return false;
    }
    if (++w->range_at == w->range_count)
        return true;
    w->uid_at = w->ranges[w->range_at].first;
    return false;
}

static void note_failed(struct store_work *w, uint32_t uid)
{
    struct uid_range *last = w->failed_count ? &w->failed[w->failed_count - 1] : NULL;
    if (last && last->last + 1 == uid) {
        last->last = uid;
        return;
    }
    if (w->failed_count == w->failed_cap) {
        w->failed_cap = w->failed_cap * 2 + 16;
        w->failed = mem_resize(w->failed, w->failed_cap * sizeof *w->failed);
    }
    w->failed[w->failed_count++] = (struct uid_range){uid, uid};
}

struct flag_change {
    uint64_t mailbox;
    int64_t keep;
    int64_t set;
    int64_t since;
    uint64_t modseq;
    uint32_t first;
    uint32_t last;
};

static void bind_flags(struct stmt *q, const struct flag_change *f)
{
    stmt_bind_int(q, "mailbox", (int64_t)f->mailbox);
    stmt_bind_int(q, "first", f->first);
    stmt_bind_int(q, "last", f->last);
    stmt_bind_int(q, "keep", f->keep);
    stmt_bind_int(q, "set", f->set);
    stmt_bind_int(q, "since", f->since);
}

static enum err find_failed(struct store *s, struct store_work *w, const struct flag_change *f)
{
    if (f->since == INT64_MAX)
        return ERR_OK;
    struct stmt *q = db_use(s->mail, SQL_MAIL_CHANGED_SINCE);
    stmt_bind_int(q, "mailbox", (int64_t)f->mailbox);
    stmt_bind_int(q, "first", f->first);
    stmt_bind_int(q, "last", f->last);
    stmt_bind_int(q, "since", f->since);
    stmt_bind_int(q, "modseq", (int64_t)f->modseq);
    enum err e;
    while ((e = stmt_step(q)) == ERR_OK)
        note_failed(w, (uint32_t)stmt_int(q, 0));
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* One piece of one range; changes only what is not so already, so that nothing is told needlessly. */
static enum err change_piece(struct store *s, struct store_work *w, const struct flag_change *f)
{
    enum err e = find_failed(s, w, f);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_MAIL_SUMS);
    bind_flags(q, f);
    e = stmt_step(q);
    if (e)
        return e;
    int64_t changed = stmt_int(q, 0);
    const int64_t sums[4] = {0, stmt_int(q, 1), stmt_int(q, 2), 0};
    stmt_reset(q);
    if (changed == 0)
        return ERR_OK;
    q = db_use(s->mail, SQL_MAIL_SET_FLAGS);
    bind_flags(q, f);
    stmt_bind_int(q, "modseq", (int64_t)f->modseq);
    e = stmt_run(q);
    return e ? e : count_mailbox(s, f->mailbox, f->modseq, sums, 0);
}

static enum err flag_change_of(struct store_work *w, struct flag_change *f)
{
    if (!w->is_resumed) {
        f->mailbox = wire_u64(&w->body);
        uint8_t op = wire_u8(&w->body);
        uint64_t flags = wire_u64(&w->body) & ~(1ULL << 63);
        uint64_t since = wire_u64(&w->body);
        if (w->body.failed || op > STORE_FLAGS_REMOVE)
            return ERR_SYNTAX;
        f->keep = (int64_t)(op == STORE_FLAGS_SET ? 0 : op == STORE_FLAGS_ADD ? ~0ULL : ~flags);
        f->set = op == STORE_FLAGS_REMOVE ? 0 : (int64_t)flags;
        f->since = since > INT64_MAX ? INT64_MAX : (int64_t)since;
        w->state[0] = (int64_t)f->mailbox;
        w->state[1] = f->keep;
        w->state[2] = f->set;
        w->state[3] = f->since;
        return ERR_OK;
    }
    *f = (struct flag_change){.mailbox = (uint64_t)w->state[0], .keep = w->state[1], .set = w->state[2],
        .since = w->state[3]};
    return ERR_OK;
}

enum err store_do_flags(struct store *s, struct store_work *w)
{
    struct flag_change f = {0};
    struct store_mailbox m;
    enum err e = flag_change_of(w, &f);
    if (!e)
        e = take_ranges(w, false);
    if (!e)
        e = store_mailbox_get(s, w->account, f.mailbox, &m);
    if (e || w->range_count == 0)
        return e;
    /* A later slice keeps the modseq of the first, unless something else came between. */
    f.modseq = w->modseq && w->modseq == m.highest_modseq ? w->modseq : m.highest_modseq + 1;
    w->modseq = f.modseq;
    f.first = w->uid_at;
    e = slice_end(s, f.mailbox, f.first, w->ranges[w->range_at].last, &f.last);
    if (!e)
        e = change_piece(s, w, &f);
    if (e)
        return e;
    store_ring(s, w->account, f.mailbox, f.modseq);
    if (!next_piece(w, f.last))
        return ERR_AGAIN;
    w->reply.modseq = f.modseq;
    w->reply.ranges = w->failed;
    w->reply.range_count = w->failed_count;
    w->failed = NULL;
    return ERR_OK;
}

struct expunge {
    uint64_t mailbox;
    uint64_t vault;
    uint64_t modseq;
    bool whatever;
    uint32_t first;
    uint32_t last;
};

static void bind_expunge(struct stmt *q, const struct expunge *x)
{
    stmt_bind_int(q, "mailbox", (int64_t)x->mailbox);
    stmt_bind_int(q, "first", x->first);
    stmt_bind_int(q, "last", x->last);
    stmt_bind_int(q, "whatever", x->whatever);
}

/* The letters stay for a while (settings: expunged.keep), for sessions that still see them. */
static enum err expunge_piece(struct store *s, uint64_t account, const struct expunge *x, uint64_t *out_count)
{
    struct stmt *q = db_use(s->mail, SQL_MAIL_EXPUNGE_SUMS);
    bind_expunge(q, x);
    enum err e = stmt_step(q);
    if (e)
        return e;
    int64_t sums[4] = {-stmt_int(q, 0), -stmt_int(q, 1), -stmt_int(q, 2), -stmt_int(q, 3)};
    stmt_reset(q);
    if (sums[0] == 0)
        return ERR_OK;
    q = db_use(s->mail, SQL_MAIL_EXPUNGE_COPY);
    bind_expunge(q, x);
    stmt_bind_int(q, "vault", (int64_t)x->vault);
    stmt_bind_int(q, "modseq", (int64_t)x->modseq);
    stmt_bind_int(q, "expires", clock_wall() + (int64_t)settings_number(s->settings, "expunged.keep"));
    e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_MAIL_EXPUNGE_DELETE);
    bind_expunge(q, x);
    e = stmt_run(q);
    if (!e)
        e = count_mailbox(s, x->mailbox, x->modseq, sums, 0);
    if (!e)
        e = store_account_use(s, account, sums[3], sums[0]);
    if (!e)
        *out_count += (uint64_t)-sums[0];
    return e;
}

enum err store_expunge_all(struct store *s, const struct store_mailbox *m, uint64_t *out_count)
{
    const struct expunge x = {.mailbox = m->id, .vault = m->vault, .modseq = m->highest_modseq + 1,
        .whatever = true, .first = 1, .last = UINT32_MAX};
    return expunge_piece(s, m->account, &x, out_count);
}

enum err store_expunge_one(struct store *s, const struct store_mailbox *m, uint32_t uid)
{
    const struct expunge x = {.mailbox = m->id, .vault = m->vault, .modseq = m->highest_modseq + 1,
        .whatever = true, .first = uid, .last = uid};
    uint64_t count = 0;
    enum err e = expunge_piece(s, m->account, &x, &count);
    if (!e && count)
        store_ring(s, m->account, m->id, x.modseq);
    return e || count ? e : ERR_NOT_FOUND;
}

enum err store_do_expunge(struct store *s, struct store_work *w)
{
    struct store_mailbox m;
    if (!w->is_resumed) {
        w->state[0] = (int64_t)wire_u64(&w->body);
        w->state[1] = wire_u8(&w->body);
    }
    struct expunge x = {.mailbox = (uint64_t)w->state[0], .whatever = w->state[1] != 0};
    enum err e = take_ranges(w, !x.whatever);
    if (!e)
        e = store_mailbox_get(s, w->account, x.mailbox, &m);
    if (e || w->range_count == 0)
        return e;
    x.vault = m.vault;
    x.modseq = m.highest_modseq + 1;
    uint64_t before = w->reply.value;
    bool is_done = false, is_whole = w->state[1] == EXPUNGE_WHOLE;
    do {
        x.first = w->uid_at;
        e = slice_end(s, x.mailbox, x.first, w->ranges[w->range_at].last, &x.last);
        if (!e)
            e = expunge_piece(s, w->account, &x, &w->reply.value);
        if (e)
            return e;
        is_done = next_piece(w, x.last);
    } while (is_whole && !is_done);
    if (w->reply.value != before) {
        w->reply.modseq = x.modseq;
        store_ring(s, w->account, x.mailbox, x.modseq);
    }
    return is_done ? ERR_OK : ERR_AGAIN;
}

struct copied {
    uint32_t uid;
    int64_t letter;
    int64_t flags;
    int64_t date;
    int64_t size;
};

struct copy {
    struct store_mailbox from;
    struct store_mailbox to;
    bool is_move;
    struct copied *rows;
    size_t count;
    size_t cap;
    int64_t sums[4];
};

static enum err read_range(struct store *s, struct copy *c, const struct uid_range *r)
{
    struct stmt *q = db_use(s->mail, SQL_MAIL_RANGE);
    stmt_bind_int(q, "mailbox", (int64_t)c->from.id);
    stmt_bind_int(q, "first", r->first);
    stmt_bind_int(q, "last", r->last);
    enum err e;
    while ((e = stmt_step(q)) == ERR_OK) {
        if (c->count == COPY_ROWS_MAX)
            return ERR_LIMIT;
        if (c->count == c->cap) {
            c->cap = c->cap * 2 + 64;
            c->rows = mem_resize(c->rows, c->cap * sizeof *c->rows);
        }
        struct copied *row = &c->rows[c->count++];
        *row = (struct copied){(uint32_t)stmt_int(q, 0), stmt_int(q, 1), stmt_int(q, 2), stmt_int(q, 3),
            stmt_int(q, 4)};
        c->sums[0]++;
        c->sums[1] += !(row->flags & (int64_t)FLAG_SEEN);
        c->sums[2] += (row->flags & (int64_t)FLAG_DELETED) != 0;
        c->sums[3] += row->size;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err write_copy(struct store *s, const struct copy *c, const struct copied *row, uint32_t uid)
{
    struct stmt *q = db_use(s->mail, SQL_MAIL_INSERT);
    stmt_bind_int(q, "mailbox", (int64_t)c->to.id);
    stmt_bind_int(q, "uid", uid);
    stmt_bind_int(q, "letter", row->letter);
    stmt_bind_int(q, "flags", row->flags);
    stmt_bind_int(q, "modseq", (int64_t)c->to.highest_modseq + 1);
    stmt_bind_int(q, "date", row->date);
    stmt_bind_int(q, "now", clock_wall());
    stmt_bind_int(q, "size", row->size);
    enum err e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_WRAP_REF);
    stmt_bind_int(q, "letter", row->letter);
    stmt_bind_int(q, "vault", (int64_t)c->to.vault);
    return stmt_run(q);
}

/* Adds uid to the ranges; those of the reply are made to measure beforehand. */
static void add_uid(struct uid_range *ranges, size_t *count, uint32_t uid)
{
    if (*count && ranges[*count - 1].last + 1 == uid)
        ranges[*count - 1].last = uid;
    else
        ranges[(*count)++] = (struct uid_range){uid, uid};
}

static enum err write_copies(struct store *s, struct copy *c, struct store_reply *reply)
{
    struct uid_range *sources = mem_new(c->count * sizeof *sources);
    struct uid_range *uids = mem_new(c->count * sizeof *uids);
    reply->ranges = sources;
    reply->ranges2 = uids;
    for (size_t i = 0; i < c->count; i++) {
        uint32_t uid = c->to.uidnext + (uint32_t)i;
        enum err e = write_copy(s, c, &c->rows[i], uid);
        if (e)
            return e;
        add_uid(sources, &reply->range_count, c->rows[i].uid);
        add_uid(uids, &reply->range2_count, uid);
    }
    reply->modseq = c->to.highest_modseq + 1;
    reply->value = c->count;
    enum err e = count_mailbox(s, c->to.id, reply->modseq, c->sums, (int64_t)c->count);
    if (!e)
        e = store_account_use(s, c->to.account, c->sums[3], c->sums[0]);
    if (!e)
        store_ring(s, c->to.account, c->to.id, reply->modseq);
    return e;
}

/* A move leaves the source as an expunge does. */
static enum err remove_sources(struct store *s, const struct copy *c, const struct store_reply *reply)
{
    struct expunge x = {.mailbox = c->from.id, .vault = c->from.vault, .whatever = true};
    struct store_mailbox now;
    uint64_t gone = 0;
    enum err e = store_mailbox_get(s, c->from.account, c->from.id, &now);
    x.modseq = now.highest_modseq + 1;
    for (size_t i = 0; !e && i < reply->range_count; i++) {
        x.first = reply->ranges[i].first;
        x.last = reply->ranges[i].last;
        e = expunge_piece(s, c->from.account, &x, &gone);
    }
    if (!e)
        store_ring(s, c->from.account, c->from.id, x.modseq);
    return e;
}

static enum err copy_rows(struct store *s, struct store_work *w, struct copy *c)
{
    enum err e = ERR_OK;
    for (size_t i = 0; !e && i < w->range_count; i++)
        e = read_range(s, c, &w->ranges[i]);
    w->reply.uidvalidity = c->to.uidvalidity;
    if (e || c->count == 0)
        return e;
    if (c->count >= UINT32_MAX - c->to.uidnext)
        return ERR_LIMIT;
    if (!c->is_move)
        e = store_account_room(s, w->account, (uint64_t)c->sums[3]);
    if (!e)
        e = write_copies(s, c, &w->reply);
    if (!e && c->is_move)
        e = remove_sources(s, c, &w->reply);
    return e;
}

enum err store_do_copy(struct store *s, struct store_work *w)
{
    struct copy c = {0};
    uint64_t from = wire_u64(&w->body);
    uint64_t to = wire_u64(&w->body);
    c.is_move = wire_u8(&w->body) != 0;
    enum err e = take_ranges(w, false);
    if (!e)
        e = store_mailbox_get(s, w->account, from, &c.from);
    if (!e)
        e = store_mailbox_get(s, w->account, to, &c.to);
    if (!e && (c.to.noselect || c.from.vault != c.to.vault))
        e = c.to.noselect ? ERR_NOT_FOUND : ERR_UNSUPPORTED;
    if (!e)
        e = copy_rows(s, w, &c);
    free(c.rows);
    return e;
}
