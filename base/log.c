/* Logging; see log.h. */
#include "base/log.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

static const char *role_name = "letterlock";
static enum log_level least_level = LOG_INFO;
static bool to_journal;

struct line {
    char p[LOG_LINE_MAX];
    size_t n;
};

void log_init(const char *role, enum log_level least)
{
    role_name = role;
    least_level = least;
    to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level least)
{
    least_level = least;
}

static void put(struct line *l, const char *s, size_t n)
{
    if (n > sizeof l->p - 1 - l->n) /* one byte stays for the line end */
        n = sizeof l->p - 1 - l->n;
    memcpy(l->p + l->n, s, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static bool needs_quotes(struct slice s)
{
    if (s.n == 0)
        return true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] >= 0x7f)
            return true;
    return false;
}

static void put_value(struct line *l, struct slice s)
{
    if (!needs_quotes(s)) {
        put(l, (const char *)s.p, s.n);
        return;
    }
    put_str(l, "\"");
    for (size_t i = 0; i < s.n && l->n < sizeof l->p - 8; i++) {
        uint8_t c = s.p[i];
        char hex[8];
        if (c == '"' || c == '\\')
            put(l, (char[]){'\\', (char)c}, 2);
        else if (c < ' ' || c >= 0x7f)
            put(l, hex, (size_t)snprintf(hex, sizeof hex, "\\x%02x", c));
        else
            put(l, (const char *)&s.p[i], 1);
    }
    put_str(l, "\"");
}

static void put_field(struct line *l, const struct log_field *f)
{
    char number[24];
    put_str(l, " ");
    put_str(l, f->key);
    put_str(l, "=");
    if (f->kind == LOG_FIELD_TEXT) {
        put_value(l, f->text);
        return;
    }
    snprintf(number, sizeof number, f->kind == LOG_FIELD_HEX ? "%llx" : "%llu",
        (unsigned long long)f->number);
    put_str(l, number);
}

static void put_stamp(struct line *l, enum log_level level)
{
    static const char priorities[][4] = {"<3>", "<4>", "<6>", "<7>"};
    if (to_journal) {
        put_str(l, priorities[level]);
        return;
    }
    char stamp[128];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    snprintf(stamp, sizeof stamp, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000));
    put_str(l, stamp);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    if (level > least_level)
        return;
    struct line l = {.n = 0};
    put_stamp(&l, level);
    put_str(&l, "level=");
    put_str(&l, levels[level]);
    put_str(&l, " role=");
    put_str(&l, role_name);
    put_str(&l, " event=");
    put_str(&l, event);
    for (size_t i = 0; i < n; i++)
        if (fields[i].key)
            put_field(&l, &fields[i]);
    l.p[l.n++] = '\n';
    /* One write, so that lines of several roles do not mix. A log that cannot be written is no
     * reason to stop serving mail. */
    int saved = errno;
    ssize_t written = write(STDERR_FILENO, l.p, l.n);
    (void)written;
    errno = saved;
}
