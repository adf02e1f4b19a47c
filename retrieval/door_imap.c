/* IMAP before the login (RFC 3501 sections 6.1 and 6.2, RFC 4959 SASL-IR, RFC 7888 LITERAL+, RFC 2971 ID).
 * The tagged OK of a login that succeeds is said by the account's own process. */
#include "retrieval/door.h"

#include "base/log.h"
#include "retrieval/imap/parse.h"
#include "storage/settings.h"

static void put_capabilities(const struct door_session *s, char *out, size_t size)
{
    char names[DOOR_NAMES_MAX];
    door_sasl_names(s, " AUTH=", "", names);
    snprintf(out, size, "IMAP4rev1 LITERAL+ ID%s%s%s", door_may_start_tls(s) ? " STARTTLS" : "",
        door_may_login(s) ? " SASL-IR" : " LOGINDISABLED", door_may_login(s) ? names : "");
}

void door_imap_greet(struct door_session *s)
{
    char capabilities[256];
    put_capabilities(s, capabilities, sizeof capabilities);
    struct slice host = slice_sub(settings_text(s->door->role->settings, "hostname"), 0, 255);
    door_say(s, "* OK [CAPABILITY %s] %.*s is ready\r\n", capabilities, SLICE_FMT(host));
}

void door_imap_bye(struct door_session *s, const char *text)
{
    door_say(s, "* BYE %s\r\n", text);
}

static const char *tag_of(struct door_session *s)
{
    buf_put_byte(&s->before->tag, 0);
    s->before->tag.n--;
    return (const char *)s->before->tag.p;
}

static void no(struct door_session *s, const char *text)
{
    door_say(s, "%s NO %s\r\n", tag_of(s), text);
}

static void bad(struct door_session *s, const char *text)
{
    if (s->before->tag.n)
        door_say(s, "%s BAD %s\r\n", tag_of(s), text);
    else
        door_say(s, "* BAD %s\r\n", text);
    door_bad(s);
}

void door_imap_refused(struct door_session *s, enum err why)
{
    if (err_is_temporary(why))
        no(s, "[UNAVAILABLE] the login cannot be checked just now; try again in a moment");
    else
        no(s, "[AUTHENTICATIONFAILED] user name or password is wrong");
}

/* --- commands --- */

static void run_capability(struct door_session *s, struct imap_cursor *c)
{
    char capabilities[256];
    (void)c;
    put_capabilities(s, capabilities, sizeof capabilities);
    door_say(s, "* CAPABILITY %s\r\n%s OK CAPABILITY completed\r\n", capabilities, tag_of(s));
}

static void run_noop(struct door_session *s, struct imap_cursor *c)
{
    (void)c;
    door_say(s, "%s OK NOOP completed\r\n", tag_of(s));
}

static void run_logout(struct door_session *s, struct imap_cursor *c)
{
    (void)c;
    door_say(s, "* BYE until next time\r\n%s OK LOGOUT completed\r\n", tag_of(s));
    door_end(s);
}

/* What the client says of itself is not kept. */
static void run_id(struct door_session *s, struct imap_cursor *c)
{
    (void)c;
    door_say(s, "* ID (\"name\" \"Letterlock\")\r\n%s OK ID completed\r\n", tag_of(s));
}

static void run_starttls(struct door_session *s, struct imap_cursor *c)
{
    imap_end(c);
    if (imap_failed(c)) {
        bad(s, "STARTTLS takes no arguments");
    } else if (!door_may_start_tls(s)) {
        bad(s, stream_is_secure(s->client) ? "TLS is active already" : "there is no certificate for TLS");
    } else {
        door_say(s, "%s OK begin TLS now\r\n", tag_of(s));
        door_start_tls(s);
    }
}

static bool check_privacy(struct door_session *s)
{
    if (door_may_login(s))
        return true;
    no(s, "[PRIVACYREQUIRED] a login needs TLS: use port 993, or STARTTLS first");
    door_bad(s);
    return false;
}

static void run_login(struct door_session *s, struct imap_cursor *c)
{
    imap_space(c);
    struct slice user = imap_astring(c);
    imap_space(c);
    struct slice password = imap_astring(c);
    imap_end(c);
    if (imap_failed(c)) {
        bad(s, "LOGIN takes a user name and a password");
    } else if (check_privacy(s)) {
        if (user.n == 0 || user.n > LOGIN_USER_MAX || password.n > LOGIN_PASSWORD_MAX) {
            door_imap_refused(s, ERR_BAD_CREDENTIALS);
            door_bad(s);
        } else {
            door_login(s, user, password);
        }
    }
}

static void say_sasl(struct door_session *s, enum err e)
{
    if (e == ERR_CLOSED) {
        bad(s, "the authentication was cancelled");
    } else if (e == ERR_UNSUPPORTED) {
        no(s, "[CANNOT] this mechanism is not offered");
        door_bad(s);
    } else if (e == ERR_BAD_CREDENTIALS) {
        door_imap_refused(s, e);
        door_bad(s);
    } else if (e) {
        bad(s, "the response is not base64 of what the mechanism needs");
    }
}

static void run_authenticate(struct door_session *s, struct imap_cursor *c)
{
    imap_space(c);
    struct slice mechanism = imap_atom(c);
    bool has_initial = imap_take(c, ' ');
    struct slice initial = has_initial ? slice_from(c->text, c->at) : SLICE_EMPTY;
    if (imap_failed(c))
        bad(s, "AUTHENTICATE takes the name of a mechanism");
    else if (check_privacy(s))
        say_sasl(s, door_sasl_begin(s, mechanism, has_initial, initial));
}

static void run(struct door_session *s, struct slice text)
{
    static const struct {
        const char *name;
        void (*run)(struct door_session *s, struct imap_cursor *c);
    } commands[] = {
        {"AUTHENTICATE", run_authenticate},
        {"CAPABILITY", run_capability},
        {"ID", run_id},
        {"LOGIN", run_login},
        {"LOGOUT", run_logout},
        {"NOOP", run_noop},
        {"STARTTLS", run_starttls},
    };
    struct buf scratch;
    struct imap_cursor c;
    buf_init(&scratch, DOOR_COMMAND_MAX);
    imap_cursor_init(&c, text, &scratch);
    buf_reset(&s->before->tag);
    struct slice tag = imap_tag(&c);
    if (!imap_failed(&c) && tag.n <= IMAP_TAG_MAX)
        buf_put(&s->before->tag, tag);
    imap_space(&c);
    struct slice name = imap_atom(&c);
    void (*found)(struct door_session *, struct imap_cursor *) = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (slice_equal_nocase(name, slice_str(commands[i].name)))
            found = commands[i].run;
    if (imap_failed(&c) || s->before->tag.n == 0)
        bad(s, "a command is a tag, a space and a name");
    else if (!found)
        bad(s, "this command is not known before the login");
    else
        found(s, &c);
    buf_wipe(&scratch);
}

/* --- input --- */

static bool take_literal(struct door_session *s)
{
    struct slice input = stream_input(s->client);
    struct slice piece = slice_sub(input, 0, (size_t)s->before->literal_left);
    if (piece.n == 0)
        return false;
    buf_put(&s->before->command, piece);
    s->before->literal_left -= piece.n;
    stream_consume(s->client, piece.n);
    return true;
}

/* A line that announces a literal: asks for it, or refuses one that would not fit. */
static void begin_literal(struct door_session *s, const struct imap_literal *l)
{
    struct buf *command = &s->before->command;
    buf_put_str(command, "\r\n");
    if (l->size > DOOR_COMMAND_MAX - 1024 || command->n + l->size > DOOR_COMMAND_MAX - 1024) {
        /* Of a non-synchronising literal the bytes are on their way: there is no telling where the next
         * command begins, so the connection ends. */
        door_imap_bye(s, "this literal is too large");
        door_end(s);
        return;
    }
    s->before->literal_left = l->size;
    if (l->is_sync)
        door_say(s, "+ go on\r\n");
}

bool door_imap_input(struct door_session *s)
{
    struct slice line;
    struct imap_literal literal;
    if (s->before->literal_left > 0)
        return take_literal(s);
    enum err e = stream_line(s->client, DOOR_LINE_MAX, true, &line);
    if (e == ERR_AGAIN)
        return false;
    if (e) {
        door_imap_bye(s, e == ERR_TOO_BIG ? "this line is too long" : "this line has bytes that no line may have");
        door_end(s);
        return false;
    }
    buf_put(&s->before->command, line);
    if (!buf_ok(&s->before->command)) {
        door_imap_bye(s, "this command is too long");
        door_end(s);
        return false;
    }
    if (s->state == DOOR_LINES && imap_line_literal(line, &literal)) {
        begin_literal(s, &literal);
        return s->state == DOOR_LINES;
    }
    struct buf command = s->before->command;
    buf_init(&s->before->command, DOOR_COMMAND_MAX);
    if (s->state == DOOR_SASL)
        say_sasl(s, door_sasl_line(s, buf_slice(&command)));
    else
        run(s, buf_slice(&command));
    buf_wipe(&command);
    return true;
}
