/* letterlock status, verify, version, help. */
#include "admin/commands.h"

const struct command cmd_status = {
    .name = "status",
    .summary = "what runs, where it listens, how much it holds",
    .op = "status",
};

const struct command cmd_verify = {
    .name = "verify",
    .summary = "checks the databases; reads everything",
    .op = "verify",
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

static int run_help(struct cli *c)
{
    char name[64];
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
    .run = run_help,
};
