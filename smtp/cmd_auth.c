/* AUTH (RFC 4954): the dialogue is sasl.c's, the answer is auth's. A wrong password and an unknown
 * address get the same words. */
#include "smtp/limits.h"
#include "smtp/session.h"

void smtp_auth_end(struct smtp_session *s)
{
    if (s->state == SMTP_STATE_AUTH)
        smtp_session_set_state(s, SMTP_STATE_READY);
    if (s->sasl == NULL)
        return;
    sasl_clear(s->sasl);
    free(s->sasl);
    s->sasl = NULL;
}

static enum smtp_reply_name reply_of_login(enum err e)
{
    switch (e) {
    case ERR_OK:
        return REPLY_LOGGED_IN;
    case ERR_BAD_CREDENTIALS:
    case ERR_DISABLED:
        return REPLY_LOGIN_BAD;
    case ERR_DENIED:
        return REPLY_LOGIN_SCOPE;
    case ERR_LIMIT:
        return REPLY_LOGIN_SLOW_DOWN;
    default:
        return REPLY_LOGIN_UNAVAILABLE;
    }
}

static void on_login(void *ctx, const struct login_reply *r)
{
    struct smtp_session *s = ctx;
    enum smtp_step step = STEP_DONE;
    if (r->err == ERR_OK) {
        s->login_session = r->session;
        buf_reset(&s->login_address);
        buf_put(&s->login_address, r->address);
    }
    enum smtp_reply_name name = reply_of_login(r->err);
    smtp_session_reply(s, name);
    if (smtp_reply_get(name)->code == 535 && ++s->login_failures >= SMTP_AUTH_FAILURES_MAX) {
        smtp_session_reply(s, REPLY_TOO_MANY_ERRORS);
        step = STEP_CLOSE;
    }
    smtp_session_continue(s, step);
}

static enum smtp_step ask_auth(struct smtp_session *s)
{
    struct login login = {
        .protocol = LOGIN_SMTP,
        .is_secure = stream_is_secure(s->stream),
        .peer = stream_peer(s->stream),
        .user = buf_slice(&s->sasl->user),
        .password = buf_slice(&s->sasl->password),
    };
    uint64_t request = auth_login(s->server->auth, &login, on_login, s);
    smtp_auth_end(s);
    smtp_session_wait(s, SMTP_WAIT_LOGIN, request);
    return STEP_WAIT;
}

static enum smtp_step refuse(struct smtp_session *s, enum smtp_reply_name why)
{
    smtp_auth_end(s);
    smtp_session_reply(s, why);
    return STEP_DONE;
}

static enum smtp_step challenge(struct smtp_session *s)
{
    struct buf *line = &s->server->line;
    buf_reset(line);
    buf_put_str(line, "334 ");
    buf_put(line, sasl_challenge(s->sasl));
    buf_put_str(line, "\r\n");
    smtp_session_set_state(s, SMTP_STATE_AUTH);
    smtp_session_write(s, buf_slice(line));
    return STEP_DONE;
}

static enum smtp_step go_on(struct smtp_session *s, enum sasl_step step)
{
    switch (step) {
    case SASL_CHALLENGE:
        return challenge(s);
    case SASL_COMPLETE:
        return ask_auth(s);
    case SASL_CANCELLED:
        return refuse(s, REPLY_LOGIN_CANCELLED);
    case SASL_BAD:
        break;
    }
    return refuse(s, REPLY_LOGIN_SYNTAX);
}

enum smtp_step smtp_cmd_auth(struct smtp_session *s, struct slice argument)
{
    if (s->login_session != 0)
        return refuse(s, REPLY_LOGIN_ALREADY);
    struct slice initial = argument;
    struct slice mechanism = slice_cut(&initial, ' ');
    struct sasl *x = mem_new(sizeof *x);
    if (sasl_init(x, mechanism) != ERR_OK) {
        free(x);
        return refuse(s, REPLY_LOGIN_MECHANISM);
    }
    s->sasl = x;
    return initial.n > 0 ? go_on(s, sasl_initial(x, initial)) : challenge(s);
}

enum smtp_step smtp_auth_line(struct smtp_session *s, struct slice line)
{
    return go_on(s, sasl_answer(s->sasl, line));
}
