/* A cursor over one complete IMAP command held in memory, literals inline as they came
 * ("{5}" CRLF and five bytes), the command's last CRLF left off.
 *
 * Functions read one element of the grammar (RFC 3501 section 9) and move on. The first error sticks:
 * later calls return empty slices and zeros and move nothing; ask imap_failed() once at the end.
 * Slices lie inside the command, or, for quoted strings with escapes, inside the scratch buffer,
 * which is given room for all of the command at once and so never moves. Pure: no session, no I/O. */
#ifndef RETRIEVAL_IMAP_PARSE_H
#define RETRIEVAL_IMAP_PARSE_H

#include "base/buf.h"

#define IMAP_LINE_MAX (64 * 1024)
#define IMAP_LITERAL_MAX (64 * 1024)        /* any literal but APPEND's letter */
#define IMAP_COMMAND_MAX (256 * 1024)       /* lines and literals of one command together */
#define IMAP_TAG_MAX 120                    /* fits session_attach.h */
#define IMAP_KEYWORDS_MAX 32                /* keywords in one flag list */
#define IMAP_KEYWORD_MAX 100                /* bytes of one keyword */

struct imap_cursor {
    struct slice text;
    size_t at;
    const char *error;      /* NULL while all is well: words for the BAD reply */
    struct buf *scratch;    /* borrowed */
};

void imap_cursor_init(struct imap_cursor *c, struct slice text, struct buf *scratch);
bool imap_failed(const struct imap_cursor *c);
/* Keeps the first error. why: a literal. */
void imap_fail(struct imap_cursor *c, const char *why);
/* The next byte, or -1 at the end and after an error. */
int imap_peek(const struct imap_cursor *c);
/* Consumes the byte when it is next. */
bool imap_take(struct imap_cursor *c, uint8_t byte);
/* Consumes the word, ASCII case ignored, when it is next and an atom ends behind it. */
bool imap_take_word(struct imap_cursor *c, const char *word);
/* Exactly one SP. A second one is borne: real clients send it. */
void imap_space(struct imap_cursor *c);
/* SP or nothing. */
void imap_open(struct imap_cursor *c);   /* "(" */
void imap_close(struct imap_cursor *c);  /* ")" */
/* Nothing may follow. */
void imap_end(struct imap_cursor *c);

struct slice imap_tag(struct imap_cursor *c);
struct slice imap_atom(struct imap_cursor *c);
struct slice imap_astring(struct imap_cursor *c);
/* Quoted or literal only. */
struct slice imap_string(struct imap_cursor *c);
/* list-mailbox: as astring, with the wildcards. */
struct slice imap_list_mailbox(struct imap_cursor *c);
uint32_t imap_number(struct imap_cursor *c);
uint64_t imap_number64(struct imap_cursor *c);

/* A flag list, system flags as bits of storage/store_client.h; names of keywords still to be turned
 * into bits. "\Recent" and unknown system flags are errors. */
struct imap_flags {
    uint64_t bits;
    struct slice keywords[IMAP_KEYWORDS_MAX];
    size_t keyword_count;
};
void imap_flag(struct imap_cursor *c, struct imap_flags *out);
/* "(" [flag *(SP flag)] ")" */
void imap_flag_list(struct imap_cursor *c, struct imap_flags *out);
/* date: "17-Jul-1996", quoted or not, as the first second of that day in UTC. */
int64_t imap_date(struct imap_cursor *c);
/* date-time: "17-Jul-1996 02:44:25 -0700" in quotes. */
int64_t imap_date_time(struct imap_cursor *c);

/* What a line's end says of a literal: "{5}", "{5+}", "~{5}". */
struct imap_literal {
    uint64_t size;
    bool is_sync;       /* the client waits for our "+" */
    bool is_binary;     /* literal8: NUL is allowed */
};
/* Whether the line announces a literal. A number beyond 2^63 counts as 2^63. */
bool imap_line_literal(struct slice line, struct imap_literal *out);

#endif
