/* letterlock doctor: what is wrong, and what to do about it. It changes nothing. Each check says one line;
 * the exit status is 1 when any of them is bad. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "admin/commands.h"
#include "base/clock.h"
#include "base/json.h"

#define CERTIFICATE_SOON_S (21 * 86400)
#define ROOM_BAD_BYTES (100ULL << 20)
#define ROOM_SMALL_BYTES (1ULL << 30)
#define BUILT_YEAR_S 1735689600         /* 2025: no clock that is right is before it */

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_BAD };

struct doctor {
    struct cli *c;
    struct buf text;
    struct buf json;
    struct json j;
    unsigned warnings, bad;
};

/* remedy: NULL when nothing is to be done. */
static void found(struct doctor *d, enum verdict v, const char *check, const char *what, const char *remedy)
{
    static const char *const words[] = {"ok  ", "warn", "BAD "};
    static const char *const names[] = {"ok", "warn", "bad"};
    d->warnings += v == VERDICT_WARN;
    d->bad += v == VERDICT_BAD;
    buf_printf(&d->text, "%s  %-12s %s\n", words[v], check, what);
    if (remedy)
        buf_printf(&d->text, "                    -> %s\n", remedy);
    json_object(&d->j, NULL);
    json_text(&d->j, "check", slice_str(check));
    json_text(&d->j, "verdict", slice_str(names[v]));
    json_text(&d->j, "found", slice_str(what));
    if (remedy)
        json_text(&d->j, "remedy", slice_str(remedy));
    json_end(&d->j);
}

/* ---- the folder ---- */

static bool look_at_file(struct doctor *d, const struct data_folder *f, const char *name)
{
    char path[4096], what[4200];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    if (lstat(path, &st) != 0) {
        if (strcmp(name, "server.key") == 0 && getenv("CREDENTIALS_DIRECTORY"))
            return true;
        snprintf(what, sizeof what, "%s: %s", name, strerror(errno));
        found(d, VERDICT_BAD, "files", what, "bring it back: letterlock restore a backup into a new folder");
        return false;
    }
    if (S_ISREG(st.st_mode) && !(st.st_mode & 077) && st.st_uid == f->owner)
        return true;
    snprintf(what, sizeof what, "%s does not belong to the folder's owner alone", path);
    found(d, VERDICT_BAD, "files", what, "chown it to the folder's owner and chmod 600 it");
    return false;
}

static bool look_at_folder(struct doctor *d)
{
    static const char *const files[] = {"server.key", "mail.db", "letters.db", "credentials.db"};
    struct data_folder f;
    char what[4300];
    bool all = true;
    enum err e = data_folder_open(d->c->folder, false, &f);
    if (e) {
        snprintf(what, sizeof what, "%s: %s", d->c->folder, e == ERR_NOT_FOUND ? "there is none" : err_text(e));
        found(d, VERDICT_BAD, "folder", what, e == ERR_DENIED ? "it must belong to you and have mode 0700"
                                                              : "letterlock setup makes it; or give --data DIR");
        return false;
    }
    snprintf(what, sizeof what, "%s", f.path);
    found(d, VERDICT_OK, "folder", what, NULL);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        all = look_at_file(d, &f, files[i]) && all;
    if (all)
        found(d, VERDICT_OK, "files", "keys and databases are there, for their owner alone", NULL);
    data_folder_close(&f);
    return all;
}

static void look_at_room(struct doctor *d)
{
    struct statvfs v;
    char what[128];
    if (statvfs(d->c->folder, &v) != 0)
        return;
    uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    enum verdict verdict = room < ROOM_BAD_BYTES ? VERDICT_BAD : room < ROOM_SMALL_BYTES ? VERDICT_WARN : VERDICT_OK;
    snprintf(what, sizeof what, "%llu MB are free on its disk", (unsigned long long)(room >> 20));
    found(d, verdict, "room", what, verdict == VERDICT_OK ? NULL : "make room: without any no mail is taken");
}

/* ---- the machine ---- */

static void look_at_clock(struct doctor *d)
{
    struct timex t = {0};
    int state = adjtimex(&t);
    if (clock_wall() < BUILT_YEAR_S)
        found(d, VERDICT_BAD, "clock", "it is years behind", "set it, and let NTP keep it (systemd-timesyncd, chrony)");
    else if (state < 0 || state == TIME_ERROR || t.status & STA_UNSYNC)
        found(d, VERDICT_WARN, "clock", "nothing seems to keep it right", "let NTP keep it (systemd-timesyncd, chrony)");
    else
        found(d, VERDICT_OK, "clock", "it is kept right", NULL);
}

static void look_at_landlock(struct doctor *d)
{
    char text[256];
    FILE *f = fopen("/sys/kernel/security/lsm", "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    if (n > 0 && !strstr(text, "landlock"))
        found(d, VERDICT_WARN, "kernel", "it has no Landlock: roles are fenced in by seccomp and permissions alone",
            "boot with lsm=landlock,... or a newer kernel");
}

/* ---- what the server says ---- */

/* The number behind "name": in JSON, from *inout_at on. */
static bool number_find(struct slice json, const char *name, size_t *inout_at, int64_t *out)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    size_t at = slice_find(slice_from(json, *inout_at), slice_str(key));
    if (at == SIZE_MAX)
        return false;
    *inout_at += at + strlen(key);
    char number[32];
    struct slice rest = slice_sub(slice_from(json, *inout_at), 0, sizeof number - 1);
    snprintf(number, sizeof number, "%.*s", SLICE_FMT(rest));
    *out = strtoll(number, NULL, 10);
    return true;
}

static bool has(struct slice json, const char *text)
{
    return slice_find(json, slice_str(text)) != SIZE_MAX;
}

static void look_at_ports(struct doctor *d, struct slice json)
{
    static const struct {
        const char *listener;
        const char *what;
    } wanted[] = {{"\"name\":\"smtp\"", "nobody listens for other servers (smtp, port 25)"},
        {"\"name\":\"imaps\"", "nobody listens for IMAP over TLS (imaps, port 993)"},
        {"\"name\":\"submissions\"", "nobody listens for letters of clients (submissions, port 465)"}};
    size_t missing = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (has(json, wanted[i].listener))
            continue;
        missing++;
        found(d, VERDICT_WARN, "ports", wanted[i].what, "start serve without --listen, or with one more");
    }
    if (missing == 0)
        found(d, VERDICT_OK, "ports", "SMTP, submission and IMAP are listened for", NULL);
}

static void look_at_roles(struct doctor *d, struct slice json)
{
    size_t at = 0;
    int64_t n, restarts = 0;
    while (number_find(json, "restarts", &at, &n))
        restarts += n;
    if (has(json, "\"ready\":false"))
        found(d, VERDICT_BAD, "roles", "one of its processes does not get ready", "letterlock status, and the log, say which");
    else if (restarts > 0)
        found(d, VERDICT_WARN, "roles", "processes died and were started again", "the log says of what");
    else
        found(d, VERDICT_OK, "roles", "all of its processes run", NULL);
    if (has(json, "\"disk_full\":true"))
        found(d, VERDICT_BAD, "room", "the store met a full disk and takes no mail", "make room");
}

static bool ask(struct doctor *d, const char *op, const char *name, struct admin_reply *out)
{
    struct admin_request r = {.op = slice_str(op)};
    if (name)
        admin_request_add(&r, "name", slice_str(name));
    return cli_ask(d->c, &r, out) && out->err == ERR_OK;
}

static void look_at_server(struct doctor *d)
{
    struct admin_reply r;
    if (!ask(d, "status", NULL, &r)) {
        found(d, VERDICT_BAD, "server", "it does not answer", "look at its log");
    } else if (!link_is_server(d->c->link)) {
        found(d, VERDICT_WARN, "server", "none runs", "letterlock serve, or systemctl start letterlock");
    } else {
        found(d, VERDICT_OK, "server", "it runs", NULL);
        look_at_roles(d, r.json);
        look_at_ports(d, r.json);
    }
}

static void look_at_certificates(struct doctor *d)
{
    struct admin_reply r;
    size_t at = 0;
    int64_t until, first = INT64_MAX;
    char what[128];
    struct buf date;
    if (!ask(d, "cert.show", NULL, &r))
        return;
    while (number_find(r.json, "not_after", &at, &until))
        first = until < first ? until : first;
    if (first == INT64_MAX) {
        found(d, VERDICT_BAD, "certificate", "there is none: no client can log in", "letterlock cert set --cert FILE --key FILE");
        return;
    }
    buf_init(&date, 64);
    clock_put_rfc5322(&date, first);
    bool is_over = first <= clock_wall(), is_soon = first - clock_wall() < CERTIFICATE_SOON_S;
    snprintf(what, sizeof what, "%s %.*s", is_over ? "one ended on" : "the first to end does so on", SLICE_FMT(date));
    buf_clear(&date);
    found(d, is_over ? VERDICT_BAD : is_soon ? VERDICT_WARN : VERDICT_OK, "certificate", what,
        is_soon ? "letterlock cert set puts a new one in its place at once" : NULL);
}

/* Does the name that the server calls itself lead anywhere? */
static void look_at_name(struct doctor *d)
{
    struct admin_reply r;
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char host[256], what[400];
    if (!ask(d, "config.get", "hostname", &r))
        return;
    snprintf(host, sizeof host, "%.*s", SLICE_FMT(slice_trim(r.text)));
    int code = *host ? getaddrinfo(host, "25", &hints, &list) : EAI_NONAME;
    if (list)
        freeaddrinfo(list);
    snprintf(what, sizeof what, "%s: %s", *host ? host : "(no hostname)", code ? gai_strerror(code) : "it has an address");
    found(d, code ? VERDICT_WARN : VERDICT_OK, "name", what,
        code ? "publish an A or AAAA record of this name, or change it: letterlock config set hostname NAME" : NULL);
}

static int print_all(struct doctor *d)
{
    json_end(&d->j);
    if (d->c->is_json)
        printf("%.*s\n", SLICE_FMT(d->json));
    else
        printf("%.*s%u bad, %u to look at\n", SLICE_FMT(d->text), d->bad, d->warnings);
    return d->bad ? CLI_FAILED : CLI_DONE;
}

static int run(struct cli *c)
{
    struct doctor d = {.c = c};
    buf_init(&d.text, 64 * 1024);
    buf_init(&d.json, 64 * 1024);
    d.j = json_of(&d.json);
    json_array(&d.j, NULL);
    bool is_whole = look_at_folder(&d);
    look_at_room(&d);
    look_at_clock(&d);
    look_at_landlock(&d);
    if (is_whole) {
        look_at_server(&d);
        look_at_certificates(&d);
        look_at_name(&d);
    }
    int status = print_all(&d);
    buf_clear(&d.text);
    buf_clear(&d.json);
    return status;
}

const struct command cmd_doctor = {
    .name = "doctor",
    .summary = "what is wrong, and the remedy",
    .details = "Looks at the folder, its files, the disk, the clock, the server's processes and ports, certificates and\n"
               "the host's name. Changes nothing. Exits 1 when something is bad; what is only worth a look does not count.",
    .run = run,
};
