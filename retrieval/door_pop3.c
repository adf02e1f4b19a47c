/* POP3 before the login (RFC 1939 AUTHORIZATION state, RFC 2449 CAPA, RFC 2595 STLS, RFC 5034 AUTH). The
 * +OK of a login that succeeds is said by the account's own process. */
#include "retrieval/door.h"

#include "retrieval/pop3/pop3_words.h"
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
    char names[DOOR_NAMES_MAX];
    (void)argument;
    door_sasl_names(s, " ", "", names);
    door_say(s, "+OK capabilities\r\n" POP3_CAPABILITIES "%s%s%s%s"
        "IMPLEMENTATION Letterlock\r\n.\r\n", door_may_start_tls(s) ? "STLS\r\n" : "",
        door_may_login(s) ? "USER\r\nSASL" : "", door_may_login(s) ? names : "", door_may_login(s) ? "\r\n" : "");
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

static void say_sasl(struct door_session *s, enum err e)
{
    if (e == ERR_CLOSED)
        err(s, "the authentication was cancelled");
    else if (e == ERR_UNSUPPORTED)
        err(s, "this mechanism is not offered");
    else if (e == ERR_BAD_CREDENTIALS)
        err(s, "[AUTH] user name or password is wrong");
    else if (e)
        err(s, "the response is not base64 of what the mechanism needs");
}

static void run_auth(struct door_session *s, struct slice argument)
{
    char names[DOOR_NAMES_MAX] = "";
    struct slice rest = argument;
    struct slice mechanism = slice_cut(&rest, ' ');
    if (argument.n == 0) {
        if (door_may_login(s))
            door_sasl_names(s, "", "\r\n", names);
        door_say(s, "+OK mechanisms\r\n%s.\r\n", names);
    } else if (check_privacy(s)) {
        say_sasl(s, door_sasl_begin(s, mechanism, rest.n > 0, rest));
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

static void run_lang(struct door_session *s, struct slice argument)
{
    const char *answer = pop3_lang(argument);
    if (answer)
        door_say(s, "%s", answer);
    else
        err(s, "this language is not spoken here");
}

/* RFC 6856 section 2. Letters are given as they are in either mode, and names are always UTF-8. */
static void run_utf8(struct door_session *s, struct slice argument)
{
    if (argument.n)
        err(s, "UTF8 takes no arguments");
    else
        door_say(s, "+OK UTF-8 it is\r\n");
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
        {"LANG", run_lang},
        {"NOOP", run_noop},
        {"PASS", run_pass},
        {"QUIT", run_quit},
        {"STLS", run_stls},
        {"USER", run_user},
        {"UTF8", run_utf8},
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
        say_sasl(s, door_sasl_line(s, buf_slice(&copy)));
    else
        run(s, buf_slice(&copy));
    buf_wipe(&copy);
    return true;
}
