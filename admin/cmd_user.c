/* Accounts: letterlock user … */
#include "admin/commands.h"

const struct command cmd_user_add = {
    .name = "user add", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "make an account; shows its recovery code, once",
    .details = "The letters of an account can be opened with its password, its app passwords and its\n"
               "recovery code, and with nothing else: keep the code where a thief will not look.",
    .op = "user.add", .keys = {"address"},
    .secrets = {{.key = "password", .prompt = "Password", .is_new = true}},
};

const struct command cmd_user_list = {
    .name = "user list",
    .summary = "all accounts",
    .op = "user.list",
};

const struct command cmd_user_show = {
    .name = "user show", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "one account and its passwords' labels",
    .op = "user.show", .keys = {"address"},
};

const struct command cmd_user_password = {
    .name = "user password", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "a new password, with the old one or the recovery code",
    .details = "With --password-stdin the first line is the old password (or the recovery code), the\n"
               "second the new one.",
    .op = "user.password", .keys = {"address"},
    .secrets = {
        {.key = "old", .prompt = "Old password, or the recovery code", .is_optional = true},
        {.key = "password", .prompt = "New password", .is_new = true},
    },
};

const struct command cmd_user_recover = {
    .name = "user recover", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "a new password by the recovery code; shows a new code, once",
    .details = "With --password-stdin the first line is the recovery code, the second the new password.",
    .op = "user.recover", .keys = {"address"},
    .secrets = {
        {.key = "code", .prompt = "Recovery code"},
        {.key = "password", .prompt = "New password", .is_new = true},
    },
};

const struct command cmd_user_disable = {
    .name = "user disable", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "nobody logs in any more; letters still come in",
    .op = "user.disable", .keys = {"address"},
};

const struct command cmd_user_enable = {
    .name = "user enable", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "takes back what user disable did",
    .op = "user.enable", .keys = {"address"},
};

const struct command cmd_user_remove = {
    .name = "user remove", .arguments = "ADDRESS", .least = 1, .most = 1,
    .summary = "the account, its mailboxes and letters, for good",
    .op = "user.remove", .keys = {"address"},
    .confirm = "The account goes with all its mailboxes and letters. Nothing brings them back.",
};
