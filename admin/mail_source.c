/* Folders and Maildirs; see mail_source.h. */
#include "admin/mail_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message/decode.h"

#define KEYWORDS_MAX 26 /* the letters a-z of a Maildir's names */

struct walk {
    const struct mail_source_events *events; /* borrowed */
    void *ctx;
    struct buf letter;
    bool has_stopped;
};

struct keywords {
    char *names[KEYWORDS_MAX];
};

static bool path_put(char out[PATH_MAX], const char *folder, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return n > 0 && n < PATH_MAX;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_maildir(const char *path)
{
    char cur[PATH_MAX];
    return path_put(cur, path, "cur") && is_folder(cur);
}

static int by_version(const struct dirent **a, const struct dirent **b)
{
    return strverscmp((*a)->d_name, (*b)->d_name);
}

void mail_source_flag(struct buf *flags, struct slice flag)
{
    size_t i = flag.n > 0 && flag.p[0] == '\\' ? 1 : 0;
    if (flag.n == i || flag.n > 100)
        return;
    for (; i < flag.n; i++)
        if (flag.p[i] <= ' ' || flag.p[i] >= 127 || strchr("(){%*\"\\]", flag.p[i]))
            return;
    if (flags->n > 0)
        buf_put_byte(flags, ' ');
    buf_put(flags, flag);
}

/* ---- a Maildir's letters ---- */

/* Dovecot's file beside cur/: lines "0 $Forwarded" say what the letters a, b … stand for. */
static void keywords_read(const char *folder, struct keywords *k)
{
    char path[PATH_MAX], text[4096];
    if (!path_put(path, folder, "dovecot-keywords"))
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0);
    while (rest.n > 0) {
        uint64_t number;
        struct slice line = slice_trim(slice_cut(&rest, '\n'));
        if (slice_to_u64(slice_cut(&line, ' '), KEYWORDS_MAX - 1, &number) && !k->names[number])
            k->names[number] = mem_strdup(line);
    }
}

static void keywords_clear(struct keywords *k)
{
    for (size_t i = 0; i < KEYWORDS_MAX; i++)
        free(k->names[i]);
}

/* What stands behind ":2," in the name. */
static void flags_of(const char *name, const struct keywords *k, struct buf *out)
{
    static const struct {
        char letter;
        const char *flag;
    } known[] = {{'D', "\\Draft"}, {'F', "\\Flagged"}, {'P', "$Forwarded"}, {'R', "\\Answered"},
        {'S', "\\Seen"}, {'T', "\\Deleted"}};
    const char *info = strstr(name, ":2,");
    for (const char *p = info ? info + 3 : ""; *p; p++) {
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (known[i].letter == *p)
                mail_source_flag(out, slice_str(known[i].flag));
        if (*p >= 'a' && *p <= 'z' && k->names[*p - 'a'])
            mail_source_flag(out, slice_str(k->names[*p - 'a']));
    }
}

static enum err read_file(const char *path, struct buf *out, int64_t *out_date)
{
    struct stat st;
    buf_reset(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    enum err e = fstat(fd, &st) == 0 ? ERR_OK : ERR_IO;
    while (e == ERR_OK) {
        size_t want = st.st_size > (off_t)out->n ? (size_t)st.st_size - out->n + 1 : 4096;
        uint8_t *room = buf_room(out, want);
        ssize_t n = room ? read(fd, room, want) : -1;
        if (n == 0)
            break;
        if (n > 0)
            buf_grew(out, (size_t)n);
        else
            e = room ? err_from_errno(errno) : ERR_TOO_BIG;
    }
    close(fd);
    *out_date = (int64_t)st.st_mtime;
    return e;
}

static bool walk_letter(struct walk *w, const char *path, const char *name, const struct keywords *k)
{
    struct source_letter l = {.origin = path};
    struct buf flags;
    enum err e = read_file(path, &w->letter, &l.date);
    if (e) {
        w->events->on_bad(w->ctx, path, err_text(e));
        return true;
    }
    buf_init(&flags, SOURCE_FLAGS_MAX);
    flags_of(name, k, &flags);
    l.letter = buf_slice(&w->letter);
    l.flags = buf_slice(&flags);
    bool goes_on = w->events->on_letter(w->ctx, &l);
    buf_clear(&flags);
    return goes_on;
}

static void walk_letters(struct walk *w, const char *folder, const char *part, const struct keywords *k)
{
    char path[PATH_MAX], file[PATH_MAX];
    struct dirent **list;
    int n = path_put(path, folder, part) ? scandir(path, &list, NULL, by_version) : -1;
    if (n < 0) {
        w->events->on_bad(w->ctx, path, strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        if (name[0] != '.' && !w->has_stopped && path_put(file, path, name) && !is_folder(file))
            w->has_stopped = !walk_letter(w, file, name, k);
        free(list[i]);
    }
    free(list);
}

static void walk_maildir(struct walk *w, const char *path, struct slice name)
{
    struct keywords k = {0};
    w->has_stopped = !w->events->on_folder(w->ctx, name);
    keywords_read(path, &k);
    if (!w->has_stopped)
        walk_letters(w, path, "cur", &k);
    if (!w->has_stopped)
        walk_letters(w, path, "new", &k);
    keywords_clear(&k);
}

/* ---- folders ---- */

static bool is_mbox(const char *path)
{
    char start[5];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof start);
    if (fd >= 0)
        close(fd);
    return n == 5 && memcmp(start, "From ", 5) == 0;
}

static void put_utf8(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        buf_put_byte(out, text.p[i] < 128 || slice_is_utf8(text) ? text.p[i] : '?');
}

/* A component of a Maildir++ name. A dot within it stands as "&AC4-", which is no sound modified UTF-7. */
static void put_plus_part(struct buf *out, struct slice part)
{
    struct buf decoded;
    buf_init(&decoded, 4096);
    while (part.n > 0) {
        size_t dot = slice_find(part, SLICE("&AC4-"));
        struct slice piece = slice_sub(part, 0, dot);
        buf_reset(&decoded);
        if (utf7_imap_get(piece, &decoded) == ERR_OK)
            buf_put(out, buf_slice(&decoded));
        else
            put_utf8(out, piece);
        if (dot != SIZE_MAX)
            buf_put_byte(out, '.');
        part = slice_from(part, dot == SIZE_MAX ? part.n : dot + 5);
    }
    buf_clear(&decoded);
}

/* One component, or of Maildir++ (".A.B") several. */
static void put_component(struct buf *out, struct slice name, bool is_plus)
{
    static const char *const endings[] = {".sbd", ".mbox"};
    for (size_t i = 0; !is_plus && i < 2; i++)
        if (slice_ends_nocase(name, slice_str(endings[i])) && name.n > strlen(endings[i]))
            name = slice_sub(name, 0, name.n - strlen(endings[i]));
    if (out->n > 0)
        buf_put_byte(out, '/');
    if (!is_plus)
        put_utf8(out, name);
    while (is_plus && name.n > 0) {
        put_plus_part(out, slice_cut(&name, '.'));
        if (name.n > 0)
            buf_put_byte(out, '/');
    }
}

static void walk_folder(struct walk *w, const char *path, struct slice name, unsigned depth);

static void walk_entry(struct walk *w, const char *path, const char *entry, struct slice above, bool in_maildir,
    unsigned depth)
{
    bool is_plus = entry[0] == '.';
    struct buf name;
    if ((is_plus && !(in_maildir && is_maildir(path))) || depth >= SOURCE_DEPTH_MAX)
        return;
    buf_init(&name, 8192);
    buf_put(&name, above);
    put_component(&name, slice_str(entry + is_plus), is_plus);
    if (is_folder(path)) {
        walk_folder(w, path, buf_slice(&name), depth + 1);
    } else if (!in_maildir && is_mbox(path)) {
        w->has_stopped = !w->events->on_folder(w->ctx, buf_slice(&name)) ||
            !mail_source_mbox(path, w->events, w->ctx);
    }
    buf_clear(&name);
}

static bool is_part(const char *name)
{
    return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0 ||
        strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void walk_folder(struct walk *w, const char *path, struct slice name, unsigned depth)
{
    char entry[PATH_MAX];
    struct dirent **list;
    bool in_maildir = is_maildir(path);
    if (in_maildir)
        walk_maildir(w, path, name);
    int n = w->has_stopped ? 0 : scandir(path, &list, NULL, by_version);
    if (n < 0)
        w->events->on_bad(w->ctx, path, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (!is_part(list[i]->d_name) && !w->has_stopped && path_put(entry, path, list[i]->d_name))
            walk_entry(w, entry, list[i]->d_name, name, in_maildir, depth);
        free(list[i]);
    }
    if (n > 0)
        free(list);
}

enum err mail_source_walk(const char *path, const struct mail_source_events *events, void *ctx)
{
    struct walk w = {.events = events, .ctx = ctx};
    struct stat st;
    if (stat(path, &st) != 0)
        return err_from_errno(errno);
    if (access(path, R_OK) != 0)
        return ERR_DENIED;
    if (S_ISDIR(st.st_mode)) {
        buf_init(&w.letter, SOURCE_LETTER_MAX);
        walk_folder(&w, path, SLICE_EMPTY, 0);
        buf_clear(&w.letter);
    } else if (!is_mbox(path) && st.st_size > 0) {
        return ERR_SYNTAX;
    } else if (events->on_folder(ctx, SLICE_EMPTY)) {
        (void)mail_source_mbox(path, events, ctx);
    }
    return ERR_OK;
}
