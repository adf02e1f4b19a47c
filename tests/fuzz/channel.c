/* net/channel.h: a peer that is not ours any more sends arbitrary packets. What is a message arrives
 * as it was sent and in order; at the first that is not, the channel ends and tells so once. The
 * input is cut into packets by its own bytes: two for the length, then the packet. */
#include <sys/socket.h>
#include <unistd.h>

#include "net/channel.h"

#define FUZZ_PACKETS_MAX 40 /* what fits into the socket without a reader */

struct seen {
    struct buf bytes; /* of all messages, as they should come */
    size_t at;
    unsigned closed;
};

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct seen *s = ctx;
    uint8_t head[2] = {(uint8_t)type, (uint8_t)(type >> 8)};
    (void)c;
    (void)fds;
    ENSURE(nfds == 0 && s->closed == 0);
    ENSURE(body.n + 2 <= s->bytes.n - s->at);
    ENSURE(memcmp(s->bytes.p + s->at, head, 2) == 0);
    ENSURE(body.n == 0 || memcmp(s->bytes.p + s->at + 2, body.p, body.n) == 0);
    s->at += body.n + 2;
}

static void on_closed(void *ctx, struct channel *c)
{
    struct seen *s = ctx;
    (void)c;
    s->closed++;
}

static void send_packets(int fd, struct slice input, struct seen *expected)
{
    bool good = true;
    for (int i = 0; i < FUZZ_PACKETS_MAX && input.n >= 2; i++) {
        size_t n = (size_t)(input.p[0] | (input.p[1] & 0x1f) << 8);
        struct slice packet = slice_sub(input, 2, n);
        input = slice_from(input, 2 + n);
        if (packet.n == 0 || send(fd, packet.p, packet.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            continue;
        good = good && packet.n >= 2;
        if (good)
            buf_put(&expected->bytes, packet);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct channel_events events = {on_message, NULL, on_closed};
    struct seen seen = {.closed = 0};
    struct loop *l = loop_new();
    int fds[2];
    ENSURE(channel_pair(fds) == ERR_OK);
    buf_init(&seen.bytes, 1024 * 1024);
    struct channel *c = channel_new(l, fds[1], &events, &seen);
    send_packets(fds[0], slice_of(p, n), &seen);
    close(fds[0]);
    for (int i = 0; i < FUZZ_PACKETS_MAX && seen.closed == 0; i++)
        loop_turn(l, 0);
    ENSURE(seen.closed == 1);
    ENSURE(seen.at == seen.bytes.n);
    channel_free(c);
    buf_clear(&seen.bytes);
    loop_free(l);
    return 0;
}
