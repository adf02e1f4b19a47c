/* The letter as programs write it, made fit for SMTP: line ends, the fields that must be there, recipients
 * of -t, no Bcc. See send.h. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/send.h"
#include "base/clock.h"
#include "base/hash.h"
#include "message/header.h"
#include "message/parser.h"

/* CRLF for LF and for a bare CR. */
static void put_crlf(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t b = text.p[i];
        if (b == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')
            continue;
        if (b == '\r' || b == '\n')
            buf_put_str(out, "\r\n");
        else
            buf_put_byte(out, b);
    }
    if (text.n > 0 && text.p[text.n - 1] != '\n' && text.p[text.n - 1] != '\r')
        buf_put_str(out, "\r\n");
}

/* "From " of an mbox may stand in front. */
static struct slice without_separator(struct slice raw)
{
    return slice_starts(raw, SLICE("From ")) ? slice_from(raw, slice_find_byte(raw, '\n') + 1) : raw;
}

static bool add_list(struct send_options *o, const struct summary *m, enum summary_list list, const char *host)
{
    const struct summary_envelope *e = &m->envelopes[0];
    for (size_t i = 0; i < e->list_count[list]; i++) {
        const struct summary_address *a = &m->addresses[e->list_first[list] + i];
        char text[600];
        if (a->kind != SUMMARY_MAILBOX || a->mailbox.n == 0)
            continue;
        int n = snprintf(text, sizeof text, "%.*s@%.*s", SLICE_FMT(a->mailbox), (int)(a->host.n ? a->host.n : strlen(host)),
            a->host.n ? (const char *)a->host.p : host);
        if (n >= (int)sizeof text || !send_add_recipient(o, slice_str(text)))
            return false;
    }
    return e->list_count[list] < SUMMARY_ADDRESSES_MAX;
}

static int add_recipients(struct send_options *o, const struct summary *m, const char *host)
{
    static const enum summary_list lists[] = {SUMMARY_TO, SUMMARY_CC, SUMMARY_BCC};
    for (size_t i = 0; i < 3; i++) {
        if (m->envelope_count == 0 || !add_list(o, m, lists[i], host)) {
            fprintf(stderr, "sendmail: the header names too many recipients, or none that can be read\n");
            return EX_DATAERR;
        }
    }
    return EX_OK;
}

static void add_missing(const struct send_options *o, const struct summary *m, const char *sender, const char *host,
    struct buf *out)
{
    const struct summary_envelope *e = m->envelope_count ? &m->envelopes[0] : NULL;
    if (!e || !e->has_list[SUMMARY_FROM]) {
        buf_put_str(out, "From: ");
        if (o->full_name) {
            buf_put_byte(out, '"');
            for (const char *p = o->full_name; *p; p++)
                if ((uint8_t)*p >= ' ' && !strchr("\"\\", *p))
                    buf_put_byte(out, (uint8_t)*p);
            buf_put_str(out, "\" ");
        }
        buf_printf(out, "<%s>\r\n", *sender ? sender : "MAILER-DAEMON");
    }
    if (!e || !e->has_field[SUMMARY_DATE]) {
        buf_put_str(out, "Date: ");
        clock_put_rfc5322(out, clock_wall());
        buf_put_str(out, "\r\n");
    }
    if (!e || !e->has_field[SUMMARY_MESSAGE_ID])
        buf_printf(out, "Message-ID: <%016llx%016llx@%s>\r\n", (unsigned long long)random_u64(),
            (unsigned long long)random_u64(), host);
}

/* Fields but Bcc (with -t), then the rest as it is. A letter that begins with no field gets an empty line. */
static void put_fields(const struct send_options *o, struct slice letter, struct buf *out)
{
    struct header_field f;
    struct slice rest = letter, before = letter;
    while (header_next(&rest, &f)) {
        if (f.name.n == 0) { /* the body begins without an empty line */
            rest = before;
            buf_put_str(out, "\r\n");
            break;
        }
        if (!o->takes_from_header || !slice_equal_nocase(f.name, SLICE("Bcc")))
            buf_put(out, f.whole);
        before = rest;
    }
    buf_put(out, rest);
}

int send_letter(struct send_options *o, const char *sender, const char *host, struct slice raw, struct buf *out)
{
    struct buf letter;
    struct message_parser *p = message_parser_new();
    buf_init(&letter, SEND_LETTER_MAX);
    put_crlf(&letter, without_separator(raw));
    message_parser_feed(p, buf_slice(&letter));
    const struct summary *m = message_parser_finish(p);
    int status = o->takes_from_header ? add_recipients(o, m, host) : EX_OK;
    if (status == EX_OK) {
        add_missing(o, m, sender, host, out);
        put_fields(o, buf_slice(&letter), out);
        if (!buf_ok(&letter) || !buf_ok(out)) {
            fprintf(stderr, "sendmail: the letter is too large\n");
            status = EX_DATAERR;
        }
    }
    message_parser_free(p);
    buf_clear(&letter);
    return status;
}
