/* letterlock import: letters from Maildirs and mboxes into an account. */
#include "admin/commands.h"
#include "admin/known_letters.h"
#include "admin/mail_link.h"
#include "admin/mail_source.h"
#include "admin/progress.h"
#include "base/clock.h"
#include "base/json.h"

#define REFUSED_SHOWN_MAX 1000

struct import {
    struct cli *c;
    struct mail_link *link;
    struct known_letters known;
    struct progress progress;
    const char *top;            /* --folder, or NULL */
    struct buf folder;          /* the mailbox that letters go to */
    uint64_t seen, sent, imported, present, refused;
    char **origins;             /* of the letters on their way, by number % MAIL_APPEND_SLOTS; owned */
    struct buf complaints;      /* JSON objects, comma between them */
    enum err err;               /* the session is lost */
};

static void complain(struct import *m, const char *origin, struct slice why)
{
    struct json j = json_of(&m->complaints);
    m->refused++;
    if (m->refused > REFUSED_SHOWN_MAX)
        return;
    if (!m->c->is_json)
        fprintf(stderr, "letterlock: %s: %.*s\n", origin, SLICE_FMT(why));
    if (m->complaints.n > 0)
        buf_put_byte(&m->complaints, ',');
    json_object(&j, NULL);
    json_text(&j, "origin", slice_str(origin));
    json_text(&j, "reason", why);
    json_end(&j);
}

static void on_bad(void *ctx, const char *origin, const char *why)
{
    complain(ctx, origin, slice_str(why));
}

static void on_appended(void *ctx, uint64_t number, struct slice why)
{
    struct import *m = ctx;
    if (why.n > 0)
        complain(m, m->origins[number % MAIL_APPEND_SLOTS], why);
    else
        m->imported++;
}

/* ---- folders ---- */

static void put_folder(struct import *m, struct slice name)
{
    buf_reset(&m->folder);
    if (m->top)
        buf_put_str(&m->folder, m->top);
    if (m->top && name.n > 0 && m->folder.n > 0)
        buf_put_byte(&m->folder, '/');
    buf_put(&m->folder, name);
    if (m->folder.n == 0)
        buf_put_str(&m->folder, "INBOX");
}

/* One that is there already is as good. */
static enum err make_mailbox(struct import *m)
{
    struct buf command;
    buf_init(&command, 64 * 1024);
    buf_put_str(&command, "CREATE ");
    mail_put_name(&command, buf_slice(&m->folder));
    enum err e = mail_command(m->link, buf_slice(&command), NULL, NULL);
    if (e == ERR_OK) {
        buf_reset(&command);
        buf_put_str(&command, "SUBSCRIBE ");
        mail_put_name(&command, buf_slice(&m->folder));
        e = mail_command(m->link, buf_slice(&command), NULL, NULL);
    }
    buf_clear(&command);
    return e == ERR_DENIED ? ERR_OK : e;
}

static bool on_folder(void *ctx, struct slice name)
{
    struct import *m = ctx;
    m->err = mail_append_finish(m->link);
    put_folder(m, name);
    if (!m->err && !slice_equal_nocase(buf_slice(&m->folder), SLICE("INBOX")))
        m->err = make_mailbox(m);
    if (!m->err)
        m->err = known_letters_read(&m->known, m->link, buf_slice(&m->folder));
    return m->err == ERR_OK;
}

/* ---- letters ---- */

static bool on_letter(void *ctx, const struct source_letter *l)
{
    struct import *m = ctx;
    char where[64];
    snprintf(where, sizeof where, "%.*s", SLICE_FMT(buf_slice(&m->folder)));
    progress_at(&m->progress, ++m->seen, where);
    if (l->letter.n == 0) {
        complain(m, l->origin, SLICE("it is empty"));
        return true;
    }
    if (known_letters_take(&m->known, l->letter)) {
        m->present++;
        return true;
    }
    uint64_t number = m->sent++;
    struct mail_append a = {.number = number, .mailbox = buf_slice(&m->folder), .flags = l->flags, .date = l->date,
        .letter = l->letter};
    m->err = mail_append_room(m->link, on_appended, m);
    if (m->err)
        return false;
    free(m->origins[number % MAIL_APPEND_SLOTS]);
    m->origins[number % MAIL_APPEND_SLOTS] = mem_strdup(slice_str(l->origin));
    m->err = mail_append(m->link, &a, on_appended, m);
    return m->err == ERR_OK;
}

static void print_result(struct import *m)
{
    struct buf out;
    if (!m->c->is_json) {
        printf("%llu letters imported, %llu were there already, %llu refused\n", (unsigned long long)m->imported,
            (unsigned long long)m->present, (unsigned long long)m->refused);
        return;
    }
    buf_init(&out, 4096);
    struct json j = json_of(&out);
    json_object(&j, NULL);
    json_unsigned(&j, "imported", m->imported);
    json_unsigned(&j, "present", m->present);
    json_unsigned(&j, "refused", m->refused);
    printf("%.*s,\"complaints\":[%.*s]}\n", SLICE_FMT(out), SLICE_FMT(m->complaints));
    buf_clear(&out);
}

static int import_all(struct import *m, const char *path)
{
    static const struct mail_source_events events = {.on_folder = on_folder, .on_letter = on_letter, .on_bad = on_bad};
    enum err e = mail_source_walk(path, &events, m);
    if (e == ERR_SYNTAX)
        return cli_fail(m->c, "%s is neither a folder nor an mbox (which begins with \"From \")", path);
    if (e)
        return cli_fail(m->c, "%s: %s", path, err_text(e));
    if (!m->err)
        m->err = mail_append_finish(m->link);
    progress_end(&m->progress);
    if (m->err)
        return cli_fail(m->c, "the import ended early (%s) after %llu letters; the same command goes on from there",
            err_text(m->err), (unsigned long long)m->imported);
    print_result(m);
    return m->refused ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *c)
{
    struct import m = {.c = c, .top = cli_value(c, "folder")};
    int status = mail_link_open(c, c->arguments[0], &m.link);
    if (status != CLI_DONE)
        return status;
    buf_init(&m.folder, 16 * 1024);
    buf_init(&m.complaints, 16u << 20);
    m.origins = mem_new(MAIL_APPEND_SLOTS * sizeof *m.origins);
    progress_begin(&m.progress, c, "imported");
    status = import_all(&m, c->arguments[1]);
    for (size_t i = 0; i < MAIL_APPEND_SLOTS; i++)
        free(m.origins[i]);
    free(m.origins);
    buf_clear(&m.folder);
    buf_clear(&m.complaints);
    known_letters_clear(&m.known);
    mail_link_close(m.link);
    return status;
}

static const struct cli_option options[] = {
    {"folder", "NAME", "put the letters of the top there instead of INBOX, and other folders below", NULL, false},
    {0},
};

const struct command cmd_import = {
    .name = "import", .arguments = "ADDRESS PATH", .least = 2, .most = 2,
    .summary = "letters from a Maildir, an mbox, or a folder of them",
    .details = "Flags, dates and folders are kept. PATH is a Maildir (with its .Folder.Sub), an mbox, or a folder\n"
               "of Maildirs and mboxes. Letters that a mailbox holds already are passed over, so an import may be\n"
               "repeated, and one that was interrupted goes on. The password (or an app password for imap) opens\n"
               "the account: only with it the letters can be sealed into its folders.",
    .secrets = {{.key = "password", .prompt = "Password of the account, or an app password"}},
    .options = options, .run = run,
};
