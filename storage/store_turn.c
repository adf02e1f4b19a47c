/* One turn of the store: a transaction that all requests of the turn share, its commit, and only then
 * the replies and the rings. Nothing is acknowledged before it is durable. */
#include "storage/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/store_queue.h"
#include "storage/store_sql.h"

#define REPLY_BYTES_MAX CHANNEL_MESSAGE_MAX

enum err store_begin(struct store *s)
{
    if (s->turn_error)
        return s->turn_error;
    if (s->mail_dirty)
        return ERR_OK;
    enum err e = db_begin(s->mail);
    if (e) {
        s->turn_error = e;
        return e;
    }
    s->mail_dirty = true;
    return ERR_OK;
}

enum err store_begin_letters(struct store *s)
{
    if (s->letters_dirty)
        return ERR_OK;
    enum err e = db_begin(s->letters);
    s->letters_dirty = e == ERR_OK;
    return e;
}

void store_ring(struct store *s, uint64_t account, uint64_t mailbox, uint64_t modseq)
{
    for (size_t i = s->ring_count; i-- > 0 && i + 64 > s->ring_count;) {
        if (s->rings[i].account == account && s->rings[i].mailbox == mailbox) {
            s->rings[i].modseq = modseq;
            return;
        }
    }
    if (s->ring_count == s->ring_cap) {
        s->ring_cap = s->ring_cap * 2 + 64;
        s->rings = mem_resize(s->rings, s->ring_cap * sizeof *s->rings);
    }
    s->rings[s->ring_count++] = (struct store_ring){account, mailbox, modseq};
}

static struct store_pending_reply *new_reply(struct store *s, struct store_peer *peer, uint64_t req)
{
    if (s->reply_count == s->reply_cap) {
        s->reply_cap = s->reply_cap * 2 + 64;
        s->replies = mem_resize(s->replies, s->reply_cap * sizeof *s->replies);
    }
    struct store_pending_reply *r = &s->replies[s->reply_count++];
    *r = (struct store_pending_reply){.peer = peer, .req = req};
    buf_init(&r->body, 4 * REPLY_BYTES_MAX);
    return r;
}

void store_queue_reply(struct store *s, struct store_peer *peer, uint64_t req, const struct store_reply *reply,
    bool is_change)
{
    struct store_pending_reply *r = new_reply(s, peer, req);
    r->is_change = is_change;
    store_reply_encode(req, reply, &r->body);
    if (r->body.n <= CHANNEL_MESSAGE_MAX)
        return;
    /* Too many ranges for one message: they are a courtesy (COPYUID), the change itself is not. */
    struct store_reply shorter = *reply;
    shorter.range_count = shorter.range2_count = 0;
    buf_reset(&r->body);
    store_reply_encode(req, &shorter, &r->body);
}

void store_queue_admin_reply(struct store *s, struct store_peer *peer, uint64_t req, enum err err,
    struct slice text, struct slice json)
{
    struct store_pending_reply *r = new_reply(s, peer, req);
    r->is_admin = true;
    admin_reply_encode(req, err, text, json, &r->body);
    if (r->body.n <= CHANNEL_MESSAGE_MAX)
        return;
    buf_reset(&r->body);
    admin_reply_encode(req, ERR_TOO_BIG, SLICE("the answer is too long to show\n"),
        SLICE("{\"error\":\"the answer is too long\"}"), &r->body);
}

static void send_or_close(struct store_peer *p, uint16_t type, struct slice body)
{
    if (p->is_closed)
        return;
    enum err e = channel_send(p->channel, type, body, NULL, 0);
    if (e)
        log_event(LOG_WARNING, "reply-not-sent", LF("to", role_name(p->role)), LF("reason", err_text(e)));
}

static void fail_reply(struct store_pending_reply *r, enum err why)
{
    struct store_reply failed = {.err = why};
    buf_reset(&r->body);
    if (r->is_admin)
        admin_reply_encode(r->req, why, slice_str(err_text(why)), SLICE("{\"error\":\"not stored\"}"),
            &r->body);
    else
        store_reply_encode(r->req, &failed, &r->body);
}

static void send_replies(struct store *s, enum err why)
{
    for (size_t i = 0; i < s->reply_count; i++) {
        struct store_pending_reply *r = &s->replies[i];
        if (why && (r->is_change || r->is_admin))
            fail_reply(r, why);
        uint16_t type = r->is_admin ? M_ADMIN_REPLY : M_REPLY;
        if (r->peer)
            send_or_close(r->peer, type, buf_slice(&r->body));
        else if (channel_send(s->role->control, type, buf_slice(&r->body), NULL, 0) != ERR_OK)
            log_event(LOG_WARNING, "admin-reply-not-sent", LF("to", "supervisor"));
        buf_clear(&r->body);
    }
    s->reply_count = 0;
}

static void send_rings(struct store *s)
{
    struct buf body;
    buf_init(&body, 64);
    for (size_t i = 0; i < s->ring_count; i++) {
        const struct store_ring *ring = &s->rings[i];
        buf_reset(&body);
        wire_put_u64(&body, ring->mailbox);
        wire_put_u64(&body, ring->modseq);
        for (struct store_peer *p = s->peers; p; p = p->next)
            if (p->role == ROLE_RETRIEVAL && p->account == ring->account)
                send_or_close(p, M_RING, buf_slice(&body));
    }
    buf_clear(&body);
}

static void send_credits(struct store *s)
{
    struct buf body;
    buf_init(&body, 64);
    for (struct store_peer *p = s->peers; p; p = p->next) {
        if (s->directory_changed && p->role == ROLE_SMTP)
            send_or_close(p, M_DIRECTORY, SLICE_EMPTY);
        if (!p->credit_bytes)
            continue;
        buf_reset(&body);
        wire_put_u64(&body, p->credit_bytes);
        send_or_close(p, M_CREDIT, buf_slice(&body));
        p->credit_bytes = 0;
    }
    s->directory_changed = false;
    buf_clear(&body);
}

/* A write or sync that failed in earnest: what SQLite holds in memory and what is on the disk may differ,
 * and a retry would only pretend. The supervisor starts a fresh store that reads what really is there. */
static void die_of_io(struct store *s)
{
    log_event(LOG_ERROR, "store-ends", LF("reason", "writing or syncing the database failed; "
        "nothing of this turn was acknowledged"));
    send_replies(s, ERR_IO);
    for (struct store_peer *p = s->peers; p; p = p->next)
        if (!p->is_closed && channel_flush(p->channel, 100) != ERR_OK)
            log_event(LOG_WARNING, "reply-not-sent", LF("to", role_name(p->role)));
    _Exit(1);
}

static enum err commit_one(struct store *s, struct db *d, bool *dirty)
{
    if (!*dirty)
        return ERR_OK;
    enum err e = db_commit(d);
    if (e)
        db_rollback(d);
    *dirty = false;
    if (db_error(d))
        die_of_io(s);
    return e;
}

static enum err commit(struct store *s)
{
    /* letters.db first: a letter that mail.db knows always has its chunks. */
    enum err e = commit_one(s, s->letters, &s->letters_dirty);
    if (!e)
        e = s->turn_error;
    if (e && s->mail_dirty) {
        db_rollback(s->mail);
        s->mail_dirty = false;
    }
    if (!e)
        e = commit_one(s, s->mail, &s->mail_dirty);
    if (db_error(s->mail) || db_error(s->letters))
        die_of_io(s);
    return e;
}

static void send_snapshots(struct store *s)
{
    struct buf body;
    if (!s->settings_changed && !s->certificates_changed)
        return;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    store_snapshot(s, &body);
    if (channel_send(s->role->control, M_SNAPSHOT_REPLY, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "snapshot-not-sent", LF("to", "supervisor"));
    buf_clear(&body);
    s->settings_changed = s->certificates_changed = false;
}

/* Copies the WAL back once it is worth it: a page that many commits wrote is copied once. A reader in the
 * middle of a step only makes it copy less this time, so it is asked again after as much has come. */
static void checkpoint_one(struct db *d, uint64_t *next_bytes)
{
    int left = 0;
    if (db_wal_bytes(d) < *next_bytes)
        return;
    if (db_checkpoint(d, &left) != ERR_OK)
        log_event(LOG_WARNING, "checkpoint-failed", LF("meaning", "it is tried again later"));
    *next_bytes = db_wal_bytes(d) + STORE_CHECKPOINT_BYTES;
}

void store_checkpoint_idle(struct store *s)
{
    bool is_idle = s->commits == s->commits_at_tick;
    s->commits_at_tick = s->commits;
    if (!is_idle || s->mail_dirty || s->letters_dirty)
        return;
    for (size_t i = 0; i < 2; i++) {
        uint64_t any = 1;
        checkpoint_one(i ? s->letters : s->mail, &any);
    }
}

void store_end_turn(void *store)
{
    struct store *s = store;
    bool had_changes = s->mail_dirty || s->letters_dirty || s->turn_error;
    enum err e = ERR_OK;
    if (had_changes) {
        e = commit(s);
        s->commits++;
        if (e == ERR_DISK_FULL)
            store_room_lost(s);
    }
    send_replies(s, e);
    send_credits(s);
    if (!e) {
        send_rings(s);
        send_snapshots(s);
    }
    if (s->routes_changed && !e)
        store_queue_send_routes(s);
    s->routes_changed = false;
    if (s->dkim_changed && !e)
        store_queue_send_dkim(s);
    s->dkim_changed = false;
    store_queue_turn(s, !e);
    s->ring_count = 0;
    s->unstage_ready = s->unstage_count;
    s->turn_error = ERR_OK;
    if (had_changes && s->room_needed) /* the log is not to grow: it begins anew with each commit */
        s->mail_checkpoint_bytes = s->letters_checkpoint_bytes = 1;
    if (had_changes) {
        checkpoint_one(s->mail, &s->mail_checkpoint_bytes);
        checkpoint_one(s->letters, &s->letters_checkpoint_bytes);
    }
}
