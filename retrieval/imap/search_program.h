/* A SEARCH program: the keys of RFC 3501 section 6.4.4 (with OLDER and YOUNGER of RFC 5032) as a flat
 * tree, and whether one letter answers it. Needles are folded once, when the program is parsed. */
#ifndef RETRIEVAL_IMAP_SEARCH_PROGRAM_H
#define RETRIEVAL_IMAP_SEARCH_PROGRAM_H

#include "retrieval/imap/letter_source.h"
#include "retrieval/imap/sequence_set.h"
#include "message/tokens.h"
#include "storage/search_index.h"

#define SEARCH_KEYS_MAX 1000
#define SEARCH_DEPTH_MAX 50
#define SEARCH_NEEDLE_MAX 4096
#define SEARCH_HEADER_MAX (1024 * 1024)  /* of a header that is searched */
#define SEARCH_PART_MAX (256ULL * 1024 * 1024) /* decoded text of one part; letters are smaller */

enum search_kind { SEARCH_ALL, SEARCH_AND, SEARCH_OR, SEARCH_NOT, SEARCH_FLAG, SEARCH_UNFLAG, SEARCH_KEYWORD,
    SEARCH_UNKEYWORD, SEARCH_RECENT, SEARCH_OLD, SEARCH_NEW, SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE,
    SEARCH_SENTBEFORE, SEARCH_SENTON, SEARCH_SENTSINCE, SEARCH_LARGER, SEARCH_SMALLER, SEARCH_OLDER,
    SEARCH_YOUNGER, SEARCH_HEADER, SEARCH_BODY, SEARCH_TEXT, SEARCH_UIDS, SEARCH_NUMBERS, SEARCH_MODSEQ,
    SEARCH_SAVEDBEFORE, SEARCH_SAVEDON, SEARCH_SAVEDSINCE, SEARCH_EMAILID, SEARCH_NONE };

struct search_key {
    enum search_kind kind;
    uint16_t end;            /* index behind this key and all below it */
    uint64_t number;         /* flag bits, bytes, seconds, or the first second of a day */
    struct slice name;       /* of a header field, a keyword */
    struct buf needle;       /* owned; folded */
    struct uid_set set;      /* owned */
    /* Asked of the index; none: it does not know this key. */
    uint8_t questions[NEEDLE_PIECES_MAX];
    uint8_t question_count;
    bool is_exact;           /* yes to the question is yes to the key */
};

struct search_program {
    struct search_key *keys; /* owned; depth first, keys[0] is the AND of all */
    size_t n;
    unsigned want;           /* of enum mail_want */
    bool bad_charset;
    bool has_modseq;         /* MODSEQ is among the keys: the answer tells the highest */
};

/* From the first key to the end of the command; charset: empty, or what CHARSET named. */
void search_program_parse(struct imap_cursor *c, struct slice charset, struct search_program *out);
void search_program_clear(struct search_program *p);

/* Asks the index what it may know of this program; false: nothing. */
bool search_program_ask(struct search_program *p, struct search_index *index);
/* The index is not to be used any more. */
void search_program_unask(struct search_program *p);

/* One letter under the source. */
struct search_letter {
    struct letter_source *source;
    uint32_t number;
    uint32_t recent_from;
    int64_t now;
    const struct search_index *index; /* scanned; may be NULL */
};
enum search_truth { SEARCH_NO, SEARCH_YES, SEARCH_MUST_OPEN };
/* What the row and the index say without opening the letter. */
enum search_truth search_program_guess(const struct search_program *p, const struct search_letter *l);
/* ERR_OK and *out_match, or why the letter could not be read. */
enum err search_program_match(const struct search_program *p, const struct search_letter *l, bool *out_match)
    MUST_CHECK;

#endif
