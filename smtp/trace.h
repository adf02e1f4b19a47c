/* The trace header that stands above a delivered letter: Return-Path (RFC 5321 section 4.4) and one
 * Received field (RFC 5321 section 4.4, RFC 3848 and RFC 6531 section 4.3 for the "with"
 * names). Pure. */
#ifndef SMTP_TRACE_H
#define SMTP_TRACE_H

#include "base/buf.h"

struct trace {
    struct slice reverse_path;  /* without the angle brackets */
    struct slice hello;         /* as the peer said it; sanitised here */
    struct slice peer;          /* "10.0.0.1", "2001:db8::1", or empty */
    struct slice host;          /* ours */
    struct slice id;
    struct slice tls;           /* description, or empty */
    struct slice recipient;     /* empty when there are several: who got it is not the others' matter */
    bool is_lmtp;
    bool is_extended;           /* EHLO */
    bool is_submission;         /* logged in */
    bool hides_client;          /* its name and address are not told */
    bool is_utf8;
    int64_t wall;
};

void trace_put(struct buf *out, const struct trace *t);

#endif
