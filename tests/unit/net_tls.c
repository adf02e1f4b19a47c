/* TLS streams against GnuTLS's own client on the other end of a socket pair, in one process: both
 * sides are non-blocking and take turns. */
#include "net_help.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

struct client {
    struct side *side;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

static struct tls_context *context; /* mail.example (and loopback), other.example, *.wild.example */

static struct tls_context *make_context(const char *const *hosts, size_t n, const char *alpn)
{
    struct tls_certificate certificates[4];
    struct buf chain[4], key[4];
    struct tls_context *c = NULL;
    for (size_t i = 0; i < n; i++) {
        buf_init(&chain[i], 10000);
        buf_init(&key[i], 10000);
        assert_int_equal(tls_self_signed(slice_str(hosts[i]), i == 0, &chain[i], &key[i]), ERR_OK);
        certificates[i] = (struct tls_certificate){buf_slice(&chain[i]), buf_slice(&key[i])};
    }
    assert_int_equal(tls_context_new(certificates, n, alpn, &c), ERR_OK);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&chain[i]);
        buf_wipe(&key[i]);
    }
    return c;
}

static int make_shared_context(void **state)
{
    static const char *const hosts[] = {"mail.example", "other.example", "*.wild.example"};
    (void)state;
    context = make_context(hosts, 3, NULL);
    return 0;
}

static int release_shared_context(void **state)
{
    (void)state;
    tls_context_release(context);
    return 0;
}

static void client_begin(struct client *c, struct side *x, const char *priority, const char *sni)
{
    c->side = x;
    assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&c->credentials), 0);
    assert_int_equal(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials), 0);
    assert_int_equal(gnutls_priority_set_direct(c->session, priority, NULL), 0);
    gnutls_transport_set_int(c->session, x->peer);
    if (sni)
        assert_int_equal(gnutls_server_name_set(c->session, GNUTLS_NAME_DNS, sni, strlen(sni)), 0);
}

static void client_end(struct client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
}

/* The handshake's result at the client. */
static int client_handshake(struct client *c)
{
    int code = GNUTLS_E_AGAIN;
    for (int i = 0; i < TURNS_MAX && (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED); i++) {
        code = gnutls_handshake(c->session);
        loop_turn(c->side->loop, 1);
    }
    return code;
}

static void client_send(struct client *c, struct slice bytes)
{
    size_t at = 0;
    for (int i = 0; i < TURNS_MAX * 10 && at < bytes.n; i++) {
        ssize_t n = gnutls_record_send(c->session, bytes.p + at, bytes.n - at);
        assert_true(n > 0 || n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
        if (n > 0)
            at += (size_t)n;
        loop_turn(c->side->loop, 0);
    }
    assert_int_equal(at, bytes.n);
}

/* Reads until n bytes are there or the connection ends; the last code of GnuTLS. */
static ssize_t client_receive(struct client *c, struct buf *into, size_t n)
{
    static uint8_t bytes[20000];
    ssize_t got = GNUTLS_E_AGAIN;
    uint64_t give_up = clock_mono_ms() + 5000;
    while (into->n < n && clock_mono_ms() < give_up) {
        got = gnutls_record_recv(c->session, bytes, sizeof bytes);
        if (got > 0)
            buf_put_bytes(into, bytes, (size_t)got);
        else if (got == 0 || gnutls_error_is_fatal((int)got))
            break;
        else
            loop_turn(c->side->loop, 1);
    }
    return got;
}

static void begin_tls(struct side *x, struct client *c, const char *priority)
{
    side_begin(x);
    stream_start_tls(x->s, context);
    client_begin(c, x, priority, "mail.example");
    assert_int_equal(client_handshake(c), 0);
    turn_until(x->loop, x->secure_calls == 1);
    assert_true(stream_is_secure(x->s));
}

static void echo_with(const char *priority, const char *expected_version)
{
    struct side x;
    struct client c;
    struct buf back;
    static uint8_t block[1024 * 1024];
    begin_tls(&x, &c, priority);
    buf_init(&back, 4 * 1024 * 1024);
    x.echo = true;
    assert_true(slice_starts(slice_str(stream_tls_description(x.s)), slice_str(expected_version)));
    client_send(&c, SLICE("hello"));
    client_receive(&c, &back, 5);
    assert_slice(buf_slice(&back), "hello");
    x.echo = false;
    buf_reset(&x.got);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7 + i / 251);
    client_send(&c, slice_of(block, sizeof block));
    turn_until(x.loop, x.got.n == sizeof block);
    assert_memory_equal(x.got.p, block, sizeof block);
    buf_reset(&back);
    stream_write(x.s, slice_of(block, 400 * 1024));
    client_receive(&c, &back, 400 * 1024);
    assert_int_equal(back.n, 400 * 1024);
    assert_memory_equal(back.p, block, back.n);
    turns(x.loop, 2);
    assert_int_equal(x.writable_calls, 1);
    buf_clear(&back);
    client_end(&c);
    side_end(&x);
}

static void echoes_over_tls_1_3(void **state)
{
    (void)state;
    echo_with(TLS13, "TLS1.3 TLS_AES_256_GCM_SHA384");
}

static void echoes_over_tls_1_2(void **state)
{
    (void)state;
    echo_with(TLS12, "TLS1.2 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_over_tls_1_3),
        cmocka_unit_test(echoes_over_tls_1_2),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_shared_context, release_shared_context);
}
