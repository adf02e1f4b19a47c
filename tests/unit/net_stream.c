/* Plain streams: input, lines, back-pressure, deadlines, endings, freeing inside callbacks. */
#include "net_help.h"

static void echoes_what_comes_in_tiny_pieces(void **state)
{
    struct side x;
    struct buf back;
    (void)state;
    side_begin(&x);
    buf_init(&back, 4096);
    x.echo = true;
    for (int i = 0; i < 300; i++) {
        uint8_t c = (uint8_t)i;
        peer_send(&x, slice_of(&c, 1));
        loop_turn(x.loop, 100);
        assert_true(peer_take(&x, &back));
    }
    assert_int_equal(back.n, 300);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(back.p[i], (uint8_t)i);
    assert_int_equal(x.data_calls, 300);
    buf_clear(&back);
    side_end(&x);
}

static void sends_all_writes_of_a_callback_at_once_and_not_before(void **state)
{
    struct side x;
    struct buf back;
    (void)state;
    side_begin(&x);
    buf_init(&back, 4096);
    stream_write_str(x.s, "one ");
    stream_write_str(x.s, "two");
    assert_true(peer_take(&x, &back));
    assert_int_equal(back.n, 0);
    assert_int_equal(stream_output_pending(x.s), 7);
    turns(x.loop, 1);
    assert_true(peer_take(&x, &back));
    assert_slice(buf_slice(&back), "one two");
    assert_int_equal(stream_output_pending(x.s), 0);
    buf_clear(&back);
    side_end(&x);
}

static void takes_lines_however_they_are_cut(void **state)
{
    static const char text[] = "EHLO a\r\n\r\nMAIL FROM:<>\r\n";
    (void)state;
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct side x;
        struct slice line;
        side_begin(&x);
        x.keep_input = true;
        struct slice all = slice_of(text, sizeof text - 1);
        if (cut)
            peer_send(&x, slice_sub(all, 0, cut));
        turns(x.loop, 2);
        if (cut < 8)
            assert_int_equal(stream_line(x.s, 100, false, &line), ERR_AGAIN);
        if (cut < all.n)
            peer_send(&x, slice_from(all, cut));
        turns(x.loop, 2);
        assert_int_equal(stream_line(x.s, 100, false, &line), ERR_OK);
        assert_slice(line, "EHLO a");
        assert_int_equal(stream_line(x.s, 100, false, &line), ERR_OK);
        assert_int_equal(line.n, 0);
        assert_int_equal(stream_line(x.s, 100, false, &line), ERR_OK);
        assert_slice(line, "MAIL FROM:<>");
        assert_int_equal(stream_line(x.s, 100, false, &line), ERR_AGAIN);
        side_end(&x);
    }
}

static void feed(struct side *x, struct slice bytes)
{
    peer_send(x, bytes);
    turns(x->loop, 2);
}

static void refuses_bare_line_ends_and_nul(void **state)
{
    struct side x;
    struct slice line;
    (void)state;
    side_begin(&x);
    x.keep_input = true;
    feed(&x, SLICE("a\nb\r\nc\rd\r\ne\0f\r\ng\r\r\nh\r\n"));
    assert_int_equal(stream_line(x.s, 100, false, &line), ERR_SYNTAX);
    assert_int_equal(stream_line(x.s, 100, false, &line), ERR_OK);
    assert_slice(line, "b");
    assert_int_equal(stream_line(x.s, 100, false, &line), ERR_SYNTAX);
    assert_int_equal(stream_line(x.s, 100, false, &line), ERR_SYNTAX);
    assert_int_equal(stream_line(x.s, 100, false, &line), ERR_SYNTAX);
    assert_int_equal(stream_line(x.s, 100, false, &line), ERR_OK);
    assert_slice(line, "h");
    feed(&x, SLICE("a\nb\rc\nd\r\n"));
    assert_int_equal(stream_line(x.s, 100, true, &line), ERR_OK);
    assert_slice(line, "a");
    assert_int_equal(stream_line(x.s, 100, true, &line), ERR_SYNTAX);
    assert_int_equal(stream_line(x.s, 100, true, &line), ERR_OK);
    assert_slice(line, "d");
    side_end(&x);
}

static void drops_the_whole_of_a_line_that_is_too_long(void **state)
{
    struct side x;
    struct slice line;
    (void)state;
    side_begin(&x);
    x.keep_input = true;
    feed(&x, SLICE("12345678\r\n123456789\r\nnext\r\n"));
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_OK);
    assert_slice(line, "12345678");
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_TOO_BIG);
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_OK);
    assert_slice(line, "next");
    feed(&x, SLICE("0123456789abc"));
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_TOO_BIG);
    assert_int_equal(stream_input(x.s).n, 0);
    feed(&x, SLICE("def"));
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_AGAIN);
    feed(&x, SLICE("ghi\r\nshort\r\n"));
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_OK);
    assert_slice(line, "short");
    side_end(&x);
}

static size_t push_until_full(const struct side *x)
{
    static const uint8_t zeros[8192];
    size_t all = 0;
    ssize_t n;
    while ((n = send(x->peer, zeros, sizeof zeros, MSG_NOSIGNAL)) > 0)
        all += (size_t)n;
    return all;
}

static void stops_reading_at_the_input_maximum(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    x.keep_input = true;
    stream_set_input_max(x.s, 5000);
    size_t sent = push_until_full(&x);
    turns(x.loop, 20);
    assert_int_equal(stream_input(x.s).n, 5000);
    unsigned calls = x.data_calls;
    turns(x.loop, 20);
    assert_int_equal(x.data_calls, calls);
    stream_consume(x.s, 1000);
    turns(x.loop, 5);
    assert_int_equal(stream_input(x.s).n, 5000);
    assert_true(x.data_calls > calls);
    x.keep_input = false;
    stream_resume(x.s);
    turn_until(x.loop, x.got.n + 1000 == sent);
    assert_int_equal(stream_input(x.s).n, 0);
    side_end(&x);
}

static void pauses_and_tells_of_held_input_after_resume(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    x.keep_input = true;
    feed(&x, SLICE("held"));
    assert_int_equal(x.data_calls, 1);
    stream_pause(x.s);
    feed(&x, SLICE("more"));
    turns(x.loop, 3);
    assert_int_equal(x.data_calls, 1);
    assert_slice(stream_input(x.s), "held");
    stream_resume(x.s);
    assert_int_equal(x.data_calls, 1); /* not from inside our call */
    turns(x.loop, 1);
    assert_true(x.data_calls >= 2);
    turns(x.loop, 2);
    assert_slice(stream_input(x.s), "heldmore");
    side_end(&x);
}

static void waits_for_a_slow_reader_and_tells_when_there_is_room(void **state)
{
    static uint8_t block[64 * 1024];
    struct side x;
    struct buf back;
    (void)state;
    side_begin(&x);
    buf_init(&back, 8 * 1024 * 1024);
    size_t written = 0;
    for (int i = 0; i < 200 && stream_output_room(x.s) > 0; i++) {
        memset(block, i, sizeof block);
        stream_write(x.s, slice_of(block, sizeof block));
        written += sizeof block;
        turns(x.loop, 1);
    }
    assert_int_equal(stream_output_room(x.s), 0);
    turns(x.loop, 10);
    assert_int_equal(x.writable_calls, 0);
    for (int i = 0; i < TURNS_MAX && back.n < written; i++) {
        assert_true(peer_take(&x, &back));
        turns(x.loop, 1);
    }
    assert_int_equal(back.n, written);
    for (size_t i = 0; i < written; i++)
        assert_int_equal(back.p[i], (uint8_t)(i / sizeof block));
    assert_int_equal(x.writable_calls, 1);
    assert_true(stream_output_room(x.s) == STREAM_OUTPUT_HIGH);
    buf_clear(&back);
    side_end(&x);
}

static void closes_a_session_that_writes_without_end(void **state)
{
    static const uint8_t block[64 * 1024];
    struct side x;
    (void)state;
    side_begin(&x);
    for (int i = 0; i < 20; i++)
        stream_write(x.s, slice_of(block, sizeof block));
    assert_int_equal(x.closed_calls, 0);
    turns(x.loop, 2);
    assert_int_equal(x.closed_calls, 1);
    assert_int_equal(x.why, ERR_TOO_BIG);
    side_end(&x);
}

static void idle_timeout_waits_for_silence(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    stream_set_idle_timeout(x.s, 60);
    for (int i = 0; i < 8; i++) {
        peer_send(&x, SLICE("."));
        uint64_t until = clock_mono_ms() + 20;
        while (clock_mono_ms() < until)
            loop_turn(x.loop, 5);
    }
    assert_int_equal(x.timeout_calls, 0);
    uint64_t silent = clock_mono_ms();
    turn_until(x.loop, x.timeout_calls == 1);
    assert_true(clock_mono_ms() - silent >= 20);
    turns(x.loop, 5);
    assert_int_equal(x.timeout_calls, 1);
    assert_int_equal(x.closed_calls, 0);
    side_end(&x);
}

static void a_deadline_does_not_care_for_drips(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    stream_set_idle_timeout(x.s, 10000);
    stream_set_deadline(x.s, 80);
    uint64_t begin = clock_mono_ms();
    while (x.timeout_calls == 0 && clock_mono_ms() < begin + 3000) {
        peer_send(&x, SLICE("."));
        loop_turn(x.loop, 5);
    }
    assert_int_equal(x.timeout_calls, 1);
    assert_true(clock_mono_ms() - begin >= 75);
    stream_set_deadline(x.s, 20);
    stream_set_deadline(x.s, 0);
    begin = clock_mono_ms();
    while (clock_mono_ms() < begin + 60)
        loop_turn(x.loop, 5);
    assert_int_equal(x.timeout_calls, 1);
    side_end(&x);
}

static void closes_by_itself_when_nobody_handles_the_timeout(void **state)
{
    static const struct stream_events events = {.on_data = side_on_data, .on_closed = side_on_closed};
    int fds[2];
    struct side x = {.loop = loop_new()};
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    x.s = stream_new(x.loop, fds[0], &events, &x);
    x.peer = fds[1];
    stream_set_deadline(x.s, 10);
    turn_until(x.loop, x.closed_calls == 1);
    assert_int_equal(x.why, ERR_TIMEOUT);
    side_end(&x);
}

static void delivers_all_data_before_it_tells_of_the_end(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    peer_send(&x, SLICE("last words"));
    close(x.peer);
    x.peer = -1;
    turn_until(x.loop, x.closed_calls == 1);
    assert_slice(buf_slice(&x.got), "last words");
    assert_int_equal(x.why, ERR_CLOSED);
    turns(x.loop, 3);
    assert_int_equal(x.closed_calls, 1);
    side_end(&x);
}

static void answers_a_peer_that_shut_its_side_early(void **state)
{
    struct side x;
    struct buf back;
    (void)state;
    side_begin(&x);
    buf_init(&back, 100);
    x.echo = true;
    peer_send(&x, SLICE("QUIT\r\n"));
    shutdown(x.peer, SHUT_WR);
    turn_until(x.loop, x.closed_calls == 1);
    assert_false(peer_take(&x, &back));
    assert_slice(buf_slice(&back), "QUIT\r\n");
    buf_clear(&back);
    side_end(&x);
}

struct starter {
    struct side side;
    struct tls_context *tls;
};

static void start_tls_at_the_end(void *ctx)
{
    struct starter *x = ctx;
    x->side.data_calls++;
    stream_start_tls(x->side.s, x->tls);
}

static void starter_closed(void *ctx, enum err why)
{
    side_on_closed(&((struct starter *)ctx)->side, why);
}

/* The session sees the command only when the end has been read too: no handshake can follow. */
static void starttls_after_the_peers_end_closes(void **state)
{
    static const struct stream_events events = {.on_data = start_tls_at_the_end,
        .on_closed = starter_closed};
    struct starter x = {.side = {.loop = loop_new()}};
    struct buf chain, key;
    int fds[2];
    (void)state;
    buf_init(&chain, 10000);
    buf_init(&key, 10000);
    assert_int_equal(tls_self_signed(SLICE("a.example"), false, &chain, &key), ERR_OK);
    const struct tls_certificate pair = {buf_slice(&chain), buf_slice(&key)};
    assert_int_equal(tls_context_new(&pair, 1, NULL, &x.tls), ERR_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    x.side.s = stream_new(x.side.loop, fds[0], &events, &x);
    static uint8_t whole_read[4096 + 8192]; /* two full reads, so that a third meets the end */
    stream_set_input_max(x.side.s, sizeof whole_read * 4);
    assert_int_equal(send(fds[1], whole_read, sizeof whole_read, MSG_NOSIGNAL), sizeof whole_read);
    close(fds[1]);
    turn_until(x.side.loop, x.side.closed_calls == 1);
    assert_int_equal(x.side.data_calls, 1);
    assert_int_equal(x.side.why, ERR_CLOSED);
    tls_context_release(x.tls);
    buf_clear(&chain);
    buf_wipe(&key);
    x.side.peer = -1;
    side_end(&x.side);
}

static void a_paused_stream_hears_of_the_end_after_resume(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    stream_pause(x.s);
    peer_send(&x, SLICE("x"));
    close(x.peer);
    x.peer = -1;
    turns(x.loop, 5);
    assert_int_equal(x.closed_calls, 0);
    stream_resume(x.s);
    turn_until(x.loop, x.closed_calls == 1);
    assert_slice(buf_slice(&x.got), "x");
    side_end(&x);
}

static void finish_over_tcp_sends_all_and_does_not_reset(void **state)
{
    struct side x;
    int fds[2];
    struct buf back;
    (void)state;
    tcp_pair(fds);
    side_begin_with(&x, fds[0], fds[1]);
    buf_init(&back, 1024 * 1024);
    assert_string_equal(stream_peer(x.s), "127.0.0.1");
    static uint8_t block[100 * 1024];
    memset(block, 'z', sizeof block);
    x.keep_input = true;
    feed(&x, SLICE("unread"));
    stream_write(x.s, slice_of(block, sizeof block));
    stream_finish(x.s);
    stream_write_str(x.s, "too late");
    peer_send(&x, SLICE("never read by the session"));
    bool open = true;
    for (int i = 0; i < TURNS_MAX && open; i++) {
        loop_turn(x.loop, 1);
        open = peer_take(&x, &back);
    }
    assert_false(open);
    assert_int_equal(back.n, sizeof block);
    assert_int_equal(x.closed_calls, 0); /* it waits for our end */
    peer_send(&x, SLICE("still talking"));
    turns(x.loop, 3);
    close(x.peer);
    x.peer = -1;
    turn_until(x.loop, x.closed_calls == 1);
    assert_int_equal(x.why, ERR_CLOSED);
    assert_int_equal(x.data_calls, 1);
    buf_clear(&back);
    side_end(&x);
}

static void finish_gives_up_on_a_peer_that_floods(void **state)
{
    struct side x;
    int fds[2];
    (void)state;
    tcp_pair(fds);
    side_begin_with(&x, fds[0], fds[1]);
    stream_finish(x.s);
    for (int i = 0; i < TURNS_MAX && x.closed_calls == 0; i++) {
        push_until_full(&x);
        loop_turn(x.loop, 1);
    }
    assert_int_equal(x.closed_calls, 1);
    side_end(&x);
}

/* ---- freed inside each callback ---- */

struct freer {
    struct loop *loop;
    struct stream *s;
    unsigned calls;
};

static void freer_free(void *ctx)
{
    struct freer *f = ctx;
    f->calls++;
    stream_write_str(f->s, "last");
    stream_free(f->s);
    f->s = NULL;
}

static void freer_closed(void *ctx, enum err why)
{
    (void)why;
    freer_free(ctx);
}

static void never(void *ctx)
{
    (void)ctx;
    fail_msg("a callback came that should not");
}

static void never_closed(void *ctx, enum err why)
{
    (void)why;
    never(ctx);
}

static void ignore(void *ctx)
{
    (void)ctx;
}

static void begin_freer(struct freer *f, const struct stream_events *events, int *out_peer)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    nonblocking(fds[1]);
    *f = (struct freer){.loop = loop_new()};
    f->s = stream_new(f->loop, fds[0], events, f);
    *out_peer = fds[1];
}

static void end_freer(struct freer *f, int peer)
{
    uint8_t c;
    turn_until(f->loop, f->calls == 1);
    turns(f->loop, 5);
    assert_int_equal(f->calls, 1);
    while (recv(peer, &c, 1, 0) > 0)
        continue;
    assert_int_not_equal(errno, EAGAIN); /* closed, or reset because of unread input */
    close(peer);
    loop_free(f->loop);
}

static void may_be_freed_in_on_data(void **state)
{
    static const struct stream_events events = {.on_data = freer_free, .on_closed = never_closed};
    struct freer f;
    int peer;
    (void)state;
    begin_freer(&f, &events, &peer);
    assert_int_equal(send(peer, "abc", 3, MSG_NOSIGNAL), 3);
    turns(f.loop, 1);
    errno = 0;
    end_freer(&f, peer);
}

static void may_be_freed_in_on_writable(void **state)
{
    static const struct stream_events events = {.on_data = ignore, .on_writable = freer_free,
        .on_closed = never_closed};
    static const uint8_t block[STREAM_OUTPUT_HIGH + 1];
    struct freer f;
    int peer;
    (void)state;
    begin_freer(&f, &events, &peer);
    stream_write(f.s, slice_of(block, sizeof block));
    uint8_t bytes[65536];
    for (int i = 0; i < TURNS_MAX && f.calls == 0; i++) {
        turns(f.loop, 1);
        while (recv(peer, bytes, sizeof bytes, 0) > 0)
            continue;
    }
    errno = 0;
    end_freer(&f, peer);
}

static void may_be_freed_in_on_timeout(void **state)
{
    static const struct stream_events events = {.on_data = ignore, .on_timeout = freer_free,
        .on_closed = never_closed};
    struct freer f;
    int peer;
    (void)state;
    begin_freer(&f, &events, &peer);
    stream_set_deadline(f.s, 5);
    errno = 0;
    end_freer(&f, peer);
}

static void may_be_freed_in_on_closed(void **state)
{
    static const struct stream_events events = {.on_data = ignore, .on_closed = freer_closed};
    struct freer f;
    int peer;
    (void)state;
    begin_freer(&f, &events, &peer);
    shutdown(peer, SHUT_WR);
    errno = 0;
    end_freer(&f, peer);
}

static void calls_on_a_closed_stream_do_nothing(void **state)
{
    struct side x;
    struct slice line;
    (void)state;
    side_begin(&x);
    close(x.peer);
    x.peer = -1;
    turn_until(x.loop, x.closed_calls == 1);
    stream_write_str(x.s, "x");
    stream_finish(x.s);
    stream_pause(x.s);
    stream_resume(x.s);
    stream_set_deadline(x.s, 1);
    stream_set_idle_timeout(x.s, 1);
    stream_set_input_max(x.s, 10);
    assert_int_equal(stream_input(x.s).n, 0);
    assert_int_equal(stream_line(x.s, 10, false, &line), ERR_AGAIN);
    usleep(10000);
    turns(x.loop, 5);
    assert_int_equal(x.closed_calls, 1);
    assert_int_equal(x.timeout_calls, 0);
    side_end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_what_comes_in_tiny_pieces),
        cmocka_unit_test(sends_all_writes_of_a_callback_at_once_and_not_before),
        cmocka_unit_test(takes_lines_however_they_are_cut),
        cmocka_unit_test(refuses_bare_line_ends_and_nul),
        cmocka_unit_test(drops_the_whole_of_a_line_that_is_too_long),
        cmocka_unit_test(stops_reading_at_the_input_maximum),
        cmocka_unit_test(pauses_and_tells_of_held_input_after_resume),
        cmocka_unit_test(waits_for_a_slow_reader_and_tells_when_there_is_room),
        cmocka_unit_test(closes_a_session_that_writes_without_end),
        cmocka_unit_test(idle_timeout_waits_for_silence),
        cmocka_unit_test(a_deadline_does_not_care_for_drips),
        cmocka_unit_test(closes_by_itself_when_nobody_handles_the_timeout),
        cmocka_unit_test(delivers_all_data_before_it_tells_of_the_end),
        cmocka_unit_test(answers_a_peer_that_shut_its_side_early),
        cmocka_unit_test(starttls_after_the_peers_end_closes),
        cmocka_unit_test(a_paused_stream_hears_of_the_end_after_resume),
        cmocka_unit_test(finish_over_tcp_sends_all_and_does_not_reset),
        cmocka_unit_test(finish_gives_up_on_a_peer_that_floods),
        cmocka_unit_test(may_be_freed_in_on_data),
        cmocka_unit_test(may_be_freed_in_on_writable),
        cmocka_unit_test(may_be_freed_in_on_timeout),
        cmocka_unit_test(may_be_freed_in_on_closed),
        cmocka_unit_test(calls_on_a_closed_stream_do_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
