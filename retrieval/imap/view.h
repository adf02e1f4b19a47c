/* What a session sees of a mailbox: UIDs as runs, with the count before each, so that memory and
 * time go with the runs, not with the mails. Message numbers change only when view_add() and
 * view_remove() are called, which the session does where the protocol allows it. Pure. */
#ifndef RETRIEVAL_IMAP_VIEW_H
#define RETRIEVAL_IMAP_VIEW_H

#include "retrieval/imap/sequence_set.h"

struct view_run {
    uint32_t first;
    uint32_t last;
    uint32_t before; /* mails in earlier runs */
};

struct view {
    struct view_run *runs; /* owned */
    size_t n;
    size_t cap;
};

void view_clear(struct view *v);
/* Ranges ascending and apart, as reader_uid_runs() gives them. */
void view_load(struct view *v, const struct uid_range *ranges, size_t n);
uint32_t view_count(const struct view *v);
/* 0 when empty. */
uint32_t view_last_uid(const struct view *v);
/* The UID of a message number from 1 to view_count(). */
uint32_t view_uid(const struct view *v, uint32_t number);
/* The number of a UID; 0: not in the view. */
uint32_t view_number(const struct view *v, uint32_t uid);
/* The smallest UID in the view that is at least uid; 0: none. */
uint32_t view_next(const struct view *v, uint32_t uid);
/* How many UIDs are at least uid. */
uint32_t view_count_from(const struct view *v, uint32_t uid);
/* Appends a UID above all others. */
void view_add(struct view *v, uint32_t uid);
/* Takes UIDs out: ranges ascending and apart. */
void view_remove(struct view *v, const struct uid_set *gone);
/* The UIDs of the view that lie in the (resolved) set, appended to out in ascending order. */
void view_select_uids(const struct view *v, const struct uid_set *uids, struct uid_set *out);
/* The UIDs of the (resolved) set of message numbers. False when a number is beyond the view. */
bool view_select_numbers(const struct view *v, const struct uid_set *numbers, struct uid_set *out);

#endif
