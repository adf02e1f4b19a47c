/* Keys that sign letters: letterlock domain dkim … */
#include <time.h>

#include "admin/commands.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "net/sign_key.h"

#define SELECTOR_BYTES 40

static void put_selector(enum sign_algorithm a, char out[SELECTOR_BYTES])
{
    time_t now = (time_t)clock_wall();
    struct tm day = {0};
    char date[16] = "";
    if (gmtime_r(&now, &day) && strftime(date, sizeof date, "%Y%m%d", &day) == 0)
        date[0] = '\0';
    snprintf(out, SELECTOR_BYTES, "%s-%s-%04x", a == SIGN_RSA_SHA256 ? "rsa" : "ed", date,
        (unsigned)(random_u64() & 0xffff));
}

static bool add_key(struct cli *c, struct slice domain, enum sign_algorithm a, struct slice pem, struct slice public)
{
    struct admin_request r = {.op = SLICE("dkim.add")};
    struct admin_reply reply;
    char selector[SELECTOR_BYTES];
    put_selector(a, selector);
    admin_request_add(&r, "domain", domain);
    admin_request_add(&r, "selector", slice_str(selector));
    admin_request_add(&r, "algorithm", slice_str(sign_algorithm_name(a)));
    admin_request_add(&r, "public", public);
    admin_request_add(&r, "key", pem);
    if (!cli_ask(c, &r, &reply))
        return false;
    if (reply.err == ERR_OK)
        return true;
    cli_print(c, &reply);
    return false;
}

static bool make_key(struct cli *c, struct slice domain, enum sign_algorithm a)
{
    struct buf pem, raw, public;
    bool done = false;
    buf_init(&pem, SIGN_PEM_MAX);
    buf_init(&raw, SIGN_PEM_MAX);
    buf_init(&public, 2 * SIGN_PEM_MAX);
    enum err e = sign_key_make(a, &pem, &raw);
    base64_put(&public, buf_slice(&raw));
    if (e)
        cli_fail(c, "a key cannot be made: %s", err_text(e));
    else
        done = add_key(c, domain, a, buf_slice(&pem), buf_slice(&public));
    buf_wipe(&pem);
    buf_clear(&raw);
    buf_clear(&public);
    return done;
}

bool dkim_make_keys(struct cli *c, struct slice domain)
{
    return make_key(c, domain, SIGN_RSA_SHA256) && make_key(c, domain, SIGN_ED25519_SHA256);
}

bool dkim_records(struct cli *c, struct slice domain, struct admin_reply *out)
{
    struct admin_request r = {.op = SLICE("dkim.list")};
    admin_request_add(&r, "domain", domain);
    return cli_ask(c, &r, out);
}

static int run_rotate(struct cli *c)
{
    struct slice domain = slice_str(c->arguments[0]);
    struct admin_reply reply;
    if (!dkim_make_keys(c, domain) || !dkim_records(c, domain, &reply))
        return CLI_FAILED;
    return cli_print(c, &reply);
}

const struct command cmd_dkim_rotate = {
    .name = "domain dkim rotate", .arguments = "DOMAIN", .least = 1, .most = 1,
    .summary = "new keys that sign the domain's letters (DKIM)",
    .details = "Makes an RSA and an Ed25519 key and shows the records to publish. The first keys of a domain sign at\n"
        "once. Later ones wait until `domain dkim activate DOMAIN`: publish their records first, and leave the old\n"
        "ones published for a week after, for letters still on their way. Keys retired before are removed.",
    .run = run_rotate,
};

const struct command cmd_dkim_activate = {
    .name = "domain dkim activate", .arguments = "DOMAIN", .least = 1, .most = 1,
    .summary = "the keys that wait sign from now on, those that signed are retired",
    .op = "dkim.activate", .keys = {"domain"},
};

const struct command cmd_dkim_show = {
    .name = "domain dkim show", .arguments = "[DOMAIN]", .most = 1,
    .summary = "the records of all keys, as a zone file has them",
    .op = "dkim.list", .keys = {"domain"},
};
