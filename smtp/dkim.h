/* DKIM signatures (RFC 6376, RFC 8301, RFC 8463): relaxed/relaxed, no l=. A letter is fed in pieces, its text with
 * CRLF (a lone CR or LF counts as a line's end, as relay_text.h sends it); then any number of keys sign
 * it. Pure; the same result wherever the input is cut. Memory: the header, DKIM_HEADER_MAX at most. */
#ifndef SMTP_DKIM_H
#define SMTP_DKIM_H

#include "base/buf.h"
#include "base/hash.h"
#include "net/sign_key.h"

#define DKIM_HEADER_MAX (256 * 1024)
#define DKIM_FIELDS_MAX 200          /* fields that are signed */
#define DKIM_SIGNATURE_MAX 16384

struct dkim_message {
    struct buf header;               /* owned; up to the empty line */
    struct sha256 body;
    uint64_t empty_lines;            /* that count only when text follows */
    bool is_in_body;
    bool has_cr;                     /* a CR is held back until the next byte is known */
    bool has_blank;                  /* the same for blanks in a line */
    bool is_in_line;
    uint8_t body_hash[HASH_BYTES];   /* after dkim_end() */
    uint8_t held[512];               /* canonical text not hashed yet */
    size_t held_n;
};

void dkim_begin(struct dkim_message *m);
void dkim_put(struct dkim_message *m, struct slice text);
/* The letter is whole. ERR_TOO_BIG: its header is too large to be signed. */
enum err dkim_end(struct dkim_message *m) MUST_CHECK;
void dkim_clear(struct dkim_message *m);
/* Domain of the first address in the only From, in lower-case A-labels; ERR_NOT_FOUND: none, or several From. */
enum err dkim_from_domain(const struct dkim_message *m, struct buf *out) MUST_CHECK;

struct dkim_signer {
    struct slice domain;
    struct slice selector;
    enum sign_algorithm algorithm;
    const struct sign_key *key;
    int64_t now;                     /* seconds */
};
/* Appends a DKIM-Signature field with its line end. Every field of RFC 6376 section 5.4.1 that ours should have is
 * signed as often as it stands there, and once more, so that none can be added. ERR_LIMIT: too many fields. */
enum err dkim_sign(const struct dkim_message *m, const struct dkim_signer *s, struct buf *out) MUST_CHECK;

#endif
