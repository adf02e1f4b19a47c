/* Export as mboxes (mboxrd): mailbox A/B becomes A/B.mbox. Beside each, ".B.mbox.state" says how far it is
 * whole: UIDVALIDITY, last UID, bytes. The next export cuts off what stands behind that and goes on. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/export_target.h"

#define LETTER_MAX (512u << 20)

struct export_target {
    char *top;
    char path[PATH_MAX];
    char state[PATH_MAX];
    int fd;
    uint32_t uidvalidity;
    uint32_t last_uid;
    struct buf text;
};

static struct export_target *mbox_open(const char *folder)
{
    struct export_target *t = mem_new(sizeof *t);
    t->top = mem_strdup(slice_str(folder));
    t->fd = -1;
    buf_init(&t->text, LETTER_MAX);
    return t;
}

/* The file's path, its folders made. A dot at the start of a component would hide it. */
static enum err make_path(struct export_target *t, struct slice mailbox)
{
    struct buf path;
    enum err e = ERR_OK;
    size_t name = 0;
    buf_init(&path, sizeof t->path - 32);
    buf_put_str(&path, t->top);
    while (mailbox.n > 0 && e == ERR_OK) {
        struct slice part = slice_cut(&mailbox, '/');
        snprintf(t->path, sizeof t->path, "%.*s", SLICE_FMT(path));
        e = export_mkdir(t->path);
        buf_put_byte(&path, '/');
        name = path.n;
        for (size_t i = 0; i < part.n; i++)
            buf_put_byte(&path, i == 0 && part.p[i] == '.' ? '_' : part.p[i]);
    }
    if (e == ERR_OK)
        e = buf_error(&path);
    if (e == ERR_OK) {
        struct slice above = slice_sub(buf_slice(&path), 0, name), last = slice_from(buf_slice(&path), name);
        snprintf(t->path, sizeof t->path, "%.*s%.*s.mbox", SLICE_FMT(above), SLICE_FMT(last));
        snprintf(t->state, sizeof t->state, "%.*s.%.*s.mbox.state", SLICE_FMT(above), SLICE_FMT(last));
    }
    buf_clear(&path);
    return e;
}

/* How far the file is whole; 0 when it must be begun anew. */
static off_t state_read(struct export_target *t)
{
    char text[128];
    unsigned v, u;
    long long bytes;
    struct stat st;
    int fd = open(t->state, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%u %u %lld", &v, &u, &bytes) != 3 || v != t->uidvalidity || fstat(t->fd, &st) != 0 ||
        bytes < 0 || st.st_size < bytes)
        return 0;
    t->last_uid = u;
    return (off_t)bytes;
}

static enum err mbox_begin(struct export_target *t, struct slice mailbox, uint32_t uidvalidity)
{
    t->uidvalidity = uidvalidity;
    t->last_uid = 0;
    enum err e = make_path(t, mailbox);
    if (e)
        return e;
    t->fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (t->fd < 0)
        return err_from_errno(errno);
    off_t whole = state_read(t);
    if (ftruncate(t->fd, whole) != 0 || lseek(t->fd, whole, SEEK_SET) != whole)
        return err_from_errno(errno);
    return ERR_OK;
}

static bool mbox_has(struct export_target *t, const struct export_letter *l)
{
    return l->uid <= t->last_uid;
}

struct status {
    bool is_seen;
    char x[8];
    size_t n;
    struct buf *keywords;
};

static void note_flag(void *ctx, struct slice flag)
{
    static const struct {
        const char *flag;
        char letter;
    } known[] = {{"\\Answered", 'A'}, {"\\Flagged", 'F'}, {"\\Draft", 'T'}, {"\\Deleted", 'D'}};
    struct status *s = ctx;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_equal_nocase(flag, slice_str(known[i].flag))) {
            s->x[s->n++ % (sizeof s->x - 1)] = known[i].letter;
            return;
        }
    }
    if (slice_equal_nocase(flag, SLICE("\\Seen"))) {
        s->is_seen = true;
    } else {
        buf_put_byte(s->keywords, ' ');
        buf_put(s->keywords, flag);
    }
}

static void put_status(struct buf *out, struct slice flags)
{
    struct buf keywords;
    struct status s = {.keywords = &keywords};
    buf_init(&keywords, 16 * 1024);
    export_each_flag(flags, note_flag, &s);
    buf_put_str(out, s.is_seen ? "Status: RO\n" : "Status: O\n");
    if (s.n > 0)
        buf_printf(out, "X-Status: %s\n", s.x);
    if (keywords.n > 0)
        buf_printf(out, "X-Keywords:%.*s\n", SLICE_FMT(keywords));
    buf_clear(&keywords);
}

/* Every line that is "From " behind any number of ">" gets one more. */
static void put_quoted(struct buf *out, struct slice letter)
{
    bool is_header = true;
    while (letter.n > 0) {
        size_t end = slice_find_byte(letter, '\n');
        size_t n = end > 0 && end < letter.n && letter.p[end - 1] == '\r' ? end - 1 : end;
        size_t marks = 0;
        while (marks < n && letter.p[marks] == '>')
            marks++;
        if (!is_header && slice_starts(slice_from(letter, marks), SLICE("From ")))
            buf_put_byte(out, '>');
        buf_put(out, slice_sub(letter, 0, n));
        buf_put_byte(out, '\n');
        is_header = is_header && n > 0;
        letter = slice_from(letter, end + 1);
    }
}

static enum err write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return err_from_errno(errno);
        if (n > 0)
            bytes = slice_from(bytes, (size_t)n);
    }
    return ERR_OK;
}

static enum err mbox_put(struct export_target *t, const struct export_letter *l)
{
    char when[64];
    struct tm tm;
    time_t date = (time_t)l->date;
    if (!gmtime_r(&date, &tm) || strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", &tm) == 0)
        snprintf(when, sizeof when, "Thu Jan  1 00:00:00 1970");
    buf_reset(&t->text);
    buf_printf(&t->text, "From MAILER-DAEMON %s\n", when);
    put_status(&t->text, l->flags);
    put_quoted(&t->text, l->letter);
    buf_put_byte(&t->text, '\n');
    enum err e = buf_error(&t->text);
    if (e == ERR_OK)
        e = write_all(t->fd, buf_slice(&t->text));
    if (e == ERR_OK)
        t->last_uid = l->uid;
    return e;
}

/* First the letters, then the word that they are there. */
static enum err mbox_flush(struct export_target *t)
{
    char next[PATH_MAX + 8], text[128];
    off_t whole = lseek(t->fd, 0, SEEK_CUR);
    if (whole < 0 || fsync(t->fd) != 0)
        return err_from_errno(errno);
    snprintf(next, sizeof next, "%s.new", t->state);
    int n = snprintf(text, sizeof text, "%u %u %lld\n", t->uidvalidity, t->last_uid, (long long)whole);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err e = fd < 0 ? err_from_errno(errno) : write_all(fd, slice_of(text, (size_t)n));
    if (e == ERR_OK && (fsync(fd) != 0 || rename(next, t->state) != 0))
        e = err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    return e;
}

static enum err mbox_end(struct export_target *t)
{
    enum err e = mbox_flush(t);
    if (close(t->fd) != 0 && e == ERR_OK)
        e = err_from_errno(errno);
    t->fd = -1;
    return e;
}

static void mbox_close(struct export_target *t)
{
    if (t->fd >= 0)
        close(t->fd);
    buf_clear(&t->text);
    free(t->top);
    free(t);
}

const struct export_format export_mbox = {
    .name = "mbox",
    .open = mbox_open,
    .begin = mbox_begin,
    .has = mbox_has,
    .put = mbox_put,
    .flush = mbox_flush,
    .end = mbox_end,
    .close = mbox_close,
};
