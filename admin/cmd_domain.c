/* Domains: letterlock domain … */
#include "admin/commands.h"

const struct command cmd_domain_add = {
    .name = "domain add", .arguments = "DOMAIN [TARGET]", .least = 1, .most = 2,
    .summary = "a domain of this server, or another name for one",
    .op = "domain.add", .keys = {"domain", "target"},
};

const struct command cmd_domain_list = {
    .name = "domain list",
    .summary = "all domains of this server",
    .op = "domain.list",
};

const struct command cmd_domain_remove = {
    .name = "domain remove", .arguments = "DOMAIN", .least = 1, .most = 1,
    .summary = "letters to it are refused from then on",
    .op = "domain.remove", .keys = {"domain"},
    .confirm = "Letters to this domain will be refused.",
};
