/* All replies of the SMTP server: code, enhanced code (RFC 3463, RFC 5248) and words that help. One
 * table, so that each refusal is said in one place and in one way. Nothing reads the words. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/buf.h"

enum smtp_reply_name {
    /* success */
    REPLY_OK,
    REPLY_RESET,
    REPLY_BYE,
    REPLY_HELP,
    REPLY_VERIFY,
    REPLY_SENDER_OK,
    REPLY_RECIPIENT_OK,
    REPLY_SEND_TEXT,
    REPLY_STORED,
    REPLY_CHUNK_TAKEN,
    REPLY_TLS_READY,
    REPLY_LOGGED_IN,
    /* temporary */
    REPLY_STOPPING,
    REPLY_TIMEOUT,
    REPLY_TOO_MANY_ERRORS,
    REPLY_TOO_MANY_CONNECTIONS,
    REPLY_TOO_MANY_FROM_NETWORK,
    REPLY_TOO_MANY_OF_NETWORK,
    REPLY_NETWORK_ERRORS,
    REPLY_IDLE_COMMANDS,
    REPLY_STORE_GONE,
    REPLY_TRY_LATER,
    REPLY_QUOTA,
    REPLY_DISK_FULL,
    REPLY_TOO_MANY_RECIPIENTS,
    REPLY_TLS_UNAVAILABLE,
    REPLY_LOGIN_UNAVAILABLE,
    REPLY_LOGIN_SLOW_DOWN,
    /* commands */
    REPLY_UNKNOWN_COMMAND,
    REPLY_BAD_LINE_END,
    REPLY_LINE_TOO_LONG,
    REPLY_AUTH_LINE_TOO_LONG,
    REPLY_NOT_IMPLEMENTED,
    REPLY_NOT_OFFERED,
    REPLY_OTHER_PROTOCOL,
    REPLY_EARLY_TALKER,
    REPLY_EARLY_PIPELINING,
    REPLY_NO_ARGUMENT,
    REPLY_NEEDS_ARGUMENT,
    REPLY_BAD_HELLO,
    REPLY_HELLO_FIRST,
    REPLY_MAIL_FIRST,
    REPLY_RCPT_FIRST,
    REPLY_MAIL_OPEN,
    REPLY_CHUNKS_OPEN,
    REPLY_BDAT_SYNTAX,
    REPLY_TLS_FIRST,
    REPLY_TLS_ALREADY,
    REPLY_LOGIN_FIRST,
    REPLY_LOGIN_ALREADY,
    /* login */
    REPLY_LOGIN_BAD,
    REPLY_LOGIN_SCOPE,
    REPLY_LOGIN_CANCELLED,
    REPLY_LOGIN_SYNTAX,
    REPLY_LOGIN_MECHANISM,
    /* envelope */
    REPLY_SENDER_SYNTAX,
    REPLY_RECIPIENT_SYNTAX,
    REPLY_PARAMETER_SYNTAX,
    REPLY_PARAMETER_UNKNOWN,
    REPLY_NEEDS_SMTPUTF8,
    REPLY_TOO_BIG_DECLARED,
    REPLY_SENDER_NOT_YOURS,
    REPLY_NO_RELAY,
    REPLY_NO_SUCH_MAILBOX,
    REPLY_MAILBOX_DISABLED,
    /* letters */
    REPLY_TEXT_FAULTY,
    REPLY_TOO_BIG,
    REPLY_MAIL_LOOP,
    REPLY_HEADER_TOO_BIG,
    REPLY_FROM_TWICE,
    REPLY_FROM_NOT_YOURS,
    REPLY_REFUSED,
    REPLY_COUNT
};

struct smtp_reply {
    uint16_t code;
    const char *enhanced; /* NULL: none, as RFC 2034 section 4 asks for 220, 334, 354 and hello */
    const char *text;
};

const struct smtp_reply *smtp_reply_get(enum smtp_reply_name name);
/* "250 2.0.0 text detail CRLF"; detail may be empty and must be printable. */
void smtp_reply_put(struct buf *out, enum smtp_reply_name name, struct slice detail);
/* What an error from below is called here: while a letter or a recipient is dealt with. */
enum smtp_reply_name smtp_reply_of_error(enum err e);

#endif
