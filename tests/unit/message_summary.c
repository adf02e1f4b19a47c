/* message/summary.h: the record reads back as it was written, and a damaged one is refused or at
 * least never reaches outside itself. */
#include "message_help.h"

#include <time.h>

static const char LETTER[] =
    "Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example.net with ESMTPS\r\n"
    "From: Jane Doe <jane@example.org>\r\nTo: friends: \"Smith, Bob\" <bob@example.net>, c@d;\r\n"
    "Cc: list@example.net\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= from the mountains\r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <abc@example.org>\r\n"
    "References: <a@b> <c@d>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"=_b1\"\r\n\r\n"
    "--=_b1\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\nContent-ID: <i@d>\r\n"
    "Content-Language: en\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHello, world\r\n"
    "--=_b1\r\nContent-Type: image/x-odd; name=a.png\r\nContent-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=a.png\r\nContent-Description: odd\r\n\r\nAAAA\r\n"
    "--=_b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nTo: x@y\r\n\r\ninner\r\n--=_b1--\r\n";

static void make_record(struct buf *out)
{
    buf_init(out, SUMMARY_BYTES_MAX);
    help_record(slice_str(LETTER), 0, out);
}

static void a_record_reads_back_as_it_was_written(void **state)
{
    (void)state;
    struct buf record, text;
    make_record(&record);
    buf_init(&text, HELP_TEXT_MAX);
    struct summary s;
    assert_int_equal(summary_decode(buf_slice(&record), &s), ERR_OK);
    assert_true(record.n < 600);
    assert_true(s.size == sizeof LETTER - 1);
    assert_true(s.sent == 1795424400);
    assert_int_equal(s.received_count, 1);
    assert_true(s.has_attachment && !s.is_truncated && !s.has_nul && !s.has_8bit_body);
    assert_true(slice_equal(s.preview, SLICE("Hello, world")));
    help_put_types(&text, &s, 0);
    help_is(&text, "multipart/mixed[text/plain image/x-odd message/rfc822[text/plain]]");
    help_put_list(&text, &s, 0, SUMMARY_TO);
    help_is(&text, "friends{ 'Smith, Bob' <|bob|example.net> <|c|d> }");
    assert_int_equal(s.envelope_count, 2);
    assert_true(s.parts[3].is_message);
    assert_int_equal(s.parts[3].envelope, 1);
    assert_true(slice_equal(s.envelopes[1].fields[SUMMARY_SUBJECT], SLICE("inner")));
    help_put_list(&text, &s, 1, SUMMARY_TO);
    help_is(&text, "<|x|y>");
    const struct summary_part *image = &s.parts[2];
    assert_true(slice_equal(image->encoding, SLICE("base64")));
    assert_true(slice_equal(image->disposition, SLICE("attachment")));
    assert_true(slice_equal(image->description, SLICE("odd")));
    assert_int_equal(image->disposition_param_count, 1);
    assert_true(slice_equal(s.params[image->disposition_param_first].name, SLICE("filename")));
    assert_true(slice_equal(s.parts[1].id, SLICE("<i@d>")));
    assert_true(slice_equal(s.parts[1].language, SLICE("en")));
    for (size_t i = 0; i < s.part_count; i++) {
        struct slice body = slice_sub(slice_str(LETTER), (size_t)s.parts[i].body_offset,
            (size_t)s.parts[i].body_size);
        if (i == 1)
            assert_true(slice_equal(body, SLICE("Hello, world")));
        if (i == 3)
            assert_true(slice_equal(body, SLICE("Subject: inner\r\nTo: x@y\r\n\r\ninner")));
        if (i == 4)
            assert_true(slice_equal(body, SLICE("inner")));
    }
    summary_clear(&s);
    buf_clear(&record);
    buf_clear(&text);
}

static void an_envelope_is_read_without_the_parts(void **state)
{
    (void)state;
    struct buf record, text;
    make_record(&record);
    buf_init(&text, HELP_TEXT_MAX);
    struct summary s;
    assert_int_equal(summary_decode_envelope(buf_slice(&record), &s), ERR_OK);
    help_put_list(&text, &s, 0, SUMMARY_CC);
    help_is(&text, "<|list|example.net>");
    assert_true(slice_equal(s.envelopes[0].fields[SUMMARY_MESSAGE_ID], SLICE("<abc@example.org>")));
    assert_true(slice_equal(s.preview, SLICE("Hello, world")));
    assert_int_equal(s.part_count, 0);
    assert_int_equal(s.param_count, 0);
    summary_clear(&s);
    buf_clear(&record);
    buf_clear(&text);
}

static void a_cut_or_longer_record_is_refused(void **state)
{
    (void)state;
    struct buf record;
    make_record(&record);
    struct summary s;
    for (size_t n = 0; n < record.n; n++)
        assert_int_equal(summary_decode(slice_sub(buf_slice(&record), 0, n), &s), ERR_DAMAGED);
    buf_put_byte(&record, 0);
    assert_int_equal(summary_decode(buf_slice(&record), &s), ERR_DAMAGED);
    record.p[0] = SUMMARY_VERSION + 1;
    assert_int_equal(summary_decode(buf_slice(&record), &s), ERR_UNSUPPORTED);
    assert_int_equal(summary_decode_envelope(buf_slice(&record), &s), ERR_UNSUPPORTED);
    buf_clear(&record);
}

/* What reads back must make sense: the tree is a tree, extents lie in the letter and in each other. */
static void check_sense(const struct summary *s, struct slice record)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        const struct summary_part *part = &s->parts[i];
        const struct summary_part *parent = &s->parts[part->parent];
        assert_true(part->end > i && part->end <= s->part_count);
        assert_true(i == 0 || (part->parent < i && part->end <= parent->end));
        assert_true(part->header_offset <= part->body_offset);
        assert_true(part->body_offset + part->body_size <= s->size);
        assert_true(i == 0 || part->body_offset + part->body_size <=
            parent->body_offset + parent->body_size);
        assert_true(part->envelope < s->envelope_count);
        assert_true((size_t)part->param_first + part->param_count <= s->param_count);
    }
    for (size_t i = 0; i < s->param_count; i++)
        if (s->params[i].value.n)
            assert_true(s->params[i].value.p >= record.p &&
                s->params[i].value.p + s->params[i].value.n <= record.p + record.n);
    for (size_t e = 0; e < s->envelope_count; e++)
        for (size_t i = 0; i < SUMMARY_LISTS; i++)
            assert_true((size_t)s->envelopes[e].list_first[i] + s->envelopes[e].list_count[i] <=
                s->address_count);
}

static void a_damaged_record_never_makes_nonsense(void **state)
{
    (void)state;
    struct buf record;
    make_record(&record);
    size_t refused = 0;
    for (size_t at = 0; at < record.n; at++) {
        uint8_t before = record.p[at];
        for (unsigned v = 0; v < 256; v += 5) {
            record.p[at] = (uint8_t)v;
            struct summary s;
            if (summary_decode(buf_slice(&record), &s) != ERR_OK) {
                refused++;
            } else {
                check_sense(&s, buf_slice(&record));
                summary_clear(&s);
            }
            if (summary_decode_envelope(buf_slice(&record), &s) == ERR_OK)
                summary_clear(&s);
        }
        record.p[at] = before;
    }
    assert_true(refused > record.n);
    buf_clear(&record);
}

static void a_hundred_thousand_records_are_read_in_a_blink(void **state)
{
    (void)state;
    struct buf record;
    make_record(&record);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (size_t i = 0; i < 100000; i++) {
        struct summary s;
        assert_int_equal(summary_decode(buf_slice(&record), &s), ERR_OK);
        summary_clear(&s);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    print_message("# 100,000 records of %zu bytes: %.0f ms\n", record.n, seconds * 1000);
    assert_true(seconds < 5.0); /* 0.15 on a machine that does nothing else; sanitizers are slow */
    buf_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(an_envelope_is_read_without_the_parts),
        cmocka_unit_test(a_cut_or_longer_record_is_refused),
        cmocka_unit_test(a_damaged_record_never_makes_nonsense),
        cmocka_unit_test(a_hundred_thousand_records_are_read_in_a_blink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
