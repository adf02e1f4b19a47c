/* One letter over an open connection (RFC 5321 section 3.3, RFC 2920 PIPELINING, RFC 1870 SIZE, RFC 6152
 * 8BITMIME, RFC 6531 SMTPUTF8).
 *
 *   ENVELOPE (MAIL, RCPT …, DATA) ──354──> TEXT ──dot──> END ──2xx──> the next letter, or IDLE
 *      └── nobody accepted, DATA refused ──> RSET ──> the next letter, or IDLE
 *
 * Each recipient gets an outcome of its own. With PIPELINING the whole envelope goes out in one packet; a
 * server that then takes DATA although it took no recipient is given an empty letter (RFC 2920 section
 * 3.1).
 *
 * Deviation: RFC 6152 section 3; a letter with bytes beyond ASCII is sent as it is to a server that does not
 * offer 8BITMIME. All that do not offer it have borne it for decades, and a conversion would break
 * signatures. */
#include "base/log.h"
#include "smtp/relay.h"

/* ---- the envelope ---- */

static void put_mail(const struct relay_connection *c, struct buf *out)
{
    const struct relay_letter *l = c->job->letter;
    unsigned flags = l->head.flags;
    buf_put_str(out, "MAIL FROM:<");
    buf_put(out, l->head.sender);
    buf_put_byte(out, '>');
    if (c->capabilities & RELAY_CAN_SIZE)
        buf_printf(out, " SIZE=%llu", (unsigned long long)(l->size + l->prefix_size + c->signature.n));
    if (c->capabilities & RELAY_CAN_8BIT && flags & (QUEUE_8BIT | QUEUE_UTF8_HEADER))
        buf_put_str(out, " BODY=8BITMIME");
    if (flags & QUEUE_UTF8 && c->capabilities & RELAY_CAN_UTF8)
        buf_put_str(out, " SMTPUTF8");
    buf_put_str(out, "\r\n");
}

static void put_rcpt(struct relay_connection *c, struct buf *out)
{
    buf_put_str(out, "RCPT TO:<");
    buf_put_str(out, c->asked->address);
    buf_put_str(out, ">\r\n");
    c->asked = c->asked->next;
}

static void put_data(struct relay_connection *c, struct buf *out)
{
    buf_put_str(out, "DATA\r\n");
    c->data_sent = true;
}

static void write_envelope(struct relay_connection *c, struct buf *out)
{
    stream_write(c->stream, buf_slice(out));
    stream_set_deadline(c->stream, c->data_sent ? RELAY_DATA_MS + RELAY_COMMAND_MS : RELAY_COMMAND_MS);
}

/* Who needs SMTPUTF8 cannot be sent to a server without (RFC 6531 section 3.2). */
static bool needs_utf8(const struct relay_job *j)
{
    const struct relay_letter *l = j->letter;
    if (!(l->head.flags & QUEUE_UTF8))
        return false;
    bool needs = l->head.flags & QUEUE_UTF8_HEADER || !slice_is_ascii(l->head.sender);
    for (const struct relay_recipient *p = j->recipients; p && !needs; p = p->next)
        needs = !slice_is_ascii(slice_str(p->address));
    return needs;
}

/* What the EHLO has already told. NULL: nothing is in the way. */
static const char *foreseen(const struct relay_connection *c, const struct relay_job *j)
{
    if (c->size_max > 0 && j->letter->size + j->letter->prefix_size > c->size_max)
        return "552 5.3.4 the letter is larger than the other server takes";
    if (needs_utf8(j) && !(c->capabilities & RELAY_CAN_UTF8))
        return "550 5.6.7 the other server does not know addresses and headers beyond ASCII";
    return NULL;
}

static void on_more(void *ctx)
{
    relay_send_more(ctx);
}

static void finish(struct relay_connection *c, bool must_reset);
static void give_up_text(struct relay_connection *c, enum err e);

static void end_signing(struct relay_connection *c)
{
    if (!c->dkim)
        return;
    dkim_clear(c->dkim);
    free(c->dkim);
    c->dkim = NULL;
}

static void let_go(struct relay_connection *c)
{
    c->job = NULL;
    c->relay->sending--;
    relay_content_close(c->content);
    c->content = NULL;
    end_signing(c);
    buf_clear(&c->signature);
}

static void begin_envelope(struct relay_connection *c)
{
    struct buf *out = &c->relay->scratch;
    relay_connection_set(c, RELAY_ENVELOPE, RELAY_COMMAND_MS);
    c->content = relay_content_open(c->relay, c->job->letter, on_more, c);
    buf_reset(out);
    put_mail(c, out);
    if (c->capabilities & RELAY_CAN_PIPELINE) {
        while (c->asked)
            put_rcpt(c, out);
        put_data(c, out);
    }
    write_envelope(c, out);
}

/* The hash of the body stands in the header: the letter is read once for it, and once more to be sent. */
static void on_text_to_sign(void *ctx)
{
    struct relay_connection *c = ctx;
    struct relay *r = c->relay;
    enum err e;
    buf_reset(&r->scratch);
    while ((e = relay_content_next(c->content, &r->scratch)) == ERR_OK) {
        dkim_put(c->dkim, buf_slice(&r->scratch));
        buf_reset(&r->scratch);
    }
    if (e == ERR_AGAIN)
        return;
    if (e != ERR_NOT_FOUND) {
        give_up_text(c, e);
        return;
    }
    relay_content_close(c->content);
    c->content = NULL;
    relay_dkim_sign(r, c->dkim, c->job->letter->id, &c->signature);
    end_signing(c);
    begin_envelope(c);
}

static void begin_signing(struct relay_connection *c)
{
    c->dkim = mem_new(sizeof *c->dkim);
    dkim_begin(c->dkim);
    relay_connection_set(c, RELAY_SIGNING, RELAY_COMMAND_MS);
    c->content = relay_content_open(c->relay, c->job->letter, on_text_to_sign, c);
    on_text_to_sign(c);
}

void relay_send(struct relay_connection *c, struct relay_job *j)
{
    const char *why = foreseen(c, j);
    c->job = j;
    c->relay->sending++;
    c->mail_code = 0;
    c->asked = c->answered = j->recipients;
    c->data_sent = false;
    c->accepted = 0;
    c->text = (struct relay_text){0};
    relay_connection_set(c, RELAY_ENVELOPE, RELAY_COMMAND_MS);
    buf_init(&c->signature, DKIM_SIGNATURE_MAX);
    if (why) {
        relay_job_set(j, RELAY_FAILED, slice_str(why));
        finish(c, true);
        return;
    }
    if (c->relay->dkim_keys)
        begin_signing(c);
    else
        begin_envelope(c);
}

/* Without PIPELINING: the next command, now that the one before is answered. */
static void send_next(struct relay_connection *c)
{
    struct buf *out = &c->relay->scratch;
    buf_reset(out);
    if (c->mail_code / 100 != 2) {
        finish(c, false);
        return;
    }
    if (c->asked)
        put_rcpt(c, out);
    else if (c->accepted > 0)
        put_data(c, out);
    else {
        finish(c, true);
        return;
    }
    write_envelope(c, out);
}

/* ---- the end of a letter ---- */

static void finish(struct relay_connection *c, bool must_reset)
{
    struct relay_job *j = c->job;
    let_go(c);
    relay_job_done(j);
    if (!must_reset) {
        relay_connection_ready(c);
        return;
    }
    stream_write_str(c->stream, "RSET\r\n");
    relay_connection_set(c, RELAY_RSET, RELAY_COMMAND_MS);
}

static enum relay_outcome outcome_of(unsigned code)
{
    return code / 100 == 5 ? RELAY_FAILED : RELAY_LATER;
}

void relay_send_lost(struct relay_connection *c, struct slice why)
{
    struct relay_job *j = c->job;
    bool is_untouched = (c->state == RELAY_SIGNING || c->state == RELAY_ENVELOPE) && c->mail_code == 0 && c->letters > 0 && j->lost < 2;
    let_go(c);
    if (is_untouched) {
        j->lost++; /* the server had ended the connection before it could know of this letter */
        relay_job_put_back(j);
        return;
    }
    relay_job_set(j, RELAY_LATER, why);
    relay_job_done(j);
}

/* The text cannot be sent to its end: only the connection's end stops a DATA. */
static void give_up_text(struct relay_connection *c, enum err e)
{
    struct relay_job *j = c->job;
    if (e == ERR_CLOSED) {
        let_go(c);
        relay_job_free(j); /* dropped by hand */
        relay_connection_close(c);
        return;
    }
    log_event(LOG_ERROR, "letter-unreadable", LF_X("letter", j->letter->id), LF("reason", err_text(e)));
    relay_job_set(j, e == ERR_DAMAGED ? RELAY_FAILED : RELAY_LATER,
        SLICE("554 5.3.0 the letter cannot be read from this server's own queue"));
    relay_connection_lost(c, "the letter cannot be read", SLICE_EMPTY);
}

/* ---- the text ---- */

void relay_send_more(struct relay_connection *c)
{
    struct relay *r = c->relay;
    while (c->state == RELAY_TEXT && stream_output_room(c->stream) > 0) {
        buf_reset(&r->scratch);
        buf_reset(&r->scratch3);
        enum err e = relay_content_next(c->content, &r->scratch);
        if (e == ERR_AGAIN)
            return;
        if (e && e != ERR_NOT_FOUND) {
            give_up_text(c, e);
            return;
        }
        relay_text_put(&c->text, buf_slice(&r->scratch), &r->scratch3);
        if (e == ERR_NOT_FOUND)
            relay_text_end(&c->text, &r->scratch3);
        stream_write(c->stream, buf_slice(&r->scratch3));
        if (e == ERR_NOT_FOUND)
            relay_connection_set(c, RELAY_END, RELAY_END_MS);
        else
            stream_set_deadline(c->stream, RELAY_BLOCK_MS);
    }
}

static void on_go_ahead(struct relay_connection *c)
{
    if (c->accepted == 0) {
        stream_write_str(c->stream, ".\r\n");
        relay_connection_set(c, RELAY_END, RELAY_END_MS);
        return;
    }
    relay_connection_set(c, RELAY_TEXT, RELAY_BLOCK_MS);
    if (c->signature.n) {
        buf_reset(&c->relay->scratch3);
        relay_text_put(&c->text, buf_slice(&c->signature), &c->relay->scratch3);
        stream_write(c->stream, buf_slice(&c->relay->scratch3));
    }
    relay_send_more(c);
}

/* ---- replies ---- */

static void on_mail(struct relay_connection *c, unsigned code)
{
    c->mail_code = code;
    if (code / 100 != 2)
        relay_job_set(c->job, outcome_of(code), buf_slice(&c->reply.text));
}

static void on_rcpt(struct relay_connection *c, unsigned code)
{
    struct relay_recipient *p = c->answered;
    c->answered = p->next;
    if (code / 100 == 2)
        c->accepted += c->mail_code / 100 == 2;
    else if (p->outcome == RELAY_PENDING)
        relay_recipient_set(p, outcome_of(code), buf_slice(&c->reply.text));
}

static void on_envelope(struct relay_connection *c, unsigned code)
{
    if (c->mail_code == 0) {
        on_mail(c, code);
    } else if (c->answered && c->answered != c->asked) {
        on_rcpt(c, code);
    } else if (c->data_sent) {
        if (code == 354) {
            on_go_ahead(c);
            return;
        }
        relay_job_set(c->job, outcome_of(code), buf_slice(&c->reply.text));
        finish(c, true);
        return;
    }
    if (!(c->capabilities & RELAY_CAN_PIPELINE))
        send_next(c);
}

static void on_end(struct relay_connection *c, unsigned code)
{
    enum relay_outcome o = code / 100 == 2 ? RELAY_DELIVERED : outcome_of(code);
    if (c->accepted == 0)
        o = RELAY_LATER; /* all have theirs by now */
    relay_job_set(c->job, o, buf_slice(&c->reply.text));
    if (o == RELAY_DELIVERED)
        c->letters++;
    finish(c, false);
}

void relay_send_reply(struct relay_connection *c)
{
    unsigned code = c->reply.code;
    if (code == 421) {
        relay_connection_lost(c, "the server ends the connection", buf_slice(&c->reply.text));
    } else if (c->state == RELAY_ENVELOPE) {
        on_envelope(c, code);
    } else if (c->state == RELAY_END) {
        on_end(c, code);
    } else if (c->state == RELAY_RSET) {
        if (code / 100 == 2)
            relay_connection_ready(c);
        else
            relay_connection_quit(c);
    } else {
        /* An answer in the middle of the text: it does not want the rest. */
        relay_job_set(c->job, outcome_of(code), buf_slice(&c->reply.text));
        relay_connection_lost(c, "the server answered in the middle of the letter", SLICE_EMPTY);
    }
}
