/* Letters on their way in: chunks that come before the letter is whole go to letters.db at once, under
 * a row of `staged`, so that a crash leaves a list of what to sweep and never a scan. */
#include "storage/store.h"

#include "base/log.h"
#include "storage/queue.h"
#include "storage/store_sql.h"

#define PREFIX_ROW 65535

static int64_t chunk_row(int64_t letter, uint32_t number)
{
    return letter * 65536 + (number == CHUNK_PREFIX ? PREFIX_ROW : (int64_t)number);
}

struct store_stage *store_stage_find(struct store_peer *p, uint64_t id)
{
    for (struct store_stage *t = p->stages; t; t = t->next)
        if (t->id == id)
            return t;
    return NULL;
}

static struct store_stage *stage_get(struct store_peer *p, uint64_t id)
{
    struct store_stage *t = store_stage_find(p, id);
    if (t || id == 0 || p->stage_count >= STORE_STAGES_PER_PEER_MAX)
        return t;
    t = mem_new(sizeof *t);
    t->id = id;
    t->letter = p->store->next_letter++;
    buf_init(&t->targets, (size_t)LETTER_TARGETS_MAX * 1024);
    buf_init(&t->recipients, (size_t)QUEUE_RECIPIENTS_MAX * 1024);
    buf_init(&t->held, STORE_HELD_BYTES_MAX);
    t->next = p->stages;
    p->stages = t;
    p->stage_count++;
    return t;
}

static void stage_fail(struct store_stage *t, enum err why)
{
    if (!t->failed)
        t->why = why;
    t->failed = true;
}

static enum err insert_chunk(struct store *s, struct store_stage *t, uint32_t number, struct slice sealed)
{
    enum err e = store_begin_letters(s);
    if (!e && t->bytes == 0) {
        struct stmt *q = db_use(s->letters, SQL_BIG_STAGED_INSERT);
        stmt_bind_int(q, "letter", t->letter);
        e = stmt_run(q);
    }
    if (e)
        return e;
    struct stmt *q = db_use(s->letters, SQL_BIG_CHUNK_INSERT);
    stmt_bind_int(q, "id", chunk_row(t->letter, number));
    stmt_bind_blob(q, "data", sealed);
    return stmt_run(q);
}

void store_on_stage(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    uint8_t uid[LETTER_UID_BYTES];
    uint64_t id = wire_u64(&in);
    wire_copy(&in, uid, sizeof uid);
    uint32_t number = wire_u32(&in);
    struct slice sealed = wire_bytes(&in);
    p->credit_bytes += body.n;
    loop_again(s->loop);
    struct store_stage *t = wire_done(&in) ? stage_get(p, id) : NULL;
    if (!t)
        return;
    bool in_order = number == CHUNK_PREFIX ? !t->has_prefix : number == t->chunks;
    if (t->chunks == 0 && !t->has_prefix)
        memcpy(t->uid, uid, sizeof uid);
    if (!in_order || number == CHUNK_COUNT_MAX || memcmp(t->uid, uid, sizeof uid) != 0)
        stage_fail(t, ERR_SYNTAX);
    if (t->failed)
        return;
    enum err e = s->room_needed ? ERR_DISK_FULL : insert_chunk(s, t, number, sealed);
    if (e == ERR_DISK_FULL)
        store_room_lost(s);
    if (e) {
        /* A statement that fails for want of room may have taken the whole transaction with it; the other
         * letters staged in this turn then miss a chunk, which their commit would find out: fail all. */
        for (struct store_peer *q = s->peers; q; q = q->next)
            for (struct store_stage *u = q->stages; u; u = u->next)
                stage_fail(u, e);
        db_rollback(s->letters);
        s->letters_dirty = false;
        return;
    }
    t->bytes += sealed.n;
    if (number == CHUNK_PREFIX)
        t->has_prefix = true;
    else
        t->chunks++;
}

void store_on_stage_targets(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    uint64_t id = wire_u64(&in);
    (void)s;
    struct store_stage *t = in.failed ? NULL : stage_get(p, id);
    if (t)
        buf_put(&t->targets, in.rest);
}

void store_on_stage_recipients(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    uint64_t id = wire_u64(&in);
    (void)s;
    struct store_stage *t = in.failed ? NULL : stage_get(p, id);
    if (t)
        buf_put(&t->recipients, in.rest);
}

void store_on_stage_drop(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    struct store_stage *t = store_stage_find(p, wire_u64(&in));
    if (t && wire_done(&in))
        store_stage_end(s, p, t);
}

static enum err forget_chunks(struct store *s, int64_t letter)
{
    enum err e = store_begin_letters(s);
    if (e)
        return e;
    struct stmt *q = db_use(s->letters, SQL_BIG_CHUNK_DELETE);
    stmt_bind_int(q, "first", letter * 65536);
    stmt_bind_int(q, "last", letter * 65536 + PREFIX_ROW);
    e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->letters, SQL_BIG_STAGED_DELETE);
    stmt_bind_int(q, "letter", letter);
    return stmt_run(q);
}

struct buf store_stage_take_held(struct store_peer *p, struct store_stage *group)
{
    struct buf held = group->held;
    p->held_bytes -= held.n;
    buf_init(&group->held, STORE_HELD_BYTES_MAX);
    group->held_count = 0;
    return held;
}

static void drop_letter(struct store *s, struct store_peer *p, struct slice letter)
{
    struct wire in = wire_of(letter);
    struct letter_head h;
    struct store_stage *t = letter_head_decode(&in, &h) ? store_stage_find(p, h.stage) : NULL;
    if (t)
        store_stage_end(s, p, t);
}

void store_held_drop(struct store *s, struct store_peer *p, struct buf *held)
{
    struct wire in = wire_of(buf_slice(held));
    while (!wire_at_end(&in))
        drop_letter(s, p, wire_bytes(&in));
    buf_clear(held);
}

/* Whether its chunks stay is decided when the turn's commit has succeeded or failed: store_unstage(). */
void store_stage_end(struct store *s, struct store_peer *p, struct store_stage *stage)
{
    for (struct store_stage **at = &p->stages; *at; at = &(*at)->next) {
        if (*at == stage) {
            *at = stage->next;
            p->stage_count--;
            break;
        }
    }
    if (stage->bytes) {
        if (s->unstage_count == s->unstage_cap) {
            s->unstage_cap = s->unstage_cap * 2 + 16;
            s->unstage = mem_resize(s->unstage, s->unstage_cap * sizeof *s->unstage);
        }
        s->unstage[s->unstage_count++] = stage->letter;
        s->sweep_due = true;
    }
    buf_clear(&stage->targets);
    buf_clear(&stage->recipients);
    struct buf held = store_stage_take_held(p, stage);
    free(stage);
    store_held_drop(s, p, &held);
}

/* One more letter of a group (RFC 3502): too many, and its commit says so. */
void store_on_append_hold(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    uint64_t id = wire_u64(&in);
    p->credit_bytes += body.n;
    loop_again(s->loop);
    struct store_stage *t = in.failed ? NULL : stage_get(p, id);
    if (t && p->held_bytes + in.rest.n + 8 > STORE_HELD_BYTES_MAX)
        stage_fail(t, ERR_LIMIT);
    if (!t || t->failed) {
        drop_letter(s, p, in.rest);
        return;
    }
    size_t before = t->held.n;
    wire_put_bytes(&t->held, in.rest);
    p->held_bytes += t->held.n - before;
    t->held_count++;
}

static enum err is_known(struct store *s, int64_t letter, bool *out)
{
    struct stmt *q = db_use(s->mail, SQL_LETTER_KNOWN);
    stmt_bind_int(q, "id", letter);
    enum err e = stmt_step(q);
    stmt_reset(q);
    *out = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err recover_one(struct store *s, int64_t letter)
{
    bool known = false;
    enum err e = is_known(s, letter, &known);
    if (e || !known)
        return e ? e : forget_chunks(s, letter);
    e = store_begin_letters(s);
    if (e)
        return e;
    struct stmt *q = db_use(s->letters, SQL_BIG_STAGED_DELETE);
    stmt_bind_int(q, "letter", letter);
    return stmt_run(q);
}

bool store_unstage(struct store *s)
{
    if (s->unstage_ready == 0)
        return false;
    enum err e = recover_one(s, s->unstage[0]);
    if (e) {
        log_event(LOG_WARNING, "stage-not-swept", LF("reason", err_text(e)));
        return false; /* later; at the latest at the next start */
    }
    s->unstage_ready--;
    s->unstage_count--;
    memmove(s->unstage, s->unstage + 1, s->unstage_count * sizeof *s->unstage);
    return s->unstage_ready > 0;
}

enum err store_recover(struct store *s)
{
    uint64_t swept = 0;
    for (;;) {
        struct stmt *q = db_use(s->letters, SQL_BIG_STAGED_LIST);
        enum err e = stmt_step(q);
        int64_t letter = e ? 0 : stmt_int(q, 0);
        stmt_reset(q);
        if (e == ERR_OK)
            e = recover_one(s, letter);
        if (e == ERR_NOT_FOUND)
            break;
        if (e)
            return e;
        swept++;
    }
    if (!s->letters_dirty)
        return ERR_OK;
    s->letters_dirty = false;
    log_event(LOG_INFO, "staged-letters-swept", LF_U("count", swept));
    return db_commit(s->letters);
}
