/* Making threads of letters: RFC 5256 section 3, ORDEREDSUBJECT and REFERENCES. Pure, linear but for sorting:
 * nodes are numbers, message ids are hashes. A chain of references deeper than THREAD_DEPTH_MAX is cut. */
#ifndef RETRIEVAL_IMAP_THREAD_TREE_H
#define RETRIEVAL_IMAP_THREAD_TREE_H

#include "base/buf.h"

#define THREAD_DEPTH_MAX 500
#define THREAD_REFERENCES_MAX 100   /* of one letter; the last ones count */
#define THREAD_NONE UINT32_MAX

struct thread_letter {
    uint32_t result;           /* UID or message number */
    bool is_reply;             /* the subject had a "Re:" */
    int64_t sent;
    uint64_t id;               /* hash of Message-ID; 0: none */
    uint32_t subject;          /* equal for equal base subjects, 0: empty. Given by the caller */
    uint32_t references_at;    /* into references[] */
    uint32_t references_n;
};

struct thread_node {
    uint32_t letter;           /* index; THREAD_NONE: a dummy */
    uint32_t parent, child, next;
    bool is_gone;
};

struct thread_tree {
    struct thread_letter *letters;  /* borrowed */
    size_t letter_count;
    const uint64_t *references;     /* borrowed */
    struct thread_node *nodes;      /* owned; node 0 is the root of all */
    size_t node_count, node_cap;
};

/* letters in mailbox order. Free with thread_tree_clear(). */
void thread_by_references(struct thread_letter *letters, size_t n, const uint64_t *references, struct thread_tree *out);
void thread_by_subject(struct thread_letter *letters, size_t n, struct thread_tree *out);
void thread_tree_clear(struct thread_tree *t);

/* Writes threads one after the other: "(2)(3 6 (4 23)(44 7 96))". *at: the node to write next, 0 before the
 * first; false: all is written. */
bool thread_tree_put(const struct thread_tree *t, uint32_t *at, struct buf *out);

/* The message ids ("<left@right>") of a field, hashed, in order; returns how many were put (max at most,
 * the last ones). */
size_t thread_ids(struct slice value, uint64_t *out, size_t max);

#endif
