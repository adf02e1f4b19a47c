/* MAIL and RCPT (RFC 5321 sections 4.1.1.2 and 4.1.1.3). Where a recipient delivers is the store's
 * word alone, so that there is one place that knows what is ours. What is not ours goes into the queue
 * when the sender is logged in; strangers relay nothing (the store sees to that a second time).
 *
 * Both commands may wait for the store. What they wait with stands in the session: `pending` holds
 * the argument, and the parsed forms borrow from it. */
#include "base/clock.h"
#include "base/log.h"
#include "smtp/limits.h"
#include "smtp/session.h"

static enum smtp_step answer(struct smtp_session *s, enum smtp_reply_name name)
{
    smtp_session_reply(s, name);
    return STEP_DONE;
}

static struct slice keep_argument(struct smtp_session *s, struct slice argument)
{
    buf_reset(&s->pending);
    buf_put(&s->pending, argument);
    return buf_slice(&s->pending);
}

/* "local@domain" as it was written; valid until the session's scratch line is next used. */
static struct slice as_written(struct smtp_session *s, const struct address *a)
{
    struct buf *line = &s->server->line;
    buf_reset(line);
    buf_put(line, a->local);
    if (a->domain.n > 0)
        buf_put_byte(line, '@');
    buf_put(line, a->domain);
    return buf_slice(line);
}

/* ---- MAIL ---- */

static enum smtp_step accept_sender(struct smtp_session *s)
{
    const struct smtp_mail_argument *m = &s->pending_mail;
    smtp_transaction_begin(&s->transaction, as_written(s, &m->sender), m->is_utf8);
    if (smtp_session_is_submission(s) && !m->is_null)
        buf_put(&s->transaction.sender, buf_slice(&s->canonical));
    smtp_session_set_state(s, SMTP_STATE_MAIL);
    return answer(s, REPLY_SENDER_OK);
}

static enum smtp_reply_name reply_of_sender(enum err e)
{
    if (e == ERR_DENIED || e == ERR_NOT_FOUND)
        return REPLY_SENDER_NOT_YOURS;
    return smtp_reply_of_error(e);
}

static void on_may_send(void *ctx, const struct store_reply *r)
{
    struct smtp_session *s = ctx;
    if (r->err == ERR_OK) {
        smtp_session_continue(s, accept_sender(s));
        return;
    }
    log_event(LOG_INFO, "sender-refused", LF_X("session", s->id),
        LF_S("account", buf_slice(&s->login_address)),
        LF_S("from", as_written(s, &s->pending_mail.sender)), LF("err", err_text(r->err)));
    smtp_session_continue(s, answer(s, reply_of_sender(r->err)));
}

static enum smtp_step ask_may_send(struct smtp_session *s)
{
    buf_reset(&s->canonical);
    if (address_canonical(&s->pending_mail.sender, &s->canonical) != ERR_OK)
        return answer(s, REPLY_SENDER_SYNTAX);
    uint64_t request = store_may_send_as(s->server->store, s->login_session,
        buf_slice(&s->canonical), on_may_send, s);
    smtp_session_wait(s, SMTP_WAIT_LOOKUP, request);
    return STEP_WAIT;
}

enum smtp_step smtp_cmd_mail(struct smtp_session *s, struct slice argument)
{
    struct smtp_mail_argument *m = &s->pending_mail;
    enum smtp_reply_name name = smtp_mail_parse(keep_argument(s, argument), m);
    if (name != REPLY_OK)
        return answer(s, name);
    if (m->has_size && m->size_bytes > s->server->config.max_size_bytes)
        return answer(s, REPLY_TOO_BIG_DECLARED);
    /* The null reverse-path is for reports that a client makes (RFC 6409 section 3.2 lets it pass). */
    if (smtp_session_is_submission(s) && !m->is_null)
        return ask_may_send(s);
    return accept_sender(s);
}

/* ---- RCPT ---- */

static enum smtp_reply_name reply_of_recipient(enum err e)
{
    if (e == ERR_LIMIT)
        return REPLY_TOO_MANY_RECIPIENTS;
    return smtp_reply_of_error(e);
}

static enum smtp_step refuse_recipient(struct smtp_session *s, enum smtp_reply_name why)
{
    log_event(LOG_INFO, "recipient-refused", LF_X("session", s->id),
        LF("peer", stream_peer(s->stream)), LF_S("from", buf_slice(&s->transaction.reverse_path)),
        LF_S("to", buf_slice(&s->canonical)), LF("why", smtp_reply_get(why)->text));
    return answer(s, why);
}

/* Not a domain of ours: the relay's matter, for those who are logged in. */
static enum err add_foreign(struct smtp_session *s)
{
    struct slice canonical = buf_slice(&s->canonical);
    size_t at = canonical.n;
    while (at > 0 && canonical.p[at - 1] != '@')
        at--;
    return smtp_transaction_add_foreign(&s->transaction, as_written(s, &s->pending_rcpt.recipient),
        slice_from(canonical, at));
}

static enum smtp_step take_answer(struct smtp_session *s, const struct lookup_answer *a)
{
    enum err e = a->err;
    if (e == ERR_DENIED && s->login_session != 0) {
        e = add_foreign(s);
    } else if (e == ERR_OK) {
        const struct smtp_rcpt_argument *r = &s->pending_rcpt;
        struct slice written = r->is_postmaster ? SLICE("postmaster") : as_written(s, &r->recipient);
        e = smtp_transaction_add(&s->transaction, written, a->targets, a->target_count);
    }
    if (e != ERR_OK)
        return refuse_recipient(s, reply_of_recipient(e));
    smtp_session_set_state(s, SMTP_STATE_RCPT);
    s->idle_commands = 0;
    return answer(s, REPLY_RECIPIENT_OK);
}

static void on_lookup(void *ctx, const struct store_reply *r)
{
    struct smtp_session *s = ctx;
    struct lookup_answer a = {r->err, r->target_count, r->targets};
    lookup_cache_put(&s->server->lookups, buf_slice(&s->canonical), &a,
        clock_mono_ms() + s->server->config.lookup_cache_ms);
    smtp_session_continue(s, take_answer(s, &a));
}

static enum smtp_step look_up(struct smtp_session *s)
{
    struct lookup_answer a;
    struct slice canonical = buf_slice(&s->canonical);
    if (lookup_cache_find(&s->server->lookups, canonical, clock_mono_ms(), &a))
        return take_answer(s, &a);
    uint64_t request = store_lookup(s->server->store, canonical, on_lookup, s);
    smtp_session_wait(s, SMTP_WAIT_LOOKUP, request);
    return STEP_WAIT;
}

/* RFC 5321 section 4.5.1: "<postmaster>" stands for the one of our own domain. */
static void put_postmaster(struct smtp_session *s)
{
    struct slice domain = buf_slice(&s->server->config.domain);
    buf_put_str(&s->canonical, "postmaster@");
    buf_put(&s->canonical, domain.n > 0 ? domain : smtp_session_host(s));
}

enum smtp_step smtp_cmd_rcpt(struct smtp_session *s, struct slice argument)
{
    struct smtp_rcpt_argument *r = &s->pending_rcpt;
    enum smtp_reply_name name =
        smtp_rcpt_parse(keep_argument(s, argument), s->transaction.is_utf8, r);
    if (name != REPLY_OK)
        return answer(s, name);
    if (s->transaction.recipient_count >= s->server->config.max_recipients)
        return answer(s, REPLY_TOO_MANY_RECIPIENTS);
    buf_reset(&s->canonical);
    if (r->is_postmaster)
        put_postmaster(s);
    else if (address_canonical(&r->recipient, &s->canonical) != ERR_OK)
        return answer(s, REPLY_RECIPIENT_SYNTAX);
    /* Deviation: RFC 5321 section 4.1.3; no mailbox here is known by an address literal. */
    if (r->recipient.is_literal)
        return refuse_recipient(s, reply_of_recipient(ERR_DENIED));
    return look_up(s);
}
