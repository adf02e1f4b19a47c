/* For tests of smtp's sessions: the store, auth and letter writers as small fakes whose answers the
 * test chooses, a real loop and real TCP connections on loopback. Answers come from the loop, at once
 * or, while `fake.holds`, when the test says so. */
#ifndef TESTS_UNIT_SMTP_FAKE_H
#define TESTS_UNIT_SMTP_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "smtp/limits.h"
#include "smtp/network.h"
#include "smtp/session.h"
#include "smtp/smtp_role.h"

#define FAKE_ASKED_MAX 64
#define FAKE_TURNS_MAX 400

struct letter_writer {
    struct buf text;
    struct summary summary;
};

struct fake_asked {
    uint64_t number;
    store_reply_fn on_reply; /* or: */
    login_reply_fn on_login;
    void *ctx;
    enum err err;
};

static struct {
    struct loop *loop;
    struct role_context role;
    const struct store_client_events *events;
    void *events_ctx;
    bool holds;
    struct fake_asked asked[FAKE_ASKED_MAX];
    size_t asked_count;
    uint64_t last_number;
    unsigned lookups;
    unsigned cancelled;
    unsigned logouts;
    unsigned letters_alive;
    bool is_full;
    enum err deliver_err;
    uint32_t received_count;
    /* of the last letter that was handed over */
    unsigned delivered;
    uint64_t submitted_by;
    struct buf text;
    struct buf prefix;
    size_t target_count;
    bool has_outbound;
    struct role_keys keys;
} fake;

static inline void fake_answer_all(void *ctx)
{
    (void)ctx;
    static struct store_target target = {.account = 1, .mailbox = 2};
    for (size_t i = 0; i < fake.asked_count; i++) {
        struct fake_asked a = fake.asked[i];
        struct store_reply r = {.err = a.err, .targets = &target, .target_count = a.err ? 0 : 1};
        struct login_reply l = {.err = a.err, .session = 77, .address = SLICE("u@example.test"), .fd = -1};
        if (a.on_reply != NULL)
            a.on_reply(a.ctx, &r);
        else if (a.on_login != NULL)
            a.on_login(a.ctx, &l);
    }
    fake.asked_count = 0;
}

static inline uint64_t fake_ask(store_reply_fn on_reply, login_reply_fn on_login, void *ctx, enum err e)
{
    assert_true(fake.asked_count < FAKE_ASKED_MAX);
    fake.asked[fake.asked_count++] =
        (struct fake_asked){++fake.last_number, on_reply, on_login, ctx, e};
    if (!fake.holds)
        loop_defer(fake.loop, fake_answer_all, NULL);
    return fake.last_number;
}

static inline void fake_cancel(uint64_t number)
{
    for (size_t i = 0; i < fake.asked_count; i++) {
        if (fake.asked[i].number != number)
            continue;
        fake.asked[i].on_reply = NULL;
        fake.asked[i].on_login = NULL;
        fake.cancelled++;
    }
}

/* ---- what storage/ would be ---- */

struct store_client *store_client_new(struct loop *l, const struct store_client_events *events, void *ctx)
{
    (void)l;
    fake.events = events;
    fake.events_ctx = ctx;
    return NULL;
}

void store_client_attach(struct store_client *c, int fd)
{
    (void)c;
    close(fd);
}

void store_cancel(struct store_client *c, uint64_t request)
{
    (void)c;
    fake_cancel(request);
}

static inline enum err fake_directory(struct slice canonical)
{
    static const struct {
        const char *local;
        enum err err;
    } names[] = {{"u", ERR_OK}, {"postmaster", ERR_OK}, {"none", ERR_NOT_FOUND}, {"off", ERR_DISABLED},
        {"full", ERR_QUOTA}, {"disk", ERR_DISK_FULL}, {"gone", ERR_STORE_GONE}};
    size_t at = slice_find_byte(canonical, '@');
    if (!slice_equal(slice_from(canonical, at), SLICE("@example.test")))
        return ERR_DENIED;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal(slice_sub(canonical, 0, at), slice_str(names[i].local)))
            return names[i].err;
    return ERR_NOT_FOUND;
}

uint64_t store_lookup(struct store_client *c, struct slice canonical, store_reply_fn fn, void *ctx)
{
    (void)c;
    fake.lookups++;
    return fake_ask(fn, NULL, ctx, fake_directory(canonical));
}

uint64_t store_may_send_as(struct store_client *c, uint64_t session, struct slice canonical,
    store_reply_fn fn, void *ctx)
{
    (void)c;
    assert_int_equal(session, 77);
    return fake_ask(fn, NULL, ctx, slice_equal(canonical, SLICE("u@example.test")) ? ERR_OK : ERR_DENIED);
}

struct auth_client *auth_client_new(struct loop *l)
{
    (void)l;
    return NULL;
}

void auth_client_attach(struct auth_client *c, int fd)
{
    (void)c;
    close(fd);
}

uint64_t auth_login(struct auth_client *c, const struct login *l, login_reply_fn fn, void *ctx)
{
    (void)c;
    enum err e = ERR_BAD_CREDENTIALS;
    if (slice_equal(l->user, SLICE("u@example.test")) && slice_equal(l->password, SLICE("right")))
        e = ERR_OK;
    else if (slice_equal(l->password, SLICE("scope")))
        e = ERR_DENIED;
    else if (slice_equal(l->password, SLICE("gone")))
        e = ERR_STORE_GONE;
    return fake_ask(NULL, fn, ctx, e);
}

uint64_t auth_scram(struct auth_client *c, struct slice user, login_reply_fn fn, void *ctx)
{
    (void)c;
    (void)user;
    return fake_ask(NULL, fn, ctx, ERR_STORE_GONE);
}

bool auth_offers_scram(const struct auth_client *c, const struct settings *s)
{
    (void)c;
    (void)s;
    return true;
}

void auth_cancel(struct auth_client *c, uint64_t request)
{
    (void)c;
    fake_cancel(request);
}

void auth_logout(struct auth_client *c, uint64_t session)
{
    (void)c;
    assert_int_equal(session, 77);
    fake.logouts++;
}

struct letter_writer *letter_writer_new(struct store_client *c)
{
    (void)c;
    struct letter_writer *w = mem_new(sizeof *w);
    buf_init(&w->text, 64 << 20);
    fake.letters_alive++;
    return w;
}

void letter_writer_free(struct letter_writer *w)
{
    buf_clear(&w->text);
    free(w);
    fake.letters_alive--;
}

bool letter_writer_is_full(const struct letter_writer *w)
{
    (void)w;
    return fake.is_full;
}

void letter_writer_feed(struct letter_writer *w, struct slice bytes)
{
    assert_false(fake.is_full);
    buf_put(&w->text, bytes);
}

const struct summary *letter_writer_finish(struct letter_writer *w)
{
    w->summary.received_count = fake.received_count;
    return &w->summary;
}

void letter_submit(struct letter_writer *w, uint64_t session, struct slice prefix,
    const struct store_target *targets, size_t n, const struct letter_outbound *outbound, store_reply_fn fn,
    void *ctx)
{
    (void)targets;
    fake.has_outbound = outbound != NULL;
    fake.delivered++;
    fake.submitted_by = session;
    buf_reset(&fake.text);
    buf_put(&fake.text, buf_slice(&w->text));
    buf_reset(&fake.prefix);
    buf_put(&fake.prefix, prefix);
    fake.target_count = n;
    fake_ask(fn, NULL, ctx, fake.deliver_err);
}

void letter_deliver(struct letter_writer *w, struct slice prefix, const struct store_target *targets,
    size_t n, store_reply_fn fn, void *ctx)
{
    letter_submit(w, 0, prefix, targets, n, NULL, fn, ctx);
}

/* ---- the server ---- */

static inline void fake_config(const char *name, const char *value)
{
    assert_int_equal(settings_set(fake.role.settings, slice_str(name), slice_str(value)), ERR_OK);
    if (fake.role.state != NULL)
        smtp_role_ops.on_settings(&fake.role);
}

static inline void fake_start(void)
{
    memset(&fake, 0, sizeof fake);
    log_init("test", LOG_ERROR);
    clock_init();
    fake.loop = loop_new();
    fake.role.loop = fake.loop;
    fake.role.settings = settings_new();
    fake.role.keys = &fake.keys;
    buf_init(&fake.text, 64 << 20);
    buf_init(&fake.prefix, 1 << 20);
    fake_config("hostname", "mail.example.test");
    fake_config("domain", "example.test");
    buf_init(&fake.role.certificates[0].chain_pem, 65536);
    buf_init(&fake.role.certificates[0].key_pem, 65536);
    assert_int_equal(tls_self_signed(SLICE("mail.example.test"), true,
                         &fake.role.certificates[0].chain_pem, &fake.role.certificates[0].key_pem), ERR_OK);
    fake.role.certificate_count = 1;
    assert_int_equal(smtp_role_ops.start(&fake.role), ERR_OK);
}

static inline struct smtp_server *fake_server(void)
{
    return fake.role.state;
}

/* Frees what start() made; no session may be left. */
static inline void fake_stop(void)
{
    struct smtp_server *server = fake_server();
    for (size_t i = 0; i < 20 && server->sessions.count > 0; i++)
        loop_turn(fake.loop, 10);
    assert_int_equal(server->sessions.count, 0);
    assert_int_equal(server->networks.count, 0);
    assert_int_equal(fake.letters_alive, 0);
    lookup_cache_flush(&server->lookups);
    idmap_clear(&server->sessions);
    idmap_clear(&server->networks);
    smtp_tallies_clear(&server->tallies);
    tls_context_release(server->tls);
    buf_clear(&server->line);
    buf_clear(&server->config.host);
    buf_clear(&server->config.domain);
    if (server->stop_timer != NULL)
        timer_free(server->stop_timer);
    proxy_gate_free(server->gate);
    free(server);
    settings_free(fake.role.settings);
    buf_clear(&fake.role.certificates[0].chain_pem);
    buf_clear(&fake.role.certificates[0].key_pem);
    buf_clear(&fake.text);
    buf_clear(&fake.prefix);
    loop_free(fake.loop);
}

/* ---- a client ---- */

struct client {
    int fd;
    struct buf got;
    bool is_closed;
};

static inline int fake_connect(int *out_server_fd)
{
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listening >= 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(listening, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&a, &n), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, n), 0);
    *out_server_fd = accept(listening, NULL, NULL);
    assert_true(*out_server_fd >= 0);
    close(listening);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void client_begin(struct client *c, enum smtp_service service)
{
    int server_fd;
    c->fd = fake_connect(&server_fd);
    c->is_closed = false;
    buf_init(&c->got, 16 << 20);
    smtp_session_start(fake_server(), service, server_fd, "");
}

static inline void client_end(struct client *c)
{
    close(c->fd);
    buf_clear(&c->got);
    for (size_t i = 0; i < 5; i++)
        loop_turn(fake.loop, 5);
}

/* Turns the loop until nothing more comes. */
static inline void client_read(struct client *c)
{
    unsigned quiet = 0;
    for (size_t i = 0; i < FAKE_TURNS_MAX && quiet < 4 && !c->is_closed; i++) {
        uint8_t bytes[16384];
        loop_turn(fake.loop, 2);
        ssize_t n = read(c->fd, bytes, sizeof bytes);
        if (n > 0)
            buf_put_bytes(&c->got, bytes, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            c->is_closed = true;
        quiet = n > 0 ? 0 : quiet + 1;
    }
}

static inline void client_send(struct client *c, struct slice bytes)
{
    for (size_t i = 0; i < 100000 && bytes.n > 0; i++) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return;
        bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
        if (bytes.n > 0)
            client_read(c);
    }
}

/* Sends, and returns what came back; valid until the next call. */
static inline struct slice client_say(struct client *c, struct slice bytes)
{
    buf_reset(&c->got);
    client_send(c, bytes);
    client_read(c);
    return buf_slice(&c->got);
}

/* The codes of all final reply lines, "250 354 ", for comparing. */
static inline const char *codes_of(struct slice replies)
{
    static char text[4096];
    size_t n = 0;
    while (replies.n > 0) {
        struct slice line = slice_cut(&replies, '\n');
        if (line.n > 3 && line.p[3] == ' ' && n + 5 < sizeof text) {
            memcpy(text + n, line.p, 4);
            n += 4;
        }
    }
    text[n > 0 ? n - 1 : 0] = 0;
    return text;
}

#define SAY(c, text) client_say((c), SLICE(text))
#define EXPECT(c, text, codes) assert_string_equal(codes_of(SAY(c, text)), codes)
#define HAS(c, text) assert_true(slice_find(buf_slice(&(c)->got), SLICE(text)) != SIZE_MAX)
#define HAS_NOT(c, text) assert_true(slice_find(buf_slice(&(c)->got), SLICE(text)) == SIZE_MAX)

#endif
