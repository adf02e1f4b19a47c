/* See submit_header.h. */
#include "smtp/submit_header.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "message/header.h"
#include "smtp/limits.h"

#define MESSAGE_ID_BYTES 16

void submit_header_init(struct submit_header *h)
{
    *h = (struct submit_header){0};
    buf_init(&h->text, SMTP_HEADER_MAX);
}

void submit_header_clear(struct submit_header *h)
{
    buf_clear(&h->text);
}

/* Where the header ends in the text: behind the empty line; 0 when not yet. Every LF has its CR here. */
static size_t find_end(struct submit_header *h)
{
    struct slice text = buf_slice(&h->text);
    if (slice_starts(text, SLICE("\r\n")))
        return 2;
    struct slice rest = slice_from(text, h->looked_at);
    size_t at = slice_find(rest, SLICE("\r\n\r\n"));
    if (at != SIZE_MAX)
        return h->looked_at + at + 4;
    h->looked_at = text.n > 3 ? text.n - 3 : 0;
    return 0;
}

bool submit_header_feed(struct submit_header *h, struct slice *piece)
{
    size_t before = h->text.n;
    buf_put(&h->text, *piece);
    size_t end = buf_ok(&h->text) ? find_end(h) : 0;
    if (end == 0) {
        *piece = SLICE_EMPTY;
        return false;
    }
    *piece = slice_from(*piece, end - before);
    h->text.n = end;
    h->is_whole = true;
    return true;
}

struct seen {
    bool date;
    bool message_id;
};

static bool is_dropped(struct slice name, const struct submit_rules *rules)
{
    if (slice_equal_nocase(name, SLICE("Return-Path")))
        return true;
    return !rules->keeps_bcc &&
           (slice_equal_nocase(name, SLICE("Bcc")) || slice_equal_nocase(name, SLICE("Resent-Bcc")));
}

static void put_missing(const struct submit_header *h, const struct seen *seen,
    const struct submit_rules *rules, struct buf *out)
{
    if (!seen->date) {
        buf_put_str(out, "Date: ");
        clock_put_rfc5322(out, rules->wall);
        buf_put_str(out, "\r\n");
    }
    if (h->from_count == 0 && rules->sender.n > 0) {
        buf_put_str(out, "From: ");
        buf_put(out, rules->sender);
        buf_put_str(out, "\r\n");
    }
    if (!seen->message_id) {
        uint8_t random[MESSAGE_ID_BYTES];
        random_bytes(random, sizeof random);
        buf_put_str(out, "Message-ID: <");
        base32_put(out, slice_of(random, sizeof random));
        buf_put_byte(out, '@');
        buf_put(out, rules->host);
        buf_put_str(out, ">\r\n");
    }
}

void submit_header_rewrite(struct submit_header *h, const struct submit_rules *rules, struct buf *out)
{
    struct slice rest = buf_slice(&h->text);
    struct header_field f;
    struct seen seen = {0};
    while (header_next(&rest, &f)) {
        seen.date |= slice_equal_nocase(f.name, SLICE("Date"));
        seen.message_id |= slice_equal_nocase(f.name, SLICE("Message-ID"));
        h->from_count += slice_equal_nocase(f.name, SLICE("From"));
        if (!is_dropped(f.name, rules))
            buf_put(out, f.whole);
    }
    if (out->n > 0 && out->p[out->n - 1] != '\n')
        buf_put_str(out, "\r\n"); /* the letter has ended within its header */
    put_missing(h, &seen, rules, out);
    buf_put_str(out, "\r\n");
}
