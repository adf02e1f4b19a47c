/* Failed logins: letterlock why-blocked, letterlock unblock */
#include "admin/commands.h"

const struct command cmd_why_blocked = {
    .name = "why-blocked", .arguments = "ADDRESS|IP", .least = 1, .most = 1,
    .summary = "what failed logins are held against an account or a network",
    .details = "Networks are counted as /24 (IPv4) and /64 (IPv6). A network is never refused for an account that\n"
               "has logged in from it.",
    .op = "login.why", .keys = {"name"},
};

const struct command cmd_unblock = {
    .name = "unblock", .arguments = "ADDRESS|IP", .least = 1, .most = 1,
    .summary = "forget the failed logins of an account or a network",
    .op = "login.unblock", .keys = {"name"},
};
