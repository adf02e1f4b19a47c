/* The account's mailboxes by name: "a/b/c", INBOX in any case. Read anew by each command that needs
 * it: names are few and change behind our back. */
#ifndef RETRIEVAL_IMAP_MAILBOX_TREE_H
#define RETRIEVAL_IMAP_MAILBOX_TREE_H

#include "retrieval/imap/session.h"

#define IMAP_DELIMITER '/'
#define IMAP_MAILBOX_PATH_MAX (MAILBOX_DEPTH_MAX * (MAILBOX_NAME_MAX + 1))

struct mailbox_node {
    struct slice path;      /* in the tree's memory; UTF-8 */
    size_t parent;          /* index, SIZE_MAX at the top */
    bool has_children;
};

struct mailbox_tree {
    struct mailbox_info *infos;  /* owned; in the order of nodes: INBOX first, then by path */
    struct mailbox_node *nodes;  /* owned */
    size_t n;
    char *memory;           /* owned: all paths */
};

enum err mailbox_tree_read(struct retrieval *r, struct mailbox_tree *out) MUST_CHECK;
void mailbox_tree_clear(struct mailbox_tree *t);
/* Index of a mailbox by its path (mailbox_name_read), or SIZE_MAX. */
size_t mailbox_tree_find(const struct mailbox_tree *t, struct slice path);
/* The nearest mailbox above a path that exists: its index or SIZE_MAX for the top; *out_rest is what
 * is left of the path below it. */
size_t mailbox_tree_nearest(const struct mailbox_tree *t, struct slice path, struct slice *out_rest);

/* A name as a client wrote it (modified UTF-7, or UTF-8) to a path: a trailing delimiter dropped, INBOX
 * in upper case. ERR_SYNTAX: no name that a mailbox may have; ERR_TOO_BIG. */
enum err mailbox_name_read(struct imap_session *s, struct slice as_written, struct buf *out_path) MUST_CHECK;
/* The same without the rules for new names: patterns. */
void mailbox_pattern_read(struct imap_session *s, struct slice as_written, struct buf *out);

/* One mailbox by the name a client wrote. On an error the completion is set (code: "TRYCREATE" or
 * "NONEXISTENT"); false then. */
bool mailbox_open_named(struct imap_session *s, struct slice as_written, const char *code,
    struct mailbox_info *out);

#endif
