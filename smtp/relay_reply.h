/* Replies of another server (RFC 5321 section 4.2), line by line. Pure. What EHLO says is read here too. */
#ifndef SMTP_RELAY_REPLY_H
#define SMTP_RELAY_REPLY_H

#include "base/buf.h"

#define RELAY_REPLY_LINE_MAX 4096
#define RELAY_REPLY_LINES_MAX 200
#define RELAY_REPLY_TEXT_MAX 512     /* kept of the words */

enum relay_capability {
    RELAY_CAN_PIPELINE = 1,
    RELAY_CAN_8BIT = 2,
    RELAY_CAN_UTF8 = 4,
    RELAY_CAN_SIZE = 8,
    RELAY_CAN_STARTTLS = 16,
    RELAY_CAN_DSN = 32,
    RELAY_CAN_CHUNKING = 64,
    RELAY_CAN_AUTH_PLAIN = 128,
    RELAY_CAN_AUTH_LOGIN = 256
};

struct relay_reply {
    unsigned code;
    unsigned lines;
    struct buf text;           /* "550 5.1.1 No such user": lines joined by blanks, printable ASCII or UTF-8 */
    unsigned capabilities;     /* of an EHLO's reply */
    uint64_t size_max;         /* SIZE; 0: none said */
    char host[256];            /* the first word behind the first line's code */
};

void relay_reply_init(struct relay_reply *r);
void relay_reply_clear(struct relay_reply *r);
/* Before the first line of each reply. */
void relay_reply_begin(struct relay_reply *r);
/* ERR_OK: the reply is complete. ERR_AGAIN: more lines come. ERR_SYNTAX: this is no SMTP. */
enum err relay_reply_take(struct relay_reply *r, struct slice line) MUST_CHECK;
/* "5.1.1" in the text behind the code, else one made of the code's first digit ("5.0.0"). Appended. */
void relay_reply_status(unsigned code, struct slice text, struct buf *out);

#endif
