/* letterlock setup: from nothing to a server that can be started, in one command; by flags, or asking on
 * a terminal. It only asks the roles for what the other commands ask for, and may be repeated: what is
 * there already stays. */
#include "admin/commands.h"
#include "base/json.h"
#include "base/secret.h"
#include "net/tls.h"

#define ANSWER_MAX 512

static const struct cli_option options[] = {
    {"hostname", "NAME", "the name of this machine in the DNS, for example mail.example.org", NULL, false},
    {"domain", "NAME", "the domain of the addresses, for example example.org", NULL, false},
    {"account", "ADDRESS", "the first account, for example anna@example.org", NULL, false},
    {0},
};

#define SIGNING_MAX 65536

struct setup {
    struct buf host;
    struct buf domain;
    struct buf account;
    char *password;       /* locked memory */
    char *unused;         /* the second secret's place */
    struct buf notes;     /* what was there already */
    struct buf recovery;  /* what user add said */
    struct buf user_json;
    struct buf signing;   /* the DNS records of the keys that sign */
};

/* ---- answers ---- */

static bool take_value(const struct cli *c, const char *option, const char *prompt, const char *preset,
    struct buf *out)
{
    const char *value = cli_value(c, option);
    if (value) {
        buf_put_str(out, value);
        return out->n > 0;
    }
    if (c->is_yes || !secret_is_terminal()) {
        cli_misused(c, "setup needs --%s", option);
        return false;
    }
    if (terminal_ask(prompt, preset, out) && slice_trim(buf_slice(out)).n > 0)
        return true;
    cli_misused(c, "setup needs to know: %s", prompt);
    return false;
}

/* "example.org" of "mail.example.org". */
static void guess_domain(const struct setup *s, struct buf *out)
{
    struct slice host = buf_slice(&s->host), rest = host;
    slice_cut(&rest, '.');
    bool has_more = slice_find_byte(rest, '.') < rest.n;
    buf_put(out, has_more ? rest : host);
    buf_put_byte(out, '\0');
}

static int take_answers(struct cli *c, struct setup *s)
{
    char *secrets[CLI_SECRETS_MAX] = {s->password, s->unused};
    struct buf preset;
    buf_init(&preset, ANSWER_MAX);
    bool is_good = take_value(c, "hostname", "Name of this machine in the DNS", NULL, &s->host);
    if (is_good) {
        guess_domain(s, &preset);
        is_good = take_value(c, "domain", "Domain of the addresses", (const char *)preset.p, &s->domain);
    }
    if (is_good)
        is_good = take_value(c, "account", "First account (an address of that domain)", NULL, &s->account);
    buf_clear(&preset);
    return is_good ? secret_read(c, c->command->secrets, secrets) : CLI_MISUSED;
}

/* ---- steps ---- */

/* One request; ERR_EXISTS is borne with a note. */
static int step(struct cli *c, struct setup *s, const struct admin_request *r, const char *note,
    struct buf *text, struct buf *json)
{
    struct admin_reply reply;
    if (!cli_ask(c, r, &reply))
        return CLI_FAILED;
    if (reply.err == ERR_EXISTS && note) {
        buf_printf(&s->notes, "%s\n", note);
        return CLI_DONE;
    }
    if (reply.err)
        return cli_print(c, &reply);
    if (text)
        buf_put(text, reply.text);
    if (json)
        buf_put(json, reply.json);
    return CLI_DONE;
}

static int set_setting(struct cli *c, struct setup *s, const char *name, struct slice value)
{
    struct admin_request r = {.op = SLICE("config.set")};
    admin_request_add(&r, "name", slice_str(name));
    admin_request_add(&r, "value", value);
    return step(c, s, &r, NULL, NULL, NULL);
}

static int add_domain(struct cli *c, struct setup *s)
{
    struct admin_request r = {.op = SLICE("domain.add")};
    admin_request_add(&r, "domain", buf_slice(&s->domain));
    return step(c, s, &r, "The domain was here already.", NULL, NULL);
}

/* Those who repeat a set-up keep the keys they have. */
static int make_signing_keys(struct cli *c, struct setup *s)
{
    struct admin_reply reply;
    struct slice domain = buf_slice(&s->domain);
    if (!dkim_records(c, domain, &reply))
        return CLI_FAILED;
    if (slice_find(reply.json, SLICE("{")) == SIZE_MAX &&
        (!dkim_make_keys(c, domain) || !dkim_records(c, domain, &reply)))
        return CLI_FAILED;
    buf_put(&s->signing, reply.text);
    return CLI_DONE;
}

static int add_user(struct cli *c, struct setup *s)
{
    struct admin_request r = {.op = SLICE("user.add")};
    admin_request_add(&r, "address", buf_slice(&s->account));
    admin_request_add(&r, "password", slice_str(s->password));
    return step(c, s, &r, "The account was here already; its password stays as it was.", &s->recovery,
        &s->user_json);
}

/* RFC 5321 section 4.5.1: who takes mail takes it for postmaster. */
static int add_postmaster(struct cli *c, struct setup *s)
{
    struct admin_request r = {.op = SLICE("alias.add")};
    struct buf address;
    buf_init(&address, 2 * ANSWER_MAX);
    buf_printf(&address, "postmaster@%.*s", SLICE_FMT(s->domain));
    int status = CLI_DONE;
    if (!slice_equal_nocase(buf_slice(&address), buf_slice(&s->account))) {
        admin_request_add(&r, "address", buf_slice(&address));
        admin_request_add(&r, "target", buf_slice(&s->account));
        status = step(c, s, &r, "The address postmaster was here already.", NULL, NULL);
    }
    buf_clear(&address);
    return status;
}

static bool has_certificate(struct cli *c)
{
    struct admin_request r = {.op = SLICE("cert.show")};
    struct admin_reply reply;
    return cli_ask(c, &r, &reply) && reply.err == ERR_OK && slice_find(reply.json, SLICE("{")) != SIZE_MAX;
}

static int set_certificate(struct cli *c, struct setup *s, struct slice chain, struct slice key)
{
    struct admin_request r = {.op = SLICE("cert.set")};
    admin_request_add(&r, "host", SLICE(""));
    admin_request_add(&r, "chain", chain);
    admin_request_add(&r, "key", key);
    return step(c, s, &r, NULL, NULL, NULL);
}

static int make_certificate(struct cli *c, struct setup *s)
{
    struct buf chain, key;
    if (has_certificate(c)) {
        buf_put_str(&s->notes, "The certificate was here already.\n");
        return CLI_DONE;
    }
    buf_init(&chain, 16384);
    buf_init(&key, 16384);
    bool for_loopback = slice_equal(buf_slice(&s->host), SLICE("localhost"));
    enum err e = tls_self_signed(buf_slice(&s->host), for_loopback, &chain, &key);
    int status = e ? cli_fail(c, "a certificate for %.*s cannot be made: %s", SLICE_FMT(s->host),
                         err_text(e))
                   : set_certificate(c, s, buf_slice(&chain), buf_slice(&key));
    buf_clear(&chain);
    buf_wipe(&key);
    return status;
}

/* An interrupted set-up may be repeated; one for somebody else on a folder that is in use may not. */
static int check_unused(struct cli *c, struct setup *s)
{
    struct admin_request r = {.op = SLICE("account.list")};
    struct admin_reply reply;
    struct buf same;
    if (!cli_ask(c, &r, &reply) || reply.err != ERR_OK)
        return CLI_DONE; /* the steps that follow say what is wrong */
    buf_init(&same, 1024);
    buf_put_str(&same, "\"address\":\"");
    buf_put(&same, buf_slice(&s->account));
    buf_put_byte(&same, '"');
    bool is_used = slice_find(reply.json, SLICE("\"address\"")) != SIZE_MAX;
    bool is_same = slice_find(reply.json, buf_slice(&same)) != SIZE_MAX;
    buf_clear(&same);
    if (is_used && !is_same)
        return cli_fail(c, "this data folder is set up already; see `letterlock user add` and `domain add`");
    return CLI_DONE;
}

static int run_steps(struct cli *c, struct setup *s)
{
    int status = check_unused(c, s);
    if (status == CLI_DONE)
        status = set_setting(c, s, "hostname", buf_slice(&s->host));
    if (status == CLI_DONE)
        status = set_setting(c, s, "domain", buf_slice(&s->domain));
    if (status == CLI_DONE)
        status = add_domain(c, s);
    if (status == CLI_DONE)
        status = make_signing_keys(c, s);
    if (status == CLI_DONE)
        status = make_certificate(c, s);
    if (status == CLI_DONE)
        status = add_user(c, s);
    if (status == CLI_DONE)
        status = add_postmaster(c, s);
    return status;
}

/* ---- what comes next ---- */

static void print_dns(const struct setup *s)
{
    struct slice host = buf_slice(&s->host), domain = buf_slice(&s->domain);
    printf("Publish these DNS records, where the domain is managed:\n\n"
           "  %.*s.  A     the IPv4 address of this machine (AAAA for IPv6, if it has one)\n"
           "  %.*s.  MX    10 %.*s.\n"
           "  %.*s.  TXT   \"v=spf1 mx -all\"\n\n",
        SLICE_FMT(host), SLICE_FMT(domain), SLICE_FMT(host), SLICE_FMT(domain));
    printf("The first says where the machine is, the second that letters for %.*s go there, the third\n"
           "that nobody else sends for it. Ask your provider to point the address back to %.*s too.\n"
           "These two let others check who signed a letter (`letterlock domain dkim show` repeats them):\n\n"
           "%.*s\n",
        SLICE_FMT(domain), SLICE_FMT(host), SLICE_FMT(s->signing));
}

static void print_people(const struct cli *c, const struct setup *s)
{
    printf("%.*s%.*s", SLICE_FMT(s->notes), SLICE_FMT(s->recovery));
    printf("\nWhat comes next:\n\n"
           "1. Start it:  letterlock --data %s serve\n"
           "2. Mail programs log in as %.*s: IMAP at %.*s port 993 (or POP3 at 995), sending at port\n"
           "   465, all with TLS.\n"
           "3. The certificate is self-signed: mail programs will warn until you put a real one in\n"
           "   with: letterlock cert set --cert FILE --key FILE\n"
           "4. Mail to postmaster@%.*s, which every domain must take, comes to this account too.\n\n",
        c->folder, SLICE_FMT(s->account), SLICE_FMT(s->host), SLICE_FMT(s->domain));
    if (!slice_equal(buf_slice(&s->host), SLICE("localhost")))
        print_dns(s);
}

static void print_json(const struct cli *c, const struct setup *s)
{
    struct buf out;
    buf_init(&out, 65536);
    struct json j = json_of(&out);
    json_object(&j, NULL);
    json_text(&j, "folder", slice_str(c->folder));
    json_text(&j, "hostname", buf_slice(&s->host));
    json_text(&j, "domain", buf_slice(&s->domain));
    buf_put_str(&out, ",\"account\":");
    buf_put(&out, s->user_json.n ? buf_slice(&s->user_json) : SLICE("null"));
    json_end(&j);
    printf("%.*s\n", SLICE_FMT(out));
    buf_wipe(&out);
}

/* ---- the whole ---- */

static int run_with(struct cli *c, struct setup *s)
{
    int status = take_answers(c, s);
    if (status == CLI_DONE)
        status = run_steps(c, s);
    if (status != CLI_DONE)
        return status;
    if (c->is_json)
        print_json(c, s);
    else
        print_people(c, s);
    return CLI_DONE;
}

static int run(struct cli *c)
{
    struct setup s = {.password = secret_new(CLI_SECRET_BYTES_MAX),
        .unused = secret_new(CLI_SECRET_BYTES_MAX)};
    ENSURE(s.password && s.unused);
    buf_init(&s.host, ANSWER_MAX);
    buf_init(&s.domain, ANSWER_MAX);
    buf_init(&s.signing, SIGNING_MAX);
    buf_init(&s.account, ANSWER_MAX);
    buf_init(&s.notes, 1024);
    buf_init(&s.recovery, 4096);
    buf_init(&s.user_json, 4096);
    int status = run_with(c, &s);
    secret_free(s.password, CLI_SECRET_BYTES_MAX);
    secret_free(s.unused, CLI_SECRET_BYTES_MAX);
    buf_clear(&s.host);
    buf_clear(&s.domain);
    buf_clear(&s.signing);
    buf_clear(&s.account);
    buf_clear(&s.notes);
    buf_wipe(&s.recovery);
    buf_wipe(&s.user_json);
    return status;
}

const struct command cmd_setup = {
    .name = "setup",
    .summary = "the first step: keys, domain, account, certificate",
    .details = "Asks on a terminal for what no option gives; with --yes it never asks. May be repeated:\n"
               "what is there already stays as it is.",
    .options = options,
    .secrets = {{.key = "password", .prompt = "Password of the account", .is_new = true}},
    .makes_folder = true,
    .run = run,
};
