/* A command's own session in an account: the account's retrieval process, spoken to in IMAP over a
 * descriptor that auth gave for a password (session.open). So whatever import, export and verify do
 * obeys the rules of every client, and nothing is in clear but in their memory.
 *
 * Blocking, with a patience for each read. APPENDs are pipelined; commands wait for them. */
#ifndef ADMIN_MAIL_LINK_H
#define ADMIN_MAIL_LINK_H

#include "admin/cli.h"

#define MAIL_PATIENCE_MS 120000        /* for one more byte */
#define MAIL_LETTER_MAX (512u << 20)   /* of a response with its literals */
#define MAIL_APPENDS_MAX 64            /* on their way at once */
#define MAIL_APPEND_SLOTS 256          /* of these numbers no two fly at once: the server answers in order but
                                          for at most 64 that it refuses early */

struct mail_link;

/* One untagged line, with its literals where they stand: "{5}\r\nbytes". Valid during the call. */
typedef void (*mail_line_fn)(void *ctx, struct slice line);
/* How an APPEND ended: why is empty, or what the server said. */
typedef void (*mail_append_fn)(void *ctx, uint64_t number, struct slice why);

/* Asks for the password (the command's first secret) and opens the session. CLI_DONE, or the exit status
 * after saying what is wrong. */
int mail_link_open(struct cli *c, const char *address, struct mail_link **out);
void mail_link_close(struct mail_link *l);

/* Sends the command (no tag, no line end) and waits. ERR_OK: it said OK. ERR_DENIED: NO or BAD, see
 * mail_refusal(). ERR_CLOSED, ERR_TIMEOUT: the session is lost. */
enum err mail_command(struct mail_link *l, struct slice command, mail_line_fn fn, void *ctx) MUST_CHECK;
/* Words of the last NO or BAD; NUL-ended, until the next command. */
const char *mail_refusal(const struct mail_link *l);

/* Mailbox names are UTF-8 with "/" between components. Appends a quoted one. */
void mail_put_name(struct buf *out, struct slice name);

struct mail_append {
    uint64_t number;                   /* the caller's, given back */
    struct slice mailbox;
    struct slice flags;                /* "\\Seen $Forwarded" */
    int64_t date;                      /* INT64_MIN: now */
    struct slice letter;               /* lines ended by LF or CRLF */
};
/* Waits until one more may be on its way. fn comes for each that was answered. */
enum err mail_append_room(struct mail_link *l, mail_append_fn fn, void *ctx) MUST_CHECK;
/* Sends it and takes the answers that are there. fn comes for each, now or later. */
enum err mail_append(struct mail_link *l, const struct mail_append *a, mail_append_fn fn, void *ctx) MUST_CHECK;
/* Waits for all that are on their way. */
enum err mail_append_finish(struct mail_link *l) MUST_CHECK;

/* ---- reading what FETCH and LIST say ---- */

/* The next item of a parenthesised list: an atom (BODY[…] with its brackets), a quoted string, a literal's bytes, or
 * a list with its parentheses. False at the end. */
bool mail_next_item(struct slice *rest, struct slice *out);
/* "* 5 FETCH (…)": the inside of the list. False: the line is something else. */
bool mail_fetch_items(struct slice line, struct slice *out_items);
/* The value behind this name; an empty slice with p NULL when there is none. BODY[…] is found by "BODY[". */
struct slice mail_item(struct slice items, const char *name);
/* All mailboxes that hold letters, UTF-8 names, in the order of LIST. *out and its strings are malloc'ed. */
enum err mail_list(struct mail_link *l, char ***out, size_t *out_n) MUST_CHECK;
void mail_list_free(char **list, size_t n);

#endif
