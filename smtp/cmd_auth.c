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

/* A login that was granted and not accepted by the client (SCRAM) is none. */
void smtp_auth_cancel(struct smtp_session *s)
{
    if (s->sasl != NULL && s->login_session != 0) {
        auth_logout(s->server->auth, s->login_session);
        s->login_session = 0;
        buf_reset(&s->login_address);
    }
    smtp_auth_end(s);
}

static enum smtp_step refuse(struct smtp_session *s, enum smtp_reply_name why)
{
    smtp_auth_cancel(s);
    smtp_session_reply(s, why);
    return STEP_DONE;
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
        if (sasl_is_scram(s->sasl)) {
            sasl_take_signature(s->sasl, r->signature);
            smtp_session_continue(s, challenge(s));
            return;
        }
    }
    smtp_auth_end(s);
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
    };
    sasl_login(s->sasl, &login);
    smtp_session_wait(s, SMTP_WAIT_LOGIN, auth_login(s->server->auth, &login, on_login, s));
    return STEP_WAIT;
}

static void on_salt(void *ctx, const struct login_reply *r)
{
    struct smtp_session *s = ctx;
    if (r->err == ERR_OK)
        sasl_take_salt(s->sasl, r->salt, r->rounds);
    smtp_session_continue(s, r->err == ERR_OK ? challenge(s) : refuse(s, REPLY_LOGIN_UNAVAILABLE));
}

static enum smtp_step ask_salt(struct smtp_session *s)
{
    smtp_session_wait(s, SMTP_WAIT_LOGIN, auth_scram(s->server->auth, buf_slice(&s->sasl->user), on_salt, s));
    return STEP_WAIT;
}

/* The client has read our proof: now the login counts. */
static enum smtp_step finish_scram(struct smtp_session *s)
{
    smtp_auth_end(s);
    smtp_session_reply(s, REPLY_LOGGED_IN);
    return STEP_DONE;
}

static enum smtp_step go_on(struct smtp_session *s, enum sasl_step step)
{
    switch (step) {
    case SASL_CHALLENGE:
        return challenge(s);
    case SASL_COMPLETE:
        return ask_auth(s);
    case SASL_SALT:
        return ask_salt(s);
    case SASL_FINISHED:
        return finish_scram(s);
    case SASL_CANCELLED:
        return refuse(s, REPLY_LOGIN_CANCELLED);
    case SASL_DENIED:
        return refuse(s, REPLY_LOGIN_BAD);
    case SASL_BAD:
        break;
    }
    return refuse(s, REPLY_LOGIN_SYNTAX);
}

static bool offers_scram(const struct smtp_session *s)
{
    return auth_offers_scram(s->server->auth, s->server->role->settings);
}

enum smtp_step smtp_cmd_auth(struct smtp_session *s, struct slice argument)
{
    if (s->login_session != 0)
        return refuse(s, REPLY_LOGIN_ALREADY);
    struct slice initial = argument;
    struct slice mechanism = slice_cut(&initial, ' ');
    struct sasl *x = mem_new(sizeof *x);
    if (sasl_init(x, mechanism, offers_scram(s), s->stream) != ERR_OK) {
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
