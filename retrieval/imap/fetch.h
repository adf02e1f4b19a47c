/* The work of a FETCH: what is asked (fetch_parse.c), one letter's answer (fetch_row.c), and the way
 * through the mailbox (cmd_fetch.c).
 *
 * A letter is normally answered from the row under the cursor, in one go. A section larger than
 * FETCH_INLINE_MAX, or a client that reads slowly, turns it over to a letter handle, under which the
 * answer goes on over many steps, item by item and piece by piece. */
#ifndef RETRIEVAL_IMAP_FETCH_H
#define RETRIEVAL_IMAP_FETCH_H

#include "message/decode.h"
#include "retrieval/imap/fetch_listing.h"
#include "retrieval/imap/fetch_section.h"
#include "retrieval/imap/letter_source.h"
#include "retrieval/imap/partial.h"
#include "retrieval/imap/session.h"

#define FETCH_ITEMS_MAX 64
#define FETCH_INLINE_MAX (64 * 1024)
#define FETCH_HEADER_MAX (1024 * 1024) /* of a header from which fields are picked */

enum fetch_kind { FETCH_FLAGS, FETCH_UID, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY,
    FETCH_BODYSTRUCTURE, FETCH_MODSEQ, FETCH_SAVEDATE, FETCH_EMAILID, FETCH_THREADID, FETCH_PREVIEW,
    FETCH_BINARY, FETCH_BINARY_SIZE, FETCH_SECTION };

struct fetch_item {
    enum fetch_kind kind;
    const char *label;          /* "RFC822.TEXT"; NULL: "BODY" and the section */
    bool sets_seen;
    struct fetch_section section;
};

/* A part whose transfer encoding is undone (RFC 3516). It is decoded twice: the literal's size stands before it. */
struct fetch_binary {
    enum { BINARY_IDLE, BINARY_COUNTING, BINARY_SENDING } phase;
    struct decode_stream decoder;
    enum decode_encoding encoding;
    struct byte_range range;    /* encoded */
    uint64_t at;                /* encoded bytes read */
    uint64_t size;              /* decoded */
    bool has_nul;
    uint64_t skip;              /* decoded bytes in front of what is asked for */
    uint64_t left;              /* and how many of that are still to be sent */
};

struct fetch {
    struct uid_set set;
    struct fetch_item items[FETCH_ITEMS_MAX];
    size_t item_count;
    bool has_flags;
    bool has_uid;
    bool has_modseq;
    bool is_since;              /* CHANGEDSINCE (RFC 7162 section 3.1.4) */
    uint64_t since;
    bool wants_vanished;        /* VANISHED (section 3.2.6) */
    unsigned want;              /* of enum mail_want */
    bool wants_parts;
    bool sets_seen;

    /* The way through the mailbox. */
    enum { FETCH_BEGIN, FETCH_VANISHED, FETCH_ROWS, FETCH_GONE, FETCH_SEEN } phase;
    struct uid_set uids;
    struct partial_range partial;
    size_t range_at;
    uint32_t next_uid;
    struct uid_set vanished;
    size_t vanished_at;
    struct uid_set gone;        /* in the view, not in the mailbox any more */
    struct uid_set unseen;      /* to be marked \Seen */
    size_t seen_sent;
    uint64_t seen_modseq;
    bool has_gone;
    uint32_t damaged_uid;       /* the first one that could not be read; 0: none */
    uint64_t damaged_count;
    unsigned busy_count;        /* times that the database was in the way */

    /* The letter at hand. */
    bool is_in_row;
    size_t item_at;
    bool is_after_item;         /* a space goes before the next one */
    struct letter_handle *handle; /* owned; of a letter that takes many steps */
    struct letter_source source;
    uint64_t literal_at;        /* bytes of the letter still to be sent as they are */
    uint64_t literal_end;
    struct buf held;            /* owned; picked header fields still to be sent */
    size_t held_at;
    struct fetch_binary binary;
    bool has_unknown_encoding;
    bool is_padding;            /* the rest of a literal cannot be read */
    struct fetch_listing listing;
};

void fetch_parse(struct imap_cursor *c, void *work);
void fetch_clear(struct imap_session *s, void *work);

/* FETCH_ROW_BIG: the letter must be turned over to a handle first. FETCH_ROW_ROOM and
 * FETCH_ROW_AGAIN: only with a handle. */
enum fetch_row { FETCH_ROW_DONE, FETCH_ROW_BIG, FETCH_ROW_ROOM, FETCH_ROW_AGAIN, FETCH_ROW_DAMAGED };
/* Says (on) what is asked of the letter in w->source. */
enum fetch_row fetch_row_step(struct imap_session *s, struct fetch *w);

/* BINARY and BINARY.SIZE (fetch_binary.c): goes on until the item's head is said; DONE then. */
enum fetch_row fetch_binary_put(struct imap_session *s, struct fetch *w, const struct fetch_item *item);
/* Sends on the bytes behind the head. False: no room, or its time
 * is over. *out_damaged: some could not be read, blanks were sent. */
bool fetch_binary_pump(struct imap_session *s, struct fetch *w, bool *out_damaged);

#endif
