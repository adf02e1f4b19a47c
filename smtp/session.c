/* The life of an SMTP connection. The timeline of the callbacks:
 *
 *     start -> (465: handshake -> on_secure) -> greeting -> on_data, again and again: each takes lines
 *     (dispatch.c) or text (cmd_data.c) until the input is used up or a command waits -> the answer of
 *     store or auth comes to a cmd_ file, which replies and calls smtp_session_continue() ->
 *     on_data ... -> QUIT or 421: CLOSING -> on_closed, where the session ends.
 *
 * While a command waits the stream is paused: pipelined commands stay in its input, and a peer that
 * has shut its side down still gets its replies. A session is freed in on_closed only; what it waits
 * for is cancelled there, or finds it by id. */
#include "smtp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "smtp/limits.h"
#include "smtp/network.h"
#include "smtp/smtp_role.h"

/* ---- state ---- */

void smtp_session_set_state(struct smtp_session *s, enum smtp_state state)
{
    if (s->state != SMTP_STATE_CLOSING)
        s->state = state;
}

bool smtp_session_is_submission(const struct smtp_session *s)
{
    return s->service == SMTP_SUBMISSION || s->service == SMTP_SUBMISSIONS;
}

bool smtp_session_is_private(const struct smtp_session *s)
{
    return stream_is_secure(s->stream) || s->may_login_in_clear;
}

bool smtp_session_in_text(const struct smtp_session *s)
{
    return s->state == SMTP_STATE_DATA || s->state == SMTP_STATE_BDAT;
}

struct slice smtp_session_host(const struct smtp_session *s)
{
    return buf_slice(&s->server->config.host);
}

void smtp_session_end_transaction(struct smtp_session *s)
{
    smtp_transaction_reset(&s->transaction);
    if (s->state != SMTP_STATE_NEW)
        smtp_session_set_state(s, SMTP_STATE_READY);
}

/* ---- replies ---- */

void smtp_session_reply_with(struct smtp_session *s, enum smtp_reply_name name, struct slice detail)
{
    struct buf *line = &s->server->line;
    buf_reset(line);
    smtp_reply_put(line, name, detail);
    smtp_session_write(s, buf_slice(line));
    if (smtp_reply_get(name)->code < 500)
        return;
    s->errors++;
    if (!s->is_unlimited)
        smtp_tally_of(&s->server->tallies, s->network, clock_mono_ms())->errors++;
}

void smtp_session_reply(struct smtp_session *s, enum smtp_reply_name name)
{
    smtp_session_reply_with(s, name, SLICE_EMPTY);
}

void smtp_session_outcome(struct smtp_session *s, enum smtp_reply_name name, struct slice detail)
{
    uint32_t more = s->is_lmtp && s->transaction.recipient_count > 1 ? s->transaction.recipient_count - 1 : 0;
    smtp_session_end_transaction(s);
    smtp_session_reply_with(s, name, detail); /* counts as one error at most */
    for (; more > 0; more--) {
        struct buf *line = &s->server->line;
        buf_reset(line);
        smtp_reply_put(line, name, detail);
        smtp_session_write(s, buf_slice(line));
    }
}

void smtp_session_write(struct smtp_session *s, struct slice line)
{
    if (s->state != SMTP_STATE_CLOSING)
        stream_write(s->stream, line);
}

/* ---- taking input ---- */

static void begin_closing(struct smtp_session *s)
{
    smtp_session_set_state(s, SMTP_STATE_CLOSING);
    stream_finish(s->stream);
}

static void say_and_close(struct smtp_session *s, enum smtp_reply_name name)
{
    smtp_session_reply(s, name);
    begin_closing(s);
}

/* What follows every command, done at once or after a wait. */
static void after_step(struct smtp_session *s, enum smtp_step step)
{
    if (s->state == SMTP_STATE_CLOSING)
        return;
    if (step == STEP_CLOSE)
        begin_closing(s);
    else if (s->errors >= s->server->config.max_errors)
        say_and_close(s, REPLY_TOO_MANY_ERRORS);
    else if (s->server->is_stopping && step == STEP_DONE && !smtp_session_in_text(s))
        say_and_close(s, REPLY_STOPPING);
}

/* RFC 4954 section 4 gives login lines more room, also as initial responses. */
static size_t line_max(struct smtp_session *s)
{
    if (s->state == SMTP_STATE_AUTH)
        return SMTP_AUTH_LINE_MAX;
    if (smtp_session_is_submission(s) && slice_starts_nocase(stream_input(s->stream), SLICE("AUTH ")))
        return SMTP_AUTH_LINE_MAX;
    return SMTP_COMMAND_LINE_MAX;
}

static void refuse_line(struct smtp_session *s, enum err why, size_t max)
{
    if (s->state == SMTP_STATE_AUTH)
        smtp_auth_cancel(s);
    if (why != ERR_TOO_BIG)
        smtp_session_reply(s, REPLY_BAD_LINE_END);
    else
        smtp_session_reply(s, max == SMTP_AUTH_LINE_MAX ? REPLY_AUTH_LINE_TOO_LONG : REPLY_LINE_TOO_LONG);
}

/* RFC 2920 section 3.1: what may only stand last in a group of commands; for who was not told of
 * PIPELINING, every one. */
static bool must_be_last(const struct smtp_session *s, struct slice line)
{
    static const char *const verbs[] = {"EHLO", "HELO", "DATA"};
    struct slice verb = slice_cut(&line, ' ');
    if (s->service != SMTP_RECEIVING || s->is_unlimited || s->state == SMTP_STATE_AUTH)
        return false;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (slice_equal_nocase(verb, slice_str(verbs[i])))
            return true;
    return s->state != SMTP_STATE_NEW && !s->is_extended;
}

/* After a command: whether the peer waits where it must, and whether its commands lead anywhere. */
static void check_manners(struct smtp_session *s, bool must_wait)
{
    if (s->state == SMTP_STATE_CLOSING || s->is_unlimited || s->service != SMTP_RECEIVING)
        return;
    if (must_wait && stream_input(s->stream).n > 0) {
        log_event(LOG_INFO, "early-pipelining", LF_X("session", s->id), LF("peer", stream_peer(s->stream)));
        say_and_close(s, REPLY_EARLY_PIPELINING);
    } else if (s->idle_commands++ >= s->server->config.max_idle_commands) {
        say_and_close(s, REPLY_IDLE_COMMANDS);
    }
}

/* One line; false when there is none yet. */
static bool take_line(struct smtp_session *s)
{
    struct slice line;
    if (stream_skips_line(s->stream))
        return false;
    size_t max = line_max(s);
    enum err e = stream_line(s->stream, max, false, &line);
    enum smtp_step step = STEP_DONE;
    if (e == ERR_AGAIN)
        return false;
    bool must_wait = e == ERR_OK && must_be_last(s, line);
    stream_set_deadline(s->stream, SMTP_COMMAND_MS);
    if (e == ERR_OK)
        step = smtp_dispatch(s, line);
    else
        refuse_line(s, e, max);
    after_step(s, step);
    check_manners(s, must_wait);
    return true;
}

static bool take_text(struct smtp_session *s)
{
    bool wants_input = false;
    enum smtp_step step =
        s->state == SMTP_STATE_DATA ? smtp_data_run(s, &wants_input) : smtp_bdat_run(s, &wants_input);
    after_step(s, step);
    return !wants_input;
}

/* Whether there is anything to do with input now. */
static bool is_listening(const struct smtp_session *s)
{
    return s->wait == SMTP_WAIT_NOTHING && s->state != SMTP_STATE_HANDSHAKE &&
           s->state != SMTP_STATE_CLOSING;
}

static void take_input(struct smtp_session *s)
{
    bool goes_on = true;
    while (goes_on && is_listening(s)) {
        if (stream_output_room(s->stream) == 0)
            smtp_session_wait(s, SMTP_WAIT_OUTPUT, 0);
        else
            goes_on = smtp_session_in_text(s) ? take_text(s) : take_line(s);
    }
}

/* ---- waiting ---- */

void smtp_session_wait(struct smtp_session *s, enum smtp_wait wait, uint64_t request)
{
    s->wait = wait;
    s->request = request;
    stream_pause(s->stream);
}

void smtp_session_continue(struct smtp_session *s, enum smtp_step step)
{
    s->wait = SMTP_WAIT_NOTHING;
    s->request = 0;
    after_step(s, step);
    if (s->state != SMTP_STATE_CLOSING)
        stream_resume(s->stream);
}

void smtp_session_on_room(struct smtp_session *s)
{
    if (s->wait != SMTP_WAIT_ROOM)
        return;
    smtp_data_start_period(s);
    smtp_session_continue(s, STEP_WAIT);
}

void smtp_session_stop(struct smtp_session *s)
{
    if (s->state == SMTP_STATE_HANDSHAKE)
        begin_closing(s);
    else if (s->wait == SMTP_WAIT_OUTPUT || (is_listening(s) && !smtp_session_in_text(s)))
        say_and_close(s, REPLY_STOPPING);
}

static void cancel_wait(struct smtp_session *s)
{
    if (s->wait == SMTP_WAIT_LOOKUP)
        store_cancel(s->server->store, s->request);
    if (s->wait == SMTP_WAIT_LOGIN)
        auth_cancel(s->server->auth, s->request);
    s->wait = SMTP_WAIT_NOTHING;
}

/* ---- the stream's callbacks ---- */

static void greet(struct smtp_session *s)
{
    struct buf *line = &s->server->line;
    buf_reset(line);
    buf_put_str(line, "220 ");
    buf_put(line, smtp_session_host(s));
    buf_put_str(line, " ESMTP Letterlock\r\n");
    smtp_session_write(s, buf_slice(line));
    stream_set_deadline(s->stream, SMTP_COMMAND_MS);
}

static void on_data(void *ctx)
{
    struct smtp_session *s = ctx;
    if (s->wait != SMTP_WAIT_GREETING) {
        take_input(s);
        return;
    }
    log_event(LOG_INFO, "early-talker", LF_X("session", s->id), LF("peer", stream_peer(s->stream)));
    say_and_close(s, REPLY_EARLY_TALKER);
}

static void on_writable(void *ctx)
{
    struct smtp_session *s = ctx;
    if (s->wait == SMTP_WAIT_OUTPUT)
        smtp_session_continue(s, STEP_WAIT);
}

static void on_secure(void *ctx)
{
    struct smtp_session *s = ctx;
    smtp_session_set_state(s, SMTP_STATE_NEW);
    if (s->service == SMTP_SUBMISSIONS) {
        greet(s);
        return;
    }
    smtp_session_forget_clear(s);
    stream_set_deadline(s->stream, SMTP_COMMAND_MS);
}

static void on_timeout(void *ctx)
{
    struct smtp_session *s = ctx;
    bool is_ours = s->wait != SMTP_WAIT_NOTHING && s->wait != SMTP_WAIT_OUTPUT;
    if (s->state == SMTP_STATE_HANDSHAKE) {
        begin_closing(s);
    } else if (s->wait == SMTP_WAIT_GREETING) {
        s->wait = SMTP_WAIT_NOTHING;
        greet(s);
    } else if (is_ours)
        stream_set_deadline(s->stream, SMTP_COMMAND_MS); /* we are slow, not the peer */
    else if (!smtp_session_in_text(s) || !smtp_data_period(s))
        say_and_close(s, REPLY_TIMEOUT);
}

static void on_closed(void *ctx, enum err why)
{
    struct smtp_session *s = ctx;
    struct smtp_server *server = s->server;
    log_event(LOG_DEBUG, "disconnected", LF_X("session", s->id), LF("why", err_text(why)));
    cancel_wait(s);
    smtp_auth_end(s);
    if (s->login_session != 0)
        auth_logout(server->auth, s->login_session);
    smtp_transaction_clear(&s->transaction);
    buf_clear(&s->hello);
    buf_clear(&s->login_address);
    buf_clear(&s->pending);
    buf_clear(&s->canonical);
    smtp_network_leave(&server->networks, s->network);
    idmap_remove(&server->sessions, s->id);
    stream_free(s->stream);
    free(s);
    smtp_server_session_gone(server);
}

static const struct stream_events events = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_secure = on_secure,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

/* ---- birth ---- */

/* Greets, at once or after a moment in which a robot would not wait. */
static void welcome(struct smtp_session *s)
{
    uint64_t wait_ms = s->server->config.greeting_wait_ms;
    if (s->service != SMTP_RECEIVING || s->is_unlimited || wait_ms == 0) {
        greet(s);
        return;
    }
    s->wait = SMTP_WAIT_GREETING;
    stream_set_deadline(s->stream, wait_ms);
}

static struct smtp_session *session_new(struct smtp_server *server, enum smtp_service service, int fd,
    const char *peer)
{
    struct smtp_session *s = mem_new(sizeof *s);
    s->server = server;
    s->service = service;
    s->id = ++server->last_id;
    s->stream = stream_new(server->loop, fd, &events, s);
    if (peer[0] != '\0')
        stream_set_peer(s->stream, peer);
    stream_set_input_max(s->stream, SMTP_INPUT_COMMAND);
    s->network = smtp_network_of(stream_peer(s->stream));
    s->is_unlimited = service == SMTP_LOCAL ||
        settings_has_network(server->role->settings, "smtp.unlimited-networks", stream_peer(s->stream));
    s->may_login_in_clear =
        settings_has_network(server->role->settings, "login.cleartext", stream_peer(s->stream));
    buf_init(&s->hello, SMTP_HELLO_NAME_MAX);
    buf_init(&s->login_address, ADDRESS_MAX);
    buf_init(&s->pending, SMTP_COMMAND_LINE_MAX);
    buf_init(&s->canonical, 2 * ADDRESS_MAX);
    smtp_transaction_init(&s->transaction);
    idmap_put(&server->sessions, s->id, s);
    return s;
}

/* REPLY_OK when the connection is welcome. */
static enum smtp_reply_name door_refusal(struct smtp_session *s, size_t from_network)
{
    struct smtp_server *server = s->server;
    if (server->is_stopping)
        return REPLY_STOPPING;
    if (server->sessions.count > server->config.max_connections)
        return REPLY_TOO_MANY_CONNECTIONS;
    if (s->is_unlimited)
        return REPLY_OK;
    if (from_network > server->config.max_per_network)
        return REPLY_TOO_MANY_FROM_NETWORK;
    struct smtp_tally *tally = smtp_tally_of(&server->tallies, s->network, clock_mono_ms());
    if (tally->errors >= server->config.network_errors)
        return REPLY_NETWORK_ERRORS;
    return ++tally->connections > server->config.network_connections ? REPLY_TOO_MANY_OF_NETWORK : REPLY_OK;
}

void smtp_session_start(struct smtp_server *server, enum smtp_service service, int fd, const char *peer)
{
    struct smtp_session *s = session_new(server, service, fd, peer);
    size_t from_network = smtp_network_enter(&server->networks, s->network);
    enum smtp_reply_name why = door_refusal(s, from_network);
    log_event(LOG_DEBUG, "connected", LF_X("session", s->id), LF("peer", stream_peer(s->stream)));
    if (why != REPLY_OK)
        log_event(LOG_WARNING, "connection-refused", LF_X("session", s->id),
            LF("peer", stream_peer(s->stream)), LF("why", smtp_reply_get(why)->text));
    if (service != SMTP_SUBMISSIONS) {
        if (why == REPLY_OK)
            welcome(s);
        else
            say_and_close(s, why);
    } else if (why != REPLY_OK || server->tls == NULL) {
        begin_closing(s); /* there is no way to say why before the handshake */
    } else {
        smtp_session_set_state(s, SMTP_STATE_HANDSHAKE);
        stream_start_tls(s->stream, server->tls);
        stream_set_deadline(s->stream, SMTP_HANDSHAKE_MS);
    }
}
