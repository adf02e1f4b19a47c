/* Decoding of what headers and bodies carry. Pure; never fails: what cannot be decoded is kept as it
 * is or replaced by U+FFFD. Charsets by glibc's iconv, opened by decode_init() before the sandbox
 * (a process that may open no file cannot load one later). */
#ifndef MESSAGE_DECODE_H
#define MESSAGE_DECODE_H

#include "base/buf.h"

/* Opens every charset that mail uses once, so that iconv has its modules loaded. */
void decode_init(void);
/* RFC 2047 encoded words in an unstructured or phrase value to UTF-8; raw 8-bit that is not UTF-8 is
 * taken as windows-1252. Output is bounded by out's max. */
void decode_header(struct slice value, struct buf *out);
/* bytes in a charset to UTF-8; unknown charset: UTF-8 when it is, else windows-1252. */
void decode_charset(struct slice charset, struct slice bytes, struct buf *out);

/* Content-Transfer-Encoding, streaming: feed pieces, decoded bytes are appended to out. */
enum decode_encoding { DECODE_IDENTITY, DECODE_BASE64, DECODE_QUOTED_PRINTABLE, DECODE_UNKNOWN };
struct decode_stream {
    enum decode_encoding encoding;
    uint32_t bits;
    uint8_t held;
    uint8_t pending[4];  /* quoted-printable: an unfinished escape */
    uint8_t pending_n;
    uint8_t blanks;      /* blanks that fall away when the line ends behind them, at most 64 */
    uint64_t tabs;       /* which of them are tabs; the last one is the lowest bit */
};
enum decode_encoding decode_encoding_of(struct slice name);
void decode_stream_init(struct decode_stream *d, enum decode_encoding encoding);
void decode_stream_feed(struct decode_stream *d, struct slice piece, struct buf *out);
void decode_stream_end(struct decode_stream *d, struct buf *out);

/* "i;unicode-casemap"-like folding for comparing: lower case, compatibility forms and combining marks
 * undone (libunistring), blanks collapsed. Fast path for ASCII. */
void decode_fold(struct slice utf8, struct buf *out);

/* RFC 5322 section 3.3 with obsolete zones and the oddities of real mail; false when unreadable. */
bool decode_date(struct slice value, int64_t *out_wall, int *out_zone_minutes);

/* IMAP's modified UTF-7 (RFC 3501 section 5.1.3), for mailbox names. ERR_SYNTAX when malformed. */
enum err utf7_imap_get(struct slice text, struct buf *out_utf8) MUST_CHECK;
void utf7_imap_put(struct slice utf8, struct buf *out);

#endif
