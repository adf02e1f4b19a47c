/* Export as Maildir++: INBOX at the top, other mailboxes as ".A.B" in modified UTF-7. A letter's file is
 * named DATE.VuidvalidityUuid.letterlock, by which the next export knows it. Keywords become the letters
 * a-z, which "dovecot-keywords" explains. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/export_target.h"
#include "base/idmap.h"
#include "message/decode.h"

#define KEYWORDS_MAX 26
#define LETTER_MAX (512u << 20)

struct export_target {
    char *top;
    char folder[PATH_MAX];
    uint32_t uidvalidity;
    struct idmap there;         /* UID -> name in cur/ */
    char *keywords[KEYWORDS_MAX];
    struct buf text;
};

void export_each_flag(struct slice flags, void (*fn)(void *ctx, struct slice flag), void *ctx)
{
    while (flags.n > 0) {
        struct slice flag = slice_cut(&flags, ' ');
        if (flag.n > 0 && !slice_equal_nocase(flag, SLICE("\\Recent")))
            fn(ctx, flag);
    }
}

void export_put_lf(struct buf *out, struct slice letter)
{
    while (letter.n > 0) {
        size_t cr = slice_find(letter, SLICE("\r\n"));
        size_t n = cr == SIZE_MAX ? letter.n : cr;
        buf_put(out, slice_sub(letter, 0, n));
        if (cr != SIZE_MAX)
            buf_put_byte(out, '\n');
        letter = slice_from(letter, n + 2);
    }
}

enum err export_mkdir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_OK : err_from_errno(errno);
}

static struct export_target *maildir_open(const char *folder)
{
    struct export_target *t = mem_new(sizeof *t);
    t->top = mem_strdup(slice_str(folder));
    buf_init(&t->text, LETTER_MAX);
    return t;
}

static void free_name(void *ctx, uint64_t uid, void *name)
{
    idmap_remove(ctx, uid);
    free(name);
}

static void forget(struct export_target *t)
{
    idmap_each(&t->there, free_name, &t->there);
    idmap_clear(&t->there);
    for (size_t i = 0; i < KEYWORDS_MAX; i++) {
        free(t->keywords[i]);
        t->keywords[i] = NULL;
    }
}

/* ".A.B": a dot within a component is written as modified UTF-7 can. */
static enum err put_path(struct export_target *t, struct slice mailbox)
{
    struct buf path, coded;
    buf_init(&path, sizeof t->folder - 8);
    buf_init(&coded, sizeof t->folder);
    buf_put_str(&path, t->top);
    utf7_imap_put(mailbox, &coded);
    bool is_top = slice_equal_nocase(mailbox, SLICE("INBOX"));
    for (size_t i = 0; !is_top && i < coded.n; i++) {
        if (i == 0)
            buf_put_str(&path, "/.");
        if (coded.p[i] == '.')
            buf_put_str(&path, "&AC4-");
        else
            buf_put_byte(&path, coded.p[i] == '/' ? '.' : coded.p[i]);
    }
    enum err e = buf_error(&path);
    if (e == ERR_OK)
        snprintf(t->folder, sizeof t->folder, "%.*s", SLICE_FMT(path));
    buf_clear(&path);
    buf_clear(&coded);
    return e;
}

static bool path_of(const struct export_target *t, char out[PATH_MAX], const char *part, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s/%s", t->folder, part, name);
    return n > 0 && n < PATH_MAX;
}

static enum err make_maildir(struct export_target *t)
{
    static const char *const parts[] = {"", "cur", "new", "tmp"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        enum err e = path_of(t, path, parts[i], "") ? export_mkdir(path) : ERR_TOO_BIG;
        if (e)
            return e;
    }
    return ERR_OK;
}

static void keywords_read(struct export_target *t)
{
    char path[PATH_MAX], text[4096];
    if (!path_of(t, path, ".", "dovecot-keywords"))
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0);
    while (rest.n > 0) {
        uint64_t number;
        struct slice line = slice_cut(&rest, '\n');
        if (slice_to_u64(slice_cut(&line, ' '), KEYWORDS_MAX - 1, &number) && !t->keywords[number])
            t->keywords[number] = mem_strdup(line);
    }
}

/* DATE.VvUu.letterlock… */
static void note_file(struct export_target *t, const char *name)
{
    unsigned long v, u;
    const char *at = strstr(name, ".V");
    char *end;
    if (!at || !strstr(name, ".letterlock"))
        return;
    v = strtoul(at + 2, &end, 10);
    if (*end != 'U' || v != t->uidvalidity)
        return;
    u = strtoul(end + 1, &end, 10);
    if (*end == '.' && u > 0)
        idmap_put(&t->there, u, mem_strdup(slice_str(name)));
}

static enum err maildir_begin(struct export_target *t, struct slice mailbox, uint32_t uidvalidity)
{
    char path[PATH_MAX];
    forget(t);
    t->uidvalidity = uidvalidity;
    enum err e = put_path(t, mailbox);
    if (e == ERR_OK)
        e = make_maildir(t);
    if (e)
        return e;
    keywords_read(t);
    DIR *d = path_of(t, path, "cur", "") ? opendir(path) : NULL;
    if (!d)
        return ERR_IO;
    for (struct dirent *entry; (entry = readdir(d));)
        note_file(t, entry->d_name);
    closedir(d);
    return ERR_OK;
}

struct naming {
    struct export_target *target;
    bool letters[128];
};

static void note_flag(void *ctx, struct slice flag)
{
    static const struct {
        const char *flag;
        char letter;
    } known[] = {{"\\Draft", 'D'}, {"\\Flagged", 'F'}, {"$Forwarded", 'P'}, {"\\Answered", 'R'}, {"\\Seen", 'S'},
        {"\\Deleted", 'T'}};
    struct naming *n = ctx;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_equal_nocase(flag, slice_str(known[i].flag))) {
            n->letters[(int)known[i].letter] = true;
            return;
        }
    }
    for (size_t i = 0; i < KEYWORDS_MAX; i++) {
        if (!n->target->keywords[i])
            n->target->keywords[i] = mem_strdup(flag);
        if (slice_equal(flag, slice_str(n->target->keywords[i]))) {
            n->letters['a' + i] = true;
            return;
        }
    }
}

/* Letters in the order of ASCII, as the format asks. */
static void name_put(struct export_target *t, const struct export_letter *l, char out[160])
{
    struct naming n = {.target = t};
    char flags[64] = "";
    size_t at = 0;
    export_each_flag(l->flags, note_flag, &n);
    for (int c = 'A'; c <= 'z'; c++)
        if (n.letters[c])
            flags[at++] = (char)c;
    snprintf(out, 160, "%lld.V%uU%u.letterlock:2,%s", (long long)l->date, t->uidvalidity, l->uid, flags);
}

static bool maildir_has(struct export_target *t, const struct export_letter *l)
{
    char name[160], from[PATH_MAX], to[PATH_MAX];
    const char *there = idmap_find(&t->there, l->uid);
    if (!there)
        return false;
    name_put(t, l, name);
    if (strcmp(name, there) != 0 && path_of(t, from, "cur", there) && path_of(t, to, "cur", name))
        return rename(from, to) == 0;
    return true;
}

static enum err write_file(const char *path, struct slice bytes, int64_t date)
{
    struct timespec times[2] = {{.tv_sec = date}, {.tv_sec = date}};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err e = fd < 0 ? err_from_errno(errno) : ERR_OK;
    while (e == ERR_OK && bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            e = err_from_errno(errno);
        if (n > 0)
            bytes = slice_from(bytes, (size_t)n);
    }
    if (e == ERR_OK && futimens(fd, times) != 0)
        e = err_from_errno(errno);
    if (fd >= 0 && close(fd) != 0 && e == ERR_OK)
        e = err_from_errno(errno);
    return e;
}

static enum err maildir_put(struct export_target *t, const struct export_letter *l)
{
    char name[160], from[PATH_MAX], to[PATH_MAX];
    name_put(t, l, name);
    if (!path_of(t, from, "tmp", name) || !path_of(t, to, "cur", name))
        return ERR_TOO_BIG;
    buf_reset(&t->text);
    export_put_lf(&t->text, l->letter);
    enum err e = buf_error(&t->text);
    if (e == ERR_OK)
        e = write_file(from, buf_slice(&t->text), l->date);
    if (e == ERR_OK && rename(from, to) != 0)
        e = err_from_errno(errno);
    return e;
}

static enum err keywords_write(struct export_target *t)
{
    char path[PATH_MAX];
    buf_reset(&t->text);
    for (size_t i = 0; i < KEYWORDS_MAX && t->keywords[i]; i++)
        buf_printf(&t->text, "%zu %s\n", i, t->keywords[i]);
    if (t->text.n == 0)
        return ERR_OK;
    return path_of(t, path, ".", "dovecot-keywords") ? write_file(path, buf_slice(&t->text), time(NULL)) : ERR_TOO_BIG;
}

/* One call for all files of a batch, instead of one a file. */
static enum err maildir_flush(struct export_target *t)
{
    enum err e = keywords_write(t);
    int fd = e ? -1 : open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e == ERR_OK && (fd < 0 || syncfs(fd) != 0))
        e = err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    return e;
}

static void maildir_close(struct export_target *t)
{
    forget(t);
    buf_clear(&t->text);
    free(t->top);
    free(t);
}

const struct export_format export_maildir = {
    .name = "maildir",
    .open = maildir_open,
    .begin = maildir_begin,
    .has = maildir_has,
    .put = maildir_put,
    .flush = maildir_flush,
    .end = maildir_flush,
    .close = maildir_close,
};
