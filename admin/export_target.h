/* What export writes to: a folder of Maildirs or of mboxes. One mailbox after the other: begin, then for
 * each letter that has() does not know put(), in the order of UIDs; at the end of each batch flush(), then
 * end(). What was flushed outlives a crash, and the next export goes on behind it. */
#ifndef ADMIN_EXPORT_TARGET_H
#define ADMIN_EXPORT_TARGET_H

#include "base/buf.h"

struct export_letter {
    uint32_t uid;
    int64_t date;           /* INTERNALDATE */
    struct slice flags;     /* IMAP's, between blanks */
    struct slice letter;    /* CRLF; empty in has() */
};

struct export_target;

struct export_format {
    const char *name;
    /* folder exists. */
    struct export_target *(*open)(const char *folder);
    enum err (*begin)(struct export_target *t, struct slice mailbox, uint32_t uidvalidity) MUST_CHECK;
    /* It is there from an earlier export; what changed of its flags is written. */
    bool (*has)(struct export_target *t, const struct export_letter *l);
    enum err (*put)(struct export_target *t, const struct export_letter *l) MUST_CHECK;
    enum err (*flush)(struct export_target *t) MUST_CHECK;
    enum err (*end)(struct export_target *t) MUST_CHECK;
    void (*close)(struct export_target *t);
};

extern const struct export_format export_maildir, export_mbox;

/* Without \Recent; calls fn for each. */
void export_each_flag(struct slice flags, void (*fn)(void *ctx, struct slice flag), void *ctx);
/* The letter with LF line ends. */
void export_put_lf(struct buf *out, struct slice letter);
/* mkdir that bears what is there. */
enum err export_mkdir(const char *path) MUST_CHECK;

#endif
