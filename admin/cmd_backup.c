/* letterlock backup and restore: the databases and server.key, copied while a server runs, and put back. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/progress.h"
#include "base/json.h"
#include "storage/inspect.h"

#define KEY_FILE "server.key"
#define SERVER_KEY_BYTES 32

/* The one that makes a folder whole comes last. */
static const char *const files[] = {KEY_FILE, "credentials.db", "letters.db", "mail.db"};
#define FILES (sizeof files / sizeof files[0])

static bool path_put(char out[PATH_MAX], const char *folder, const char *name, const char *ending)
{
    int n = snprintf(out, PATH_MAX, "%s%s%s%s", folder, *name ? "/" : "", name, ending);
    return n > 0 && n < PATH_MAX;
}

static enum err sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    return e;
}

static enum err copy_bytes(int from, int to)
{
    ssize_t n;
    do {
        n = sendfile(to, from, NULL, 1 << 24);
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0 || fsync(to) != 0)
        return err_from_errno(errno);
    return ERR_OK;
}

/* Synced; owned by who owns the folder it goes to. */
static enum err copy_file(const char *from, const char *to, uid_t owner, gid_t group)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return err_from_errno(errno);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum err e = out < 0 ? err_from_errno(errno) : copy_bytes(in, out);
    if (e == ERR_OK && geteuid() == 0 && fchown(out, owner, group) != 0)
        e = err_from_errno(errno);
    close(in);
    if (out >= 0)
        close(out);
    return e;
}

static void remove_all(const char *folder, const char *ending)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < FILES; i++)
        if (path_put(path, folder, files[i], ending))
            unlink(path);
}

static int print_folder(const struct cli *c, const char *folder, const char *what)
{
    struct buf out;
    if (!c->is_json) {
        printf("%s %s\n", folder, what);
        return CLI_DONE;
    }
    buf_init(&out, 6 * PATH_MAX + 64);
    struct json j = json_of(&out);
    json_object(&j, NULL);
    json_text(&j, "folder", slice_str(folder));
    json_end(&j);
    printf("%.*s\n", SLICE_FMT(out));
    buf_clear(&out);
    return CLI_DONE;
}

/* ---- backup ---- */

static void on_progress(void *ctx, const char *file, uint64_t done, uint64_t all)
{
    char text[64];
    snprintf(text, sizeof text, "%s %llu%%", file, (unsigned long long)(all ? done * 100 / all : 0));
    progress_note(ctx, text);
}

/* With systemd's credentials the key is not in the folder: then it is not in the backup either. */
static enum err copy_key(struct cli *c, const char *to_folder)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (!path_put(from, link_folder(c->link), KEY_FILE, "") || !path_put(to, to_folder, KEY_FILE, ""))
        return ERR_TOO_BIG;
    if (access(from, F_OK) != 0) {
        fprintf(stderr, "letterlock: server.key is not in the data folder and so not in the backup; keep it with it\n");
        return ERR_OK;
    }
    return copy_file(from, to, geteuid(), getegid());
}

static enum err backup_to(struct cli *c, const char *folder)
{
    struct inspection *i;
    struct progress p;
    progress_begin(&p, c, "copying");
    enum err e = inspection_open(link_folder(c->link), on_progress, &p, &i);
    if (e == ERR_OK) {
        e = inspection_copy(i, folder);
        inspection_close(i);
    }
    if (e == ERR_OK)
        e = copy_key(c, folder);
    progress_end(&p);
    return e ? e : sync_path(folder);
}

static int run_backup(struct cli *c)
{
    char part[PATH_MAX];
    const char *to = c->arguments[0];
    struct admin_request r = {.op = SLICE("status")};
    struct admin_reply reply;
    if (access(to, F_OK) == 0)
        return cli_fail(c, "%s is there already; each backup goes to a folder of its own", to);
    if (!path_put(part, to, "", ".part"))
        return cli_fail(c, "the name is too long");
    if (!cli_ask(c, &r, &reply))
        return CLI_FAILED;
    remove_all(part, ""); /* of one that was interrupted */
    rmdir(part);
    if (mkdir(part, 0700) != 0)
        return cli_fail(c, "%s: %s", part, strerror(errno));
    enum err e = backup_to(c, part);
    if (e == ERR_OK && rename(part, to) != 0)
        e = err_from_errno(errno);
    if (e) {
        remove_all(part, "");
        rmdir(part);
        return cli_fail(c, "no backup was made: %s", err_text(e));
    }
    return print_folder(c, to, "holds everything; letterlock restore brings it back");
}

const struct command cmd_backup = {
    .name = "backup", .arguments = "FOLDER", .least = 1, .most = 1,
    .summary = "everything into a new folder, while the server runs",
    .details = "One moment of all databases, with server.key. Letters stay sealed in it: who finds it reads none.\n"
               "FOLDER is there when the backup is whole, and not before.",
    .run = run_backup,
};

/* ---- restore ---- */

static enum err copy_all(const char *from_folder, const struct data_folder *f)
{
    char from[PATH_MAX], to[PATH_MAX];
    for (size_t i = 0; i < FILES; i++) {
        if (!path_put(from, from_folder, files[i], "") || !path_put(to, f->path, files[i], ".restoring"))
            return ERR_TOO_BIG;
        if (i == 0 && access(from, F_OK) != 0)
            continue; /* kept elsewhere */
        enum err e = copy_file(from, to, f->owner, f->group);
        if (e)
            return e;
    }
    return ERR_OK;
}

/* Its own WAL is copied back and goes again. */
static enum err renumber(const struct data_folder *f)
{
    static const char *const left[] = {"mail.db.restoring-wal", "mail.db.restoring-shm"};
    char path[PATH_MAX];
    enum err e = backup_renumber(f->path, "mail.db.restoring");
    for (size_t i = 0; i < 2; i++)
        if (path_put(path, f->path, left[i], ""))
            unlink(path);
    return e;
}

static enum err rename_all(const struct data_folder *f)
{
    char from[PATH_MAX], to[PATH_MAX];
    for (size_t i = 0; i < FILES; i++) {
        if (!path_put(from, f->path, files[i], ".restoring") || !path_put(to, f->path, files[i], ""))
            return ERR_TOO_BIG;
        if (access(from, F_OK) == 0 && rename(from, to) != 0)
            return err_from_errno(errno);
    }
    return sync_path(f->path);
}

/* What stands in the way of a restore, or NULL. SQLite would play a WAL that was left behind into the
 * database that is put beside it. */
static const char *find_in_the_way(const struct data_folder *f)
{
    static const char *const names[] = {"mail.db", "mail.db-wal", "letters.db-wal", "credentials.db-wal"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (path_put(path, f->path, names[i], "") && access(path, F_OK) == 0)
            return names[i];
    return NULL;
}

/* Absent: kept elsewhere, as backup said. */
static bool has_whole_key(const char *folder)
{
    char path[PATH_MAX];
    struct stat st;
    if (!path_put(path, folder, KEY_FILE, "") || stat(path, &st) != 0)
        return errno == ENOENT;
    return st.st_size == SERVER_KEY_BYTES;
}

static int restore_into(struct cli *c, struct data_folder *f)
{
    pid_t holder = 0;
    struct buf text;
    enum err e = data_folder_lock(f, &holder);
    if (e)
        return cli_fail(c, "process %d holds %s", (int)holder, f->path);
    const char *in_the_way = find_in_the_way(f);
    if (in_the_way)
        return cli_fail(c, "%s holds mail already (%s): restore into an empty folder (--data DIR)", f->path, in_the_way);
    if (!has_whole_key(c->arguments[0]))
        return cli_fail(c, "%s is no whole backup: server.key has not its size", c->arguments[0]);
    buf_init(&text, 64 * 1024);
    e = backup_check(c->arguments[0], &text);
    if (e)
        cli_fail(c, "%s is no whole backup: %.*s", c->arguments[0], SLICE_FMT(slice_trim(buf_slice(&text))));
    buf_clear(&text);
    if (e)
        return CLI_FAILED;
    e = copy_all(c->arguments[0], f);
    if (e == ERR_OK)
        e = renumber(f);
    if (e == ERR_OK)
        e = rename_all(f);
    if (e) {
        remove_all(f->path, ".restoring");
        return cli_fail(c, "not restored: %s; the same command may be repeated", err_text(e));
    }
    return print_folder(c, f->path, "is restored; go on with letterlock serve");
}

static int run_restore(struct cli *c)
{
    struct data_folder f;
    enum err e = data_folder_open(c->folder, true, &f);
    if (e == ERR_DENIED)
        return cli_fail(c, "%s must belong to you and be closed to others (mode 0700)", c->folder);
    if (e)
        return cli_fail(c, "%s: %s", c->folder, err_text(e));
    int status = restore_into(c, &f);
    data_folder_close(&f);
    return status;
}

const struct command cmd_restore = {
    .name = "restore", .arguments = "FOLDER", .least = 1, .most = 1,
    .summary = "a backup into an empty data folder",
    .details = "The backup is checked first. Mailboxes keep their UIDs; numbers that were given after the backup are\n"
               "never given again, so clients notice what is gone.",
    .makes_folder = true, .run = run_restore,
};
