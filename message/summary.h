/* What is known of a letter without opening it: made once at arrival by message/parser.h, sealed
 * and stored beside the letter, and read by IMAP for ENVELOPE, BODYSTRUCTURE, header FETCH, SEARCH,
 * SORT and PREVIEW.
 *
 * The record is compact and versioned (SUMMARY_VERSION); offsets count from the first byte of what
 * was parsed (the letter as it came, without the trace header that the server puts before it).
 * Strings are raw header values, unfolded (CRLF before WSP removed), not decoded: charset decoding
 * happens on use (message/decode.h), so that the record never loses anything.
 *
 * A record read back from storage is not trusted: summary_decode() checks every length, count and
 * offset against the record and the letter's size and answers ERR_DAMAGED. */
#ifndef MESSAGE_SUMMARY_H
#define MESSAGE_SUMMARY_H

#include "base/buf.h"

#define SUMMARY_VERSION 1
/* The largest record; the parser drops what is least needed first (attachment names, preview, then
 * parts beyond MIME_PARTS_MAX, then cuts long fields) so that it always fits. */
#define SUMMARY_BYTES_MAX (48 * 1024)
#define SUMMARY_FIELD_MAX 4096     /* bytes kept of one header value */
#define SUMMARY_ADDRESSES_MAX 200  /* addresses kept of one address field */
#define SUMMARY_PREVIEW_MAX 255    /* bytes of UTF-8 (RFC 8970 section 3: 256 characters at most) */
#define MIME_DEPTH_MAX 50
#define MIME_PARTS_MAX 1000

/* RFC 3501/9051 ENVELOPE, one address: each may be empty. A group start has only mailbox, a group
 * end has none of them (RFC 9051 section 7.5.2). */
enum summary_address_kind { SUMMARY_MAILBOX, SUMMARY_GROUP_START, SUMMARY_GROUP_END };

struct summary_address {
    enum summary_address_kind kind;
    struct slice name;    /* display name, quotes and comments undone, RFC 2047 words left as they are */
    struct slice route;   /* at-domain-list, nearly always empty */
    struct slice mailbox; /* local part, or the group's name */
    struct slice host;
};

enum summary_list { SUMMARY_FROM, SUMMARY_SENDER, SUMMARY_REPLY_TO, SUMMARY_TO, SUMMARY_CC,
    SUMMARY_BCC, SUMMARY_LISTS };

enum summary_field { SUMMARY_DATE, SUMMARY_SUBJECT, SUMMARY_IN_REPLY_TO, SUMMARY_MESSAGE_ID,
    SUMMARY_REFERENCES, SUMMARY_FIELDS };

struct summary_param {
    struct slice name;  /* as written; RFC 2231 continuations joined and percent-decoded to UTF-8 */
    struct slice value;
};

/* One MIME entity. Parts stand in depth-first order; parts[0] is the letter itself. */
struct summary_part {
    uint32_t parent;       /* index; parts[0] has itself */
    uint32_t depth;
    uint32_t end;          /* index behind its last descendant: children are found by walking */
    struct slice type;     /* lower case; "text", "multipart", … defaults as RFC 2045 section 5.2 */
    struct slice subtype;
    uint16_t param_first;  /* into params[] */
    uint16_t param_count;
    struct slice id;          /* Content-ID */
    struct slice description;
    struct slice encoding;    /* as written; "7BIT" when absent */
    struct slice md5;
    struct slice disposition; /* empty when absent */
    uint16_t disposition_param_first;
    uint16_t disposition_param_count;
    struct slice language;    /* raw value */
    struct slice location;
    uint64_t header_offset;   /* first byte of the entity's header */
    uint64_t body_offset;     /* first byte behind the header's empty line */
    uint64_t body_size;       /* bytes; for a part of a multipart without the CRLF before the delimiter */
    uint64_t body_lines;      /* CRLFs in the body, plus one for a last line without */
    bool is_message;          /* message/rfc822 or message/global: part at index+1 is the letter inside */
    uint16_t envelope;        /* index into envelopes[] when is_message, and for parts[0] always 0 */
};

struct summary_envelope {
    struct slice fields[SUMMARY_FIELDS];
    bool has_field[SUMMARY_FIELDS];  /* an empty Subject is not an absent one */
    bool has_list[SUMMARY_LISTS];
    uint16_t list_first[SUMMARY_LISTS]; /* into addresses[] */
    uint16_t list_count[SUMMARY_LISTS];
};

struct summary {
    uint64_t size;              /* bytes parsed */
    uint64_t header_size;       /* with the empty line */
    int64_t sent;               /* Date in seconds since 1970; INT64_MIN when absent or unreadable */
    bool has_8bit_header;       /* raw UTF-8 (or worse) in the header: SMTPUTF8 matters */
    bool has_8bit_body;
    bool has_nul;
    bool is_truncated;          /* limits were reached: the structure is not complete */
    bool has_attachment;
    struct slice preview;       /* UTF-8, one line */
    struct slice list_id;
    uint32_t received_count;    /* Received fields, for loop detection */
    struct summary_envelope *envelopes;
    size_t envelope_count;
    struct summary_address *addresses;
    size_t address_count;
    struct summary_param *params;
    size_t param_count;
    struct summary_part *parts;
    size_t part_count;
    void *memory;               /* owns the arrays above; strings borrow from the record */
};

/* Appends the record to out (whose max should be SUMMARY_BYTES_MAX). */
enum err summary_encode(const struct summary *s, struct buf *out) MUST_CHECK;
/* Strings borrow from `record`, which must outlive *out; summary_clear() frees the arrays.
 * ERR_DAMAGED for a record that makes no sense, ERR_UNSUPPORTED for another version. */
enum err summary_decode(struct slice record, struct summary *out) MUST_CHECK;
void summary_clear(struct summary *s);
/* The first envelope-only part of the work: decodes no parts and no parameters. For fast listings.
 * Same ownership. */
enum err summary_decode_envelope(struct slice record, struct summary *out) MUST_CHECK;

#endif
