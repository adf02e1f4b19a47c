/* retrieval/door*.c: whatever an IMAP client sends before its login. A real connection over loopback to a
 * session of the door, with an auth that refuses every login but those of user "ok". The input is sent
 * whole and then byte by byte: both times the door answers the same, in whole lines; what it asks of auth
 * is within the limits; it holds no session when the client is gone. On a busy machine bytes take their time
 * over loopback, so what differs is compared once more, with patience, before it counts. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "retrieval/door.h"
#include "storage/settings.h"

#define INPUT_MAX 1024
#define QUIET_TURNS 3
#define PATIENCE_MS 10
#define TURNS_MAX 20000

static struct role_context role;
static struct door door;
static struct door_listener listener;
static int listening;
static struct channel *auth;
static uint64_t logins;

/* The retrieval process of these tests sends everything back. */
static void echo_end(void *ctx, enum err why)
{
    (void)why;
    *(struct stream **)ctx = NULL;
}

static struct stream *echo;

static void echo_data(void *ctx)
{
    struct stream *s = *(struct stream **)ctx;
    struct slice input = stream_input(s);
    stream_write(s, input);
    stream_consume(s, input.n);
}

static int give_descriptor(void)
{
    static const struct stream_events events = {.on_data = echo_data, .on_closed = echo_end};
    int fds[2];
    ENSURE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    if (echo)
        stream_free(echo);
    echo = stream_new(role.loop, fds[0], &events, &echo);
    return fds[1];
}

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct wire w = wire_of(body);
    struct buf reply;
    (void)ctx;
    (void)fds;
    ENSURE(type == M_LOGIN && nfds == 0);
    uint64_t req = wire_u64(&w);
    ENSURE(wire_u8(&w) == LOGIN_IMAP);
    wire_u8(&w);
    ENSURE(slice_equal(wire_bytes(&w), SLICE("127.0.0.1")));
    struct slice user = wire_bytes(&w);
    struct slice password = wire_bytes(&w);
    struct slice tag = wire_bytes(&w);
    struct slice message = wire_bytes(&w);
    struct slice proof = wire_bytes(&w);
    ENSURE(message.n == 0 && proof.n == 0);
    ENSURE(wire_done(&w) && user.n <= LOGIN_USER_MAX && password.n <= LOGIN_PASSWORD_MAX);
    ENSURE(tag.n > 0 && tag.n < 128 && slice_find_byte(tag, 0) == tag.n);
    bool ok = slice_equal(user, SLICE("ok"));
    int fd = ok ? give_descriptor() : -1;
    logins++;
    buf_init(&reply, 256);
    wire_put_u64(&reply, req);
    wire_put_u16(&reply, ok ? ERR_OK : ERR_BAD_CREDENTIALS);
    wire_put_u64(&reply, 1);
    wire_put_u64(&reply, 1);
    wire_put_bytes(&reply, SLICE("ok@example.org"));
    ENSURE(channel_send(c, M_LOGIN_REPLY, buf_slice(&reply), &fd, ok ? 1 : 0) == ERR_OK);
    if (ok)
        close(fd);
    buf_clear(&reply);
}

static void on_closed(void *ctx, struct channel *c)
{
    (void)ctx;
    ENSURE(c == NULL); /* the door and auth stay together */
}

static void set(const char *name, const char *value)
{
    ENSURE(settings_set(role.settings, slice_str(name), slice_str(value)) == ERR_OK);
}

static void prepare(void)
{
    static const struct channel_events events = {.on_message = on_message, .on_closed = on_closed};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int pair[2];
    log_init("fuzz", LOG_ERROR);
    ENSURE(secret_init() == ERR_OK);
    role.loop = loop_new();
    role.settings = settings_new();
    set("login.cleartext", "127.0.0.0/8");
    set("hostname", "mail.example.org");
    door.role = &role;
    door.loop = role.loop;
    door.auth = auth_client_new(role.loop);
    ENSURE(channel_pair(pair) == ERR_OK);
    auth_client_attach(door.auth, pair[0]);
    auth = channel_new(role.loop, pair[1], &events, NULL);
    listener = (struct door_listener){.door = &door, .protocol = LOGIN_IMAP};
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(bind(listening, (struct sockaddr *)&any, sizeof any) == 0 && listen(listening, 8) == 0);
}

/* A connected client; it resets at its end, so that no port stays behind. */
static int connect_client(void)
{
    struct linger reset = {1, 0};
    struct sockaddr_in address;
    socklen_t n = sizeof address;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(getsockname(listening, (struct sockaddr *)&address, &n) == 0);
    ENSURE(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ENSURE(fd >= 0);
    door_session_start(&listener, fd, "");
    return client;
}

struct conversation {
    struct buf answers;
    uint64_t asked; /* logins */
    int wait_ms;    /* how long each turn waits for what may still be on its way */
};

/* Turns the loop until nothing more comes; false when the door has closed. */
static bool collect(int client, struct conversation *c)
{
    uint8_t piece[4096];
    struct pollfd wanted = {.fd = client, .events = POLLIN};
    for (unsigned quiet = 0, turns = 0; quiet < QUIET_TURNS; quiet++, turns++) {
        ENSURE(turns < TURNS_MAX);
        loop_turn(role.loop, (unsigned)c->wait_ms);
        if (c->wait_ms)
            poll(&wanted, 1, c->wait_ms);
        ssize_t n = recv(client, piece, sizeof piece, MSG_DONTWAIT);
        if (n == 0)
            return false;
        if (n > 0) {
            buf_put_bytes(&c->answers, piece, (size_t)n);
            quiet = 0;
        }
    }
    return true;
}

static void converse(struct slice input, size_t step, struct conversation *c)
{
    int client = connect_client();
    uint64_t before = logins;
    buf_init(&c->answers, 1 << 20);
    bool open = collect(client, c);
    while (open && input.n > 0) {
        struct slice piece = slice_sub(input, 0, step);
        if (send(client, piece.p, piece.n, MSG_NOSIGNAL) != (ssize_t)piece.n)
            break;
        input = slice_from(input, piece.n);
        open = collect(client, c);
    }
    close(client);
    for (unsigned i = 0; door.sessions; i++) {
        ENSURE(i < TURNS_MAX);
        loop_turn(role.loop, 0);
    }
    c->asked = logins - before;
}

static bool is_same_in_pieces(struct slice input, int wait_ms)
{
    struct conversation whole = {.wait_ms = wait_ms};
    struct conversation pieces = {.wait_ms = wait_ms};
    converse(input, INPUT_MAX, &whole);
    converse(input, 1, &pieces);
    bool same = slice_starts(buf_slice(&whole.answers), SLICE("* OK [CAPABILITY IMAP4rev1 ")) &&
        slice_equal(buf_slice(&whole.answers), buf_slice(&pieces.answers)) && whole.asked == pieces.asked;
    buf_clear(&whole.answers);
    buf_clear(&pieces.answers);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    if (!role.loop)
        prepare();
    struct slice input = slice_of(data, size);
    ENSURE(is_same_in_pieces(input, 0) || is_same_in_pieces(input, PATIENCE_MS));
    return 0;
}
