/* See progress.h. */
#include "admin/progress.h"

#include <unistd.h>

#include "base/clock.h"

#define EVERY_MS 250
#define FIRST_MS 1000

void progress_begin(struct progress *p, const struct cli *c, const char *what)
{
    uint64_t now = clock_mono_ms();
    *p = (struct progress){.what = what, .is_shown = !c->is_json && isatty(STDERR_FILENO), .started_ms = now,
        .next_ms = now + FIRST_MS};
}

/* Milliseconds since the start when it is time for a line; 0: not now. */
static uint64_t line_is_due(struct progress *p)
{
    uint64_t now = p->is_shown ? clock_mono_ms() : 0;
    if (!p->is_shown || now < p->next_ms)
        return 0;
    p->next_ms = now + EVERY_MS;
    return now - p->started_ms;
}

void progress_note(struct progress *p, const char *what)
{
    uint64_t ms = line_is_due(p);
    if (ms == 0)
        return;
    fprintf(stderr, "\r\033[K%s %.40s, %llu s", p->what, what, (unsigned long long)(ms / 1000));
    fflush(stderr);
}

void progress_at(struct progress *p, uint64_t n, const char *where)
{
    uint64_t ms = line_is_due(p);
    if (ms == 0)
        return;
    fprintf(stderr, "\r\033[K%s %llu, %llu a second, %.40s", p->what, (unsigned long long)n,
        (unsigned long long)(n * 1000 / ms), where);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->is_shown && clock_mono_ms() - p->started_ms > FIRST_MS)
        fprintf(stderr, "\r\033[K");
}
