/* The arguments of MAIL and RCPT (RFC 5321 section 4.1.1.2 and 4.1.1.3, with the parameters of RFC 1870
 * SIZE, RFC 6152 8BITMIME, RFC 6531 SMTPUTF8 and RFC 4954 AUTH), and the command line itself. Pure;
 * slices borrow from the line. The address in a path is message/address.h's matter. */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include "base/err.h"
#include "base/slice.h"
#include "message/address.h"
#include "smtp/reply.h"

/* A command line: verb, and what follows the blank behind it, without blanks at its end. */
struct smtp_line {
    struct slice verb;
    struct slice argument;
    bool has_argument;
};

struct smtp_line smtp_line_parse(struct slice line);

struct smtp_mail_argument {
    struct address sender; /* empty slices: the null reverse-path */
    bool is_null;
    bool has_size;
    uint64_t size_bytes;   /* UINT64_MAX also for what is larger */
    bool is_8bit;          /* BODY=8BITMIME */
    bool is_utf8;          /* SMTPUTF8 */
};

struct smtp_rcpt_argument {
    struct address recipient;
    bool is_postmaster;    /* "<postmaster>" without a domain (RFC 5321 section 4.5.1) */
};

/* REPLY_OK, or the refusal. */
enum smtp_reply_name smtp_mail_parse(struct slice argument, struct smtp_mail_argument *out);
enum smtp_reply_name smtp_rcpt_parse(struct slice argument, bool utf8_allowed,
    struct smtp_rcpt_argument *out);
/* Of EHLO and HELO: printable, no blanks, at most 255 bytes. Names that are no host names are borne,
 * as RFC 5321 section 4.1.4 asks. */
bool smtp_hello_is_sane(struct slice argument);

#endif
