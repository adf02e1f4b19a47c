/* letterlock verify: is what is stored whole? While a server runs the databases are read beside it, over a
 * snapshot, and nobody waits. With an account's password its letters are opened too, seal by seal. */
#include "admin/commands.h"
#include "admin/mail_link.h"
#include "admin/progress.h"
#include "storage/inspect.h"

/* ---- the databases ---- */

static void on_progress(void *ctx, const char *file, uint64_t done, uint64_t all)
{
    (void)done;
    (void)all;
    progress_note(ctx, file);
}

/* With a store alive, ours or the server's. */
static bool ask(struct cli *c, const char *op, struct admin_reply *out)
{
    struct admin_request r = {.op = slice_str(op)};
    return cli_ask(c, &r, out);
}

static int print_findings(struct cli *c, enum err e, const struct buf *text, const struct buf *json)
{
    struct admin_reply reply = {.err = e, .text = buf_slice(text), .json = buf_slice(json), .fd = -1};
    if (e && e != ERR_DAMAGED)
        return cli_fail(c, "the databases cannot be read: %s", err_text(e));
    if (e && !c->is_json)
        fprintf(stderr, "letterlock: something is not in order; verify --repair mends what can be mended\n");
    return cli_print(c, &reply);
}

static int verify_databases(struct cli *c)
{
    struct inspection *i;
    struct progress p;
    struct buf text, json;
    buf_init(&text, 64 * 1024);
    buf_init(&json, 64 * 1024);
    progress_begin(&p, c, "checking");
    enum err e = inspection_open(link_folder(c->link), on_progress, &p, &i);
    if (e == ERR_OK) {
        e = inspection_verify(i, &text, &json);
        inspection_close(i);
    }
    progress_end(&p);
    int status = print_findings(c, e, &text, &json);
    buf_clear(&text);
    buf_clear(&json);
    return status;
}

/* ---- an account's seals ---- */

struct opening {
    struct progress progress;
    const char *mailbox;
    uint64_t letters, bytes;
    uint64_t in_mailbox, whole;     /* what is listed, and what came whole */
};

static void on_counted(void *ctx, struct slice line)
{
    struct opening *o = ctx;
    struct slice items;
    if (mail_fetch_items(line, &items) && mail_item(items, "UID").p)
        o->in_mailbox++;
}

static void on_opened(void *ctx, struct slice line)
{
    struct opening *o = ctx;
    struct slice items;
    uint64_t size;
    if (!mail_fetch_items(line, &items) || !slice_to_u64(mail_item(items, "RFC822.SIZE"), UINT64_MAX, &size))
        return;
    struct slice letter = mail_item(items, "BODY[");
    o->letters++;
    o->bytes += letter.n;
    o->whole += letter.p && letter.n == size && mail_item(items, "ENVELOPE").p;
    progress_at(&o->progress, o->letters, o->mailbox);
}

static enum err open_mailbox(struct mail_link *l, struct opening *o, const char *name)
{
    struct buf command;
    buf_init(&command, 64 * 1024);
    buf_put_str(&command, "EXAMINE ");
    mail_put_name(&command, slice_str(name));
    o->mailbox = name;
    o->in_mailbox = o->whole = 0;
    enum err e = mail_command(l, buf_slice(&command), NULL, NULL);
    buf_clear(&command);
    if (e == ERR_OK)
        e = mail_command(l, SLICE("UID FETCH 1:* (UID)"), on_counted, o);
    if (e == ERR_OK && o->in_mailbox > 0)
        e = mail_command(l, SLICE("UID FETCH 1:* (RFC822.SIZE ENVELOPE BODY.PEEK[])"), on_opened, o);
    return e == ERR_DENIED ? ERR_OK : e; /* what is damaged did not come, and is counted so */
}

static int print_opening(struct cli *c, const struct opening *o, uint64_t damaged)
{
    printf(c->is_json ? "{\"letters\":%llu,\"bytes\":%llu,\"damaged\":%llu}\n"
                      : "%llu letters opened (%llu bytes), %llu damaged\n",
        (unsigned long long)o->letters, (unsigned long long)o->bytes, (unsigned long long)damaged);
    return damaged ? CLI_FAILED : CLI_DONE;
}

static int verify_account(struct cli *c, const char *address)
{
    struct mail_link *l;
    struct opening o = {0};
    char **names = NULL;
    size_t n = 0;
    uint64_t damaged = 0;
    int status = mail_link_open(c, address, &l);
    if (status != CLI_DONE)
        return status;
    progress_begin(&o.progress, c, "opened");
    enum err e = mail_list(l, &names, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = open_mailbox(l, &o, names[i]);
        if (e || o.in_mailbox <= o.whole)
            continue;
        damaged += o.in_mailbox - o.whole;
        if (!c->is_json)
            fprintf(stderr, "letterlock: %s: %llu of %llu letters are damaged\n", names[i],
                (unsigned long long)(o.in_mailbox - o.whole), (unsigned long long)o.in_mailbox);
    }
    progress_end(&o.progress);
    status = e ? cli_fail(c, "%s", err_text(e)) : print_opening(c, &o, damaged);
    mail_list_free(names, n);
    mail_link_close(l);
    return status;
}

static int run(struct cli *c)
{
    struct admin_reply reply;
    const char *address = cli_value(c, "account");
    if (address && cli_value(c, "repair"))
        return cli_misused(c, "--repair mends databases, --account opens letters: one at a time");
    if (address)
        return verify_account(c, address);
    if (!ask(c, cli_value(c, "repair") ? "repair" : "status", &reply))
        return CLI_FAILED;
    if (reply.err || cli_value(c, "repair"))
        return cli_print(c, &reply);
    return verify_databases(c);
}

static const struct cli_option options[] = {
    {"repair", NULL, "count anew, and let go what belongs to nobody", NULL, false},
    {"account", "ADDRESS", "instead, open every letter of this account with its password", NULL, false},
    {0},
};

const struct command cmd_verify = {
    .name = "verify",
    .summary = "is what is stored whole? Nobody waits meanwhile",
    .details = "Reads everything and exits 1 when something is not in order. --repair makes counters and references\n"
               "anew; what is lost comes back only from a backup. Seals can be checked with a password alone.",
    .secrets = {{.key = "password", .prompt = "Password of the account"}},
    .options = options, .run = run,
};
