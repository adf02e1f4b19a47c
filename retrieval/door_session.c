/* A connection before its login; see door.h. What the protocols say is in door_imap.c and door_pop3.c. */
#include "retrieval/door.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/settings.h"

static void free_before(struct door_session *s)
{
    if (!s->before)
        return;
    buf_wipe(&s->before->command);
    buf_wipe(&s->before->user);
    buf_clear(&s->before->tag);
    door_sasl_end(s);
    free(s->before);
    s->before = NULL;
}

static void session_free(void *session)
{
    struct door_session *s = session;
    struct door *door = s->door;
    if (s->request)
        auth_cancel(door->auth, s->request);
    if (s->client)
        stream_free(s->client);
    if (s->inner)
        stream_free(s->inner);
    free_before(s);
    if (s->prev)
        s->prev->next = s->next;
    else
        door->sessions = s->next;
    if (s->next)
        s->next->prev = s->prev;
    door->session_count--;
    free(s);
    door_session_gone(door);
}

void door_session_over(struct door_session *s)
{
    if (s->is_over) /* a deadline and the end of a stream may come in one turn */
        return;
    s->is_over = true;
    loop_defer(s->door->loop, session_free, s);
}

void door_say(struct door_session *s, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ENSURE(n >= 0 && (size_t)n < sizeof line);
    stream_write(s->client, slice_of(line, (size_t)n));
}

bool door_may_login(const struct door_session *s)
{
    return stream_is_secure(s->client) ||
        settings_has_network(s->door->role->settings, "login.cleartext", stream_peer(s->client));
}

static struct tls_context *context_of(const struct door_session *s)
{
    return s->protocol == LOGIN_IMAP ? s->door->imap_tls : s->door->pop3_tls;
}

bool door_may_start_tls(const struct door_session *s)
{
    return context_of(s) && !stream_is_secure(s->client);
}

/* What came in clear behind the command is dropped by the stream; what was learnt is forgotten here. */
void door_start_tls(struct door_session *s)
{
    buf_wipe(&s->before->command);
    buf_wipe(&s->before->user);
    buf_clear(&s->before->tag);
    door_sasl_end(s);
    s->before->is_tls_next = true;
    stream_start_tls(s->client, context_of(s));
}

void door_end(struct door_session *s)
{
    s->state = DOOR_ENDING;
    stream_finish(s->client);
}

static void bye(struct door_session *s, const char *text)
{
    if (s->protocol == LOGIN_IMAP)
        door_imap_bye(s, text);
    else
        door_pop3_bye(s, text);
    door_end(s);
}

void door_bad(struct door_session *s)
{
    if (++s->before->bad_count >= DOOR_BAD_MAX)
        bye(s, "too many commands were refused");
}

void door_session_stop(struct door_session *s)
{
    if (s->state == DOOR_CARRY) {
        door_end(s); /* retrieval said goodbye itself */
        return;
    }
    if (s->state != DOOR_ENDING)
        bye(s, "the server is stopping; come again soon");
}

/* --- logging in --- */

void door_enter(struct door_session *s, int fd)
{
    free_before(s);
    s->state = DOOR_CARRY;
    door_carry_begin(s, fd);
}

void door_on_login(void *ctx, const struct login_reply *r)
{
    struct door_session *s = ctx;
    s->request = 0;
    if (s->state != DOOR_ASKING) { /* it ended meanwhile */
        if (r->fd >= 0)
            close(r->fd);
        return;
    }
    if (r->err == ERR_OK && r->fd >= 0) {
        if (s->before->has_sasl && sasl_is_scram(&s->before->sasl)) {
            door_sasl_granted(s, r);
            return;
        }
        door_sasl_end(s);
        door_enter(s, r->fd);
        return;
    }
    door_sasl_end(s);
    s->state = DOOR_LINES;
    if (s->protocol == LOGIN_IMAP)
        door_imap_refused(s, r->err ? r->err : ERR_INTERNAL);
    else
        door_pop3_refused(s, r->err ? r->err : ERR_INTERNAL);
    door_bad(s);
    if (s->state == DOOR_LINES)
        stream_resume(s->client);
}

void door_login(struct door_session *s, struct slice user, struct slice password)
{
    struct login l = {.protocol = s->protocol,
        .is_secure = stream_is_secure(s->client),
        .peer = stream_peer(s->client),
        .user = user,
        .password = password,
        .tag = buf_slice(&s->before->tag)};
    s->state = DOOR_ASKING;
    stream_pause(s->client);
    s->request = auth_login(s->door->auth, &l, door_on_login, s);
}

/* --- events of the client's stream --- */

static void on_data(void *ctx)
{
    struct door_session *s = ctx;
    if (s->state == DOOR_CARRY) {
        door_carry_out(s);
        return;
    }
    while (s->state == DOOR_LINES || s->state == DOOR_SASL) {
        if (s->before->is_tls_next)
            return;
        bool more = s->protocol == LOGIN_IMAP ? door_imap_input(s) : door_pop3_input(s);
        if (!more)
            return;
    }
}

static void on_writable(void *ctx)
{
    struct door_session *s = ctx;
    if (s->state == DOOR_CARRY)
        door_carry_in(s);
}

static void on_secure(void *ctx)
{
    struct door_session *s = ctx;
    if (s->state == DOOR_ENDING || !s->before)
        return;
    if (stream_dropped_clear_input(s->client))
        log_event(LOG_WARNING, "clear-input-dropped", LF_X("session", s->id), LF("from", stream_peer(s->client)));
    s->before->is_tls_next = false;
    if (s->state != DOOR_GREET)
        return;
    s->state = DOOR_LINES;
    if (s->protocol == LOGIN_IMAP)
        door_imap_greet(s);
    else
        door_pop3_greet(s);
}

static void on_timeout(void *ctx)
{
    struct door_session *s = ctx;
    if (s->state == DOOR_GREET || s->state == DOOR_ENDING)
        door_session_over(s);
    else if (s->state != DOOR_CARRY)
        bye(s, "nobody has logged in for too long");
}

static void on_closed(void *ctx, enum err why)
{
    struct door_session *s = ctx;
    (void)why;
    stream_free(s->client);
    s->client = NULL;
    if (s->state == DOOR_CARRY && s->inner) {
        /* What the client sent last still goes to its process. */
        s->state = DOOR_ENDING;
        stream_finish(s->inner);
        return;
    }
    s->state = DOOR_ENDING;
    door_session_over(s);
}

static const struct stream_events client_events = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_secure = on_secure,
    .on_timeout = on_timeout,
    .on_closed = on_closed,
};

static bool is_full(struct door *door)
{
    bool full = door->session_count >= settings_number(door->role->settings, "door.max-connections");
    if (full && !door->was_full)
        log_event(LOG_WARNING, "too-many-connections", LF_U("count", door->session_count));
    door->was_full = full;
    return full;
}

void door_session_start(struct door_listener *l, int fd, const char *peer)
{
    struct door *door = l->door;
    bool full = is_full(door);
    struct door_session *s = mem_new(sizeof *s);
    s->door = door;
    s->protocol = l->protocol;
    s->id = ++door->last_id;
    s->before = mem_new(sizeof *s->before);
    s->before->granted_fd = -1;
    buf_init(&s->before->command, DOOR_COMMAND_MAX);
    buf_init(&s->before->tag, 128);
    buf_init(&s->before->user, LOGIN_USER_MAX);
    s->next = door->sessions;
    if (door->sessions)
        door->sessions->prev = s;
    door->sessions = s;
    door->session_count++;
    s->client = stream_new(door->loop, fd, &client_events, s);
    if (peer[0] != '\0')
        stream_set_peer(s->client, peer);
    stream_set_deadline(s->client, DOOR_LOGIN_MS);
    if (l->is_implicit_tls) {
        if (context_of(s) && !full)
            stream_start_tls(s->client, context_of(s));
        else
            door_end(s);
        return;
    }
    s->state = DOOR_LINES;
    if (full)
        bye(s, "too many connections; try again later");
    else if (s->protocol == LOGIN_IMAP)
        door_imap_greet(s);
    else
        door_pop3_greet(s);
}
