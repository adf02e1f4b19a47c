/* App passwords: letterlock app-password … */
#include "admin/commands.h"

static const struct cli_option add_options[] = {
    {"label", "LABEL", "what it is for: \"phone\"", "label", true},
    {"scope", "SCOPES", "some of imap,pop3,smtp; without it all", "scope", false},
    {0},
};

static bool is_smtp_alone(const struct cli *c)
{
    const char *scope = cli_value(c, "scope");
    return scope && strcmp(scope, "smtp") == 0;
}

/* One that may only send opens no letter, so nobody's main password is needed for it. */
static int run_add(struct cli *c)
{
    struct admin_request r = {.op = SLICE("app-password.add")};
    struct admin_reply reply;
    const char *scope = cli_value(c, "scope");
    if (!is_smtp_alone(c) && !scope)
        scope = "imap,pop3,smtp";
    if (!is_smtp_alone(c)) {
        c->values[1] = scope;
        return cli_run_plain(c);
    }
    admin_request_add(&r, "address", slice_str(c->arguments[0]));
    admin_request_add(&r, "label", slice_str(cli_value(c, "label")));
    admin_request_add(&r, "scope", slice_str(scope));
    return cli_ask(c, &r, &reply) ? cli_print(c, &reply) : CLI_FAILED;
}

const struct command cmd_app_password_add = {
    .name = "app-password add", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "a password for one device; shown once",
    .details = "The main password is asked for, because it opens the keys that the new one shall open\n"
               "too; not for scope smtp alone, which opens none.",
    .op = "app-password.add", .keys = {"address"}, .options = add_options,
    .secrets = {{.key = "password", .prompt = "Main password of the account"}},
    .run = run_add,
};

const struct command cmd_app_password_list = {
    .name = "app-password list", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "labels, scopes and last use",
    .op = "app-password.list", .keys = {"address"},
};

static const struct cli_option revoke_options[] = {
    {"label", "LABEL", "which one", "label", true},
    {0},
};

const struct command cmd_app_password_revoke = {
    .name = "app-password revoke", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "it opens nothing any more",
    .op = "app-password.revoke", .keys = {"address"}, .options = revoke_options,
};
