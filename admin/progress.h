/* How far a long command is: on a terminal a line on stderr, rewritten at most four times a second. */
#ifndef ADMIN_PROGRESS_H
#define ADMIN_PROGRESS_H

#include "admin/cli.h"

struct progress {
    const char *what;       /* "imported" */
    bool is_shown;
    uint64_t started_ms;
    uint64_t next_ms;
};

void progress_begin(struct progress *p, const struct cli *c, const char *what);
void progress_at(struct progress *p, uint64_t n, const char *where);
/* The same without a number: what is done, and for how long. */
void progress_note(struct progress *p, const char *what);
/* Takes the line away again. */
void progress_end(struct progress *p);

#endif
