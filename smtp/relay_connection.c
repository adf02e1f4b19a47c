/* One connection to another server, from the first packet to the moment when letters can go: greeting,
 * EHLO (HELO where it is not known), STARTTLS, EHLO again, login. RFC 5321, RFC 3207, RFC 4954.
 *
 *   DIALLING → GREETING → EHLO ─┬→ STARTTLS → HANDSHAKE → EHLO ─┬→ AUTH … → IDLE ⇄ a letter (relay_send.c)
 *                  └→ HELO ─────┴───────────────────────────────┘              └→ QUIT
 *
 * Whatever fails before IDLE fails the destination; what fails later is the letter's matter, too. */
#include "smtp/relay.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "storage/admin_ops.h"
#include "storage/messages.h"

static const struct stream_events stream_events;

void relay_connection_set(struct relay_connection *c, enum relay_state state, uint64_t ms)
{
    c->state = state;
    relay_reply_begin(&c->reply);
    if (c->stream)
        stream_set_deadline(c->stream, ms);
}

/* ---- the end ---- */

void relay_connection_close(struct relay_connection *c)
{
    struct relay_destination *d = c->destination;
    if (c->is_gone)
        return;
    c->is_gone = true;
    dial_cancel(c->dial);
    if (c->question)
        dns_cancel(c->relay->dns, c->question);
    c->question = 0;
    if (c->stream)
        stream_free(c->stream);
    c->dial = NULL;
    c->stream = NULL;
    for (struct relay_connection **at = &d->connections; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    d->connection_count--;
    if (c->state < RELAY_IDLE)
        d->connecting--;
    c->relay->connection_count--;
    c->next = c->relay->connections_gone;
    c->relay->connections_gone = c;
    relay_destination_wake(d);
}

void relay_connections_free_gone(struct relay *r)
{
    while (r->connections_gone) {
        struct relay_connection *c = r->connections_gone;
        r->connections_gone = c->next;
        relay_reply_clear(&c->reply);
        free(c);
    }
}

void relay_connection_quit(struct relay_connection *c)
{
    if (!c->stream) {
        relay_connection_close(c);
        return;
    }
    stream_write_str(c->stream, "QUIT\r\n");
    relay_connection_set(c, RELAY_QUIT, RELAY_IDLE_MS);
}

/* In words and as JSON, to the supervisor. */
static void answer_check(struct relay_connection *c, enum err e, const char *what)
{
    struct buf text, json, body;
    const char *tls = c->stream ? stream_tls_description(c->stream) : "";
    buf_init(&text, 4096);
    buf_init(&json, 4096);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    struct json j = json_of(&json);
    json_object(&j, NULL);
    json_bool(&j, "ok", e == ERR_OK);
    json_text(&j, e ? "error" : "said", slice_str(what));
    json_text(&j, "peer", slice_str(c->peer));
    json_text(&j, "tls", slice_str(tls));
    json_end(&j);
    buf_printf(&text, "%s\n", what);
    admin_reply_encode(c->check_req, e, buf_slice(&text), buf_slice(&json), &body);
    if (channel_send(c->relay->role->control, M_ADMIN_REPLY, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "admin-reply-not-sent", LF("to", "supervisor"));
    buf_clear(&text);
    buf_clear(&json);
    buf_clear(&body);
}

void relay_connection_hopeless(struct relay_connection *c, const char *why)
{
    struct relay_destination *d = c->destination;
    bool is_check = c->is_check;
    if (is_check)
        answer_check(c, ERR_NOT_FOUND, why);
    relay_connection_close(c);
    if (!is_check)
        relay_destination_failed(d, why, true);
}

void relay_connection_lost(struct relay_connection *c, const char *what, struct slice words)
{
    struct relay_destination *d = c->destination;
    struct buf why;
    if (c->is_gone)
        return;
    buf_init(&why, QUEUE_ANSWER_MAX);
    buf_printf(&why, "%s%s%s", c->peer, *c->peer ? ": " : "", what);
    if (words.n > 0) {
        buf_put_str(&why, ": ");
        buf_put(&why, slice_sub(words, 0, QUEUE_ANSWER_MAX - why.n));
    }
    char *text = mem_strdup(buf_slice(&why));
    buf_clear(&why);
    if (c->is_check) {
        answer_check(c, ERR_CLOSED, text);
        relay_connection_close(c);
        free(text);
        return;
    }
    bool was_open = c->state >= RELAY_IDLE;
    bool is_fault = c->state != RELAY_IDLE && c->state != RELAY_QUIT && c->letters == 0;
    if (c->job)
        relay_send_lost(c, slice_str(text));
    relay_connection_close(c);
    if (is_fault || !was_open)
        relay_destination_failed(d, text, false);
    free(text);
}

/* ---- the steps ---- */

static void say(struct relay_connection *c, enum relay_state state, const char *verb, struct slice argument)
{
    stream_write_str(c->stream, verb);
    stream_write(c->stream, argument);
    stream_write_str(c->stream, "\r\n");
    relay_connection_set(c, state, RELAY_COMMAND_MS);
}

static struct slice our_host(const struct relay_connection *c)
{
    return buf_slice(&c->relay->config.host);
}

static enum route_tls tls_mode(const struct relay_connection *c)
{
    return c->destination->route ? c->destination->route->tls : ROUTE_TLS_MAY;
}

static struct slice server_name(const struct relay_connection *c)
{
    return slice_str(c->hosts[c->host_of[c->which]]);
}

/* The sum of the beginning: letters can go. */
static void is_open(struct relay_connection *c)
{
    c->destination->connecting--;
    relay_connection_set(c, RELAY_IDLE, RELAY_IDLE_MS);
    relay_destination_is_well(c->destination);
    if (c->is_check) {
        char said[600];
        snprintf(said, sizeof said, "%s takes letters: %s%s%s", c->peer,
            c->is_secure ? stream_tls_description(c->stream) : "without TLS",
            c->destination->route && *c->destination->route->user ? ", logged in as " : "",
            c->destination->route ? c->destination->route->user : "");
        answer_check(c, ERR_OK, said);
        relay_connection_quit(c);
        return;
    }
    relay_connection_ready(c);
    relay_destination_wake(c->destination);
}

void relay_connection_ready(struct relay_connection *c)
{
    struct relay *r = c->relay;
    bool is_full = c->letters >= r->config.letters_per_connection;
    struct relay_job *j = is_full || r->is_stopping ? NULL : relay_destination_take(c->destination);
    if (j) {
        relay_send(c, j);
    } else if (is_full || r->is_stopping) {
        relay_connection_quit(c);
    } else if (c->state != RELAY_IDLE) {
        relay_connection_set(c, RELAY_IDLE, RELAY_IDLE_MS);
    }
}

struct relay_connection *relay_connection_idle(struct relay_destination *d)
{
    for (struct relay_connection *c = d->connections; c; c = c->next)
        if (c->state == RELAY_IDLE)
            return c;
    return NULL;
}

static void log_in(struct relay_connection *c)
{
    const struct relay_route *route = c->destination->route;
    struct buf plain, text;
    if (!route || !*route->user) {
        is_open(c);
        return;
    }
    if (!c->is_secure && route->tls != ROUTE_TLS_NONE) {
        relay_connection_lost(c, "the server offers no TLS, and the password is not sent without", SLICE_EMPTY);
        return;
    }
    if (!route->password || !(c->capabilities & (RELAY_CAN_AUTH_PLAIN | RELAY_CAN_AUTH_LOGIN))) {
        relay_connection_lost(c, "the server offers no way to log in that is known here", SLICE_EMPTY);
        return;
    }
    if (!(c->capabilities & RELAY_CAN_AUTH_PLAIN)) {
        say(c, RELAY_AUTH_USER, "AUTH LOGIN", SLICE_EMPTY);
        return;
    }
    buf_init(&plain, ROUTE_USER_MAX + ROUTE_PASSWORD_MAX + 2);
    buf_init(&text, 2 * (ROUTE_USER_MAX + ROUTE_PASSWORD_MAX));
    buf_put_byte(&plain, 0);
    buf_put_str(&plain, route->user);
    buf_put_byte(&plain, 0);
    buf_put_str(&plain, route->password);
    base64_put(&text, buf_slice(&plain));
    say(c, RELAY_AUTH, "AUTH PLAIN ", buf_slice(&text));
    buf_wipe(&plain);
    buf_wipe(&text);
}

static void say_base64(struct relay_connection *c, enum relay_state state, const char *value)
{
    struct buf text;
    buf_init(&text, 2 * (ROUTE_USER_MAX + ROUTE_PASSWORD_MAX));
    base64_put(&text, slice_str(value));
    say(c, state, "", buf_slice(&text));
    buf_wipe(&text);
}

/* After EHLO or HELO: TLS if there is any and it is not there yet. */
static void consider_tls(struct relay_connection *c)
{
    enum route_tls mode = tls_mode(c);
    bool is_needed = mode == ROUTE_TLS_MUST || mode == ROUTE_TLS_VERIFY || mode == ROUTE_TLS_IMPLICIT;
    bool is_wanted = is_needed || (mode == ROUTE_TLS_MAY && !c->in_clear);
    if (c->is_secure || !is_wanted)
        log_in(c);
    else if (c->relay->tls && c->capabilities & RELAY_CAN_STARTTLS)
        say(c, RELAY_STARTTLS, "STARTTLS", SLICE_EMPTY);
    else if (is_needed)
        relay_connection_lost(c, "the server offers no TLS, and its route demands it", SLICE_EMPTY);
    else
        log_in(c);
}

static void start_tls(struct relay_connection *c)
{
    struct slice name = server_name(c);
    struct dial_address any;
    relay_connection_set(c, RELAY_HANDSHAKE, RELAY_HANDSHAKE_MS);
    stream_start_tls_client(c->stream, c->relay->tls,
        dial_address_parse(name, 1, &any) ? SLICE_EMPTY : name);
}

static void on_secure(void *ctx)
{
    struct relay_connection *c = ctx;
    enum route_tls mode = tls_mode(c);
    bool must_verify = mode == ROUTE_TLS_VERIFY || mode == ROUTE_TLS_IMPLICIT;
    if (stream_dropped_clear_input(c->stream)) {
        relay_connection_lost(c, "the server sent more before TLS began: somebody may stand between",
            SLICE_EMPTY);
        return;
    }
    if (must_verify && stream_verify_peer(c->stream, server_name(c)) != ERR_OK) {
        relay_connection_lost(c, "the server's certificate cannot be verified", SLICE_EMPTY);
        return;
    }
    c->is_secure = true;
    if (mode == ROUTE_TLS_IMPLICIT)
        relay_connection_set(c, RELAY_GREETING, RELAY_GREETING_MS);
    else
        say(c, RELAY_EHLO, "EHLO ", our_host(c));
}

/* A server that names itself as we do, found by MX, is we ourselves. */
static bool is_loop(const struct relay_connection *c)
{
    return !c->destination->route && slice_equal_nocase(slice_str(c->reply.host), our_host(c));
}

static void on_hello(struct relay_connection *c)
{
    if (is_loop(c)) {
        relay_connection_hopeless(c, "554 5.4.6 this domain's mail leads back to this server");
        return;
    }
    c->capabilities = c->state == RELAY_EHLO ? c->reply.capabilities : 0;
    c->size_max = c->state == RELAY_EHLO ? c->reply.size_max : 0;
    consider_tls(c);
}

static void refused(struct relay_connection *c, const char *what)
{
    relay_connection_lost(c, what, buf_slice(&c->reply.text));
}

static void on_starttls(struct relay_connection *c, unsigned code)
{
    enum route_tls mode = tls_mode(c);
    if (code / 100 == 2)
        start_tls(c);
    else if (mode == ROUTE_TLS_MAY)
        log_in(c);
    else
        refused(c, "STARTTLS was refused");
}

static void on_auth(struct relay_connection *c, unsigned code)
{
    const struct relay_route *route = c->destination->route;
    if (code == 235)
        is_open(c);
    else if (code == 334 && c->state == RELAY_AUTH_USER && route)
        say_base64(c, RELAY_AUTH_PASSWORD, route->user);
    else if (code == 334 && c->state == RELAY_AUTH_PASSWORD && route && route->password)
        say_base64(c, RELAY_AUTH, route->password);
    else
        refused(c, "the login was refused");
}

static void on_reply(struct relay_connection *c)
{
    unsigned code = c->reply.code, class = code / 100;
    switch (c->state) {
    case RELAY_GREETING:
        if (class == 2)
            say(c, RELAY_EHLO, "EHLO ", our_host(c));
        else
            refused(c, "the server does not want to talk");
        break;
    case RELAY_EHLO:
        if (class == 5 && !c->is_secure)
            say(c, RELAY_HELO, "HELO ", our_host(c));
        else if (class == 2)
            on_hello(c);
        else
            refused(c, "EHLO was refused");
        break;
    case RELAY_HELO:
        if (class == 2)
            on_hello(c);
        else
            refused(c, "HELO was refused");
        break;
    case RELAY_STARTTLS:
        on_starttls(c, code);
        break;
    case RELAY_AUTH:
    case RELAY_AUTH_USER:
    case RELAY_AUTH_PASSWORD:
        on_auth(c, code);
        break;
    case RELAY_IDLE:
        relay_connection_lost(c, "the server ended the connection", buf_slice(&c->reply.text));
        break;
    case RELAY_QUIT:
        relay_connection_close(c);
        break;
    default:
        relay_send_reply(c);
        break;
    }
}

static void on_data(void *ctx)
{
    struct relay_connection *c = ctx;
    struct slice line;
    enum err e = ERR_OK;
    while (!c->is_gone && c->state != RELAY_HANDSHAKE) {
        e = stream_line(c->stream, RELAY_REPLY_LINE_MAX, true, &line);
        if (e == ERR_AGAIN)
            return;
        if (!e)
            e = relay_reply_take(&c->reply, line);
        if (e == ERR_AGAIN)
            continue;
        if (e) {
            relay_connection_lost(c, "what the server says is not SMTP", SLICE_EMPTY);
            return;
        }
        on_reply(c);
        if (!c->is_gone)
            relay_reply_begin(&c->reply);
    }
}

static void on_writable(void *ctx)
{
    relay_send_more(ctx);
}

static void on_timeout(void *ctx)
{
    struct relay_connection *c = ctx;
    if (c->state == RELAY_IDLE)
        relay_connection_quit(c);
    else if (c->state == RELAY_QUIT)
        relay_connection_close(c);
    else
        relay_connection_lost(c, "the server did not answer in time", SLICE_EMPTY);
}

static void on_closed(void *ctx, enum err why)
{
    struct relay_connection *c = ctx;
    if (c->state == RELAY_HANDSHAKE && tls_mode(c) == ROUTE_TLS_MAY && !c->is_check) {
        /* Opportunistic: rather in clear text than not at all. */
        c->destination->in_clear = true;
        log_event(LOG_INFO, "tls-failed", LF("to", c->destination->name), LF("peer", c->peer),
            LF("meaning", "the next try goes without TLS"));
        relay_connection_close(c);
    } else if (c->state == RELAY_IDLE || c->state == RELAY_QUIT) {
        relay_connection_close(c);
    } else {
        relay_connection_lost(c, "the server closed the connection", slice_str(err_text(why)));
    }
}

static const struct stream_events stream_events = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_secure = on_secure,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

/* ---- dialling ---- */

static void on_dialled(void *ctx, enum err e, const char *why, int fd, size_t which)
{
    struct relay_connection *c = ctx;
    c->dial = NULL;
    c->which = which;
    snprintf(c->peer, sizeof c->peer, "%s [%s]", c->hosts[c->host_of[which]], c->addresses[which].text);
    if (e) {
        relay_connection_lost(c, why, SLICE_EMPTY);
        return;
    }
    c->stream = stream_new(c->relay->loop, fd, &stream_events, c);
    if (tls_mode(c) == ROUTE_TLS_IMPLICIT && c->relay->tls)
        start_tls(c);
    else
        relay_connection_set(c, RELAY_GREETING, RELAY_GREETING_MS);
}

void relay_connection_dial(struct relay_connection *c)
{
    c->dial = dial_start(c->relay->loop, c->addresses, c->address_count, RELAY_CONNECT_MS, on_dialled, c);
}

static struct relay_connection *connection_new(struct relay_destination *d)
{
    struct relay *r = d->relay;
    struct relay_connection *c = mem_new(sizeof *c);
    c->relay = r;
    c->destination = d;
    relay_reply_init(&c->reply);
    c->in_clear = d->in_clear;
    d->in_clear = false;
    c->next = d->connections;
    d->connections = c;
    d->connection_count++;
    d->connecting++;
    r->connection_count++;
    c->state = RELAY_DIALLING;
    return c;
}

void relay_connection_start(struct relay_destination *d)
{
    relay_resolve(connection_new(d));
}

void relay_connection_check(struct relay_destination *d, uint64_t req)
{
    struct relay_connection *c = connection_new(d);
    c->is_check = true;
    c->check_req = req;
    relay_resolve(c);
}
