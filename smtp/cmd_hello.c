/* EHLO, HELO (RFC 5321 section 4.1.1.1), LHLO (RFC 2033) and STARTTLS (RFC 3207). */
#include "base/log.h"
#include "smtp/limits.h"
#include "smtp/session.h"

static bool take_name(struct smtp_session *s, struct slice argument, bool is_extended)
{
    if (!smtp_hello_is_sane(argument)) {
        smtp_session_reply(s, REPLY_BAD_HELLO);
        return false;
    }
    buf_reset(&s->hello);
    buf_put(&s->hello, argument);
    s->is_extended = is_extended;
    s->is_lmtp = false;
    smtp_session_set_state(s, SMTP_STATE_READY);
    smtp_session_end_transaction(s); /* RFC 5321 section 4.1.4: as RSET */
    return true;
}

static void put_mechanisms(const struct smtp_session *s, struct buf *out)
{
    buf_put_str(out, "250-AUTH ");
    sasl_put_names(out, auth_offers_scram(s->server->auth, s->server->role->settings), stream_is_secure(s->stream));
    buf_put_str(out, "\r\n");
}

static bool may_start_tls(const struct smtp_session *s)
{
    return s->server->tls != NULL && s->service != SMTP_LOCAL && !stream_is_secure(s->stream);
}

static void put_extensions(struct smtp_session *s)
{
    struct buf *out = &s->server->line;
    buf_reset(out);
    buf_put_str(out, "250-");
    buf_put(out, smtp_session_host(s));
    buf_put_str(out, "\r\n250-PIPELINING\r\n250-SIZE ");
    buf_put_u64(out, s->server->config.max_size_bytes);
    buf_put_str(out, "\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=");
    buf_put_u64(out, s->server->config.max_recipients);
    buf_put_str(out, "\r\n");
    if (may_start_tls(s))
        buf_put_str(out, "250-STARTTLS\r\n");
    if (smtp_session_is_submission(s) && smtp_session_is_private(s))
        put_mechanisms(s, out);
    buf_put_str(out, "250 SMTPUTF8\r\n");
    smtp_session_write(s, buf_slice(out));
}

enum smtp_step smtp_cmd_ehlo(struct smtp_session *s, struct slice argument)
{
    if (take_name(s, argument, true))
        put_extensions(s);
    return STEP_DONE;
}

enum smtp_step smtp_cmd_lhlo(struct smtp_session *s, struct slice argument)
{
    if (s->service != SMTP_LOCAL) {
        smtp_session_reply(s, REPLY_UNKNOWN_COMMAND);
    } else if (take_name(s, argument, true)) {
        s->is_lmtp = true;
        put_extensions(s);
    }
    return STEP_DONE;
}

enum smtp_step smtp_cmd_helo(struct smtp_session *s, struct slice argument)
{
    if (!take_name(s, argument, false))
        return STEP_DONE;
    struct buf *out = &s->server->line;
    buf_reset(out);
    buf_put_str(out, "250 ");
    buf_put(out, smtp_session_host(s));
    buf_put_str(out, "\r\n");
    smtp_session_write(s, buf_slice(out));
    return STEP_DONE;
}

enum smtp_step smtp_cmd_starttls(struct smtp_session *s, struct slice argument)
{
    (void)argument;
    if (stream_is_secure(s->stream)) {
        smtp_session_reply(s, REPLY_TLS_ALREADY);
        return STEP_DONE;
    }
    if (s->server->tls == NULL || s->service == SMTP_LOCAL) {
        smtp_session_reply(s, REPLY_TLS_UNAVAILABLE);
        return STEP_DONE;
    }
    smtp_session_reply(s, REPLY_TLS_READY);
    smtp_session_set_state(s, SMTP_STATE_HANDSHAKE);
    stream_start_tls(s->stream, s->server->tls);
    stream_set_deadline(s->stream, SMTP_HANDSHAKE_MS);
    return STEP_WAIT;
}

void smtp_session_forget_clear(struct smtp_session *s)
{
    if (stream_dropped_clear_input(s->stream))
        log_event(LOG_WARNING, "starttls-injection", LF_X("session", s->id),
            LF("peer", stream_peer(s->stream)));
    buf_reset(&s->hello);
    s->is_extended = s->is_lmtp = false;
    smtp_transaction_reset(&s->transaction);
    if (s->login_session != 0)
        auth_logout(s->server->auth, s->login_session);
    s->login_session = 0;
    buf_reset(&s->login_address);
}
