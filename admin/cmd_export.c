/* letterlock export: an account's letters as Maildirs or mboxes. */
#include <errno.h>
#include <time.h>

#include "admin/commands.h"
#include "admin/export_target.h"
#include "admin/mail_link.h"
#include "admin/progress.h"
#include "base/json.h"

#define BATCH_LETTERS 200
#define SET_BYTES 4000

struct listed {
    uint32_t uid;
    int64_t date;
    char *flags;            /* owned */
};

struct export {
    struct cli *c;
    struct mail_link *link;
    const struct export_format *format;
    struct export_target *target;
    struct progress progress;
    const char *mailbox;
    uint32_t uidvalidity;
    struct listed *list;    /* of the mailbox */
    size_t n, cap;
    uint64_t exported, present, gone;
    enum err err;
};

static int64_t date_parse(struct slice text)
{
    char copy[64];
    struct tm tm = {0};
    snprintf(copy, sizeof copy, "%.*s", SLICE_FMT(slice_trim(text)));
    if (!strptime(copy, "%d-%b-%Y %H:%M:%S %z", &tm))
        return 0;
    long zone = tm.tm_gmtoff;
    return (int64_t)timegm(&tm) - zone;
}

/* FLAGS, INTERNALDATE and UID of a FETCH. False: it has none. */
static bool letter_parse(struct slice items, struct export_letter *out)
{
    uint64_t uid;
    struct slice flags = mail_item(items, "FLAGS");
    if (!slice_to_u64(mail_item(items, "UID"), UINT32_MAX, &uid) || flags.n < 2)
        return false;
    *out = (struct export_letter){.uid = (uint32_t)uid, .flags = slice_sub(flags, 1, flags.n - 2),
        .date = date_parse(mail_item(items, "INTERNALDATE")), .letter = mail_item(items, "BODY[")};
    return true;
}

static void list_clear(struct export *x)
{
    for (size_t i = 0; i < x->n; i++)
        free(x->list[i].flags);
    x->n = 0;
}

static void on_listed(void *ctx, struct slice line)
{
    struct export *x = ctx;
    struct export_letter l;
    struct slice items;
    if (!mail_fetch_items(line, &items) || !letter_parse(items, &l))
        return;
    if (x->n == x->cap) {
        x->cap = x->cap * 2 + 1024;
        x->list = mem_resize(x->list, x->cap * sizeof *x->list);
    }
    x->list[x->n++] = (struct listed){l.uid, l.date, mem_strdup(l.flags)};
}

static void on_examined(void *ctx, struct slice line)
{
    struct export *x = ctx;
    uint64_t value;
    size_t at = slice_find_nocase(line, SLICE("[UIDVALIDITY "));
    if (at == SIZE_MAX)
        return;
    struct slice rest = slice_from(line, at + 13);
    if (slice_to_u64(slice_cut(&rest, ']'), UINT32_MAX, &value))
        x->uidvalidity = (uint32_t)value;
}

static void on_letter(void *ctx, struct slice line)
{
    struct export *x = ctx;
    struct export_letter l;
    struct slice items;
    if (x->err || !mail_fetch_items(line, &items) || !letter_parse(items, &l) || !l.letter.p)
        return;
    x->err = x->format->put(x->target, &l);
    x->exported += x->err == ERR_OK;
    progress_at(&x->progress, x->exported, x->mailbox);
}

/* Puts UIDs from *inout_at on that are not there yet into the command, as ranges; how many. */
static size_t put_set(struct export *x, size_t *inout_at, struct buf *out)
{
    size_t n = 0, i = *inout_at;
    uint32_t first = 0, last = 0;
    for (; i < x->n && n < BATCH_LETTERS && out->n < SET_BYTES; i++) {
        const struct listed *k = &x->list[i];
        struct export_letter l = {.uid = k->uid, .date = k->date, .flags = slice_str(k->flags)};
        if (x->format->has(x->target, &l)) {
            x->present++;
            continue;
        }
        if (first && k->uid != last + 1) {
            buf_printf(out, "%u:%u,", first, last);
            first = 0;
        }
        first = first ? first : k->uid;
        last = k->uid;
        n++;
    }
    if (first)
        buf_printf(out, "%u:%u", first, last);
    *inout_at = i;
    return n;
}

static enum err export_letters(struct export *x)
{
    struct buf command;
    enum err e = ERR_OK;
    buf_init(&command, 64 * 1024);
    for (size_t i = 0; i < x->n && e == ERR_OK;) {
        buf_reset(&command);
        buf_put_str(&command, "UID FETCH ");
        uint64_t before = x->exported;
        size_t n = put_set(x, &i, &command);
        if (n == 0)
            continue;
        buf_put_str(&command, " (UID FLAGS INTERNALDATE BODY.PEEK[])");
        e = mail_command(x->link, buf_slice(&command), on_letter, x);
        if (e == ERR_DENIED) /* a damaged letter: the others came */
            e = ERR_OK;
        if (e == ERR_OK)
            e = x->err;
        x->gone += n - (x->exported - before);
        if (e == ERR_OK)
            e = x->format->flush(x->target);
    }
    buf_clear(&command);
    return e;
}

static enum err export_mailbox(struct export *x, const char *name)
{
    struct buf command;
    list_clear(x);
    x->mailbox = name;
    buf_init(&command, 64 * 1024);
    buf_put_str(&command, "EXAMINE ");
    mail_put_name(&command, slice_str(name));
    enum err e = mail_command(x->link, buf_slice(&command), on_examined, x);
    buf_clear(&command);
    if (e == ERR_DENIED)
        return ERR_OK; /* it was deleted meanwhile */
    if (e == ERR_OK)
        e = mail_command(x->link, SLICE("UID FETCH 1:* (UID FLAGS INTERNALDATE)"), on_listed, x);
    if (e == ERR_OK)
        e = x->format->begin(x->target, slice_str(name), x->uidvalidity);
    if (e == ERR_OK)
        e = export_letters(x);
    if (e == ERR_OK)
        e = x->format->end(x->target);
    return e;
}

static bool is_wanted(const struct export *x, const char *name)
{
    const char *only = cli_value(x->c, "folder");
    struct slice rest = slice_str(name);
    if (!only || strcmp(only, name) == 0)
        return true;
    return slice_starts(rest, slice_str(only)) && rest.p[strlen(only)] == '/';
}

static int print_result(const struct export *x, size_t mailboxes)
{
    if (mailboxes == 0)
        return cli_fail(x->c, "there is no mailbox %s", cli_value(x->c, "folder"));
    printf(x->c->is_json ? "{\"mailboxes\":%zu,\"exported\":%llu,\"present\":%llu,\"missing\":%llu}\n"
                         : "%zu mailboxes: %llu letters exported, %llu were there already, %llu could not be read\n",
        mailboxes, (unsigned long long)x->exported, (unsigned long long)x->present, (unsigned long long)x->gone);
    return x->gone ? CLI_FAILED : CLI_DONE;
}

static int export_all(struct export *x)
{
    char **names;
    size_t n, done = 0;
    enum err e = mail_list(x->link, &names, &n);
    if (e)
        return cli_fail(x->c, "the mailboxes cannot be listed: %s", err_text(e));
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (!is_wanted(x, names[i]))
            continue;
        e = export_mailbox(x, names[i]);
        done += e == ERR_OK;
    }
    progress_end(&x->progress);
    int status = e ? cli_fail(x->c, "%s: %s; the same command goes on from there", x->mailbox, err_text(e))
                   : print_result(x, done);
    mail_list_free(names, n);
    return status;
}

static const struct export_format *format_find(const struct cli *c)
{
    static const struct export_format *const formats[] = {&export_maildir, &export_mbox};
    const char *wanted = cli_value(c, "format");
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(wanted ? wanted : "maildir", formats[i]->name) == 0)
            return formats[i];
    return NULL;
}

static int run(struct cli *c)
{
    struct export x = {.c = c, .format = format_find(c)};
    if (!x.format)
        return cli_misused(c, "--format is maildir or mbox");
    enum err e = export_mkdir(c->arguments[1]);
    if (e)
        return cli_fail(c, "%s: %s", c->arguments[1], err_text(e));
    int status = mail_link_open(c, c->arguments[0], &x.link);
    if (status != CLI_DONE)
        return status;
    x.target = x.format->open(c->arguments[1]);
    progress_begin(&x.progress, c, "exported");
    status = export_all(&x);
    x.format->close(x.target);
    list_clear(&x);
    free(x.list);
    mail_link_close(x.link);
    return status;
}

static const struct cli_option options[] = {
    {"format", "FORMAT", "maildir (with .Folder.Sub, the default) or mbox (Folder/Sub.mbox)", NULL, false},
    {"folder", "NAME", "only this mailbox and those below it", NULL, false},
    {0},
};

const struct command cmd_export = {
    .name = "export", .arguments = "ADDRESS FOLDER", .least = 2, .most = 2,
    .summary = "an account's letters as Maildirs or mboxes, in clear",
    .details = "Flags, dates and folders are kept. What an earlier export to FOLDER has written is not written again,\n"
               "so one that was interrupted goes on, and a later one adds what came since. Only the owner may read the\n"
               "files; nothing seals them.",
    .secrets = {{.key = "password", .prompt = "Password of the account, or an app password"}},
    .options = options, .run = run,
};
