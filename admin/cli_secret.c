/* Passwords from a terminal, without echo, or from stdin; never from arguments or the environment. */
#include <errno.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "admin/cli.h"
#include "base/secret.h"

bool secret_is_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Byte by byte, so that nothing of the next line is taken and no buffer of stdio keeps a copy. Without
 * the line end. ERR_NOT_FOUND: end of input before any byte; ERR_TOO_BIG; ERR_SYNTAX: a NUL, behind which
 * nothing would be looked at. */
static enum err read_line(char *out, size_t size)
{
    size_t n = 0;
    bool has_more = true;
    while (has_more) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0 && n == 0)
            return ERR_NOT_FOUND;
        has_more = got == 1 && c != '\n';
        if (!has_more)
            break;
        if (n + 1 >= size)
            return ERR_TOO_BIG;
        if (c == '\0')
            return ERR_SYNTAX;
        out[n++] = c;
    }
    if (n > 0 && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
    return ERR_OK;
}

static struct termios g_shown; /* for the handler: how the terminal was before it was hidden */

/* Ctrl-C at the prompt must not leave a terminal that shows nothing. */
static void on_deadly_signal(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &g_shown);
    raise(number); /* by its default action: SA_RESETHAND */
}

static const int deadly_signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
#define DEADLY_SIGNALS (sizeof deadly_signals / sizeof *deadly_signals)

static void catch_signals(struct sigaction before[DEADLY_SIGNALS])
{
    struct sigaction a = {.sa_handler = on_deadly_signal, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < DEADLY_SIGNALS; i++)
        sigaction(deadly_signals[i], &a, &before[i]);
}

static void release_signals(const struct sigaction before[DEADLY_SIGNALS])
{
    for (size_t i = 0; i < DEADLY_SIGNALS; i++)
        sigaction(deadly_signals[i], &before[i], NULL);
}

static enum err ask_hidden(const char *prompt, char *out, size_t size)
{
    struct termios hidden;
    struct sigaction before[DEADLY_SIGNALS];
    if (tcgetattr(STDIN_FILENO, &g_shown) != 0)
        return ERR_IO;
    hidden = g_shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    /* Before the prompt: what is typed in answer to it is neither shown nor thrown away. */
    catch_signals(before);
    enum err e = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 ? ERR_OK : ERR_IO;
    if (e == ERR_OK) {
        fprintf(stderr, "%s: ", prompt);
        e = read_line(out, size);
    }
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &g_shown) != 0)
        e = ERR_IO;
    release_signals(before);
    fprintf(stderr, "\n");
    return e;
}

static size_t count_of(const struct cli_secret *wanted)
{
    size_t n = 0;
    while (n < CLI_SECRETS_MAX && wanted[n].key)
        n++;
    return n;
}

static int complain(const struct cli *c, const struct cli_secret *s, enum err e)
{
    if (e == ERR_TOO_BIG)
        return cli_fail(c, "%s: longer than %d bytes", s->prompt, CLI_SECRET_BYTES_MAX - 1);
    if (e == ERR_SYNTAX)
        return cli_fail(c, "%s: a NUL byte cannot be part of it", s->prompt);
    return cli_fail(c, "%s: nothing was given", s->prompt);
}

static int ask_one(const struct cli *c, const struct cli_secret *s, char *value)
{
    char *again = secret_new(CLI_SECRET_BYTES_MAX);
    ENSURE(again != NULL);
    enum err e = ask_hidden(s->prompt, value, CLI_SECRET_BYTES_MAX);
    bool is_same = true;
    if (e == ERR_OK && s->is_new) {
        e = ask_hidden("The same again", again, CLI_SECRET_BYTES_MAX);
        is_same = e == ERR_OK && strcmp(value, again) == 0;
    }
    secret_free(again, CLI_SECRET_BYTES_MAX);
    if (e)
        return complain(c, s, e);
    if (!is_same)
        return cli_fail(c, "the two are not the same");
    if (!value[0] && !s->is_optional)
        return complain(c, s, ERR_NOT_FOUND);
    return CLI_DONE;
}

/* As many lines as there are; with fewer than secrets, they are the last ones. */
static int read_lines(const struct cli *c, const struct cli_secret *wanted, size_t n,
    char *values[CLI_SECRETS_MAX])
{
    size_t got = 0, missing;
    while (got < n) {
        enum err e = read_line(values[got], CLI_SECRET_BYTES_MAX);
        if (e == ERR_NOT_FOUND)
            break;
        if (e)
            return complain(c, &wanted[got], e);
        got++;
    }
    missing = n - got;
    for (size_t i = n; missing > 0 && i-- > 0;)
        memcpy(values[i], i >= missing ? values[i - missing] : "", i >= missing ? CLI_SECRET_BYTES_MAX : 1);
    for (size_t i = 0; i < n; i++)
        if (!values[i][0] && !wanted[i].is_optional)
            return complain(c, &wanted[i], ERR_NOT_FOUND);
    return CLI_DONE;
}

int secret_read(const struct cli *c, const struct cli_secret *wanted, char *values[CLI_SECRETS_MAX])
{
    size_t n = count_of(wanted);
    if (n == 0)
        return CLI_DONE;
    if (c->has_password_stdin)
        return read_lines(c, wanted, n, values);
    if (!secret_is_terminal())
        return cli_misused(c, "%s asks for a password: use a terminal, or --password-stdin",
            c->command->name);
    for (size_t i = 0; i < n; i++) {
        int status = ask_one(c, &wanted[i], values[i]);
        if (status != CLI_DONE)
            return status;
    }
    return CLI_DONE;
}

bool terminal_ask(const char *prompt, const char *preset, struct buf *out)
{
    char line[512];
    fprintf(stderr, preset && *preset ? "%s [%s]: " : "%s: ", prompt, preset ? preset : "");
    if (read_line(line, sizeof line) != ERR_OK)
        return false;
    buf_put_str(out, line[0] || !preset ? line : preset);
    return true;
}
