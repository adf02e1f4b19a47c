/* Domains: letterlock domain … */
#include "admin/commands.h"

/* The domain, then the keys that sign its letters; without them (interrupted) its letters go unsigned until
 * `domain dkim rotate`. */
static int run_add(struct cli *c)
{
    struct slice domain = slice_str(c->arguments[0]);
    struct admin_request r = {.op = SLICE("domain.add")};
    struct admin_reply reply;
    admin_request_add(&r, "domain", domain);
    if (c->arguments[1])
        admin_request_add(&r, "target", slice_str(c->arguments[1]));
    if (!cli_ask(c, &r, &reply))
        return CLI_FAILED;
    if (reply.err != ERR_OK)
        return cli_print(c, &reply);
    if (!dkim_make_keys(c, domain) || !dkim_records(c, domain, &reply))
        return CLI_FAILED;
    return cli_print(c, &reply);
}

const struct command cmd_domain_add = {
    .name = "domain add", .arguments = "DOMAIN [TARGET]", .least = 1, .most = 2,
    .summary = "a domain of this server, or another name for one",
    .details = "Makes the keys that sign its letters, too, and shows the DNS records to publish for them.",
    .run = run_add,
};

const struct command cmd_dns = {
    .name = "dns", .arguments = "[DOMAIN]", .most = 1,
    .summary = "the DNS records to publish, as a zone file has them",
    .details = "MX, SPF, DMARC, DKIM and the records by which mail programs find the server; of all domains, or of one.",
    .op = "dns.list", .keys = {"domain"},
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
