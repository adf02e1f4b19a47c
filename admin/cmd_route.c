/* Where letters for others go: letterlock route … */
#include "admin/commands.h"

static const struct cli_option add_options[] = {
    {"tls", "MODE", "may (if it is offered), none, must, verify (and the certificate is right), implicit (TLS from"
        " the first byte, verified)", "tls", false},
    {"user", "NAME", "log in there as NAME; the password is asked for, or read with --password-stdin", "user", false},
    {0},
};

static int run_add(struct cli *c)
{
    struct admin_request r = {.op = SLICE("route.add")};
    struct admin_reply reply;
    admin_request_add(&r, "destination", slice_str(c->arguments[0]));
    admin_request_add(&r, "host", slice_str(c->arguments[1]));
    if (cli_value(c, "tls"))
        admin_request_add(&r, "tls", slice_str(cli_value(c, "tls")));
    return cli_ask(c, &r, &reply) ? cli_print(c, &reply) : CLI_FAILED;
}

static int run(struct cli *c)
{
    return cli_value(c, "user") ? cli_run_plain(c) : run_add(c);
}

const struct command cmd_route_add = {
    .name = "route add", .arguments = "DESTINATION HOST:PORT", .least = 2, .most = 2,
    .summary = "letters for DESTINATION go to HOST",
    .details = "DESTINATION is a domain, or \"*\": all that have no route of their own (the smarthost). Letters that\n"
        "wait take the new way at once.",
    .options = add_options, .op = "route.add", .keys = {"destination", "host"},
    .secrets = {{"password", "Password at the other server", false, false}},
    .run = run,
};

const struct command cmd_relay_check = {
    .name = "relay check", .arguments = "[DOMAIN]", .most = 1,
    .summary = "whether letters to DOMAIN would go: connects, tries TLS and the login, sends nothing",
    .details = "Without DOMAIN: the smarthost. The server must be running.",
    .op = "relay.check", .keys = {"domain"},
};

const struct command cmd_route_list = {
    .name = "route list",
    .summary = "all routes",
    .op = "route.list",
};

const struct command cmd_route_remove = {
    .name = "route remove", .arguments = "DESTINATION", .least = 1, .most = 1,
    .summary = "letters for DESTINATION go to its own servers again",
    .op = "route.remove", .keys = {"destination"},
};
