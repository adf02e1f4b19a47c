/* The outbound queue in mail.db: letters enter it in the transaction of their submission, are handed to
 * `relay` when they are due, and leave it in the transaction that records the last answer.
 *
 * Handing out goes by a cursor over (next, id): all at or before it is with relay, all behind it is not
 * yet. A row that is deferred gets a `next` behind the cursor; when relay dies the cursor goes back to the
 * beginning and nothing needs to be unlocked. Nothing here is a lease that must be written down. */
#include "storage/store_queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "message/address.h"
#include "storage/store_sql.h"

#define HAND_ROWS 1000               /* recipients handed out in one turn */
#define CLOCK_SET_BACK_MS 60000
#define PREFIX_ROW 65535
#define MESSAGE_ROOM (QUEUE_ADDRESS_MAX * 2 + QUEUE_ORCPT_MAX + ROUTE_HOST_MAX + QUEUE_ENVID_MAX + 512)

int64_t store_queue_now(void)
{
    return clock_wall_us() / 1000;
}

/* Relay, once it has asked for work; NULL: it is not there. */
static struct store_peer *find_relay(const struct store *s)
{
    struct store_peer *p = s->queue.peer;
    return p && !p->is_closed ? p : NULL;
}

static void send_relay(struct store_peer *p, uint16_t type, struct slice body)
{
    if (channel_send(p->channel, type, body, NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "reply-not-sent", LF("to", "relay"));
}

/* When a row with this id is to be due so that the cursor still meets it. */
int64_t store_queue_due(const struct store *s, int64_t wanted, int64_t id)
{
    const struct store_queue *q = &s->queue;
    if (wanted > q->cursor_next || !q->peer)
        return wanted;
    return id > q->cursor_id ? q->cursor_next : q->cursor_next + 1;
}

/* --- into the queue --- */

static enum err insert_recipients(struct store *s, int64_t letter, struct wire in, uint32_t *inout_n)
{
    int64_t now = store_queue_now();
    struct queue_recipient r;
    while (!wire_at_end(&in)) {
        if (!queue_recipient_decode(&in, &r))
            return ERR_SYNTAX;
        if (*inout_n == QUEUE_RECIPIENTS_MAX)
            return ERR_LIMIT;
        int64_t id = letter * 65536 + (int64_t)(*inout_n)++;
        struct stmt *q = db_use(s->mail, SQL_QUEUE_RECIPIENT_INSERT);
        stmt_bind_int(q, "id", id);
        stmt_bind_text(q, "address", r.address);
        stmt_bind_text(q, "domain", r.domain);
        stmt_bind_int(q, "next", store_queue_due(s, now, id));
        stmt_bind_int(q, "notify", r.notify);
        stmt_bind_text(q, "orcpt", r.orcpt);
        enum err e = stmt_run(q);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Hours that no limit looks at any more. */
static enum err sweep_sent(struct store *s, int64_t hour)
{
    struct stmt *q = db_use(s->mail, SQL_SENT_SWEEP);
    stmt_bind_int(q, "hour", hour);
    return stmt_run(q);
}

/* ERR_LIMIT: with these the account would have sent to more than it may in an hour or a day. */
static enum err count_sent(struct store *s, uint64_t account, uint32_t n)
{
    int64_t hour = clock_wall() / 3600;
    struct stmt *q = db_use(s->mail, SQL_SENT_ADD);
    stmt_bind_int(q, "account", (int64_t)account);
    stmt_bind_int(q, "hour", hour);
    stmt_bind_int(q, "n", n);
    enum err e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_SENT_SUM);
    stmt_bind_int(q, "account", (int64_t)account);
    stmt_bind_int(q, "hour", hour);
    e = stmt_step(q);
    bool is_first = !e && stmt_int(q, 0) == n;
    if (!e) {
        uint64_t in_hour = (uint64_t)stmt_int(q, 0), in_day = (uint64_t)stmt_int(q, 1);
        uint64_t most_hour = settings_number(s->settings, "relay.max-per-hour");
        uint64_t most_day = settings_number(s->settings, "relay.max-per-day");
        if ((most_hour && in_hour > most_hour) || (most_day && in_day > most_day))
            e = ERR_LIMIT;
    }
    stmt_reset(q);
    if (!e && is_first)
        e = sweep_sent(s, hour);
    if (e == ERR_LIMIT)
        log_event(LOG_WARNING, "sending-brake", LF_U("account", account),
            LF("meaning", "this account has sent to as many recipients as it may in an hour or a day"));
    return e;
}

/* The sender must be the account's own, whatever smtp has checked: one that was taken over cannot send in
 * others' names. */
static enum err check_sender(struct store *s, uint64_t account, struct slice sender)
{
    struct address parsed;
    struct buf canonical;
    if (sender.n == 0)
        return ERR_OK;
    buf_init(&canonical, ADDRESS_MAX * 2);
    enum err e = address_parse(sender, &parsed);
    if (!e)
        e = address_canonical(&parsed, &canonical);
    if (!e)
        e = store_owns(s, account, buf_slice(&canonical));
    buf_clear(&canonical);
    return e;
}

enum err store_queue_put(struct store *s, uint64_t account, int64_t letter, struct slice outbound,
    struct slice staged)
{
    struct wire in = wire_of(outbound);
    struct queue_letter l;
    uint32_t n = 0;
    if (!queue_letter_decode(&in, &l))
        return ERR_SYNTAX;
    enum err e = check_sender(s, account, l.sender);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_QUEUE_LETTER_INSERT);
    stmt_bind_int(q, "letter", letter);
    stmt_bind_int(q, "account", (int64_t)account);
    stmt_bind_text(q, "sender", l.sender);
    stmt_bind_int(q, "flags", l.flags);
    stmt_bind_text(q, "envid", l.envid);
    stmt_bind_int(q, "now", clock_wall());
    stmt_bind_blob(q, "epoch", slice_of(l.epoch_public, sizeof l.epoch_public));
    stmt_bind_blob(q, "key", slice_of(l.wrap, sizeof l.wrap));
    e = stmt_run(q);
    if (!e)
        e = insert_recipients(s, letter, in, &n);
    if (!e)
        e = insert_recipients(s, letter, wire_of(staged), &n);
    if (!e && n == 0)
        e = ERR_SYNTAX;
    s->queue.has_new = true;
    return e ? e : count_sent(s, account, n);
}

/* --- out of it --- */

/* Takes the letter out of the queue when no recipient is left. */
enum err store_queue_settle(struct store *s, int64_t letter)
{
    struct stmt *q = db_use(s->mail, SQL_QUEUE_RECIPIENT_LEFT);
    stmt_bind_int(q, "first", letter * 65536);
    stmt_bind_int(q, "last", letter * 65536 + 65535);
    enum err e = stmt_step(q);
    stmt_reset(q);
    if (e != ERR_NOT_FOUND)
        return e;
    q = db_use(s->mail, SQL_QUEUE_LETTER_DELETE);
    stmt_bind_int(q, "letter", letter);
    e = stmt_run(q);
    return e || db_changes(s->mail) == 0 ? e : store_letter_unref(s, letter);
}

static enum err result_done(struct store *s, const struct queue_result *r)
{
    struct stmt *q = db_use(s->mail, SQL_QUEUE_RECIPIENT_DELETE);
    stmt_bind_int(q, "id", (int64_t)r->id);
    enum err e = stmt_run(q);
    return e || db_changes(s->mail) == 0 ? e : store_queue_settle(s, (int64_t)(r->id / 65536));
}

static enum err result_defer(struct store *s, const struct queue_result *r)
{
    struct stmt *q = db_use(s->mail, SQL_QUEUE_DEFER);
    stmt_bind_int(q, "id", (int64_t)r->id);
    stmt_bind_int(q, "next", store_queue_due(s, r->next, (int64_t)r->id));
    stmt_bind_text(q, "answer", r->answer);
    return stmt_run(q);
}

static enum err result_noticed(struct store *s, const struct queue_result *r)
{
    struct stmt *q = db_use(s->mail, SQL_QUEUE_NOTICED);
    stmt_bind_int(q, "id", (int64_t)r->id);
    return stmt_run(q);
}

static enum err result_destination(struct store *s, const struct queue_result *r)
{
    if (r->destination.n == 0)
        return ERR_SYNTAX;
    struct stmt *q = db_use(s->mail, r->failures ? SQL_QUEUE_DESTINATION_SET : SQL_QUEUE_DESTINATION_DELETE);
    stmt_bind_text(q, "name", r->destination);
    if (r->failures) {
        stmt_bind_int(q, "failures", r->failures);
        stmt_bind_int(q, "next", r->next);
        stmt_bind_text(q, "answer", r->answer);
    }
    return stmt_run(q);
}

enum err store_queue_results(struct store *s, struct wire in)
{
    static enum err (*const takers[QUEUE_RESULT_KINDS])(struct store *, const struct queue_result *) = {
        [QUEUE_DONE] = result_done,
        [QUEUE_DEFER] = result_defer,
        [QUEUE_NOTICED] = result_noticed,
        [QUEUE_DESTINATION] = result_destination,
    };
    struct queue_result r;
    while (!wire_at_end(&in)) {
        if (!queue_result_decode(&in, &r) || r.id > INT64_MAX)
            return ERR_SYNTAX;
        enum err e = takers[r.kind](s, &r);
        if (e)
            return e;
    }
    return in.failed ? ERR_SYNTAX : ERR_OK;
}

enum err store_do_relay_result(struct store *s, struct store_work *w)
{
    return store_queue_results(s, w->body);
}

/* --- handing out --- */

void store_queue_forget_relay(struct store *s, const struct store_peer *p)
{
    if (s->queue.peer == p)
        s->queue = (struct store_queue){0};
}

static struct queue_work work_of(struct stmt *q)
{
    struct queue_work w = {.id = (uint64_t)stmt_int(q, 0), .attempts = (uint32_t)stmt_int(q, 2),
        .is_noticed = stmt_int(q, 3) != 0};
    w.recipient = (struct queue_recipient){stmt_bytes(q, 4), stmt_bytes(q, 5), (uint8_t)stmt_int(q, 6),
        stmt_bytes(q, 7)};
    w.letter.sender = stmt_bytes(q, 8);
    w.letter.flags = (uint8_t)stmt_int(q, 9);
    w.letter.envid = stmt_bytes(q, 10);
    w.created = stmt_int(q, 11);
    struct slice epoch = stmt_bytes(q, 12), key = stmt_bytes(q, 13), uid = stmt_bytes(q, 14);
    if (epoch.n == sizeof w.letter.epoch_public && key.n == sizeof w.letter.wrap && uid.n == sizeof w.uid) {
        memcpy(w.letter.epoch_public, epoch.p, epoch.n);
        memcpy(w.letter.wrap, key.p, key.n);
        memcpy(w.uid, uid.p, uid.n);
    }
    w.size = (uint64_t)stmt_int(q, 15);
    w.prefix_size = (uint32_t)stmt_int(q, 16);
    w.chunks = (uint32_t)stmt_int(q, 17);
    return w;
}

/* Hands out what is due and fits; true when there may be more. */
static bool hand_out(struct store *s, struct store_peer *relay)
{
    struct store_queue *queue = &s->queue;
    int64_t now = store_queue_now();
    uint32_t most = queue->credit < HAND_ROWS ? queue->credit : HAND_ROWS, n = 0;
    struct buf body;
    enum err e;
    if (queue->cursor_next > now + CLOCK_SET_BACK_MS)
        queue->cursor_next = queue->cursor_id = 0;
    struct stmt *q = db_use(s->mail, SQL_QUEUE_DUE);
    stmt_bind_int(q, "now", now > queue->cursor_next ? now : queue->cursor_next + 1);
    stmt_bind_int(q, "next", queue->cursor_next);
    stmt_bind_int(q, "id", queue->cursor_id);
    stmt_bind_int(q, "count", most);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    while ((e = stmt_step(q)) == ERR_OK) {
        struct queue_work w = work_of(q);
        queue_work_encode(&w, &body);
        queue->cursor_id = stmt_int(q, 0);
        queue->cursor_next = stmt_int(q, 1);
        n++;
        if (body.n > CHANNEL_MESSAGE_MAX - MESSAGE_ROOM) {
            send_relay(relay, M_RELAY_WORK, buf_slice(&body));
            buf_reset(&body);
        }
    }
    if (body.n)
        send_relay(relay, M_RELAY_WORK, buf_slice(&body));
    buf_clear(&body);
    queue->credit -= n;
    if (e != ERR_NOT_FOUND)
        log_event(LOG_ERROR, "queue-not-read", LF("reason", err_text(e)));
    return n == most && n > 0;
}

void store_queue_turn(struct store *s, bool has_committed)
{
    struct store_queue *queue = &s->queue;
    bool is_due = (queue->has_new && has_committed) || queue->is_due;
    struct store_peer *relay = is_due && queue->credit ? find_relay(s) : NULL;
    queue->has_new = false;
    if (!relay || channel_is_full(relay->channel))
        return;
    queue->is_due = hand_out(s, relay);
    if (queue->is_due)
        loop_again(s->loop);
}

void store_queue_tick(struct store *s)
{
    s->queue.is_due = true;
}

/* --- what relay asks for --- */

static void send_state(struct store *s, struct store_peer *p)
{
    struct buf body;
    struct stmt *q = db_use(s->mail, SQL_QUEUE_DESTINATION_LIST);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    while (stmt_step(q) == ERR_OK) {
        struct queue_result r = {QUEUE_DESTINATION, 0, stmt_int(q, 2), (uint32_t)stmt_int(q, 1),
            stmt_bytes(q, 0), stmt_bytes(q, 3)};
        queue_result_encode(&r, &body);
        if (body.n > CHANNEL_MESSAGE_MAX - MESSAGE_ROOM) {
            send_relay(p, M_RELAY_STATE, buf_slice(&body));
            buf_reset(&body);
        }
    }
    stmt_reset(q);
    send_relay(p, M_RELAY_STATE, buf_slice(&body));
    buf_clear(&body);
}

void store_queue_send_routes(struct store *s)
{
    struct store_peer *p = find_relay(s);
    struct buf body;
    if (!p)
        return;
    struct stmt *q = db_use(s->mail, SQL_ROUTE_LIST);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    while (stmt_step(q) == ERR_OK) {
        struct queue_route r = {stmt_bytes(q, 0), stmt_bytes(q, 1), (uint16_t)stmt_int(q, 2),
            (enum route_tls)stmt_int(q, 3), stmt_bytes(q, 4), stmt_bytes(q, 5)};
        queue_route_encode(&r, &body);
    }
    stmt_reset(q);
    send_relay(p, M_RELAY_ROUTES, buf_slice(&body));
    buf_clear(&body);
}

void store_queue_send_dkim(struct store *s)
{
    struct store_peer *p = find_relay(s);
    struct buf body;
    if (!p)
        return;
    struct stmt *q = db_use(s->mail, SQL_DKIM_SIGNING);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    wire_put_u8(&body, 1);
    while (stmt_step(q) == ERR_OK) {
        if (body.n > CHANNEL_MESSAGE_MAX - MESSAGE_ROOM) {
            send_relay(p, M_RELAY_DKIM, buf_slice(&body));
            buf_reset(&body);
            wire_put_u8(&body, 0);
        }
        wire_put_bytes(&body, stmt_bytes(q, 0));
        wire_put_bytes(&body, stmt_bytes(q, 1));
        wire_put_u8(&body, (uint8_t)stmt_int(q, 2));
        wire_put_bytes(&body, stmt_bytes(q, 3));
    }
    stmt_reset(q);
    send_relay(p, M_RELAY_DKIM, buf_slice(&body));
    buf_clear(&body);
}

void store_on_relay_want(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    uint32_t n = wire_u32(&in);
    if (!wire_done(&in) || n > QUEUE_HELD_MAX)
        return;
    if (s->queue.peer != p) {
        s->queue = (struct store_queue){.peer = p};
        store_queue_send_routes(s);
        store_queue_send_dkim(s);
        send_state(s, p);
    }
    s->queue.credit = n > QUEUE_HELD_MAX - s->queue.credit ? QUEUE_HELD_MAX : s->queue.credit + n;
    s->queue.is_due = true;
    loop_again(s->loop);
}

/* Appends chunks from `number` on while they fit; a letter that is not in the queue has none for relay. */
static enum err put_chunks(struct store *s, int64_t letter, uint32_t number, struct buf *body)
{
    struct stmt *q = db_use(s->mail, SQL_QUEUE_LETTER_GET);
    stmt_bind_int(q, "letter", letter);
    enum err e = stmt_step(q);
    bool is_large = !e && stmt_int(q, 0) == 1;
    bool has_prefix = !e && stmt_int(q, 1) > 0;
    uint32_t chunks = e ? 0 : (uint32_t)stmt_int(q, 2);
    stmt_reset(q);
    if (number == CHUNK_PREFIX && !has_prefix)
        number = 0;
    for (bool is_first = true; !e && (number == CHUNK_PREFIX || number < chunks); is_first = false) {
        q = is_large ? db_use(s->letters, SQL_BIG_CHUNK_GET) : db_use(s->mail, SQL_CHUNK_GET);
        stmt_bind_int(q, "id", letter * 65536 + (number == CHUNK_PREFIX ? PREFIX_ROW : (int64_t)number));
        e = stmt_step(q);
        struct slice data = e ? SLICE_EMPTY : stmt_bytes(q, 0);
        bool fits = is_first || body->n + data.n + 32 <= CHANNEL_MESSAGE_MAX;
        if (!e && fits) {
            wire_put_u32(body, number);
            wire_put_bytes(body, data);
        }
        stmt_reset(q);
        if (!fits)
            break;
        number = number == CHUNK_PREFIX ? 0 : number + 1;
    }
    return e;
}

void store_on_relay_fetch(struct store *s, struct store_peer *p, struct slice body)
{
    struct wire in = wire_of(body);
    uint64_t cookie = wire_u64(&in);
    uint64_t letter = wire_u64(&in);
    uint32_t number = wire_u32(&in);
    struct buf chunks, out;
    if (!wire_done(&in))
        return;
    buf_init(&chunks, CHANNEL_MESSAGE_MAX);
    buf_init(&out, CHANNEL_MESSAGE_MAX);
    enum err e = letter < INT64_MAX / 65536 ? put_chunks(s, (int64_t)letter, number, &chunks) : ERR_NOT_FOUND;
    if (!e)
        e = buf_error(&chunks);
    wire_put_u64(&out, cookie);
    wire_put_u16(&out, (uint16_t)e);
    if (!e)
        buf_put(&out, buf_slice(&chunks));
    send_relay(p, M_RELAY_CHUNKS, buf_slice(&out));
    buf_clear(&chunks);
    buf_clear(&out);
}

void store_queue_tell_forget(struct store *s, int64_t letter)
{
    struct store_peer *p = find_relay(s);
    struct buf body;
    buf_init(&body, 16);
    wire_put_u64(&body, (uint64_t)letter);
    if (p)
        send_relay(p, M_RELAY_FORGET, buf_slice(&body));
    buf_clear(&body);
}

void store_queue_tell_retry(struct store *s, struct slice destination)
{
    struct store_peer *p = find_relay(s);
    struct buf body;
    buf_init(&body, ROUTE_HOST_MAX + 16);
    wire_put_bytes(&body, destination);
    if (p)
        send_relay(p, M_RELAY_RETRY, buf_slice(&body));
    buf_clear(&body);
}
