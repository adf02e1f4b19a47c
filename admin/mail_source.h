/* Letters on disk as others keep them, one after the other with folder, flags and date:
 *
 *   a folder with cur/        a Maildir; its ".A.B" are the folders A/B (Maildir++), its other folders with cur/
 *                             are folders too
 *   a file                    an mbox
 *   any other folder          what of these is in it; the names of folders and files become the names of
 *                             mailboxes (endings .sbd and .mbox fall away)
 *
 * Nothing is changed on disk. Names that are no UTF-8 are read as modified UTF-7 or get "?". */
#ifndef ADMIN_MAIL_SOURCE_H
#define ADMIN_MAIL_SOURCE_H

#include "base/buf.h"

#define SOURCE_LETTER_MAX (256u << 20)
#define SOURCE_DEPTH_MAX 20
#define SOURCE_FLAGS_MAX 2048

struct source_letter {
    const char *origin;     /* the file, for messages */
    struct slice letter;    /* lines ended by LF or CRLF */
    struct slice flags;     /* as APPEND wants them: "\\Seen $Forwarded" */
    int64_t date;           /* INT64_MIN: not known */
};

struct mail_source_events {
    /* The letters that follow are of this folder ("" for the top). False: stop. */
    bool (*on_folder)(void *ctx, struct slice name);
    bool (*on_letter)(void *ctx, const struct source_letter *l);
    /* A file that cannot be read; the walk goes on. */
    void (*on_bad)(void *ctx, const char *origin, const char *why);
};

/* ERR_OK: all was seen, or a callback stopped. ERR_NOT_FOUND, ERR_DENIED …: of path itself. */
enum err mail_source_walk(const char *path, const struct mail_source_events *events, void *ctx) MUST_CHECK;

/* Inside: the letters of one mbox, see mail_source_mbox.c. False: stop. */
bool mail_source_mbox(const char *path, const struct mail_source_events *events, void *ctx);
/* Appends a flag or keyword, a blank before it; what is no IMAP atom is left out. */
void mail_source_flag(struct buf *flags, struct slice flag);

#endif
