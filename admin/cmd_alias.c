/* Aliases: letterlock alias … */
#include "admin/commands.h"

const struct command cmd_alias_add = {
    .name = "alias add", .arguments = "ADDRESS TARGET...", .least = 2, .most = CLI_ARGUMENTS_MAX,
    .summary = "letters to ADDRESS go to the targets",
    .details = "ADDRESS may be \"@DOMAIN\": then it takes what no other address of the domain takes.",
    .op = "alias.add", .keys = {"address", "target"},
};

const struct command cmd_alias_list = {
    .name = "alias list",
    .summary = "all aliases and their targets",
    .op = "alias.list",
};

const struct command cmd_alias_remove = {
    .name = "alias remove", .arguments = "ADDRESS [TARGET...]", .least = 1, .most = CLI_ARGUMENTS_MAX,
    .summary = "an alias, or some of its targets",
    .op = "alias.remove", .keys = {"address", "target"},
};
