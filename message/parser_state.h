/* What the files of the parser share: its state, its limits and the calls between them.
 *
 *   parser.c               pieces -> lines, the fast scan of bodies, begin and end
 *   parser_header.c        lines of a header -> fields -> the summary
 *   parser_mime.c          the stack of open entities, delimiters, the tree of parts
 *   parser_preview.c       the first words of the text
 *   parser_address_list.c  RFC 5322 address lists
 *   params.c               MIME parameters with RFC 2231
 *
 * Only these files include it. */
#ifndef MESSAGE_PARSER_STATE_H
#define MESSAGE_PARSER_STATE_H

#include "message/parser.h"

/* The beginning of a line that is judged: a field name and a delimiter must stand within it. */
#define LINE_HEAD_MAX 1024
/* Bytes of one unfolded field that are read for addresses and parameters. */
#define FIELD_WORK_MAX (48 * 1024)
/* RFC 2046 section 5.1.1 allows 70; more is seen and borne. */
#define BOUNDARY_MAX 250
/* Raw bytes of a text part that the preview is made from. */
#define PREVIEW_RAW_MAX 4096

/* The record's bytes, counted from above while the letter is read, so that it always fits
 * SUMMARY_BYTES_MAX: the letter's own envelope may fill COST_TOP_MAX, other strings the space up to
 * COST_STRINGS_MAX, parts the space up to COST_PARTS_MAX. */
#define COST_BASE 512 /* head and preview */
#define COST_TOP_MAX (20 * 1024)
#define COST_STRINGS_MAX (32 * 1024)
#define COST_PARTS_MAX (47 * 1024)
#define COST_PART 28
#define COST_ENVELOPE 24
#define COST_STRING 3
#define COST_ADDRESS 12

enum parser_field {
    FIELD_NONE,
    FIELD_FROM,
    FIELD_SENDER,
    FIELD_REPLY_TO,
    FIELD_TO,
    FIELD_CC,
    FIELD_BCC,
    FIELD_DATE,
    FIELD_SUBJECT,
    FIELD_IN_REPLY_TO,
    FIELD_MESSAGE_ID,
    FIELD_REFERENCES,
    FIELD_LIST_ID,
    FIELD_RECEIVED,
    FIELD_TYPE,
    FIELD_ENCODING,
    FIELD_ID,
    FIELD_DESCRIPTION,
    FIELD_MD5,
    FIELD_DISPOSITION,
    FIELD_LANGUAGE,
    FIELD_LOCATION
};

enum frame_kind { FRAME_LEAF, FRAME_MULTIPART, FRAME_MESSAGE };

/* An entity that is open: the innermost is the last. */
struct parser_frame {
    enum frame_kind kind;
    uint32_t part;
    uint64_t body_lf; /* line feeds before its body */
    size_t boundary_n;
    uint8_t boundary[BOUNDARY_MAX];
};

enum line_state {
    LINE_START, /* the next byte begins a line */
    LINE_HELD,  /* the line's beginning is in held[], not yet judged */
    LINE_REST   /* judged; the rest of it is passed on */
};

struct arena_block;

struct message_parser {
    struct summary s; /* arrays are owned here, strings live in the arena */
    size_t envelope_cap, address_cap, param_cap, part_cap;
    struct arena_block *arena;
    size_t cost;

    uint64_t offset; /* bytes consumed */
    uint64_t lf;     /* line feeds consumed */
    uint32_t tail;   /* the last four bytes consumed, the last one lowest */
    enum line_state line;
    uint64_t line_offset; /* offset, lf and tail where this line begins */
    uint64_t line_lf;
    uint32_t line_tail;
    size_t held_n;

    bool is_finished;
    bool in_header;
    bool in_root_header;
    bool has_envelope; /* the entity whose header is read is a letter */
    uint16_t envelope;
    enum parser_field field;
    size_t field_line_from;
    bool field_cut;
    struct buf work; /* the field's unfolded value */

    size_t frame_n;
    size_t open_boundaries;
    uint32_t hashes[MIME_DEPTH_MAX]; /* of the boundaries; 0 where there is none */
    uint8_t first_bytes[256];        /* how many of them begin with a byte */

    /* Raw text for the preview: the first text/plain and the first text/html part. */
    struct buf *capture; /* NULL, or one of the two */
    struct buf plain, html;
    uint32_t plain_part, html_part;

    uint8_t held[LINE_HEAD_MAX];
    struct parser_frame frames[MIME_DEPTH_MAX];
};

/* parser.c: strings. Copies s, cut to max and to what the record may still hold up to the ceiling. */
struct slice parser_keep(struct message_parser *p, struct slice s, size_t max, size_t ceiling);
/* Counts n bytes of the record; false (and is_truncated) when they do not fit below the ceiling. */
bool parser_spend(struct message_parser *p, size_t n, size_t ceiling);
/* Room for one more element of an array. */
void *parser_grow(void *array, size_t count, size_t *cap, size_t element_size);

/* parser_header.c: the beginning of a line, more of it, and its end. */
void parser_header_line(struct message_parser *p, struct slice head);
void parser_header_more(struct message_parser *p, struct slice run);
void parser_header_line_end(struct message_parser *p);
void parser_field_finish(struct message_parser *p);

/* parser_mime.c */
void parser_open_root(struct message_parser *p);
/* The header of the innermost entity ends, its body begins at `at`. */
void parser_header_end(struct message_parser *p, uint64_t at);
/* Acts on the line when it is a delimiter of an open multipart; false when it is none. */
bool parser_delimiter(struct message_parser *p, struct slice line);
void parser_close_all(struct message_parser *p);

/* parser_preview.c: when all parts are closed. */
void parser_make_preview(struct message_parser *p);

/* parser_address_list.c: calls `on` for every address, in order. The strings are valid in the call.
 * When `on` answers false the reading ends, but for the end of a group that was begun. */
typedef bool (*address_list_fn)(void *ctx, const struct summary_address *a);
void address_list_read(struct slice value, address_list_fn on, void *ctx);

/* summary.c: the type in lower case, for ever valid, when it is one that the record writes as a byte. */
bool summary_common_type(struct slice type, struct slice subtype, struct slice *out_type,
    struct slice *out_subtype);

/* params.c: "; name=value; …" with RFC 2231; at most PARAMS_MAX pieces are read. Calls `on` for each
 * parameter; the strings are valid in the call. */
#define PARAMS_MAX 100
typedef void (*params_fn)(void *ctx, struct slice name, struct slice value);
void params_read(struct slice text, params_fn on, void *ctx);
/* The token at the start of *text (comments before it skipped), as far as a blank, ";", "(" or the
 * byte `stop`; *text goes on behind it. */
struct slice params_token(struct slice *text, uint8_t stop);

#endif
