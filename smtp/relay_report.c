/* See relay_report.h. */
#include "smtp/relay_report.h"

#include "base/clock.h"
#include "smtp/relay_reply.h"

static bool is_utf8(const struct relay_report *r)
{
    bool beyond = !slice_is_ascii(r->sender) || !slice_is_ascii(r->header);
    for (size_t i = 0; i < r->count; i++)
        beyond |= !slice_is_ascii(r->recipients[i].address);
    return beyond;
}

static void put_line(struct buf *out, const char *name, struct slice value)
{
    buf_put_str(out, name);
    buf_put(out, value);
    buf_put_str(out, "\r\n");
}

static void put_date(struct buf *out, const char *name, int64_t when)
{
    buf_put_str(out, name);
    clock_put_rfc5322(out, when);
    buf_put_str(out, "\r\n");
}

static void put_boundary(const struct relay_report *r, struct buf *out, const char *end)
{
    buf_printf(out, "\r\n--report-%016llx%s\r\n", (unsigned long long)r->id, end);
}

static void put_head(const struct relay_report *r, struct buf *out)
{
    buf_put_str(out, "From: Mail delivery <MAILER-DAEMON@");
    put_line(out, "", r->host);
    out->n -= 2;
    buf_put_str(out, ">\r\nTo: <");
    buf_put(out, r->sender);
    buf_put_str(out, ">\r\nSubject: ");
    buf_put_str(out, r->is_delay ? "Your letter is delayed" : "Your letter could not be delivered");
    buf_put_str(out, "\r\n");
    put_date(out, "Date: ", r->now);
    buf_printf(out, "Message-ID: <report-%016llx@%.*s>\r\n", (unsigned long long)r->id, SLICE_FMT(r->host));
    buf_put_str(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
    buf_printf(out, "report-%016llx\"\r\n", (unsigned long long)r->id);
}

static void put_words(const struct relay_report *r, struct buf *out)
{
    put_boundary(r, out, "");
    buf_put_str(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    buf_put_str(out, r->is_delay
        ? "Your letter has not reached these recipients yet. You need not do anything:\r\n"
          "it is tried again until it arrives, or until "
        : "Your letter could not be delivered to these recipients, and is not tried again.");
    if (r->is_delay) {
        clock_put_rfc5322(out, r->until);
        buf_put_str(out, ";\r\nthen you are told that it did not.");
    }
    buf_put_str(out, "\r\n");
    for (size_t i = 0; i < r->count; i++) {
        put_line(out, "\r\n    ", r->recipients[i].address);
        if (r->recipients[i].answer.n)
            put_line(out, "        ", r->recipients[i].answer);
    }
    if (!r->is_delay)
        buf_put_str(out, "\r\nThe line below each address is what was the reason. If it says that the address\r\n"
            "does not exist, look for a mistake in it and send the letter again; else tell\r\n"
            "the recipient in another way.\r\n");
    put_date(out, "\r\nThe letter was sent on ", r->arrived);
    buf_put_str(out, "The beginning of it stands at the end of this report.\r\n");
}

/* "rfc822;a@b" or "utf-8;…": the recipient as the letter named it. */
static void put_address(struct buf *out, const char *name, struct slice address)
{
    buf_put_str(out, name);
    buf_put_str(out, slice_is_ascii(address) ? "rfc822; " : "utf-8; ");
    put_line(out, "", address);
}

static void put_status(const struct relay_report *r, const struct relay_report_recipient *p, struct buf *out)
{
    uint64_t code = 0;
    bool is_reply = p->answer.n > 4 && slice_to_u64(slice_sub(p->answer, 0, 3), 599, &code) && code >= 400;
    buf_put_str(out, "\r\n");
    if (p->orcpt.n)
        put_line(out, "Original-Recipient: ", p->orcpt);
    put_address(out, "Final-Recipient: ", p->address);
    put_line(out, "Action: ", r->is_delay ? SLICE("delayed") : SLICE("failed"));
    buf_put_str(out, "Status: ");
    if (is_reply && (code / 100 == 5) == !r->is_delay)
        relay_reply_status((unsigned)code, p->answer, out);
    else
        buf_put_str(out, r->is_delay ? "4.4.1" : "5.4.7");
    buf_put_str(out, "\r\n");
    if (p->answer.n)
        put_line(out, is_reply ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: x-letterlock; ", p->answer);
    if (r->is_delay)
        put_date(out, "Will-Retry-Until: ", r->until);
}

static void put_machine(const struct relay_report *r, struct buf *out)
{
    put_boundary(r, out, "");
    put_line(out, "Content-Type: message/", is_utf8(r) ? SLICE("global-delivery-status")
                                                      : SLICE("delivery-status"));
    if (is_utf8(r))
        buf_put_str(out, "Content-Transfer-Encoding: 8bit\r\n");
    put_line(out, "\r\nReporting-MTA: dns; ", r->host);
    if (r->envid.n)
        put_line(out, "Original-Envelope-Id: ", r->envid);
    put_date(out, "Arrival-Date: ", r->arrived);
    for (size_t i = 0; i < r->count; i++)
        put_status(r, &r->recipients[i], out);
}

static void put_header(const struct relay_report *r, struct buf *out)
{
    put_boundary(r, out, "");
    put_line(out, "Content-Type: ", is_utf8(r) ? SLICE("message/global-headers") : SLICE("text/rfc822-headers"));
    if (is_utf8(r))
        buf_put_str(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_put_str(out, "\r\n");
    buf_put(out, r->header);
    put_boundary(r, out, "--");
}

void relay_report_put(const struct relay_report *r, struct buf *out)
{
    put_head(r, out);
    put_words(r, out);
    put_machine(r, out);
    put_header(r, out);
}
