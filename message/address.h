/* The one parser of mail addresses: SMTP paths, policy, routing and the command line use it.
 *
 * RFC 5321 section 4.1.2 (Mailbox, with quoted local parts and address literals), RFC 6531 (UTF-8),
 * RFC 5890 (domains in both forms). Nothing is decoded inside addr-spec: "%", "!" and quoted
 * at-signs are ordinary bytes of the local part. */
#ifndef MESSAGE_ADDRESS_H
#define MESSAGE_ADDRESS_H

#include "base/buf.h"

#define ADDRESS_MAX 320        /* 64 + "@" + 255 (RFC 5321 section 4.5.3.1) */
#define ADDRESS_LOCAL_MAX 64
#define ADDRESS_DOMAIN_MAX 255

struct address {
    struct slice local;      /* as written, with quotes when quoted */
    struct slice domain;     /* as written; "[127.0.0.1]" for a literal */
    bool is_quoted;
    bool is_literal;
    bool needs_utf8;         /* non-ASCII in either side */
};

/* Exactly one addr-spec, nothing before or behind; slices borrow from text. ERR_SYNTAX/ERR_TOO_BIG. */
enum err address_parse(struct slice text, struct address *out) MUST_CHECK;
/* A path as in MAIL and RCPT: "<" [source route ":"] addr-spec ">" or "<>"; *rest is what follows the
 * ">" (parameters). An empty path gives an address with empty slices. A source route (RFC 5321
 * appendix C) is accepted and ignored. ERR_SYNTAX when it is none. */
enum err address_parse_path(struct slice text, struct address *out, struct slice *out_rest) MUST_CHECK;
/* The form for comparing and storing: local part in lower case (ASCII folding, and NFC + case folding
 * beyond), needless quotes dropped, domain in lower-case A-labels (libidn2). Appended to out. */
enum err address_canonical(const struct address *a, struct buf *out) MUST_CHECK;
/* Domain alone: lower-case A-labels, trailing dot dropped, checked. */
enum err domain_canonical(struct slice domain, struct buf *out) MUST_CHECK;
/* Cuts "+detail" off a canonical address: base is "local@domain" appended to out_base, out_detail
 * borrows; false when there is none (or what is before it would be no local part: "+a@b", "a.+b@c"). */
bool address_split_detail(struct slice canonical, struct buf *out_base, struct slice *out_detail);

#endif
