/* Channels: order, borders, descriptors, queueing, ends, freeing inside callbacks. */
#include "net_help.h"

#include <sys/uio.h>

#include "net/channel.h"

struct end {
    struct loop *loop;
    struct channel *c;
    unsigned messages;
    unsigned drained;
    unsigned closed;
    uint16_t last_type;
    struct buf last;
    int fd;
    bool free_in_message;
    unsigned total_fds;
    uint32_t next_number; /* bodies count upwards */
    bool counted;
};

static void end_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct end *e = ctx;
    assert_ptr_equal(e->c, c);
    assert_int_equal(e->closed, 0);
    e->messages++;
    e->last_type = type;
    e->total_fds += (unsigned)nfds;
    buf_reset(&e->last);
    buf_put(&e->last, body);
    for (size_t i = 0; i < nfds; i++) {
        assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        if (i == 0 && e->fd < 0)
            e->fd = fds[i];
        else
            close(fds[i]);
    }
    if (e->counted) {
        uint32_t number;
        assert_true(body.n >= sizeof number);
        memcpy(&number, body.p, sizeof number);
        assert_int_equal(number, e->next_number);
        e->next_number++;
    }
    if (e->free_in_message) {
        channel_free(c);
        e->c = NULL;
    }
}

static void end_drained(void *ctx, struct channel *c)
{
    struct end *e = ctx;
    assert_ptr_equal(e->c, c);
    assert_false(channel_is_full(c));
    e->drained++;
}

static void end_closed(void *ctx, struct channel *c)
{
    struct end *e = ctx;
    assert_ptr_equal(e->c, c);
    e->closed++;
}

static const struct channel_events end_events = {end_message, end_drained, end_closed};

static void begin(struct end *a, struct end *b)
{
    int fds[2];
    struct loop *l = loop_new();
    assert_int_equal(channel_pair(fds), ERR_OK);
    *a = (struct end){.loop = l, .fd = -1};
    *b = (struct end){.loop = l, .fd = -1};
    buf_init(&a->last, CHANNEL_MESSAGE_MAX);
    buf_init(&b->last, CHANNEL_MESSAGE_MAX);
    a->c = channel_new(l, fds[0], &end_events, a);
    b->c = channel_new(l, fds[1], &end_events, b);
}

static void finish(struct end *a, struct end *b)
{
    channel_free(a->c);
    channel_free(b->c);
    buf_clear(&a->last);
    buf_clear(&b->last);
    if (a->fd >= 0)
        close(a->fd);
    if (b->fd >= 0)
        close(b->fd);
    loop_free(a->loop);
}

static void keeps_order_type_and_borders(void **state)
{
    struct end a, b;
    (void)state;
    begin(&a, &b);
    b.counted = true;
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(channel_send(a.c, (uint16_t)(i + 300), slice_of(&i, sizeof i), NULL, 0), ERR_OK);
    assert_int_equal(b.messages, 0);
    turns(a.loop, 1);
    assert_int_equal(b.messages, CHANNEL_BATCH);
    turn_until(a.loop, b.messages == 200);
    assert_int_equal(b.last_type, 499);
    assert_int_equal(b.last.n, 4);
    b.counted = false;
    assert_int_equal(channel_send(a.c, 65535, SLICE_EMPTY, NULL, 0), ERR_OK);
    turn_until(a.loop, b.messages == 201);
    assert_int_equal(b.last_type, 65535);
    assert_int_equal(b.last.n, 0);
    finish(&a, &b);
}

static void takes_the_biggest_message_and_refuses_a_bigger(void **state)
{
    static uint8_t big[CHANNEL_MESSAGE_MAX];
    struct end a, b;
    (void)state;
    begin(&a, &b);
    memset(big, 7, sizeof big);
    assert_int_equal(channel_send(a.c, 1, slice_of(big, sizeof big - 2), NULL, 0), ERR_OK);
    assert_int_equal(channel_send(a.c, 1, slice_of(big, sizeof big - 1), NULL, 0), ERR_TOO_BIG);
    turn_until(a.loop, b.messages == 1);
    assert_int_equal(b.last.n, sizeof big - 2);
    assert_memory_equal(b.last.p, big, sizeof big - 2);
    finish(&a, &b);
}

static void passes_descriptors_that_work(void **state)
{
    struct end a, b;
    int pipes[2];
    char c = 0;
    (void)state;
    begin(&a, &b);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(channel_send(a.c, 5, SLICE("fd"), &pipes[1], 1), ERR_OK);
    close(pipes[1]);
    turn_until(a.loop, b.messages == 1);
    assert_int_equal(b.total_fds, 1);
    assert_int_equal(write(b.fd, "x", 1), 1);
    assert_int_equal(read(pipes[0], &c, 1), 1);
    assert_int_equal(c, 'x');
    close(pipes[0]);
    finish(&a, &b);
}

/* Fills until the channel says it is full; every body begins with its number. */
static uint32_t fill(struct end *a, const int *fds, size_t nfds)
{
    static uint8_t body[60000];
    uint32_t i = 0;
    for (; !channel_is_full(a->c); i++) {
        memcpy(body, &i, sizeof i);
        assert_int_equal(channel_send(a->c, 9, slice_of(body, sizeof body), fds, nfds), ERR_OK);
        assert_true(i < 10000);
    }
    return i;
}

static void queues_what_the_socket_does_not_take_and_tells_when_drained(void **state)
{
    struct end a, b;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)state;
    begin(&a, &b);
    b.counted = true;
    uint32_t n = fill(&a, &null, 1);
    close(null);
    assert_int_equal(a.drained, 0);
    turn_until(a.loop, b.messages == n);
    assert_int_equal(b.total_fds, n);
    assert_int_equal(a.drained, 1);
    assert_false(channel_is_full(a.c));
    assert_int_equal(channel_flush(a.c, 0), ERR_OK);
    n = fill(&a, NULL, 0);
    assert_true(n > 0);
    finish(&a, &b); /* a queue with messages is freed */
}

static void flush_waits_only_so_long(void **state)
{
    struct end a, b;
    (void)state;
    begin(&a, &b);
    fill(&a, NULL, 0);
    uint64_t begin_ms = clock_mono_ms();
    assert_int_equal(channel_flush(a.c, 30), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - begin_ms >= 30);
    channel_free(b.c);
    b.c = NULL;
    assert_int_equal(channel_flush(a.c, 1000), ERR_CLOSED);
    turn_until(a.loop, a.closed == 1);
    finish(&a, &b);
}

static void reads_all_that_came_before_the_peer_closed(void **state)
{
    struct end a, b;
    (void)state;
    begin(&a, &b);
    assert_int_equal(channel_send(b.c, 1, SLICE("never read"), NULL, 0), ERR_OK);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(channel_send(a.c, 1, slice_of(&i, sizeof i), NULL, 0), ERR_OK);
    channel_free(a.c);
    a.c = NULL;
    b.counted = true;
    enum err e = channel_send(b.c, 1, SLICE("to nobody"), NULL, 0);
    assert_int_equal(e, ERR_CLOSED);
    turn_until(a.loop, b.closed == 1);
    assert_int_equal(b.messages, 100);
    assert_int_equal(channel_send(b.c, 1, SLICE("to nobody"), NULL, 0), ERR_CLOSED);
    turns(a.loop, 5);
    assert_int_equal(b.closed, 1);
    finish(&a, &b);
}

static void cuts_a_peer_that_sends_what_is_not_a_message(void **state)
{
    static uint8_t big[CHANNEL_MESSAGE_MAX + 1];
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct end b = {.loop = loop_new(), .fd = -1};
        int fds[2];
        assert_int_equal(channel_pair(fds), ERR_OK);
        buf_init(&b.last, CHANNEL_MESSAGE_MAX);
        b.c = channel_new(b.loop, fds[1], &end_events, &b);
        size_t n = round == 0 ? 1 : sizeof big;
        assert_int_equal(send(fds[0], big, n, MSG_NOSIGNAL), (ssize_t)n);
        turn_until(b.loop, b.closed == 1);
        assert_int_equal(b.messages, 0);
        assert_int_equal(channel_send(b.c, 1, SLICE("x"), NULL, 0), ERR_CLOSED);
        close(fds[0]);
        channel_free(b.c);
        loop_free(b.loop);
    }
}

static void cuts_a_peer_that_sends_too_many_descriptors(void **state)
{
    struct end b = {.loop = loop_new(), .fd = -1};
    int fds[2];
    int many[CHANNEL_FDS_MAX + 4];
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof many)];
    } control;
    uint8_t body[8] = {1};
    struct iovec part = {body, sizeof body};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes};
    (void)state;
    memset(&control, 0, sizeof control);
    assert_int_equal(channel_pair(fds), ERR_OK);
    for (size_t i = 0; i < CHANNEL_FDS_MAX + 4; i++)
        many[i] = fds[0];
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof many);
    memcpy(CMSG_DATA(c), many, sizeof many);
    buf_init(&b.last, 100);
    b.c = channel_new(b.loop, fds[1], &end_events, &b);
    assert_int_equal(sendmsg(fds[0], &m, MSG_NOSIGNAL), sizeof body);
    turn_until(b.loop, b.closed == 1);
    assert_int_equal(b.messages, 0);
    /* No copy of our end stayed open in "the other process": closing ours ends the connection. */
    channel_free(b.c);
    assert_int_equal(send(fds[0], body, 2, MSG_NOSIGNAL), -1);
    close(fds[0]);
    loop_free(b.loop);
}

static void cuts_a_peer_that_never_reads(void **state)
{
    static uint8_t body[60000];
    struct end a = {.loop = loop_new(), .fd = -1};
    int fds[2];
    enum err e = ERR_OK;
    (void)state;
    assert_int_equal(channel_pair(fds), ERR_OK);
    a.c = channel_new(a.loop, fds[0], &end_events, &a);
    for (int i = 0; i < 2000 && e == ERR_OK; i++)
        e = channel_send(a.c, 1, slice_of(body, sizeof body), NULL, 0);
    assert_int_equal(e, ERR_CLOSED);
    assert_int_equal(a.closed, 0);
    turn_until(a.loop, a.closed == 1);
    channel_free(a.c);
    close(fds[1]);
    loop_free(a.loop);
}

static void may_be_freed_inside_on_message(void **state)
{
    struct end a, b;
    (void)state;
    begin(&a, &b);
    b.free_in_message = true;
    for (int i = 0; i < 10; i++)
        assert_int_equal(channel_send(a.c, 1, SLICE("x"), NULL, 0), ERR_OK);
    turn_until(a.loop, a.closed == 1);
    assert_int_equal(b.messages, 1);
    assert_int_equal(b.closed, 0);
    finish(&a, &b);
}

static void free_in_closed(void *ctx, struct channel *c)
{
    struct end *e = ctx;
    e->closed++;
    channel_free(c);
    e->c = NULL;
}

static void may_be_freed_inside_on_closed(void **state)
{
    static const struct channel_events events = {end_message, NULL, free_in_closed};
    struct end a = {.loop = loop_new(), .fd = -1};
    int fds[2];
    (void)state;
    assert_int_equal(channel_pair(fds), ERR_OK);
    a.c = channel_new(a.loop, fds[0], &events, &a);
    close(fds[1]);
    turn_until(a.loop, a.closed == 1);
    assert_null(a.c);
    loop_free(a.loop);
}

static void waits_for_one_message_before_the_loop_runs(void **state)
{
    int fds[2];
    int got[2];
    size_t ngot = 2;
    uint16_t type = 0;
    struct buf body;
    struct loop *l = loop_new();
    struct end a = {.loop = l, .fd = -1};
    (void)state;
    assert_int_equal(channel_pair(fds), ERR_OK);
    a.c = channel_new(l, fds[0], &end_events, &a);
    buf_init(&body, 100);
    assert_int_equal(channel_send(a.c, 77, SLICE("hello"), (int[]){fds[1]}, 1), ERR_OK);
    assert_int_equal(channel_send(a.c, 78, SLICE("two"), (int[]){0, 1, 2}, 3), ERR_OK);
    assert_int_equal(channel_wait_message(fds[1], &type, &body, got, &ngot), ERR_OK);
    assert_int_equal(type, 77);
    assert_slice(buf_slice(&body), "hello");
    assert_int_equal(ngot, 1);
    close(got[0]);
    assert_int_equal(channel_wait_message(fds[1], &type, &body, got, &ngot), ERR_SYNTAX);
    channel_free(a.c);
    assert_int_equal(channel_wait_message(fds[1], &type, &body, got, &ngot), ERR_CLOSED);
    close(fds[1]);
    buf_clear(&body);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_type_and_borders),
        cmocka_unit_test(takes_the_biggest_message_and_refuses_a_bigger),
        cmocka_unit_test(passes_descriptors_that_work),
        cmocka_unit_test(queues_what_the_socket_does_not_take_and_tells_when_drained),
        cmocka_unit_test(flush_waits_only_so_long),
        cmocka_unit_test(reads_all_that_came_before_the_peer_closed),
        cmocka_unit_test(cuts_a_peer_that_sends_what_is_not_a_message),
        cmocka_unit_test(cuts_a_peer_that_sends_too_many_descriptors),
        cmocka_unit_test(cuts_a_peer_that_never_reads),
        cmocka_unit_test(may_be_freed_inside_on_message),
        cmocka_unit_test(may_be_freed_inside_on_closed),
        cmocka_unit_test(waits_for_one_message_before_the_loop_runs),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
