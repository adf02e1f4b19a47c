/* Parsing of the command line and the way of an ordinary command; see cli.h. */
#include "admin/cli.h"

#include <unistd.h>

#include <stdarg.h>

#include "admin/commands.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"

/* ---- saying what is wrong ---- */

static void say(const struct cli *c, const char *format, va_list arguments)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "letterlock: %s\n", text);
    if (!c->is_json)
        return;
    struct buf out;
    buf_init(&out, 3 * sizeof text + 64);
    struct json j = json_of(&out);
    json_object(&j, NULL);
    json_text(&j, "error", slice_str(text));
    json_end(&j);
    printf("%.*s\n", SLICE_FMT(out));
    buf_clear(&out);
}

int cli_fail(const struct cli *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(c, format, arguments);
    va_end(arguments);
    return CLI_FAILED;
}

int cli_misused(const struct cli *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(c, format, arguments);
    va_end(arguments);
    return CLI_MISUSED;
}

/* ---- parsing ---- */

/* How many words of argv make up the command's name; 0: they do not. */
static size_t words_match(const char *name, char **words, size_t n)
{
    struct slice rest = slice_str(name);
    size_t used = 0;
    while (rest.n > 0) {
        struct slice word = slice_cut(&rest, ' ');
        if (used == n || !slice_equal(word, slice_str(words[used])))
            return 0;
        used++;
    }
    return used;
}

static const struct command *command_find(char **words, size_t n, size_t *out_used)
{
    const struct command *found = NULL;
    *out_used = 0;
    for (size_t i = 0; i < cli_command_count; i++) {
        size_t used = words_match(cli_commands[i]->name, words, n);
        if (used > *out_used) {
            *out_used = used;
            found = cli_commands[i];
        }
    }
    return found;
}

static bool has_secrets(const struct command *m)
{
    return m->secrets[0].key != NULL;
}

/* The place of an option in the descriptor; -1: none. text is without dashes, up to "=". */
static int option_find(const struct command *m, struct slice text)
{
    for (int i = 0; m->options && m->options[i].name; i++)
        if (slice_equal(text, slice_str(m->options[i].name)))
            return i;
    return -1;
}

/* Options that every command has. */
static bool global_option(struct cli *c, struct slice name, const char *value, bool *out_took_value)
{
    *out_took_value = false;
    if (slice_equal(name, SLICE("json"))) {
        c->is_json = true;
    } else if (slice_equal(name, SLICE("yes"))) {
        c->is_yes = true;
    } else if (slice_equal(name, SLICE("data")) && value) {
        c->folder = value;
        *out_took_value = true;
    } else {
        return false;
    }
    return true;
}

/* The one option that may come several times. */
static bool listen_parse(struct cli *c, const char *value)
{
    enum err e = listen_set_add(&c->listeners, value);
    if (e == ERR_LIMIT)
        cli_misused(c, "there are more than %d sockets to listen on", ROLE_LISTENERS_MAX);
    else if (e)
        cli_misused(c, "--listen %s: write NAME=ADDR:PORT; see letterlock serve --help", value);
    return e == ERR_OK;
}

/* argv[i] begins with "--". Returns how many words it took; 0: misused, and said so. */
static int option_parse(struct cli *c, const char *word, const char *next)
{
    struct slice rest = slice_str(word + 2);
    bool has_value = slice_find_byte(rest, '=') < rest.n;
    struct slice name = slice_cut(&rest, '=');
    const char *value = has_value ? (const char *)rest.p : next;
    bool took_value = false;
    if (c->command && has_secrets(c->command) && slice_equal(name, SLICE("password-stdin"))) {
        c->has_password_stdin = true;
    } else if (!global_option(c, name, value, &took_value)) {
        int i = c->command ? option_find(c->command, name) : -1;
        if (slice_equal(name, SLICE("data"))) {
            cli_misused(c, "--data needs a value: DIR");
            return 0;
        }
        if (i < 0) {
            cli_misused(c, "there is no option --%.*s%s%s", SLICE_FMT(name),
                c->command ? " of " : "", c->command ? c->command->name : "");
            return 0;
        }
        took_value = c->command->options[i].value != NULL;
        if (took_value && !value) {
            cli_misused(c, "--%.*s needs a value: %s", SLICE_FMT(name), c->command->options[i].value);
            return 0;
        }
        c->values[i] = took_value ? value : "";
        if (took_value && slice_equal(name, SLICE("listen")) && !listen_parse(c, value))
            return 0;
    }
    if (has_value && !took_value) {
        cli_misused(c, "--%.*s takes no value", SLICE_FMT(name));
        return 0;
    }
    return took_value && !has_value ? 2 : 1;
}

/* Options and arguments behind the command's name. */
static int rest_parse(struct cli *c, char **words, size_t n)
{
    bool only_arguments = false;
    for (size_t i = 0; i < n;) {
        if (!only_arguments && strcmp(words[i], "--") == 0) {
            only_arguments = true;
            i++;
        } else if (!only_arguments && slice_starts(slice_str(words[i]), SLICE("--"))) {
            int took = option_parse(c, words[i], i + 1 < n ? words[i + 1] : NULL);
            if (took == 0)
                return CLI_MISUSED;
            i += (size_t)took;
        } else {
            if (c->argument_count == CLI_ARGUMENTS_MAX)
                return cli_misused(c, "there are more than %d arguments", CLI_ARGUMENTS_MAX);
            c->arguments[c->argument_count++] = words[i++];
        }
    }
    return CLI_DONE;
}

static int check_use(const struct cli *c)
{
    const struct command *m = c->command;
    if (c->argument_count < m->least || c->argument_count > m->most)
        return cli_misused(c, "it is used like this: letterlock %s%s%s", m->name,
            m->arguments ? " " : "", m->arguments ? m->arguments : "");
    for (size_t i = 0; m->options && m->options[i].name; i++)
        if (m->options[i].is_needed && !c->values[i])
            return cli_misused(c, "%s needs --%s %s", m->name, m->options[i].name, m->options[i].value);
    return CLI_DONE;
}

static bool wants_help(char **words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i], "--") == 0)
            return false;
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return true;
    }
    return false;
}

static int unknown_command(const struct cli *c, char **words, size_t n)
{
    char name[64];
    bool is_family = false;
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice first = slice_str(cli_commands[i]->name);
        is_family = is_family || slice_equal(slice_cut(&first, ' '), slice_str(words[0]));
    }
    if (is_family && n == 1) {
        cli_misused(c, "%s needs to know what to do:", words[0]);
        help_of(words[0]);
        return CLI_MISUSED;
    }
    const char *near = NULL;
    snprintf(name, sizeof name, "%s", words[0]);
    if (n > 1 && words[1][0] != '-') {
        snprintf(name, sizeof name, "%s %s", words[0], words[1]);
        near = help_nearest(name);
    }
    if (!near && !is_family) {
        snprintf(name, sizeof name, "%s", words[0]);
        near = help_nearest(name);
    }
    if (near)
        return cli_misused(c, "there is no command \"%s\"; did you mean \"%s\"?", name, near);
    return cli_misused(c, "there is no command \"%s\"; letterlock help lists them all", name);
}

/* Options before the command's name. Returns how many words they took; SIZE_MAX: misused. */
static size_t leading_options(struct cli *c, char **words, size_t n)
{
    size_t i = 0;
    while (i < n && slice_starts(slice_str(words[i]), SLICE("--"))) {
        int took = option_parse(c, words[i], i + 1 < n ? words[i + 1] : NULL);
        if (took == 0)
            return SIZE_MAX;
        i += (size_t)took;
    }
    return i;
}

static int help_asked(struct cli *c, char **words, size_t n)
{
    size_t used;
    while (n > 0 && slice_starts(slice_str(words[0]), SLICE("-"))) {
        bool has_value = strcmp(words[0], "--data") == 0 && n > 1;
        words += has_value ? 2 : 1;
        n -= has_value ? 2 : 1;
    }
    if (n == 0) {
        help_overview();
        return CLI_DONE;
    }
    const struct command *m = command_find(words, n, &used);
    if (m || help_of(words[0]))
        return m && !help_of(m->name) ? CLI_FAILED : CLI_DONE;
    return unknown_command(c, words, n);
}

static int command_run(struct cli *c, char **words, size_t n)
{
    size_t used;
    c->command = command_find(words, n, &used);
    if (!c->command)
        return unknown_command(c, words, n);
    int status = rest_parse(c, words + used, n - used);
    if (status == CLI_DONE)
        status = check_use(c);
    if (status != CLI_DONE)
        return status;
    if (!c->folder)
        c->folder = c->default_folder = data_folder_default();
    if (!c->folder)
        return cli_misused(c, "where is the data folder? Give --data DIR, or set HOME");
    return c->command->run ? c->command->run(c) : cli_run_plain(c);
}

int cli_main(int argc, char **argv)
{
    struct cli c = {0};
    char **words = argv + (argc > 0);
    size_t n = argc > 1 ? (size_t)argc - 1 : 0;
    log_init("letterlock", LOG_WARNING);
    clock_init();
    if (argc > 0 && sendmail_is_name(argv[0]))
        return sendmail_main(argc, argv);
    if (secret_init() != ERR_OK)
        return cli_fail(&c, "no memory for keys can be had");
    if (wants_help(words, n))
        return help_asked(&c, words, n);
    size_t used = leading_options(&c, words, n);
    if (used == SIZE_MAX)
        return CLI_MISUSED;
    if (used == n) {
        dup2(STDERR_FILENO, STDOUT_FILENO); /* it was not asked for: standard output stays empty */
        help_overview();
        return CLI_MISUSED;
    }
    int status = command_run(&c, words + used, n - used);
    link_close(c.link);
    free(c.default_folder);
    if (fflush(stdout) != 0 && status == CLI_DONE)
        status = CLI_FAILED;
    return status;
}

/* ---- running ---- */

const char *cli_value(const struct cli *c, const char *option)
{
    int i = option_find(c->command, slice_str(option));
    ENSURE(i >= 0);
    return c->values[i];
}

bool cli_ask(struct cli *c, const struct admin_request *r, struct admin_reply *out)
{
    struct buf why;
    enum err e = ERR_OK;
    buf_init(&why, 1024);
    if (!c->link) {
        e = link_open(c->folder, c->command->makes_folder, &c->link, &why);
        if (e)
            cli_fail(c, "%.*s", SLICE_FMT(why));
    }
    buf_clear(&why);
    if (e)
        return false;
    e = link_ask(c->link, r, out);
    if (e == ERR_TOO_BIG)
        cli_fail(c, "the command is longer than the server takes");
    else if (e)
        cli_fail(c, "the server gave no answer: %s", err_text(e));
    return e == ERR_OK;
}

int cli_print(const struct cli *c, const struct admin_reply *r)
{
    struct slice text = r->text;
    if (c->is_json)
        printf("%.*s\n", SLICE_FMT(r->json.n ? r->json : SLICE("{}")));
    if (r->err == ERR_OK) {
        if (!c->is_json)
            printf("%.*s", SLICE_FMT(text));
        if (!c->is_json && text.n > 0 && text.p[text.n - 1] != '\n')
            printf("\n");
        return CLI_DONE;
    }
    text = slice_trim(text.n ? text : slice_str(err_text(r->err)));
    fprintf(stderr, "letterlock: %.*s\n", SLICE_FMT(text));
    return CLI_FAILED;
}

static bool is_confirmed(const struct cli *c)
{
    struct buf answer;
    if (!c->command->confirm || c->is_yes)
        return true;
    if (!secret_is_terminal())
        return false;
    buf_init(&answer, 64);
    printf("%s\n", c->command->confirm);
    bool agreed = terminal_ask("Type yes to go on", NULL, &answer) &&
                  slice_equal(slice_trim(buf_slice(&answer)), SLICE("yes"));
    buf_clear(&answer);
    return agreed;
}

static void fill_request(const struct cli *c, struct admin_request *r)
{
    const struct command *m = c->command;
    const char *key = NULL;
    for (size_t i = 0; i < c->argument_count; i++) {
        if (i < sizeof m->keys / sizeof m->keys[0] && m->keys[i])
            key = m->keys[i];
        ENSURE(key != NULL);
        admin_request_add(r, key, slice_str(c->arguments[i]));
    }
    for (size_t i = 0; m->options && m->options[i].name; i++)
        if (m->options[i].key && c->values[i])
            admin_request_add(r, m->options[i].key, slice_str(c->values[i]));
}

static int ask_with_secrets(struct cli *c, char *secrets[CLI_SECRETS_MAX])
{
    struct admin_request r = {.op = slice_str(c->command->op)};
    struct admin_reply reply;
    int status = secret_read(c, c->command->secrets, secrets);
    if (status != CLI_DONE)
        return status;
    fill_request(c, &r);
    for (size_t i = 0; i < CLI_SECRETS_MAX && c->command->secrets[i].key; i++)
        if (secrets[i][0])
            admin_request_add(&r, c->command->secrets[i].key, slice_str(secrets[i]));
    return cli_ask(c, &r, &reply) ? cli_print(c, &reply) : CLI_FAILED;
}

int cli_run_plain(struct cli *c)
{
    char *secrets[CLI_SECRETS_MAX];
    if (!is_confirmed(c))
        return cli_misused(c, "%s asks first: %s Give --yes to agree", c->command->name,
            c->command->confirm);
    for (size_t i = 0; i < CLI_SECRETS_MAX; i++) {
        secrets[i] = secret_new(CLI_SECRET_BYTES_MAX);
        ENSURE(secrets[i] != NULL);
    }
    int status = ask_with_secrets(c, secrets);
    for (size_t i = 0; i < CLI_SECRETS_MAX; i++)
        secret_free(secrets[i], CLI_SECRET_BYTES_MAX);
    return status;
}
