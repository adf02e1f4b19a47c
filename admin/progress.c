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

void progress_at(struct progress *p, uint64_t n, const char *where)
{
    if (!p->is_shown)
        return;
    uint64_t now = clock_mono_ms();
    if (now < p->next_ms)
        return;
    p->next_ms = now + EVERY_MS;
    uint64_t ms = now - p->started_ms;
    fprintf(stderr, "\r\033[K%s %llu, %llu a second, %.40s", p->what, (unsigned long long)n,
        (unsigned long long)(n * 1000 / (ms ? ms : 1)), where);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->is_shown && clock_mono_ms() - p->started_ms > FIRST_MS)
        fprintf(stderr, "\r\033[K");
}
