/* Committing a letter: DELIVER (from outside, or submitted) and APPEND. Content once, a wrap per vault,
 * a mail per mailbox, counters in the same transaction. */
#include "storage/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/store_queue.h"
#include "storage/store_sql.h"

/* What one request is about, taken from its message. */
struct arrival {
    struct letter_head head;
    struct store_stage *stage;   /* NULL: all chunks are inline */
    int64_t letter;
    uint32_t wraps;
    struct slice outbound;       /* empty: nobody elsewhere gets it */
    struct slice results;        /* of relay, with a report */
    uint64_t account;            /* who submitted it */
    uint64_t flags;
    int64_t date;
};

static enum err insert_letter(struct store *s, const struct arrival *a)
{
    struct stmt *q = db_use(s->mail, SQL_LETTER_INSERT);
    stmt_bind_int(q, "id", a->letter);
    stmt_bind_blob(q, "uid", slice_of(a->head.uid, sizeof a->head.uid));
    stmt_bind_int(q, "size", (int64_t)a->head.size);
    stmt_bind_int(q, "prefix_size", a->head.prefix_size);
    stmt_bind_int(q, "chunks", a->head.chunks);
    stmt_bind_int(q, "place", a->stage ? 1 : 0);
    stmt_bind_int(q, "arrival", clock_wall());
    stmt_bind_int(q, "refs", a->wraps + (a->outbound.n > 0));
    stmt_bind_blob(q, "summary", a->head.summary);
    return stmt_run(q);
}

/* Inline chunks must be 0, 1, … in order, and the prefix chunk exactly when there is a prefix. */
static enum err insert_inline_chunks(struct store *s, const struct arrival *a)
{
    struct wire in = a->head.inline_chunks;
    uint32_t next = 0;
    bool has_prefix = false;
    for (unsigned i = 0; i < a->head.inline_count; i++) {
        uint32_t number = wire_u32(&in);
        struct slice sealed = wire_bytes(&in);
        bool is_prefix = number == CHUNK_PREFIX;
        if (is_prefix ? has_prefix : number != next)
            return ERR_SYNTAX;
        has_prefix |= is_prefix;
        next += !is_prefix;
        struct stmt *q = db_use(s->mail, SQL_CHUNK_INSERT);
        stmt_bind_int(q, "id", a->letter * 65536 + (is_prefix ? 65535 : (int64_t)number));
        stmt_bind_blob(q, "data", sealed);
        enum err e = stmt_run(q);
        if (e)
            return e;
    }
    return next == a->head.chunks && has_prefix == (a->head.prefix_size > 0) ? ERR_OK : ERR_SYNTAX;
}

static enum err check_stage(const struct arrival *a)
{
    const struct store_stage *t = a->stage;
    if (t->failed)
        return t->why;
    bool whole = t->chunks == a->head.chunks && t->has_prefix == (a->head.prefix_size > 0) &&
        memcmp(t->uid, a->head.uid, sizeof t->uid) == 0 && a->head.inline_count == 0;
    return whole ? ERR_OK : ERR_STORE_GONE;
}

static enum err get_epoch(struct store *s, const struct letter_target *t, int64_t *out)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        struct stmt *q = db_use(s->mail, SQL_EPOCH_GET);
        stmt_bind_int(q, "vault", (int64_t)t->vault);
        stmt_bind_blob(q, "key", slice_of(t->epoch_public, sizeof t->epoch_public));
        enum err e = stmt_step(q);
        if (!e)
            *out = stmt_int(q, 0);
        stmt_reset(q);
        if (e != ERR_NOT_FOUND)
            return e;
        q = db_use(s->mail, SQL_EPOCH_INSERT);
        stmt_bind_int(q, "vault", (int64_t)t->vault);
        stmt_bind_blob(q, "key", slice_of(t->epoch_public, sizeof t->epoch_public));
        e = stmt_run(q);
        if (e)
            return e;
    }
    return ERR_INTERNAL;
}

static enum err insert_wrap(struct store *s, const struct arrival *a, const struct letter_target *t)
{
    int64_t epoch = 0;
    enum err e = t->has_epoch ? get_epoch(s, t, &epoch) : ERR_OK;
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_WRAP_INSERT);
    stmt_bind_int(q, "letter", a->letter);
    stmt_bind_int(q, "vault", (int64_t)t->vault);
    stmt_bind_int(q, "generation", t->generation);
    if (t->has_epoch)
        stmt_bind_int(q, "epoch", epoch);
    stmt_bind_blob(q, "key", slice_of(t->wrap, sizeof t->wrap));
    if (t->prefix_size)
        stmt_bind_blob(q, "prefix", t->prefix);
    stmt_bind_int(q, "prefix_size", t->prefix_size);
    return stmt_run(q);
}

/* Takes the next UID of the mailbox, counts, and puts the mail there. Fills modseq, value (UID) and
 * uidvalidity of the reply. */
static enum err insert_mail(struct store *s, const struct arrival *a, const struct letter_target *t,
    struct store_reply *reply)
{
    int64_t size = (int64_t)(a->head.size + a->head.prefix_size + t->prefix_size);
    struct stmt *q = db_use(s->mail, SQL_MAILBOX_TAKE_UID);
    stmt_bind_int(q, "id", (int64_t)t->mailbox);
    stmt_bind_int(q, "unseen", !(a->flags & FLAG_SEEN));
    stmt_bind_int(q, "deleted", (a->flags & FLAG_DELETED) != 0);
    stmt_bind_int(q, "size", size);
    enum err e = stmt_step(q);
    if (e)
        return e;
    int64_t uid = stmt_int(q, 0);
    int64_t modseq = stmt_int(q, 1);
    reply->value = (uint64_t)uid;
    reply->modseq = (uint64_t)modseq;
    reply->uidvalidity = (uint32_t)stmt_int(q, 2);
    bool matches = (uint64_t)stmt_int(q, 3) == t->account && (uint64_t)stmt_int(q, 4) == t->vault;
    stmt_reset(q);
    if (!matches)
        return ERR_DENIED;
    q = db_use(s->mail, SQL_MAIL_INSERT);
    stmt_bind_int(q, "mailbox", (int64_t)t->mailbox);
    stmt_bind_int(q, "uid", uid);
    stmt_bind_int(q, "letter", a->letter);
    stmt_bind_int(q, "flags", (int64_t)a->flags);
    stmt_bind_int(q, "modseq", modseq);
    stmt_bind_int(q, "date", a->date);
    stmt_bind_int(q, "now", clock_wall());
    stmt_bind_int(q, "size", size);
    e = stmt_run(q);
    if (!e)
        e = store_account_use(s, t->account, size, 1);
    if (!e)
        store_ring(s, t->account, t->mailbox, (uint64_t)modseq);
    return e;
}

/* ERR_KEY_MISSING: the sealing side used keys that have changed since; it looks up again. */
static enum err check_vault(struct store *s, const struct letter_target *t)
{
    struct stmt *q = db_use(s->mail, SQL_VAULT_GET);
    stmt_bind_int(q, "id", (int64_t)t->vault);
    enum err e = stmt_step(q);
    if (!e && (uint64_t)stmt_int(q, 0) != t->account)
        e = ERR_DENIED;
    if (!e && (uint32_t)stmt_int(q, 1) != t->generation)
        e = ERR_KEY_MISSING;
    stmt_reset(q);
    return e;
}

static enum err put_target(struct store *s, const struct arrival *a, const struct letter_target *t,
    struct store_reply *reply)
{
    enum err e = check_vault(s, t);
    if (!e)
        e = store_account_room(s, t->account, a->head.size + a->head.prefix_size + t->prefix_size);
    if (!e)
        e = insert_wrap(s, a, t);
    return e ? e : insert_mail(s, a, t, reply);
}

static enum err begin_arrival(struct store *s, struct store_peer *p, struct wire *in, struct arrival *a)
{
    *a = (struct arrival){.date = clock_wall()};
    if (!letter_head_decode(in, &a->head))
        return ERR_SYNTAX;
    if (a->head.stage) {
        a->stage = store_stage_find(p, a->head.stage);
        if (!a->stage)
            return ERR_STORE_GONE;
        if (a->stage->chunks == 0 && !a->stage->has_prefix) {
            /* Only its targets were staged; the chunks are inline. */
            a->letter = a->stage->letter;
            return ERR_OK;
        }
        a->letter = a->stage->letter;
        return check_stage(a);
    }
    a->letter = s->next_letter++;
    return ERR_OK;
}

static enum err put_letter(struct store *s, struct arrival *a)
{
    bool is_staged = a->stage && a->stage->bytes;
    struct store_stage *stage = a->stage;
    if (!is_staged)
        a->stage = NULL;
    enum err e = insert_letter(s, a);
    if (!e && !is_staged)
        e = insert_inline_chunks(s, a);
    a->stage = stage;
    return e;
}

/* How many targets the wire holds; 0 when it is malformed. */
static uint32_t count_targets(struct wire in)
{
    struct letter_target t;
    uint32_t n = 0;
    while (!wire_at_end(&in) && letter_target_decode(&in, &t))
        n++;
    return wire_done(&in) ? n : 0;
}

static enum err put_targets(struct store *s, const struct arrival *a, struct wire in, struct store_reply *reply)
{
    struct letter_target t;
    while (!wire_at_end(&in)) {
        if (!letter_target_decode(&in, &t))
            return ERR_SYNTAX;
        enum err e = put_target(s, a, &t, reply);
        if (e)
            return e;
    }
    return ERR_OK;
}

static enum err deliver(struct store *s, struct arrival *a, struct wire targets, struct store_reply *reply)
{
    struct wire staged = wire_of(a->stage ? buf_slice(&a->stage->targets) : SLICE_EMPTY);
    uint32_t more = staged.rest.n ? count_targets(staged) : 0;
    a->wraps = count_targets(targets) + more;
    if ((a->wraps == 0 && a->outbound.n == 0) || a->wraps > LETTER_TARGETS_MAX || (staged.rest.n && !more))
        return ERR_SYNTAX;
    enum err e = put_letter(s, a);
    if (!e)
        e = put_targets(s, a, targets, reply);
    if (!e)
        e = put_targets(s, a, staged, reply);
    if (!e && a->outbound.n)
        e = store_queue_put(s, a->account, a->letter, a->outbound,
            a->stage ? buf_slice(&a->stage->recipients) : SLICE_EMPTY);
    if (!e && a->results.n)
        e = store_queue_results(s, wire_of(a->results));
    reply->value = a->wraps;
    s->delivered += e == ERR_OK;
    return e;
}

enum err store_do_deliver(struct store *s, struct store_work *w)
{
    struct arrival a;
    uint64_t account = 0;
    uint64_t session_id = wire_u64(&w->body);
    struct slice outbound = wire_bytes(&w->body);
    struct slice results = wire_bytes(&w->body);
    if (session_id) {
        const struct store_session *session = store_session_find(s, w->peer, session_id);
        if (!session || !(session->scopes & SCOPE_SMTP))
            return ERR_DENIED;
        account = session->account;
    }
    /* Strangers relay nothing, whatever smtp thinks; only relay says what became of a recipient. */
    if ((outbound.n && !session_id) || (results.n && w->peer->role != ROLE_RELAY))
        return ERR_DENIED;
    enum err e = begin_arrival(s, w->peer, &w->body, &a);
    a.outbound = outbound;
    a.results = results;
    a.account = account;
    if (!e)
        e = deliver(s, &a, w->body, &w->reply);
    if (a.stage)
        store_stage_end(s, w->peer, a.stage);
    return e;
}

/* in: what follows the letter. */
static enum err append(struct store *s, uint64_t account, struct arrival *a, struct wire *in,
    struct store_reply *reply)
{
    struct letter_target t;
    struct store_mailbox m;
    uint64_t mailbox = wire_u64(in);
    a->flags = wire_u64(in) & ~(1ULL << 63);
    int64_t date = (int64_t)wire_u64(in);
    if (!letter_target_decode(in, &t) || !wire_done(in) || t.has_epoch)
        return ERR_SYNTAX;
    if (date != INT64_MIN)
        a->date = date;
    t.account = account;
    enum err e = store_mailbox_get(s, account, mailbox, &m);
    if (e)
        return e;
    if (t.mailbox != mailbox || t.vault != m.vault)
        return ERR_DENIED;
    a->wraps = 1;
    e = put_letter(s, a);
    return e ? e : put_target(s, a, &t, reply);
}

static enum err append_one(struct store *s, struct store_work *w, struct wire *in)
{
    struct arrival a;
    enum err e = begin_arrival(s, w->peer, in, &a);
    if (!e)
        e = append(s, w->account, &a, in, &w->reply);
    if (a.stage)
        store_stage_end(s, w->peer, a.stage);
    return e;
}

enum err store_do_append(struct store *s, struct store_work *w)
{
    return append_one(s, w, &w->body);
}

/* Every letter is gone through even when one has failed: its stage ends. They have the UIDs from the reply's
 * first to its value, for nobody else's letter can come between. */
static enum err append_group(struct store *s, struct store_work *w, struct slice letters)
{
    struct wire held = wire_of(letters);
    enum err failed = ERR_OK;
    uint64_t first = 0;
    while (!wire_at_end(&held)) {
        struct wire one = wire_of(wire_bytes(&held));
        enum err e = append_one(s, w, &one);
        if (e && !failed)
            failed = e;
        if (first == 0)
            first = w->reply.value;
    }
    if (failed)
        return failed;
    struct uid_range *r = mem_new(sizeof *r);
    *r = (struct uid_range){(uint32_t)first, (uint32_t)w->reply.value};
    w->reply.ranges = r;
    w->reply.range_count = 1;
    return ERR_OK;
}

static enum err replaced(struct store *s, struct store_work *w, uint64_t mailbox, uint32_t uid)
{
    struct store_mailbox m;
    enum err e = store_mailbox_get(s, w->account, mailbox, &m);
    return e ? e : store_expunge_one(s, &m, uid);
}

enum err store_do_append_held(struct store *s, struct store_work *w)
{
    uint64_t id = wire_u64(&w->body);
    uint32_t n = wire_u32(&w->body);
    uint64_t mailbox = wire_u64(&w->body);
    uint32_t uid = wire_u32(&w->body);
    struct store_stage *group = store_stage_find(w->peer, id);
    if (!wire_done(&w->body) || n == 0)
        return ERR_SYNTAX;
    if (!group)
        return ERR_STORE_GONE;
    enum err e = group->failed ? group->why : ERR_OK;
    if (!e && group->held_count != n)
        e = ERR_STORE_GONE;
    struct buf held = store_stage_take_held(w->peer, group);
    store_stage_end(s, w->peer, group); /* first: a letter of it might name it as its own stage */
    if (!e)
        e = append_group(s, w, buf_slice(&held));
    if (!e && uid)
        e = replaced(s, w, mailbox, uid);
    store_held_drop(s, w->peer, &held);
    return e;
}
