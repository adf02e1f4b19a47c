/* The loop's order of a turn, timers, watches, signals; listeners. */
#include "net_help.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

static char trace[64];

static void mark(char c)
{
    size_t n = strlen(trace);
    assert_true(n < sizeof trace - 1);
    trace[n] = c;
    trace[n + 1] = '\0';
}

static int clear_trace(void **state)
{
    (void)state;
    memset(trace, 0, sizeof trace);
    return 0;
}

static void mark_d(void *ctx)
{
    (void)ctx;
    mark('d');
}

static void mark_end(void *ctx)
{
    (void)ctx;
    mark('.');
}

static void mark_t_and_defer(void *ctx)
{
    mark('t');
    loop_defer(ctx, mark_d, NULL);
}

static void mark_again_and_defer(void *ctx)
{
    mark('a');
    loop_defer(ctx, mark_d, NULL);
}

static void a_turn_runs_callbacks_then_deferred_then_the_hook(void **state)
{
    struct loop *l = loop_new();
    struct timer *t = timer_new(l, mark_t_and_defer, l);
    (void)state;
    loop_on_turn_end(l, mark_end, NULL);
    timer_start(t, 5);
    assert_true(timer_is_running(t));
    loop_turn(l, 1000);
    assert_string_equal(trace, "td.");
    assert_false(timer_is_running(t));
    timer_free(t);
    loop_free(l);
}

static void what_deferred_functions_defer_runs_in_the_next_turn_at_once(void **state)
{
    struct loop *l = loop_new();
    (void)state;
    loop_on_turn_end(l, mark_end, NULL);
    loop_defer(l, mark_again_and_defer, l);
    loop_defer(l, mark_d, NULL);
    uint64_t begin = clock_mono_ms();
    loop_turn(l, 3000);
    assert_string_equal(trace, "ad.");
    loop_turn(l, 3000);
    assert_string_equal(trace, "ad.d.");
    loop_again(l);
    loop_turn(l, 3000);
    assert_string_equal(trace, "ad.d..");
    assert_true(clock_mono_ms() - begin < 1000);
    loop_turn(l, 20);
    assert_true(clock_mono_ms() - begin >= 15);
    loop_free(l);
}

static void stop_from_ctx(void *ctx)
{
    mark('s');
    loop_stop(ctx);
}

static void run_ends_after_stop_and_signals_come_in_the_loop(void **state)
{
    struct loop *l = loop_new();
    (void)state;
    loop_on_turn_end(l, mark_end, NULL);
    loop_on_signal(l, SIGUSR1, stop_from_ctx, l);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_string_equal(trace, "");
    loop_run(l);
    assert_string_equal(trace, "s.");
    loop_defer(l, stop_from_ctx, l);
    loop_run(l);
    assert_string_equal(trace, "s.s.");
    loop_free(l);
}

struct timed {
    struct timer *t;
    unsigned calls;
    bool restart;
};

static void timed_out(void *ctx)
{
    struct timed *x = ctx;
    x->calls++;
    if (x->restart && x->calls < 3) {
        timer_start(x->t, 1);
        return;
    }
    timer_free(x->t);
    x->t = NULL;
}

static void timers_may_restart_or_be_freed_inside(void **state)
{
    struct loop *l = loop_new();
    struct timed x = {.restart = true};
    struct timed stopped = {0};
    (void)state;
    x.t = timer_new(l, timed_out, &x);
    stopped.t = timer_new(l, timed_out, &stopped);
    timer_start(x.t, 1);
    timer_start(stopped.t, 1);
    timer_stop(stopped.t);
    turn_until(l, x.t == NULL);
    assert_int_equal(x.calls, 3);
    assert_int_equal(stopped.calls, 0);
    timer_free(stopped.t);
    loop_free(l);
}

struct watched {
    struct watch *w;
    unsigned readable;
    unsigned writable;
};

static void watched_ready(void *ctx, bool readable, bool writable)
{
    struct watched *x = ctx;
    x->readable += readable;
    x->writable += writable;
    if (x->readable == 2) {
        watch_free(x->w);
        x->w = NULL;
    }
}

static void watches_follow_what_they_are_set_to(void **state)
{
    struct loop *l = loop_new();
    struct watched x = {0};
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    x.w = watch_new(l, fds[0], false, true, watched_ready, &x);
    turns(l, 2);
    assert_int_equal(x.writable, 2);
    watch_set(x.w, false, false);
    assert_int_equal(send(fds[1], "x", 1, 0), 1);
    turns(l, 2);
    assert_int_equal(x.readable + x.writable, 2);
    watch_set(x.w, true, false);
    turns(l, 4);
    assert_int_equal(x.readable, 2);
    assert_int_equal(x.writable, 2);
    assert_null(x.w);
    close(fds[0]);
    close(fds[1]);
    loop_free(l);
}

/* ---- listeners ---- */

struct door {
    struct listener *s;
    unsigned accepted;
    int last_fd;
    bool keep_open;
    bool free_inside;
};

static void on_accept(void *ctx, int fd)
{
    struct door *d = ctx;
    d->accepted++;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    if (d->keep_open)
        d->last_fd = fd;
    else
        close(fd);
    if (d->free_inside) {
        listener_free(d->s);
        d->s = NULL;
    }
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port
                                        : ((struct sockaddr_in6 *)&a)->sin6_port);
}

static int connect_v4(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void addresses_are_parsed_strictly(void **state)
{
    static const char *const wrong[] = {"", ":", "25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
        "127.0.0.1:-1", "127.0.0.1:2x", "127.0.0:25", "localhost:0", "::1:0", "[::1:0", "[]:0",
        "[127.0.0.1]:0", "[::1]0", "*0", "[::1%lo]:0",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:0"};
    static const char *const right[] = {"127.0.0.1:0", "*:0"};
    int fd = -1;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(listener_bind(wrong[i], &fd), ERR_SYNTAX);
    assert_int_equal(fd, -1);
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(listener_bind(right[i], &fd), ERR_OK);
        close(fd);
    }
}

static void a_used_port_is_busy_and_star_takes_ipv4_too(void **state)
{
    int fd, other;
    char text[40];
    struct door d = {.keep_open = true};
    struct loop *l = loop_new();
    (void)state;
    assert_int_equal(listener_bind("*:0", &fd), ERR_OK);
    snprintf(text, sizeof text, "127.0.0.1:%u", port_of(fd));
    assert_int_equal(listener_bind(text, &other), ERR_BUSY);
    d.s = listener_new(l, fd, on_accept, &d);
    int c = connect_v4(port_of(fd));
    turn_until(l, d.accepted == 1);
    static const struct stream_events events = {.on_data = mark_end, .on_closed = side_on_closed};
    struct stream *s = stream_new(l, d.last_fd, &events, NULL);
    assert_string_equal(stream_peer(s), "127.0.0.1"); /* not ::ffff:127.0.0.1 */
    stream_free(s);
    close(c);
    listener_free(d.s);
    loop_free(l);
}

static void pausing_holds_connections_back(void **state)
{
    int fd;
    struct door d = {0};
    struct loop *l = loop_new();
    (void)state;
    assert_int_equal(listener_bind("127.0.0.1:0", &fd), ERR_OK);
    d.s = listener_new(l, fd, on_accept, &d);
    listener_pause(d.s);
    int c = connect_v4(port_of(fd));
    turns(l, 3);
    assert_int_equal(d.accepted, 0);
    listener_resume(d.s);
    turn_until(l, d.accepted == 1);
    close(c);
    listener_free(d.s);
    loop_free(l);
}

static void a_listener_may_be_freed_inside_on_accept(void **state)
{
    int fd;
    struct door d = {.free_inside = true};
    struct loop *l = loop_new();
    (void)state;
    assert_int_equal(listener_bind("127.0.0.1:0", &fd), ERR_OK);
    d.s = listener_new(l, fd, on_accept, &d);
    int a = connect_v4(port_of(fd));
    int b = connect_v4(port_of(fd));
    turn_until(l, d.accepted == 1);
    turns(l, 3);
    assert_int_equal(d.accepted, 1);
    close(a);
    close(b);
    loop_free(l);
}

static void running_out_of_descriptors_pauses_instead_of_spinning(void **state)
{
    int fd;
    struct door d = {0};
    struct loop *l = loop_new();
    struct rlimit before, tight;
    (void)state;
    assert_int_equal(listener_bind("127.0.0.1:0", &fd), ERR_OK);
    d.s = listener_new(l, fd, on_accept, &d);
    int c = connect_v4(port_of(fd));
    int lowest_free = dup(fd);
    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = (struct rlimit){.rlim_cur = (rlim_t)lowest_free, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    uint64_t begin = clock_mono_ms();
    unsigned rounds = 0;
    while (clock_mono_ms() < begin + 100) {
        loop_turn(l, 20);
        rounds++;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(d.accepted, 0);
    assert_true(rounds < 20);
    turn_until(l, d.accepted == 1);
    assert_true(clock_mono_ms() - begin >= LISTENER_PAUSE_MS - 20);
    close(c);
    listener_free(d.s);
    loop_free(l);
}

static void unix_sockets_have_their_mode_and_replace_old_ones(void **state)
{
    char folder[] = "/tmp/net_loop_XXXXXX";
    char path[64], file[64];
    int fd;
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(file, sizeof file, "%s/f", folder);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(listener_bind_unix(path, SOCK_SEQPACKET, 0660, &fd), ERR_OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        close(fd);
    }
    int f = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(f);
    assert_int_equal(listener_bind_unix(file, SOCK_STREAM, 0600, &fd), ERR_EXISTS);
    char longer[200];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(listener_bind_unix(longer, SOCK_STREAM, 0600, &fd), ERR_SYNTAX);
    unlink(path);
    unlink(file);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_turn_runs_callbacks_then_deferred_then_the_hook, clear_trace),
        cmocka_unit_test_setup(what_deferred_functions_defer_runs_in_the_next_turn_at_once, clear_trace),
        cmocka_unit_test_setup(run_ends_after_stop_and_signals_come_in_the_loop, clear_trace),
        cmocka_unit_test(timers_may_restart_or_be_freed_inside),
        cmocka_unit_test(watches_follow_what_they_are_set_to),
        cmocka_unit_test(addresses_are_parsed_strictly),
        cmocka_unit_test(a_used_port_is_busy_and_star_takes_ipv4_too),
        cmocka_unit_test(pausing_holds_connections_back),
        cmocka_unit_test(a_listener_may_be_freed_inside_on_accept),
        cmocka_unit_test(running_out_of_descriptors_pauses_instead_of_spinning),
        cmocka_unit_test(unix_sockets_have_their_mode_and_replace_old_ones),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
