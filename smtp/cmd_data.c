/* DATA (RFC 5321 section 4.1.1.4): the text streams through data_reader.h into a letter_writer, and
 * only when the store has committed it does the sender hear 250.
 *
 * Whatever is wrong with a letter, its text is read to the real end first; what was staged is dropped
 * as soon as the fault is known. From the final dot on a `delivery` owns the letter: the session may
 * be gone when the answer comes. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "smtp/limits.h"
#include "smtp/session.h"
#include "smtp/trace.h"
#include "storage/queue.h"

#define ID_TEXT_BYTES 16

struct delivery {
    struct smtp_server *server;   /* borrowed */
    struct letter_writer *letter; /* owned */
    uint64_t session;             /* id */
    uint64_t id;
};

/* ---- the text ---- */

void smtp_data_start_period(struct smtp_session *s)
{
    s->period_bytes = s->transaction.received_bytes;
    stream_set_deadline(s->stream, SMTP_DATA_PERIOD_MS);
}

bool smtp_data_period(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    if (t->received_bytes - s->period_bytes < SMTP_DATA_PERIOD_BYTES ||
        clock_mono_ms() - t->started_ms > SMTP_DATA_TOTAL_MS)
        return false;
    smtp_data_start_period(s);
    return true;
}

bool smtp_data_begin(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    t->letter = letter_writer_new(s->server->store);
    data_reader_init(&t->reader);
    t->started_ms = clock_mono_ms();
    return t->letter != NULL;
}

enum smtp_step smtp_cmd_data(struct smtp_session *s, struct slice argument)
{
    (void)argument;
    if (!smtp_data_begin(s)) {
        smtp_session_end_transaction(s);
        smtp_session_reply(s, REPLY_TRY_LATER);
        return STEP_DONE;
    }
    smtp_session_set_state(s, SMTP_STATE_DATA);
    stream_set_input_max(s->stream, SMTP_INPUT_DATA);
    smtp_data_start_period(s);
    smtp_session_reply(s, REPLY_SEND_TEXT);
    return STEP_DONE;
}

void smtp_data_take(struct smtp_session *s, struct slice piece)
{
    struct smtp_transaction *t = &s->transaction;
    t->size_bytes += piece.n;
    if (t->size_bytes > s->server->config.max_size_bytes)
        smtp_transaction_refuse(t, REPLY_TOO_BIG);
    if (s->login_session != 0)
        smtp_submission_take(s, piece);
    else if (t->letter != NULL)
        letter_writer_feed(t->letter, piece);
}

/* True when the text has ended; *input then begins behind it. */
static bool take_text(struct smtp_session *s, struct slice *input)
{
    struct smtp_transaction *t = &s->transaction;
    struct slice piece;
    enum data_step step;
    while ((step = data_reader_step(&t->reader, input, &piece)) == DATA_PIECE)
        smtp_data_take(s, piece);
    if (t->reader.is_faulty)
        smtp_transaction_refuse(t, REPLY_TEXT_FAULTY);
    return step == DATA_END;
}

/* ---- the end ---- */

static void put_id(struct buf *out, uint64_t id)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    hex_put(out, slice_of(bytes, sizeof bytes));
}

static void log_letter(const struct smtp_session *s, const char *event, const char *why)
{
    const struct smtp_transaction *t = &s->transaction;
    log_event(LOG_INFO, event, LF_X("session", s->id), LF_X("id", t->id),
        LF("peer", stream_peer(s->stream)), LF_S("account", buf_slice(&s->login_address)),
        LF_S("from", buf_slice(&t->reverse_path)), LF_U("recipients", t->recipient_count),
        LF_U("size", t->size_bytes), LF("tls", stream_tls_description(s->stream)), LF("why", why));
}

enum smtp_step smtp_data_refuse(struct smtp_session *s, enum smtp_reply_name why)
{
    log_letter(s, "refused", smtp_reply_get(why)->text);
    smtp_session_outcome(s, why, SLICE_EMPTY);
    return STEP_DONE;
}

static void answer_delivery(struct smtp_session *s, uint64_t id, enum err e)
{
    enum smtp_step step = STEP_DONE;
    if (e == ERR_OK) {
        struct buf text;
        buf_init(&text, ID_TEXT_BYTES);
        put_id(&text, id);
        log_letter(s, "accepted", "");
        smtp_session_outcome(s, REPLY_STORED, buf_slice(&text));
        buf_clear(&text);
    } else {
        step = smtp_data_refuse(s, smtp_reply_of_error(e));
    }
    smtp_session_continue(s, step);
}

static void on_stored(void *ctx, const struct store_reply *r)
{
    struct delivery *d = ctx;
    struct smtp_session *s = idmap_find(&d->server->sessions, d->session);
    if (s != NULL)
        answer_delivery(s, d->id, r->err);
    else
        log_event(LOG_INFO, r->err == ERR_OK ? "accepted" : "refused", LF_X("session", d->session),
            LF_X("id", d->id), LF("why", "the peer was gone before the answer"));
    letter_writer_free(d->letter);
    free(d);
}

static void put_trace(const struct smtp_session *s, struct buf *out)
{
    const struct smtp_transaction *t = &s->transaction;
    struct buf id;
    buf_init(&id, ID_TEXT_BYTES);
    put_id(&id, t->id);
    struct trace trace = {
        .reverse_path = buf_slice(&t->reverse_path),
        .hello = buf_slice(&s->hello),
        .peer = slice_str(stream_peer(s->stream)),
        .host = smtp_session_host(s),
        .id = buf_slice(&id),
        .tls = slice_str(stream_tls_description(s->stream)),
        .recipient = t->recipient_count == 1 ? buf_slice(&t->recipient) : SLICE_EMPTY,
        .is_extended = s->is_extended,
        .is_lmtp = s->is_lmtp,
        .is_submission = s->login_session != 0,
        .hides_client = s->login_session != 0 && !s->server->config.shows_client,
        .is_utf8 = t->is_utf8,
        .wall = clock_wall(),
    };
    trace_put(out, &trace);
    buf_clear(&id);
}

static void submit(struct smtp_session *s, struct delivery *d, struct slice prefix)
{
    const struct smtp_transaction *t = &s->transaction;
    struct letter_outbound outbound = {
        .sender = buf_slice(&t->reverse_path),
        .flags = t->is_utf8 ? QUEUE_UTF8 : 0,
        .recipients = buf_slice(&t->foreign),
        .key = queue_public_of(s->server->role->keys->queue_public),
    };
    letter_submit(d->letter, s->login_session, prefix, t->targets, t->target_count,
        t->foreign_count > 0 ? &outbound : NULL, on_stored, d);
}

enum smtp_step smtp_data_deliver(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    struct buf *prefix = &s->server->line;
    struct delivery *d = mem_new(sizeof *d);
    *d = (struct delivery){s->server, t->letter, s->id, t->id};
    t->letter = NULL;
    buf_reset(prefix);
    put_trace(s, prefix);
    smtp_session_wait(s, SMTP_WAIT_STORED, 0);
    stream_set_deadline(s->stream, SMTP_COMMAND_MS);
    if (s->login_session != 0)
        submit(s, d, buf_slice(prefix));
    else
        letter_deliver(d->letter, buf_slice(prefix), t->targets, t->target_count, on_stored, d);
    return STEP_WAIT;
}

enum smtp_step smtp_data_end(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    smtp_session_set_state(s, SMTP_STATE_RCPT); /* no text any more; the answer leads to READY */
    stream_set_input_max(s->stream, SMTP_INPUT_COMMAND);
    if (s->login_session != 0)
        smtp_submission_end_header(s);
    if (t->refusal != REPLY_OK)
        return smtp_data_refuse(s, t->refusal);
    const struct summary *summary = letter_writer_finish(t->letter);
    if (summary->received_count > SMTP_RECEIVED_MAX)
        return smtp_data_refuse(s, REPLY_MAIL_LOOP);
    return s->login_session != 0 ? smtp_submission_check(s, summary) : smtp_data_deliver(s);
}

enum smtp_step smtp_data_run(struct smtp_session *s, bool *out_wants_input)
{
    struct smtp_transaction *t = &s->transaction;
    if (t->letter != NULL && letter_writer_is_full(t->letter)) {
        smtp_session_wait(s, SMTP_WAIT_ROOM, 0);
        return STEP_WAIT;
    }
    struct slice input = stream_input(s->stream);
    size_t held = input.n;
    bool has_ended = held > 0 && take_text(s, &input);
    t->received_bytes += held - input.n;
    stream_consume(s->stream, held - input.n);
    if (has_ended)
        return smtp_data_end(s);
    *out_wants_input = true;
    return STEP_WAIT;
}
