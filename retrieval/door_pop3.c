/* POP3 before the login (RFC 1939 AUTHORIZATION state, RFC 2449 CAPA, RFC 2595 STLS, RFC 5034 AUTH). The
 * +OK of a login that succeeds is said by the account's own process. */
#include "retrieval/door.h"

#include "storage/settings.h"

void door_pop3_greet(struct door_session *s)
{
    struct slice host = slice_sub(settings_text(s->door->role->settings, "hostname"), 0, 255);
    door_say(s, "+OK %.*s is ready\r\n", SLICE_FMT(host));
}

void door_pop3_bye(struct door_session *s, const char *text)
{
    door_say(s, "-ERR %s\r\n", text);
}

static void err(struct door_session *s, const char *text)
{
    door_say(s, "-ERR %s\r\n", text);
    door_bad(s);
}

void door_pop3_refused(struct door_session *s, enum err why)
{
    if (err_is_temporary(why))
        door_say(s, "-ERR [SYS/TEMP] the login cannot be checked just now; try again in a moment\r\n");
    else
        door_say(s, "-ERR [AUTH] user name or password is wrong\r\n");
}

static bool check_privacy(struct door_session *s)
{
    if (door_may_login(s))
        return true;
    err(s, "[AUTH] a login needs TLS: use port 995, or STLS first");
    return false;
}

static void run_capa(struct door_session *s, struct slice argument)
{
    (void)argument;
    door_say(s, "+OK capabilities\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n%s%s"
        "IMPLEMENTATION Letterlock\r\n.\r\n", door_may_start_tls(s) ? "STLS\r\n" : "",
        door_may_login(s) ? "USER\r\nSASL PLAIN LOGIN\r\n" : "");
}

static void run_user(struct door_session *s, struct slice argument)
{
    if (!check_privacy(s))
        return;
    if (argument.n == 0 || argument.n > LOGIN_USER_MAX) {
        err(s, "USER takes the name of an account");
        return;
    }
    buf_reset(&s->before->user);
    buf_put(&s->before->user, argument);
    door_say(s, "+OK now PASS\r\n");
}

static void run_pass(struct door_session *s, struct slice argument)
{
    if (!check_privacy(s))
        return;
    if (s->before->user.n == 0) {
        err(s, "USER comes first");
    } else if (argument.n > LOGIN_PASSWORD_MAX) {
        door_pop3_refused(s, ERR_BAD_CREDENTIALS);
        door_bad(s);
    } else {
        door_login(s, buf_slice(&s->before->user), argument);
    }
}

static void sasl_answer(struct door_session *s, enum err e)
{
    if (e == ERR_SYNTAX || e == ERR_TOO_BIG) {
        err(s, "the response is not base64 of what the mechanism needs");
    } else if (e) {
        door_pop3_refused(s, e);
        door_bad(s);
    } else if (s->state != DOOR_ASKING) {
        door_say(s, "+ UGFzc3dvcmQ6\r\n"); /* LOGIN: "Password:" */
        s->state = DOOR_SASL;
    }
}

static void sasl_response(struct door_session *s, struct slice base64)
{
    s->state = DOOR_LINES;
    if (slice_equal(base64, SLICE("*"))) {
        err(s, "the authentication was cancelled");
        return;
    }
    sasl_answer(s, s->before->sasl == DOOR_SASL_PLAIN ? door_sasl_plain(s, base64) : door_sasl_login(s, base64));
}

static void run_auth(struct door_session *s, struct slice argument)
{
    struct slice rest = argument;
    struct slice mechanism = slice_cut(&rest, ' ');
    bool is_plain = slice_equal_nocase(mechanism, SLICE("PLAIN"));
    if (argument.n == 0) {
        door_say(s, "+OK mechanisms\r\n%s.\r\n", door_may_login(s) ? "PLAIN\r\nLOGIN\r\n" : "");
    } else if (!is_plain && !slice_equal_nocase(mechanism, SLICE("LOGIN"))) {
        err(s, "this mechanism is not offered");
    } else if (check_privacy(s)) {
        s->before->sasl = is_plain ? DOOR_SASL_PLAIN : DOOR_SASL_LOGIN_USER;
        if (rest.n) {
            sasl_response(s, slice_equal(rest, SLICE("=")) ? SLICE_EMPTY : rest);
        } else {
            door_say(s, is_plain ? "+ \r\n" : "+ VXNlcm5hbWU6\r\n"); /* LOGIN: "Username:" */
            s->state = DOOR_SASL;
        }
    }
}

static void run_stls(struct door_session *s, struct slice argument)
{
    if (argument.n) {
        err(s, "STLS takes no arguments");
    } else if (!door_may_start_tls(s)) {
        err(s, stream_is_secure(s->client) ? "TLS is active already" : "there is no certificate for TLS");
    } else {
        door_say(s, "+OK begin TLS now\r\n");
        door_start_tls(s);
    }
}

static void run_quit(struct door_session *s, struct slice argument)
{
    (void)argument;
    door_say(s, "+OK until next time\r\n");
    door_end(s);
}

static void run_noop(struct door_session *s, struct slice argument)
{
    (void)argument;
    door_say(s, "+OK\r\n");
}

static void run(struct door_session *s, struct slice line)
{
    static const struct {
        const char *name;
        void (*run)(struct door_session *s, struct slice argument);
    } commands[] = {
        {"AUTH", run_auth},
        {"CAPA", run_capa},
        {"NOOP", run_noop},
        {"PASS", run_pass},
        {"QUIT", run_quit},
        {"STLS", run_stls},
        {"USER", run_user},
    };
    struct slice argument = line;
    struct slice name = slice_cut(&argument, ' ');
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (slice_equal_nocase(name, slice_str(commands[i].name))) {
            commands[i].run(s, argument);
            return;
        }
    }
    err(s, "this command is not known before the login");
}

bool door_pop3_input(struct door_session *s)
{
    struct slice line;
    enum err e = stream_line(s->client, DOOR_LINE_MAX, true, &line);
    if (e == ERR_AGAIN)
        return false;
    if (e) {
        door_pop3_bye(s, e == ERR_TOO_BIG ? "this line is too long" : "this line has bytes that no line may have");
        door_end(s);
        return false;
    }
    /* The line lives until the stream is next used, which answering does. */
    struct buf copy;
    buf_init(&copy, DOOR_LINE_MAX);
    buf_put(&copy, line);
    if (s->state == DOOR_SASL)
        sasl_response(s, buf_slice(&copy));
    else
        run(s, buf_slice(&copy));
    buf_wipe(&copy);
    return true;
}
