/* letterlock status, version, help. */
#include "admin/commands.h"

static int run_status(struct cli *c)
{
    int status = cli_run_plain(c);
    return c->link && !link_is_server(c->link) ? CLI_FAILED : status;
}

const struct command cmd_status = {
    .name = "status",
    .summary = "what runs, where it listens, how much it holds",
    .details = "Exits 1 when no server runs; what it holds is said all the same.",
    .op = "status", .run = run_status,
};

static int run_version(struct cli *c)
{
    printf(c->is_json ? "{\"version\":\"%s\"}\n" : "letterlock %s\n", LETTERLOCK_VERSION);
    return CLI_DONE;
}

const struct command cmd_version = {
    .name = "version",
    .summary = "which Letterlock this is",
    .run = run_version,
};

static const struct cli_option help_options[] = {
    {"format", "FORMAT", "man: the manual page; bash, zsh, fish: the shell's completion", NULL, false},
    {0},
};

static int run_help(struct cli *c)
{
    char name[64];
    const char *format = cli_value(c, "format");
    if (format)
        return help_format(format) ? CLI_DONE
                                   : cli_misused(c, "--format is one of man, bash, zsh and fish");
    if (c->argument_count == 0) {
        help_overview();
        return CLI_DONE;
    }
    snprintf(name, sizeof name, "%s%s%s", c->arguments[0], c->argument_count > 1 ? " " : "",
        c->argument_count > 1 ? c->arguments[1] : "");
    if (help_of(name))
        return CLI_DONE;
    const char *near = help_nearest(name);
    return cli_misused(c, "there is no command \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
        near ? near : "", near ? "\"?" : "");
}

const struct command cmd_help = {
    .name = "help", .arguments = "[COMMAND]", .least = 0, .most = 2,
    .summary = "this list, or one command explained",
    .options = help_options, .run = run_help,
};
