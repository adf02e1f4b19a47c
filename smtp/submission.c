/* What a letter of our own people must stand before it is taken (RFC 6409): its header is completed as it
 * comes, and at its end every address of From and Sender must be one that the account may use. The
 * store alone knows which those are; it is asked for one after the other. */
#include "base/clock.h"
#include "base/log.h"
#include "smtp/limits.h"
#include "smtp/session.h"

static void give_header(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    struct submit_rules rules = {
        .sender = buf_slice(&t->reverse_path),
        .host = smtp_session_host(s),
        .keeps_bcc = s->server->config.keeps_bcc,
        .wall = clock_wall(),
    };
    struct buf out;
    buf_init(&out, SMTP_HEADER_MAX + 2048);
    submit_header_rewrite(&t->header, &rules, &out);
    if (t->header.from_count > 1)
        smtp_transaction_refuse(t, REPLY_FROM_TWICE);
    if (t->letter != NULL)
        letter_writer_feed(t->letter, buf_slice(&out));
    buf_clear(&out);
    submit_header_clear(&t->header);
    t->has_header = true;
}

void smtp_submission_take(struct smtp_session *s, struct slice piece)
{
    struct smtp_transaction *t = &s->transaction;
    if (t->letter == NULL)
        return;
    if (!t->has_header) {
        bool is_whole = submit_header_feed(&t->header, &piece);
        if (!is_whole && !buf_ok(&t->header.text))
            smtp_transaction_refuse(t, REPLY_HEADER_TOO_BIG);
        if (!is_whole)
            return;
        give_header(s);
    }
    if (t->letter != NULL && piece.n > 0)
        letter_writer_feed(t->letter, piece);
}

void smtp_submission_end_header(struct smtp_session *s)
{
    if (s->transaction.letter != NULL && !s->transaction.has_header)
        give_header(s);
}

/* ---- whose name stands in it ---- */

/* The `number`th address of From, then Sender; false when there are no more. */
static bool address_at(const struct summary *m, uint32_t number, struct summary_address *out)
{
    static const enum summary_list lists[] = {SUMMARY_FROM, SUMMARY_SENDER};
    const struct summary_envelope *e = m->envelope_count > 0 ? &m->envelopes[0] : NULL;
    for (size_t i = 0; e != NULL && i < sizeof lists / sizeof lists[0]; i++) {
        uint32_t n = e->has_list[lists[i]] ? e->list_count[lists[i]] : 0;
        if (number < n) {
            *out = m->addresses[e->list_first[lists[i]] + number];
            return true;
        }
        number -= n;
    }
    return false;
}

/* False: this is no address that anybody could have. */
static bool put_canonical(const struct summary_address *a, struct buf *out)
{
    struct buf text;
    struct address parsed;
    buf_init(&text, ADDRESS_MAX);
    buf_put(&text, a->mailbox);
    buf_put_byte(&text, '@');
    buf_put(&text, a->host);
    buf_reset(out);
    bool good = buf_ok(&text) && address_parse(buf_slice(&text), &parsed) == ERR_OK &&
                address_canonical(&parsed, out) == ERR_OK;
    buf_clear(&text);
    return good;
}

static enum smtp_step refuse_from(struct smtp_session *s, const char *why)
{
    log_event(LOG_INFO, "from-refused", LF_X("session", s->id), LF_S("account", buf_slice(&s->login_address)),
        LF_S("from", buf_slice(&s->canonical)), LF("why", why));
    return smtp_data_refuse(s, REPLY_FROM_NOT_YOURS);
}

static enum smtp_step check_next(struct smtp_session *s);

static void on_may_send(void *ctx, const struct store_reply *r)
{
    struct smtp_session *s = ctx;
    enum smtp_step step;
    s->wait = SMTP_WAIT_NOTHING;
    s->request = 0;
    if (r->err == ERR_OK)
        step = check_next(s);
    else if (r->err == ERR_DENIED || r->err == ERR_NOT_FOUND)
        step = refuse_from(s, err_text(r->err));
    else
        step = smtp_data_refuse(s, smtp_reply_of_error(r->err));
    if (s->wait == SMTP_WAIT_NOTHING)
        smtp_session_continue(s, step);
}

static enum smtp_step check_next(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    struct summary_address a;
    while (address_at(t->summary, t->from_checked, &a)) {
        if (t->from_checked++ >= SMTP_FROM_MAX)
            return smtp_data_refuse(s, REPLY_FROM_TWICE);
        if (a.kind != SUMMARY_MAILBOX)
            continue;
        if (!put_canonical(&a, &s->canonical))
            return refuse_from(s, "not an address");
        if (slice_equal(buf_slice(&s->canonical), buf_slice(&t->sender)))
            continue;
        smtp_session_wait(s, SMTP_WAIT_LOOKUP, store_may_send_as(s->server->store, s->login_session,
            buf_slice(&s->canonical), on_may_send, s));
        return STEP_WAIT;
    }
    return smtp_data_deliver(s);
}

enum smtp_step smtp_submission_check(struct smtp_session *s, const struct summary *summary)
{
    s->transaction.summary = summary;
    s->transaction.from_checked = 0;
    struct summary_address first;
    if (s->transaction.header.from_count > 0 && !address_at(summary, 0, &first))
        return refuse_from(s, "no address"); /* what a client would show there nobody knows */
    return check_next(s);
}
