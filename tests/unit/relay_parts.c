/* The relay's pure parts: text on its way out however it is cut, replies of other servers, reports, and the
 * queue's messages cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "smtp/relay_reply.h"
#include "smtp/relay_report.h"
#include "smtp/relay_text.h"
#include "storage/queue.h"

static void put_cut(struct slice in, size_t cut, struct buf *out)
{
    struct relay_text t = {0};
    relay_text_put(&t, slice_sub(in, 0, cut), out);
    relay_text_put(&t, slice_from(in, cut), out);
    relay_text_end(&t, out);
}

static void text_is_stuffed_and_never_bare_wherever_it_is_cut(void **state)
{
    static const struct {
        struct slice in, out;
    } rows[] = {
        {{(const uint8_t *)"", 0}, {(const uint8_t *)".\r\n", 3}},
        {{(const uint8_t *)"a", 1}, {(const uint8_t *)"a\r\n.\r\n", 6}},
        {{(const uint8_t *)"a\r\n", 3}, {(const uint8_t *)"a\r\n.\r\n", 6}},
        {{(const uint8_t *)".\r\n..\r\n", 7}, {(const uint8_t *)"..\r\n...\r\n.\r\n", 12}},
        {{(const uint8_t *)"a\n.\nb\r", 6}, {(const uint8_t *)"a\r\n..\r\nb\r\n.\r\n", 13}},
        {{(const uint8_t *)"\r\r\n\n", 4}, {(const uint8_t *)"\r\n\r\n\r\n.\r\n", 9}},
        {{(const uint8_t *)"x\r.\r\n", 5}, {(const uint8_t *)"x\r\n..\r\n.\r\n", 10}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t cut = 0; cut <= rows[i].in.n; cut++) {
            struct buf out;
            buf_init(&out, 1000);
            put_cut(rows[i].in, cut, &out);
            assert_true(slice_equal(buf_slice(&out), rows[i].out));
            buf_clear(&out);
        }
    }
}

static enum err take(struct relay_reply *r, const char *line)
{
    return relay_reply_take(r, slice_str(line));
}

static void a_reply_is_read_line_by_line(void **state)
{
    struct relay_reply r;
    (void)state;
    relay_reply_init(&r);
    relay_reply_begin(&r);
    assert_int_equal(take(&r, "250-mx.example hello"), ERR_AGAIN);
    assert_int_equal(take(&r, "250-SIZE 1000"), ERR_AGAIN);
    assert_int_equal(take(&r, "250-pipelining"), ERR_AGAIN);
    assert_int_equal(take(&r, "250-AUTH LOGIN PLAIN XOAUTH2"), ERR_AGAIN);
    assert_int_equal(take(&r, "250 STARTTLS"), ERR_OK);
    assert_int_equal(r.code, 250);
    assert_string_equal(r.host, "mx.example");
    assert_int_equal(r.size_max, 1000);
    assert_int_equal(r.capabilities, RELAY_CAN_SIZE | RELAY_CAN_PIPELINE | RELAY_CAN_AUTH_LOGIN |
        RELAY_CAN_AUTH_PLAIN | RELAY_CAN_STARTTLS);
    relay_reply_begin(&r);
    assert_int_equal(take(&r, "550-5.1.1 no"), ERR_AGAIN);
    assert_int_equal(take(&r, "550 such \x01user"), ERR_OK);
    assert_true(slice_equal(buf_slice(&r.text), SLICE("550 5.1.1 no such ?user")));
    relay_reply_clear(&r);
}

static void what_is_no_reply_is_refused(void **state)
{
    static const char *const lines[] = {"", "2", "25", "250x", "2500 ok", "abc ok", "199 low", "600 high",
        "25a ok", " 250 ok", "-50 ok"};
    struct relay_reply r;
    (void)state;
    relay_reply_init(&r);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        relay_reply_begin(&r);
        if (take(&r, lines[i]) != ERR_SYNTAX)
            fail_msg("taken: %s", lines[i]);
    }
    relay_reply_begin(&r);
    assert_int_equal(take(&r, "250-one"), ERR_AGAIN);
    assert_int_equal(take(&r, "251 two"), ERR_SYNTAX);
    relay_reply_begin(&r);
    for (int i = 0; i < RELAY_REPLY_LINES_MAX; i++)
        assert_int_equal(take(&r, "250-x"), ERR_AGAIN);
    assert_int_equal(take(&r, "250 x"), ERR_SYNTAX);
    relay_reply_clear(&r);
}

static void the_words_kept_of_a_reply_are_bounded_and_whole(void **state)
{
    struct relay_reply r;
    struct buf line;
    (void)state;
    relay_reply_init(&r);
    buf_init(&line, 4096);
    buf_put_str(&line, "550 x");
    for (int i = 0; i < 600; i++)
        buf_put_str(&line, "\xc3\xbc");
    relay_reply_begin(&r);
    assert_int_equal(relay_reply_take(&r, buf_slice(&line)), ERR_OK);
    assert_true(r.text.n <= RELAY_REPLY_TEXT_MAX && r.text.n > RELAY_REPLY_TEXT_MAX - 4);
    assert_true(slice_is_utf8(buf_slice(&r.text)));
    buf_clear(&line);
    relay_reply_clear(&r);
}

static void a_status_is_found_or_made(void **state)
{
    static const struct {
        unsigned code;
        const char *text, *status;
    } rows[] = {
        {550, "550 5.1.1 no", "5.1.1"}, {550, "550 no", "5.0.0"}, {451, "451 4.7.650 slow", "4.7.650"},
        {550, "550 4.1.1 lies", "5.0.0"}, {550, "550 5.1.1x", "5.0.0"}, {550, "550 5.1.", "5.0.0"},
        {550, "550", "5.0.0"}, {550, "550 5.1234.1 x", "5.0.0"}, {550, "550 5.7.1", "5.7.1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 100);
        relay_reply_status(rows[i].code, slice_str(rows[i].text), &out);
        assert_true(slice_equal(buf_slice(&out), slice_str(rows[i].status)));
        buf_clear(&out);
    }
}

static void a_report_says_what_happened_in_words_and_for_machines(void **state)
{
    struct relay_report_recipient recipients[] = {
        {SLICE("a@b.example"), SLICE("rfc822;A@b.example"), SLICE("550 5.1.1 nobody")},
        {SLICE("c@d.example"), SLICE_EMPTY, SLICE("mx.d.example: Connection refused")},
    };
    struct relay_report r = {.host = SLICE("our.example"), .sender = SLICE("o@our.example"),
        .envid = SLICE("id7"), .header = SLICE("Subject: x\r\n\r\n"), .now = 100, .until = 200, .id = 5,
        .recipients = recipients, .count = 2};
    static const char *const parts[] = {"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n",
        "Original-Recipient: rfc822;A@b.example\r\n", "Diagnostic-Code: smtp; 550 5.1.1 nobody\r\n",
        "Original-Envelope-Id: id7\r\n", "Status: 5.4.7\r\nDiagnostic-Code: x-letterlock; mx.d.example",
        "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n", "Auto-Submitted: auto-replied\r\n",
        "From: Mail delivery <MAILER-DAEMON@our.example>\r\n"};
    struct buf out;
    (void)state;
    buf_init(&out, RELAY_REPORT_MAX);
    relay_report_put(&r, &out);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (slice_find(buf_slice(&out), slice_str(parts[i])) == SIZE_MAX)
            fail_msg("not in the report: %s\n%.*s", parts[i], (int)out.n, (const char *)out.p);
    assert_true(buf_ok(&out));
    buf_clear(&out);
}

static void queue_messages_come_back_whole_and_never_cut(void **state)
{
    struct queue_work in = {.id = 7, .attempts = 3, .is_noticed = true, .created = 99, .size = 5, .chunks = 1,
        .recipient = {SLICE("a@b.example"), SLICE("b.example"), QUEUE_NOTIFY_FAILURE, SLICE("rfc822;a")},
        .letter = {.sender = SLICE("o@our.example"), .flags = QUEUE_8BIT, .envid = SLICE("e")}};
    struct queue_work out;
    struct queue_result result = {QUEUE_DEFER, 9, 1000, 2, SLICE("b.example"), SLICE("451 later")}, back;
    struct queue_route route = {SLICE("*"), SLICE("mx"), 25, ROUTE_TLS_MUST, SLICE("u"), SLICE("sealed")}, there;
    struct buf body;
    (void)state;
    buf_init(&body, 4096);
    queue_work_encode(&in, &body);
    struct wire w = wire_of(buf_slice(&body));
    assert_true(queue_work_decode(&w, &out) && wire_done(&w));
    assert_true(out.id == 7 && out.attempts == 3 && out.is_noticed && out.created == 99 && out.chunks == 1);
    assert_true(slice_equal(out.recipient.address, in.recipient.address));
    assert_true(slice_equal(out.letter.envid, in.letter.envid));
    for (size_t cut = 0; cut < body.n; cut++) {
        w = wire_of(slice_of(body.p, cut));
        assert_false(queue_work_decode(&w, &out));
    }
    buf_reset(&body);
    queue_result_encode(&result, &body);
    w = wire_of(buf_slice(&body));
    assert_true(queue_result_decode(&w, &back) && wire_done(&w));
    assert_true(back.kind == QUEUE_DEFER && back.next == 1000 && slice_equal(back.answer, result.answer));
    for (size_t cut = 0; cut < body.n; cut++) {
        w = wire_of(slice_of(body.p, cut));
        assert_false(queue_result_decode(&w, &back));
    }
    body.p[0] = QUEUE_RESULT_KINDS;
    w = wire_of(buf_slice(&body));
    assert_false(queue_result_decode(&w, &back));
    buf_reset(&body);
    queue_route_encode(&route, &body);
    w = wire_of(buf_slice(&body));
    assert_true(queue_route_decode(&w, &there) && wire_done(&w) && there.port == 25);
    buf_clear(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_stuffed_and_never_bare_wherever_it_is_cut),
        cmocka_unit_test(a_reply_is_read_line_by_line),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(the_words_kept_of_a_reply_are_bounded_and_whole),
        cmocka_unit_test(a_status_is_found_or_made),
        cmocka_unit_test(a_report_says_what_happened_in_words_and_for_machines),
        cmocka_unit_test(queue_messages_come_back_whole_and_never_cut),
    };
    return cmocka_run_group_tests_name("relay_parts", tests, NULL, NULL);
}
