/* What the tests of message/ share: parsing in one go and in pieces, and summaries as text.
 *
 * A part is written "type/subtype header+body:size/lines" with its children in brackets. */
#ifndef TESTS_UNIT_MESSAGE_HELP_H
#define TESTS_UNIT_MESSAGE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "message/parser.h"

#define HELP_TEXT_MAX (1024 * 1024)

static inline void help_put_part(struct buf *out, const struct summary *s, uint32_t i)
{
    const struct summary_part *part = &s->parts[i];
    buf_printf(out, "%.*s/%.*s %llu+%llu:%llu/%llu", SLICE_FMT(part->type), SLICE_FMT(part->subtype),
        (unsigned long long)part->header_offset,
        (unsigned long long)(part->body_offset - part->header_offset),
        (unsigned long long)part->body_size, (unsigned long long)part->body_lines);
    if (part->end == i + 1)
        return;
    buf_put_byte(out, '[');
    for (uint32_t child = i + 1; child < part->end; child = s->parts[child].end) {
        if (child > i + 1)
            buf_put_byte(out, ' ');
        help_put_part(out, s, child);
    }
    buf_put_byte(out, ']');
}

/* Types alone: "multipart/mixed[text/plain text/html]". */
static inline void help_put_types(struct buf *out, const struct summary *s, uint32_t i)
{
    const struct summary_part *part = &s->parts[i];
    buf_printf(out, "%.*s/%.*s", SLICE_FMT(part->type), SLICE_FMT(part->subtype));
    if (part->end == i + 1)
        return;
    buf_put_byte(out, '[');
    for (uint32_t child = i + 1; child < part->end; child = s->parts[child].end) {
        if (child > i + 1)
            buf_put_byte(out, ' ');
        help_put_types(out, s, child);
    }
    buf_put_byte(out, ']');
}

static inline void help_put_address(struct buf *out, const struct summary_address *a)
{
    if (a->kind == SUMMARY_GROUP_END) {
        buf_put_str(out, "}");
        return;
    }
    if (a->kind == SUMMARY_GROUP_START) {
        buf_printf(out, "%.*s{", SLICE_FMT(a->mailbox));
        return;
    }
    if (a->name.n)
        buf_printf(out, "'%.*s' ", SLICE_FMT(a->name));
    buf_printf(out, "<%.*s|%.*s|%.*s>", SLICE_FMT(a->route), SLICE_FMT(a->mailbox),
        SLICE_FMT(a->host));
}

static inline void help_put_list(struct buf *out, const struct summary *s, size_t envelope,
    enum summary_list list)
{
    const struct summary_envelope *e = &s->envelopes[envelope];
    for (size_t i = 0; i < e->list_count[list]; i++) {
        if (i)
            buf_put_byte(out, ' ');
        help_put_address(out, &s->addresses[e->list_first[list] + i]);
    }
}

static inline void help_is(struct buf *actual, const char *expected)
{
    buf_put_byte(actual, 0);
    assert_true(buf_ok(actual));
    assert_string_equal((const char *)actual->p, expected);
    buf_reset(actual);
}

/* The record of the letter when it is fed in steps: 0 at once, 1 byte by byte, else pieces of a
 * random length up to step. */
static inline void help_record(struct slice letter, size_t step, struct buf *out)
{
    static uint32_t random = 12345;
    struct message_parser *p = message_parser_new();
    while (letter.n) {
        random = random * 1103515245u + 12345u;
        size_t n = step == 0 ? letter.n : step == 1 ? 1 : 1 + (random >> 16) % step;
        message_parser_feed(p, slice_sub(letter, 0, n));
        letter = slice_from(letter, n);
    }
    assert_int_equal(summary_encode(message_parser_finish(p), out), ERR_OK);
    message_parser_free(p);
}

/* Every cut gives the same record, the record reads back and is written again the same. */
static inline void help_check_letter(struct slice letter)
{
    static const size_t steps[] = {1, 2, 7, 100, 5000};
    struct buf whole, other;
    buf_init(&whole, SUMMARY_BYTES_MAX);
    buf_init(&other, SUMMARY_BYTES_MAX);
    help_record(letter, 0, &whole);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        buf_reset(&other);
        help_record(letter, steps[i], &other);
        assert_true(slice_equal(buf_slice(&whole), buf_slice(&other)));
    }
    struct summary s;
    assert_int_equal(summary_decode(buf_slice(&whole), &s), ERR_OK);
    assert_true(s.size == letter.n);
    buf_reset(&other);
    assert_int_equal(summary_encode(&s, &other), ERR_OK);
    assert_true(slice_equal(buf_slice(&whole), buf_slice(&other)));
    summary_clear(&s);
    buf_clear(&whole);
    buf_clear(&other);
}

#endif
