/* The command line's own look at the databases while a store serves from them: read-only, over one
 * consistent snapshot of all, so that nobody is held up by verify and backup. Meanwhile the WAL grows, no more.
 * A store must live (the server's or the command's private one): it made the files that readers need. */
#ifndef STORAGE_INSPECT_H
#define STORAGE_INSPECT_H

#include "base/buf.h"

struct inspection;

/* Called every now and then; done and all count pages, all 0 while that is not known. */
typedef void (*inspect_progress_fn)(void *ctx, const char *what, uint64_t done, uint64_t all);

/* ERR_AGAIN: the store wrote so fast that no moment was found; try again. */
enum err inspection_open(const char *folder, inspect_progress_fn fn, void *ctx, struct inspection **out) MUST_CHECK;
void inspection_close(struct inspection *i);
/* As the store's own verify: text for people, one JSON object. ERR_DAMAGED: something is not in order. */
enum err inspection_verify(struct inspection *i, struct buf *text, struct buf *json) MUST_CHECK;
/* Writes mail.db, letters.db and credentials.db into that folder, where they are not yet; synced. */
enum err inspection_copy(struct inspection *i, const char *to_folder) MUST_CHECK;

/* Is what inspection_copy() wrote whole? Appends what is wrong. */
enum err backup_check(const char *folder, struct buf *text) MUST_CHECK;
/* Of a backup's mail.db, before a store opens it: clients may know UIDs that were given after it
 * was made. No mailbox gives those again; they are said to have vanished. */
enum err backup_renumber(const char *folder, const char *mail_file) MUST_CHECK;

#endif
