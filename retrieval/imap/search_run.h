/* While it takes long, a client is told how far it is (INPROGRESS, RFC 9585), but never within a line.
 *
 * A search over the selected mailbox, in slices: shared by SEARCH, SORT and THREAD. First the index is scanned,
 * then the mailbox's rows are gone through; a letter that neither row nor index decides is opened. */
#ifndef RETRIEVAL_IMAP_SEARCH_RUN_H
#define RETRIEVAL_IMAP_SEARCH_RUN_H

#include "retrieval/imap/search_program.h"
#include "retrieval/imap/session.h"

/* A letter that answers, in order of UIDs. Not ERR_OK: the letter counts as unread (ERR_DAMAGED and its like)
 * or the search ends. */
typedef enum err (*search_found_fn)(struct imap_session *s, void *ctx, struct letter_source *l, uint32_t number);

struct search_run {
    struct search_program program;  /* parsed by the caller; owned from then on */
    unsigned want;                  /* of enum mail_want: what on_found needs of a letter */
    search_found_fn on_found;
    void *ctx;
    bool is_within_line;            /* the caller has begun its answer: nothing may be said between */
    uint64_t unread_count;          /* letters that could not be read */
    /* inside */
    struct search_index *index;     /* owned; NULL: every letter is opened */
    bool is_scanned;
    unsigned cursor_want;
    uint32_t next_uid;
    uint32_t looked_at;
    uint64_t told_ms;               /* when progress was told last, by the monotonic clock */
    unsigned busy_count;
    int64_t now;
};

/* False: refused, and said so. */
bool search_run_begin(struct imap_session *s, struct search_run *w);
/* AGAIN, ROOM, or DONE with *out_end. */
enum imap_step search_run_step(struct imap_session *s, struct search_run *w, enum err *out_end);
void search_run_clear(struct search_run *w);

#endif
