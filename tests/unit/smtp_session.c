/* smtp/session.c and the commands, with a fake store and a fake auth: order of commands, refusals,
 * waiting, errors from below, and ends at bad moments. What needs the real appliance is in the
 * transcripts. */
#include "smtp_fake.h"

static int set_up(void **state)
{
    (void)state;
    fake_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_stop();
    return 0;
}

#define MAIL "MAIL FROM:<a@b.example>\r\n"
#define RCPT "RCPT TO:<u@example.test>\r\n"
#define LETTER "Subject: x\r\n\r\nhello\r\n.\r\n"

static void a_letter_is_stored_before_it_is_acknowledged(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO client.example\r\n", "220 250");
    EXPECT(&c, MAIL RCPT "DATA\r\n", "250 250 354");
    fake.holds = true;
    EXPECT(&c, "Subject: x\r\n\r\n..hello\r\n.\r\nNOOP\r\n", "");
    assert_int_equal(fake.delivered, 1);
    fake_answer_all(NULL);
    EXPECT(&c, "", "250 250");
    HAS(&c, "250 2.0.0 Stored as ");
    assert_true(slice_equal(buf_slice(&fake.text), SLICE("Subject: x\r\n\r\n.hello\r\n")));
    assert_true(slice_starts(buf_slice(&fake.prefix), SLICE("Return-Path: <a@b.example>\r\nReceived: "
        "from client.example ([127.0.0.1])\r\n\tby mail.example.test with ESMTP id ")));
    assert_true(slice_find(buf_slice(&fake.prefix), SLICE("\tfor <u@example.test>; ")) != SIZE_MAX);
    assert_int_equal(fake.target_count, 1);
    EXPECT(&c, "QUIT\r\n", "221");
    assert_true(c.is_closed);
    client_end(&c);
}

static void a_pipelined_dialogue_gives_replies_in_order(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO c\r\n" MAIL RCPT "RCPT TO:<none@example.test>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n" LETTER
               MAIL RCPT "DATA\r\n.\r\nNOOP\r\nQUIT\r\nNOOP\r\n",
        "220 250 250 250 550 550 354 250 250 250 354 250 250 221");
    assert_int_equal(fake.delivered, 2);
    assert_int_equal(fake.text.n, 0);
    client_end(&c);
}

static void a_peer_that_shut_its_side_still_gets_its_replies(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    client_send(&c, SLICE("HELO c\r\n" MAIL RCPT "DATA\r\n" LETTER "QUIT\r\n"));
    shutdown(c.fd, SHUT_WR);
    client_read(&c);
    assert_string_equal(codes_of(buf_slice(&c.got)), "220 250 250 250 354 250 221");
    client_end(&c);
}

/* Every command in every state of the receiving port. */
static void commands_come_in_their_order(void **state)
{
    static const char *const lead[] = {"", "EHLO c\r\n", "EHLO c\r\n" MAIL, "EHLO c\r\n" MAIL RCPT,
        "EHLO c\r\n" MAIL RCPT "BDAT 1\r\nx"};
    static const struct {
        const char *line;
        const char *codes[5]; /* NEW READY MAIL RCPT CHUNKS */
    } rows[] = {
        {"EHLO c\r\n", {"250", "250", "250", "250", "250"}},
        {"HELO c\r\n", {"250", "250", "250", "250", "250"}},
        {"EHLO\r\n", {"501", "501", "501", "501", "501"}},
        {"MAIL FROM:<a@b>\r\n", {"503", "250", "503", "503", "503"}},
        {"MAIL\r\n", {"503", "501", "503", "503", "503"}},
        {"RCPT TO:<u@example.test>\r\n", {"503", "503", "250", "250", "503"}},
        {"RCPT\r\n", {"503", "503", "501", "501", "503"}},
        {"DATA\r\n", {"503", "503", "503", "354", "503"}},
        {"DATA x\r\n", {"503", "503", "503", "501", "503"}},
        {"RSET\r\n", {"250", "250", "250", "250", "250"}},
        {"RSET x\r\n", {"501", "501", "501", "501", "501"}},
        {"NOOP\r\n", {"250", "250", "250", "250", "250"}},
        {"NOOP anything\r\n", {"250", "250", "250", "250", "250"}},
        {"HELP\r\n", {"214", "214", "214", "214", "214"}},
        {"VRFY u\r\n", {"252", "252", "252", "252", "252"}},
        {"EXPN l\r\n", {"502", "502", "502", "502", "502"}},
        {"ETRN x\r\n", {"502", "502", "502", "502", "502"}},
        {"BDAT 1 LAST\r\nx", {"503", "503", "503", "250", "250"}},
        {"BDAT 1\r\nx", {"503", "503", "503", "250", "250"}},
        {"BDAT x\r\n", {"501", "501", "501", "501", "501"}},
        {"AUTH PLAIN\r\n", {"502", "502", "502", "502", "502"}},
        {"STARTTLS\r\n", {"220", "220", "503", "503", "503"}},
        {"STARTTLS x\r\n", {"501", "501", "503", "503", "503"}},
        {"QUIT\r\n", {"221", "221", "221", "221", "221"}},
        {"QUIT now\r\n", {"501", "501", "501", "501", "501"}},
        {"XYZZY\r\n", {"500", "500", "500", "500", "500"}},
        {"\r\n", {"500", "500", "500", "500", "500"}},
        {"GET / HTTP/1.1\r\n", {"554", "554", "554", "554", "554"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t j = 0; j < 5; j++) {
            struct client c;
            client_begin(&c, SMTP_RECEIVING);
            client_say(&c, slice_str(lead[j]));
            const char *codes = codes_of(client_say(&c, slice_str(rows[i].line)));
            if (strcmp(codes, rows[i].codes[j]) != 0)
                print_error("%s in state %zu: %s\n", rows[i].line, j, codes);
            assert_string_equal(codes, rows[i].codes[j]);
            client_end(&c);
        }
    }
}

/* The submission port in clear, before and after EHLO; nothing but STARTTLS leads on. */
static void submission_wants_tls_first(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_SUBMISSION);
    EXPECT(&c, "EHLO c\r\n", "220 250");
    HAS(&c, "250-STARTTLS\r\n");
    HAS_NOT(&c, "AUTH");
    EXPECT(&c, MAIL, "530");
    EXPECT(&c, RCPT "DATA\r\nAUTH PLAIN\r\nVRFY u\r\n", "530 530 530 530");
    EXPECT(&c, "NOOP\r\nRSET\r\nSTARTTLS\r\n", "250 250 220");
    client_end(&c);
}

static void submission_wants_a_login_and_its_own_sender(void **state)
{
    struct client c;
    (void)state;
    fake_config("login.cleartext", "127.0.0.0/8");
    client_begin(&c, SMTP_SUBMISSION);
    EXPECT(&c, "AUTH PLAIN\r\n", "220 503");
    EXPECT(&c, "EHLO c\r\n", "250");
    HAS(&c, "250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n");
    EXPECT(&c, MAIL, "530");
    EXPECT(&c, "AUTH LOGIN\r\ndUBleGFtcGxlLnRlc3Q=\r\ncmlnaHQ=\r\n", "334 334 235");
    EXPECT(&c, "AUTH PLAIN\r\n", "503");
    EXPECT(&c, MAIL, "553");
    EXPECT(&c, "MAIL FROM:<u@example.test>\r\nRCPT TO:<x@y.example>\r\n", "250 250");
    EXPECT(&c, RCPT "DATA\r\n" LETTER, "250 354 250");
    assert_true(fake.has_outbound);
    assert_int_equal(fake.submitted_by, 77);
    assert_true(slice_find(buf_slice(&fake.prefix), SLICE("127.0.0.1")) == SIZE_MAX);
    assert_true(slice_find(buf_slice(&fake.prefix), SLICE("with ESMTPA id")) != SIZE_MAX);
    EXPECT(&c, "MAIL FROM:<>\r\nQUIT\r\n", "250 221");
    client_end(&c);
    assert_int_equal(fake.logouts, 1);
}

static void logins_fail_in_their_ways(void **state)
{
    struct client c;
    (void)state;
    fake_config("login.cleartext", "127.0.0.0/8");
    client_begin(&c, SMTP_SUBMISSION);
    EXPECT(&c, "EHLO c\r\nAUTH CRAM-MD5\r\n", "220 250 504");
    EXPECT(&c, "AUTH PLAIN\r\n*\r\n", "334 501");
    EXPECT(&c, "AUTH PLAIN =\r\n", "501");
    EXPECT(&c, "AUTH PLAIN no-base64\r\nNOOP\r\n", "501 250");
    EXPECT(&c, "AUTH LOGIN\r\nQUIT\r\n", "334 334"); /* a line in the dialogue is an answer: "QUIT" is base64 */
    EXPECT(&c, "*\r\n", "501");
    EXPECT(&c, "AUTH PLAIN AHVAZXhhbXBsZS50ZXN0AGdvbmU=\r\n", "454");
    EXPECT(&c, "AUTH PLAIN AHVAZXhhbXBsZS50ZXN0AHNjb3Bl\r\n", "535");
    EXPECT(&c, "AUTH PLAIN AHVAZXhhbXBsZS50ZXN0AHdyb25n\r\n", "535");
    EXPECT(&c, "AUTH PLAIN AG5vYm9keUBleGFtcGxlLnRlc3QAd3Jvbmc=\r\nNOOP\r\n", "535 421");
    assert_true(c.is_closed);
    client_end(&c);
}

static void long_lines_are_refused_and_passed_over(void **state)
{
    struct client c;
    struct buf line;
    (void)state;
    fake_config("login.cleartext", "127.0.0.0/8");
    buf_init(&line, 65536);
    buf_put_str(&line, "NOOP ");
    while (line.n < SMTP_COMMAND_LINE_MAX - 2)
        buf_put_byte(&line, 'x');
    buf_put_str(&line, "\r\n");
    client_begin(&c, SMTP_SUBMISSION);
    EXPECT(&c, "EHLO c\r\n", "220 250");
    assert_string_equal(codes_of(client_say(&c, buf_slice(&line))), "250");
    line.n -= 2;
    buf_put_str(&line, "x\r\nNOOP\r\n");
    assert_string_equal(codes_of(client_say(&c, buf_slice(&line))), "500 250");
    EXPECT(&c, "AUTH PLAIN\r\n", "334");
    buf_reset(&line);
    while (line.n < SMTP_AUTH_LINE_MAX)
        buf_put_byte(&line, 'A');
    buf_put_str(&line, "\r\nNOOP\r\n");
    assert_string_equal(codes_of(client_say(&c, buf_slice(&line))), "500 250");
    HAS(&c, "500 5.5.6");
    buf_reset(&line);
    buf_put_str(&line, "AUTH PLAIN ");
    while (line.n < SMTP_AUTH_LINE_MAX - 5)
        buf_put_byte(&line, 'A');
    buf_put_str(&line, "\r\n");
    assert_string_equal(codes_of(client_say(&c, buf_slice(&line))), "501");
    client_end(&c);
    buf_clear(&line);
}

static void bare_line_ends_are_refused(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO c\r\nNOOP\nNOOP\r\nNO\rOP\r\nNO\0OP\r\n", "220 250 500 250 500 500");
    HAS(&c, "500 5.5.2");
    EXPECT(&c, MAIL RCPT "DATA\r\na\n.\r\nb\r\n.\n\r\nc\r\n.\r\nNOOP\r\n", "250 250 354 550 250");
    HAS(&c, "550 5.6.11");
    assert_int_equal(fake.delivered, 0);
    assert_int_equal(fake.letters_alive, 0);
    client_end(&c);
}

static void sizes_are_limited_as_declared_and_as_they_are(void **state)
{
    struct client c;
    struct buf letter;
    (void)state;
    fake_config("smtp.max-size", "2048");
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO c\r\n", "220 250");
    HAS(&c, "250-SIZE 2048\r\n");
    EXPECT(&c, "MAIL FROM:<> SIZE=2048\r\nRSET\r\n", "250 250");
    EXPECT(&c, "MAIL FROM:<> SIZE=2049\r\n", "552");
    HAS(&c, "552 5.3.4");
    EXPECT(&c, "MAIL FROM:<> SIZE=99999999999999999999\r\n", "552");
    buf_init(&letter, 1 << 20);
    for (size_t n = 2048; n <= 2049; n++) {
        buf_reset(&letter);
        buf_put_str(&letter, "MAIL FROM:<> SIZE=1\r\n" RCPT "DATA\r\n");
        size_t head = letter.n;
        while (letter.n < head + n - 2)
            buf_put_byte(&letter, 'x');
        buf_put_str(&letter, "\r\n.\r\nNOOP\r\n");
        assert_string_equal(codes_of(client_say(&c, buf_slice(&letter))),
            n == 2048 ? "250 250 354 250 250" : "250 250 354 552 250");
    }
    buf_reset(&letter);
    buf_put_str(&letter, "MAIL FROM:<>\r\n" RCPT "DATA\r\n");
    while (letter.n < 1000000)
        buf_put_str(&letter, "much too much\r\n");
    buf_put_str(&letter, ".\r\nNOOP\r\n");
    client_say(&c, buf_slice(&letter));
    for (int i = 0; i < 100 && slice_find(buf_slice(&c.got), SLICE("250 2.0.0 OK")) == SIZE_MAX; i++)
        client_read(&c);
    assert_string_equal(codes_of(buf_slice(&c.got)), "250 250 354 552 250");
    assert_int_equal(fake.delivered, 1);
    client_end(&c);
    buf_clear(&letter);
}

static void recipients_get_the_answer_of_the_store(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO c\r\n" MAIL, "220 250 250");
    SAY(&c, "RCPT TO:<none@example.test>\r\nRCPT TO:<off@example.test>\r\nRCPT TO:<full@example.test>\r\n"
            "RCPT TO:<disk@example.test>\r\nRCPT TO:<gone@example.test>\r\nRCPT TO:<u@[127.0.0.1]>\r\n"
            "RCPT TO:<u%example.test@other.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\r\n");
    HAS(&c, "550 5.1.1 ");
    HAS(&c, "550 5.2.1 ");
    HAS(&c, "452 4.2.2 ");
    HAS(&c, "452 4.3.1 ");
    HAS(&c, "451 4.3.0 ");
    assert_string_equal(codes_of(buf_slice(&c.got)), "550 550 452 452 451 550 550 250 354 250");
    client_end(&c);
}

static void recipients_are_limited(void **state)
{
    struct client c;
    (void)state;
    fake_config("smtp.max-recipients", "100");
    fake_config("smtp.lookup-cache", "3600");
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO c\r\n" MAIL, "220 250 250");
    for (int i = 0; i < 100; i++)
        EXPECT(&c, RCPT, "250");
    EXPECT(&c, RCPT, "452");
    HAS(&c, "452 4.5.3");
    assert_int_equal(fake.lookups, 1);
    EXPECT(&c, "DATA\r\n.\r\n", "354 250");
    assert_int_equal(fake.target_count, 1);
    assert_true(slice_find(buf_slice(&fake.prefix), SLICE("for <")) == SIZE_MAX);
    client_end(&c);
}

static void failures_of_the_commit_are_told(void **state)
{
    static const struct {
        enum err err;
        const char *reply;
    } cases[] = {{ERR_QUOTA, "452 4.2.2"}, {ERR_DISK_FULL, "452 4.3.1"}, {ERR_STORE_GONE, "451 4.3.0"},
        {ERR_BUSY, "451 4.3.0"}, {ERR_TOO_BIG, "554 5.3.0"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client c;
        fake.deliver_err = cases[i].err;
        client_begin(&c, SMTP_RECEIVING);
        SAY(&c, "EHLO c\r\n" MAIL RCPT "DATA\r\n" LETTER);
        assert_true(slice_find(buf_slice(&c.got), slice_str(cases[i].reply)) != SIZE_MAX);
        HAS_NOT(&c, "Stored");
        EXPECT(&c, MAIL, "250");
        client_end(&c);
    }
}

static void mail_loops_end(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    fake.received_count = SMTP_RECEIVED_MAX;
    EXPECT(&c, "EHLO c\r\n" MAIL RCPT "DATA\r\n" LETTER, "220 250 250 250 354 250");
    fake.received_count = SMTP_RECEIVED_MAX + 1;
    EXPECT(&c, MAIL RCPT "DATA\r\n" LETTER, "250 250 354 554");
    HAS(&c, "554 5.4.6");
    client_end(&c);
}

static void too_many_errors_end_the_connection(void **state)
{
    struct client c;
    (void)state;
    fake_config("smtp.max-errors", "3");
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "X\r\nX\r\nNOOP\r\nX\r\nNOOP\r\n", "220 500 500 250 500 421");
    assert_true(c.is_closed);
    client_end(&c);
}

static void a_peer_may_go_while_an_answer_is_awaited(void **state)
{
    static const char *const scripts[] = {"EHLO c\r\n" MAIL "RCPT TO:<none@example.test>\r\n",
        "EHLO c\r\n" MAIL RCPT "DATA\r\n" LETTER, "EHLO c\r\n" MAIL RCPT "DATA\r\nhalf a let"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct client c;
        client_begin(&c, SMTP_RECEIVING);
        client_say(&c, SLICE("EHLO c\r\n" MAIL RCPT "RSET\r\n")); /* the look-up is remembered */
        fake.holds = true;
        client_say(&c, slice_str(scripts[i]));
        struct linger hard = {.l_onoff = 1};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        client_end(&c);
        fake_answer_all(NULL);
        fake.holds = false;
        for (size_t j = 0; j < 5; j++)
            loop_turn(fake.loop, 2);
        assert_int_equal(fake.letters_alive, 0);
    }
}

static void a_store_that_is_behind_stops_reading(void **state)
{
    struct client c;
    (void)state;
    client_begin(&c, SMTP_RECEIVING);
    EXPECT(&c, "EHLO c\r\n" MAIL RCPT "DATA\r\n", "220 250 250 250 354");
    SAY(&c, "one\r\n");
    fake.is_full = true;
    EXPECT(&c, "two\r\n", "");
    EXPECT(&c, "three\r\n.\r\nNOOP\r\n", "");
    fake.is_full = false;
    fake.events->on_drained(fake.events_ctx);
    EXPECT(&c, "", "250 250");
    assert_true(slice_equal(buf_slice(&fake.text), SLICE("one\r\ntwo\r\nthree\r\n")));
    client_end(&c);
}

static void replies_that_nobody_reads_stop_the_commands(void **state)
{
    struct client c;
    struct buf lines;
    (void)state;
    buf_init(&lines, 4 << 20);
    for (int i = 0; i < 60000; i++)
        buf_put_str(&lines, "NOOP\r\n");
    buf_put_str(&lines, "QUIT\r\n");
    client_begin(&c, SMTP_RECEIVING);
    struct slice rest = buf_slice(&lines);
    for (int i = 0; i < 200; i++) { /* only sends */
        ssize_t n = send(c.fd, rest.p, rest.n, MSG_NOSIGNAL);
        rest = slice_from(rest, n > 0 ? (size_t)n : 0);
        loop_turn(fake.loop, 1);
    }
    buf_reset(&c.got);
    client_send(&c, rest);
    for (int i = 0; i < 50 && !c.is_closed; i++)
        client_read(&c);
    assert_true(c.is_closed);
    assert_true(slice_ends_nocase(buf_slice(&c.got), SLICE("221 2.0.0 Good bye\r\n")));
    size_t count = 0;
    struct slice got = buf_slice(&c.got);
    while (got.n > 0) {
        struct slice line = slice_cut(&got, '\n');
        count += slice_starts(line, SLICE("250 2.0.0 OK"));
    }
    assert_int_equal(count, 60000);
    client_end(&c);
    buf_clear(&lines);
}

static void connections_are_limited(void **state)
{
    struct client a;
    struct client b;
    (void)state;
    fake_config("smtp.max-connections", "1");
    client_begin(&a, SMTP_RECEIVING);
    client_begin(&b, SMTP_RECEIVING);
    EXPECT(&b, "", "421");
    HAS(&b, "421 4.3.2");
    EXPECT(&a, "NOOP\r\n", "220 250");
    client_end(&b);
    client_end(&a);
    fake_config("smtp.max-connections", "10");
    fake_config("smtp.max-per-network", "1");
    fake_config("smtp.unlimited-networks", "10.0.0.0/8");
    fake_config("smtp.greeting-wait", "0");
    client_begin(&a, SMTP_RECEIVING);
    client_begin(&b, SMTP_RECEIVING);
    EXPECT(&b, "", "421");
    HAS(&b, "421 4.7.0");
    client_end(&b);
    client_end(&a);
    client_begin(&b, SMTP_RECEIVING);
    EXPECT(&b, "", "220");
    client_end(&b);
}

static void a_stop_lets_replies_finish(void **state)
{
    struct client idle;
    struct client busy;
    (void)state;
    client_begin(&idle, SMTP_RECEIVING);
    client_begin(&busy, SMTP_RECEIVING);
    EXPECT(&busy, "EHLO c\r\n" MAIL RCPT "DATA\r\nhalf\r\n", "220 250 250 250 354");
    EXPECT(&idle, "", "220");
    smtp_role_ops.on_stop(&fake.role);
    EXPECT(&idle, "", "421");
    EXPECT(&busy, "whole\r\n.\r\n", "250 421");
    assert_int_equal(fake.delivered, 1);
    client_end(&idle);
    client_end(&busy);
    assert_true(fake.role.stopping);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_letter_is_stored_before_it_is_acknowledged),
        TEST(a_pipelined_dialogue_gives_replies_in_order),
        TEST(a_peer_that_shut_its_side_still_gets_its_replies),
        TEST(commands_come_in_their_order),
        TEST(submission_wants_tls_first),
        TEST(submission_wants_a_login_and_its_own_sender),
        TEST(logins_fail_in_their_ways),
        TEST(long_lines_are_refused_and_passed_over),
        TEST(bare_line_ends_are_refused),
        TEST(sizes_are_limited_as_declared_and_as_they_are),
        TEST(recipients_get_the_answer_of_the_store),
        TEST(recipients_are_limited),
        TEST(failures_of_the_commit_are_told),
        TEST(mail_loops_end),
        TEST(too_many_errors_end_the_connection),
        TEST(a_peer_may_go_while_an_answer_is_awaited),
        TEST(a_store_that_is_behind_stops_reading),
        TEST(replies_that_nobody_reads_stop_the_commands),
        TEST(connections_are_limited),
        TEST(a_stop_lets_replies_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
