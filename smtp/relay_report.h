/* What a report on a letter says (RFC 3462 multipart/report, RFC 3464 delivery-status, RFC 6533 for
 * addresses beyond ASCII): words for the person who sent it first, what machines read behind. Pure. */
#ifndef SMTP_RELAY_REPORT_H
#define SMTP_RELAY_REPORT_H

#include "base/buf.h"

#define RELAY_REPORT_MAX (1024 * 1024)
#define RELAY_REPORT_HEADER_MAX (64 * 1024)   /* of the letter, given back */

struct relay_report_recipient {
    struct slice address;
    struct slice orcpt;
    struct slice answer;     /* the other server's words, or ours */
};

struct relay_report {
    bool is_delay;
    struct slice host;       /* ours */
    struct slice sender;     /* who gets it */
    struct slice envid;
    struct slice header;     /* the letter's, with its empty line */
    int64_t arrived;         /* seconds */
    int64_t now;
    int64_t until;           /* when it is given up */
    uint64_t id;             /* random */
    const struct relay_report_recipient *recipients;
    size_t count;
};

void relay_report_put(const struct relay_report *r, struct buf *out);

#endif
