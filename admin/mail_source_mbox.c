/* The letters of an mbox (RFC 4155, and the common ways of old): a line "From ADDRESS DATE" at the start
 * or behind an empty line begins one; in bodies ">From " stands for "From " (mboxrd: one ">" less).
 * Status, X-Status and X-Keywords say the flags and are taken out; X-Mozilla-Status is read and kept. */
#include "admin/mail_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "message/header.h"

struct mbox {
    const char *path;
    const struct mail_source_events *events;
    void *ctx;
    struct buf letter;
    struct buf flags;
};

/* "From a@b Mon Nov 23 23:19:28 2026", with or without a zone. False: this is no such line. */
static bool separator_parse(struct slice line, int64_t *out_date)
{
    static const char *const forms[] = {"%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S",
        "%a %b %d %H:%M %Y"};
    char text[256];
    if (!slice_starts(line, SLICE("From ")) || line.n >= sizeof text)
        return false;
    struct slice rest = slice_from(line, 5);
    while (rest.n > 0) {
        snprintf(text, sizeof text, "%.*s", SLICE_FMT(rest));
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
            struct tm tm = {0};
            if (!strptime(text, forms[i], &tm))
                continue;
            *out_date = (int64_t)timegm(&tm);
            return true;
        }
        (void)slice_cut(&rest, ' ');
    }
    return false;
}

static struct slice line_take(struct slice *rest)
{
    size_t end = slice_find_byte(*rest, '\n');
    struct slice line = slice_sub(*rest, 0, end < rest->n ? end + 1 : rest->n);
    *rest = slice_from(*rest, line.n);
    return line;
}

static bool is_empty(struct slice line)
{
    return slice_trim(line).n == 0;
}

/* ---- flags ---- */

static void flags_of_letters(struct slice value, const char *letters, const char *const *flags, struct buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        const char *at = strchr(letters, value.p[i]);
        if (at && *at)
            mail_source_flag(out, slice_str(flags[at - letters]));
    }
}

static void flags_of_mozilla(struct slice value, struct buf *out)
{
    char text[16];
    snprintf(text, sizeof text, "%.*s", SLICE_FMT(slice_sub(slice_trim(value), 0, 8)));
    unsigned long bits = strtoul(text, NULL, 16);
    static const struct {
        unsigned long bit;
        const char *flag;
    } known[] = {{1, "\\Seen"}, {2, "\\Answered"}, {4, "\\Flagged"}, {8, "\\Deleted"}, {0x1000, "$Forwarded"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (bits & known[i].bit)
            mail_source_flag(out, slice_str(known[i].flag));
}

/* True: the field is about how the letter was kept, not of the letter. */
static bool flags_of_field(const struct header_field *f, struct buf *out)
{
    static const char *const status[] = {"\\Seen"};
    static const char *const x_status[] = {"\\Answered", "\\Flagged", "\\Draft", "\\Deleted"};
    if (slice_equal_nocase(f->name, SLICE("Status"))) {
        flags_of_letters(f->value, "R", status, out);
        return true;
    }
    if (slice_equal_nocase(f->name, SLICE("X-Status"))) {
        flags_of_letters(f->value, "AFTD", x_status, out);
        return true;
    }
    if (slice_equal_nocase(f->name, SLICE("X-Keywords"))) {
        struct slice rest = slice_trim(f->value);
        while (rest.n > 0)
            mail_source_flag(out, slice_trim(slice_cut(&rest, ' ')));
        return true;
    }
    if (slice_equal_nocase(f->name, SLICE("X-Mozilla-Status")))
        flags_of_mozilla(f->value, out);
    return false;
}

/* ---- one letter ---- */

static bool is_quoted_from(struct slice line)
{
    size_t i = 0;
    while (i < line.n && line.p[i] == '>')
        i++;
    return i > 0 && slice_starts(slice_from(line, i), SLICE("From "));
}

/* raw: all between two separators, the empty line at its end included. */
static bool letter_put(struct mbox *m, struct slice raw, int64_t date)
{
    struct header_field f;
    struct slice rest = raw;
    buf_reset(&m->letter);
    buf_reset(&m->flags);
    while (header_next(&rest, &f))
        if (!flags_of_field(&f, &m->flags))
            buf_put(&m->letter, f.whole);
    while (rest.n > 0) {
        struct slice line = line_take(&rest);
        if (rest.n > 0 || !is_empty(line))
            buf_put(&m->letter, is_quoted_from(line) ? slice_from(line, 1) : line);
    }
    if (!buf_ok(&m->letter)) {
        m->events->on_bad(m->ctx, m->path, "a letter is too large");
        m->letter.overflowed = false;
        return true;
    }
    struct source_letter l = {.origin = m->path, .letter = buf_slice(&m->letter), .flags = buf_slice(&m->flags),
        .date = date};
    return m->events->on_letter(m->ctx, &l);
}

static bool letters_walk(struct mbox *m, struct slice rest)
{
    struct slice start = SLICE_EMPTY; /* of the letter at hand */
    int64_t date = INT64_MIN, next;
    bool is_after_empty = true;
    while (rest.n > 0) {
        const uint8_t *at = rest.p;
        struct slice line = line_take(&rest);
        if (is_after_empty && separator_parse(slice_trim(line), &next)) {
            if (start.p && !letter_put(m, slice_of(start.p, (size_t)(at - start.p)), date))
                return false;
            start = slice_of(rest.p ? rest.p : at, 0);
            date = next;
        }
        is_after_empty = is_empty(line);
    }
    return !start.p || letter_put(m, slice_of(start.p, (size_t)(rest.p - start.p)), date);
}

bool mail_source_mbox(const char *path, const struct mail_source_events *events, void *ctx)
{
    struct mbox m = {.path = path, .events = events, .ctx = ctx};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        events->on_bad(ctx, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return true;
    }
    void *map = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (!map)
        return true;
    if (map == MAP_FAILED) {
        events->on_bad(ctx, path, strerror(errno));
        return true;
    }
    buf_init(&m.letter, SOURCE_LETTER_MAX);
    buf_init(&m.flags, SOURCE_FLAGS_MAX);
    bool goes_on = letters_walk(&m, slice_of(map, (size_t)st.st_size));
    buf_clear(&m.letter);
    buf_clear(&m.flags);
    munmap(map, (size_t)st.st_size);
    return goes_on;
}
