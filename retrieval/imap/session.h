/* One IMAP session behind the login: reads commands, runs them one after the other, writes replies.
 *
 * Life of a command: its line (and literals) gather in `command` → the table (commands.c) says who it
 * is → its parse function fills `work` → step, as often as it asks: AGAIN (another piece, after
 * others had a turn), WAIT (a store reply or input will come), ROOM (the client must read first) →
 * DONE with a completion set by imap_ok(), imap_no() or imap_bad() → what changed in the selected mailbox is told
 * (sync.h) → the completion is written. The commands' own files hold parse and step; they never
 * write a tag. */
#ifndef RETRIEVAL_IMAP_SESSION_H
#define RETRIEVAL_IMAP_SESSION_H

#include "net/stream.h"
#include "retrieval/imap/sequence_set.h"
#include "retrieval/imap/view.h"
#include "retrieval/session.h"

#define IMAP_BAD_MAX 20                        /* bad commands in a row before BYE */
#define IMAP_IDLE_TIMEOUT_MS (31 * 60 * 1000)  /* RFC 3501 section 5.4: at least 30 minutes */
#define IMAP_COMPLETION_MAX (512 * 1024)       /* COPYUID of the largest copy */
#define IMAP_OUTPUT_MAX STREAM_OUTPUT_MAX
#define IMAP_COMMANDS_PER_TURN 32
#define IMAP_SLICE_US 5000                     /* a step stops after so long */
#define IMAP_FLYING_MAX 64                     /* pipelined APPENDs whose commit is awaited */
#define IMAP_DISCARD_MAX (256ULL * 1024 * 1024) /* of a literal that nobody wants */

enum imap_state { IMAP_STATE_AUTHENTICATED = 1, IMAP_STATE_SELECTED = 2, IMAP_STATE_LOGOUT = 4 };
enum imap_step { IMAP_STEP_DONE, IMAP_STEP_AGAIN, IMAP_STEP_WAIT, IMAP_STEP_ROOM, IMAP_STEP_CLOSE };

struct imap_session;

/* Flags of the command table. */
#define IMAP_CMD_UID 1         /* has a UID form */
#define IMAP_CMD_KEEPS_NUMBERS 2 /* no EXPUNGE while it runs by message numbers */
#define IMAP_CMD_SYNC 4        /* looks for changes even when no ring came */
#define IMAP_CMD_WRITES 8      /* refused in a mailbox opened by EXAMINE */
#define IMAP_CMD_INPUT 16      /* reads input itself (IDLE, APPEND) */
#define IMAP_CMD_STREAMS 32    /* its last literal is not gathered (APPEND) */

struct imap_command {
    const char *name;
    unsigned states;            /* of enum imap_state */
    unsigned flags;
    size_t work_size;
    /* Fills work (zeroed) from what follows the name, space included. Pure; errors stand in c. */
    void (*parse)(struct imap_cursor *c, void *work);
    enum imap_step (*step)(struct imap_session *s, void *work);
    void (*clear)(struct imap_session *s, void *work); /* may be NULL; s is NULL when only parsed */
};

/* The answer to the one request that a session has on its way to the store. */
struct imap_reply {
    bool has_come;
    enum err err;
    uint64_t modseq;
    uint64_t value;
    uint32_t uidvalidity;
    struct uid_set ranges;      /* owned; in the store's order, not merged */
    struct uid_set ranges2;
};

struct imap_selected {
    uint64_t mailbox;
    bool is_read_only;
    uint32_t uidvalidity;
    uint32_t recent_from;       /* UIDs from here on are \Recent */
    bool has_new_recent;        /* some came while selected: claimed when the mailbox is left */
    uint64_t seen_modseq;       /* flags and arrivals up to here were told */
    uint64_t gone_modseq;       /* expunges up to here were told */
    uint64_t announced_keywords; /* bits that FLAGS named */
    struct view view;
};

struct imap_session {
    struct retrieval_session base; /* first */
    struct stream *stream;      /* owned */
    enum imap_state state;
    bool is_closing;            /* BYE is said: nothing more is read */
    bool has_utf8;              /* ENABLE UTF8=ACCEPT, or IMAP4rev2: names and strings are UTF-8 */
    bool has_condstore;         /* FETCH responses bear MODSEQ (RFC 7162 section 3.1) */
    bool has_qresync;           /* VANISHED in place of EXPUNGE */
    bool starts_deflate;        /* COMPRESS: behind its completion all is deflated (RFC 4978) */
    bool has_deflate;
    bool has_rev2;              /* ENABLE IMAP4rev2: no RECENT, ESEARCH always */
    bool is_uid_only;           /* ENABLE UIDONLY: message numbers neither heard nor said (RFC 9586) */
    bool is_dirty;              /* the selected mailbox may have changed */
    unsigned bad_count;

    /* The command that is read or runs. */
    struct buf command;         /* owned; tag and words borrow from it */
    struct buf scratch;         /* owned; see parse.h */
    uint64_t literal_left;      /* bytes still to be gathered */
    uint64_t discard_left;      /* bytes of a refused literal still to come */
    bool discard_line;          /* and then the rest of that command */
    struct slice tag;
    const struct imap_command *run;
    bool by_uid;
    bool is_stepping_done;      /* step said DONE: only sync and completion are left */
    void *work;                 /* owned; run->work_size bytes */
    struct buf completion;      /* owned; "OK FETCH completed" */
    uint64_t slice_started_us;

    struct imap_reply reply;
    uint64_t request;           /* 0: none on its way */
    struct imap_flying *flying; /* owned; see cmd_append.c. Commands other than APPEND wait for them */
    size_t flying_count;
    struct imap_selected *selected; /* owned; NULL outside IMAP_STATE_SELECTED */
    struct imap_sync *sync;     /* owned; see sync.h */
    struct uid_set saved;       /* owned; what SEARCH RETURN (SAVE) found: UIDs (RFC 5182) */
    /* What an own STORE changed: not told again by the next sync. */
    struct uid_set own_uids;
    uint64_t own_modseq;

    struct buf out;             /* owned; goes to the stream at the end of each step */

    /* For the log. */
    uint64_t command_count;
    uint64_t sent_bytes;
    char address[328];
    char peer[64];
};

/* --- for commands --- */

/* One of these before DONE. text begins with a response code in brackets where one fits. */
void imap_ok(struct imap_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void imap_no(struct imap_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void imap_bad(struct imap_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* NO with a response code and words for an error of storage. what: "the copy". */
void imap_no_err(struct imap_session *s, enum err e, const char *what);

/* Bytes that may still be put into s->out; one row more than that is borne. 0: return ROOM. */
size_t imap_room(struct imap_session *s);
void imap_flush(struct imap_session *s);
/* "* 3 FETCH (", or "* 17 UIDFETCH (" (RFC 9586 section 3.3); true: the UID stands there already. */
bool imap_put_fetch_head(struct imap_session *s, uint32_t number, uint32_t uid);
/* True when this step has had its time. */
bool imap_slice_is_over(const struct imap_session *s);
void imap_slice_begin(struct imap_session *s);

/* Writes the completion that was set, under that tag. A step that says DONE and sets none leaves its
 * completion to another moment. */
void imap_say_completion(struct imap_session *s, struct slice tag);

/* Use as a store call's callback with the session as ctx; it fills s->reply and steps on. Put the
 * request's number into s->request and return IMAP_STEP_WAIT. */
void imap_on_reply(void *ctx, const struct store_reply *r);
/* Before a request: forgets the last reply. */
void imap_reply_reset(struct imap_session *s);

struct store_client *imap_store(struct imap_session *s);
struct reader *imap_reader(struct imap_session *s);

/* Leaves the selected mailbox, if any. */
void imap_unselect(struct imap_session *s);
/* A command asked for mod-sequences: from now on they are told. */
void imap_enable_condstore(struct imap_session *s);
/* "* BYE text", then the connection ends. */
void imap_bye(struct imap_session *s, const char *text);
/* Resolves a set as written into UIDs of the view. False (with BAD set): a number beyond the view. */
bool imap_resolve_set(struct imap_session *s, struct uid_set *as_written, struct uid_set *out_uids);
/* Goes on with whatever can go on; called by events. */
void imap_advance(struct imap_session *s);

#endif
