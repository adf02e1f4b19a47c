/* TLS streams against GnuTLS's own client on the other end of a socket pair, in one process: both
 * sides are non-blocking and take turns. */
#include "net_help.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/wait.h>

#include "base/sandbox.h"

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


/* ---- STARTTLS ---- */

static void starttls_drops_what_was_injected_in_clear(void **state)
{
    struct side x;
    struct client c;
    struct buf clear;
    (void)state;
    side_begin(&x);
    buf_init(&clear, 100);
    x.tls = context;
    peer_send(&x, SLICE("STARTTLS\r\nRCPT TO:<injected>\r\n"));
    turns(x.loop, 3);
    assert_true(peer_take(&x, &clear));
    assert_slice(buf_slice(&clear), "220 ready\r\n");
    assert_true(stream_dropped_clear_input(x.s));
    client_begin(&c, &x, TLS13, NULL);
    assert_int_equal(client_handshake(&c), 0);
    client_send(&c, SLICE("EHLO"));
    turn_until(x.loop, x.got.n == 4);
    assert_slice(buf_slice(&x.got), "EHLO");
    buf_clear(&clear);
    client_end(&c);
    side_end(&x);
}

static void starttls_without_injection_is_not_flagged(void **state)
{
    struct side x;
    struct client c;
    struct buf clear;
    (void)state;
    side_begin(&x);
    buf_init(&clear, 100);
    x.tls = context;
    peer_send(&x, SLICE("STARTTLS\r\n"));
    turns(x.loop, 3);
    assert_true(peer_take(&x, &clear));
    assert_slice(buf_slice(&clear), "220 ready\r\n");
    client_begin(&c, &x, TLS12, NULL);
    assert_int_equal(client_handshake(&c), 0);
    turn_until(x.loop, x.secure_calls == 1);
    assert_false(stream_dropped_clear_input(x.s));
    buf_clear(&clear);
    client_end(&c);
    side_end(&x);
}

static void what_is_written_during_the_handshake_is_sent_under_tls(void **state)
{
    struct side x;
    struct client c;
    struct buf back;
    (void)state;
    side_begin(&x);
    buf_init(&back, 100);
    stream_start_tls(x.s, context);
    stream_write_str(x.s, "* OK ready\r\n");
    turns(x.loop, 3);
    assert_true(peer_take(&x, &back));
    assert_int_equal(back.n, 0);
    client_begin(&c, &x, TLS13, NULL);
    assert_int_equal(client_handshake(&c), 0);
    client_receive(&c, &back, 12);
    assert_slice(buf_slice(&back), "* OK ready\r\n");
    buf_clear(&back);
    client_end(&c);
    side_end(&x);
}

/* ---- certificates, ALPN, resumption, bindings ---- */

static bool serves(const char *sni, const char *expected)
{
    struct side x;
    struct client c;
    unsigned n = 0;
    gnutls_x509_crt_t leaf;
    char name[100];
    size_t size = sizeof name;
    side_begin(&x);
    stream_start_tls(x.s, context);
    client_begin(&c, &x, TLS13, sni);
    assert_int_equal(client_handshake(&c), 0);
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(c.session, &n);
    assert_non_null(chain);
    assert_int_equal(gnutls_x509_crt_init(&leaf), 0);
    assert_int_equal(gnutls_x509_crt_import(leaf, chain, GNUTLS_X509_FMT_DER), 0);
    assert_int_equal(gnutls_x509_crt_get_subject_alt_name(leaf, 0, name, &size, NULL), GNUTLS_SAN_DNSNAME);
    bool same = slice_equal(slice_of(name, size), slice_str(expected));
    gnutls_x509_crt_deinit(leaf);
    client_end(&c);
    side_end(&x);
    return same;
}

static void the_server_name_picks_the_certificate(void **state)
{
    (void)state;
    assert_true(serves("mail.example", "mail.example"));
    assert_true(serves("other.example", "other.example"));
    assert_true(serves("OTHER.example", "other.example"));
    assert_true(serves("a.wild.example", "*.wild.example"));
    assert_true(serves("unknown.example", "mail.example"));
    assert_true(serves("localhost", "mail.example"));
    assert_true(serves(NULL, "mail.example"));
}

static int handshake_with_alpn(const char *server, const char *client, bool *out_selected)
{
    static const char *const host = "mail.example";
    struct tls_context *own = make_context(&host, 1, server);
    struct side x;
    struct client c;
    gnutls_datum_t selected = {0};
    side_begin(&x);
    stream_start_tls(x.s, own);
    tls_context_release(own); /* the stream keeps its own count */
    client_begin(&c, &x, TLS13, NULL);
    if (client) {
        gnutls_datum_t offered = {(unsigned char *)(uintptr_t)client, (unsigned)strlen(client)};
        assert_int_equal(gnutls_alpn_set_protocols(c.session, &offered, 1, 0), 0);
    }
    int code = client_handshake(&c);
    *out_selected = code == 0 && gnutls_alpn_get_selected_protocol(c.session, &selected) == 0;
    if (code) {
        turn_until(x.loop, x.closed_calls == 1);
        assert_int_equal(x.why, ERR_SYNTAX);
    }
    client_end(&c);
    side_end(&x);
    return code;
}

static void alpn_is_agreed_absent_or_refused(void **state)
{
    bool selected;
    (void)state;
    assert_int_equal(handshake_with_alpn("imap", "imap", &selected), 0);
    assert_true(selected);
    assert_int_equal(handshake_with_alpn("imap", NULL, &selected), 0);
    assert_false(selected);
    assert_int_equal(handshake_with_alpn(NULL, "h2", &selected), 0);
    assert_false(selected);
    /* RFC 7301 section 3.2: no cross-protocol tricks. */
    assert_int_equal(handshake_with_alpn("imap", "http/1.1", &selected), GNUTLS_E_FATAL_ALERT_RECEIVED);
}

static void resumes_with(const char *priority)
{
    struct side x;
    struct client c;
    struct buf back;
    gnutls_datum_t ticket = {0};
    begin_tls(&x, &c, priority);
    buf_init(&back, 100);
    stream_write_str(x.s, "hi");
    client_receive(&c, &back, 2);
    assert_int_equal(gnutls_session_get_data2(c.session, &ticket), 0);
    client_end(&c);
    side_end(&x);

    side_begin(&x);
    stream_start_tls(x.s, context);
    client_begin(&c, &x, priority, "mail.example");
    assert_int_equal(gnutls_session_set_data(c.session, ticket.data, ticket.size), 0);
    assert_int_equal(client_handshake(&c), 0);
    assert_int_not_equal(gnutls_session_is_resumed(c.session), 0);
    turn_until(x.loop, x.secure_calls == 1);
    x.echo = true;
    buf_reset(&back);
    client_send(&c, SLICE("again"));
    client_receive(&c, &back, 5);
    assert_slice(buf_slice(&back), "again");
    gnutls_free(ticket.data);
    buf_clear(&back);
    client_end(&c);
    side_end(&x);
}

static void tickets_resume_sessions(void **state)
{
    (void)state;
    resumes_with(TLS13);
    resumes_with(TLS12);
}

static void assert_same_binding(struct side *x, struct client *c, enum stream_binding kind,
    gnutls_channel_binding_t theirs)
{
    uint8_t ours[64];
    size_t n = 0;
    gnutls_datum_t other = {0};
    assert_int_equal(stream_channel_binding(x->s, kind, ours, &n), ERR_OK);
    assert_int_equal(gnutls_session_channel_binding(c->session, theirs, &other), 0);
    assert_int_equal(n, other.size);
    assert_true(n >= 32);
    assert_memory_equal(ours, other.data, n);
    gnutls_free(other.data);
}

static void channel_bindings_are_those_of_the_client(void **state)
{
    static const char *const priorities[] = {TLS13, TLS12};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct side x;
        struct client c;
        begin_tls(&x, &c, priorities[i]);
        assert_same_binding(&x, &c, STREAM_BINDING_EXPORTER, GNUTLS_CB_TLS_EXPORTER);
        assert_same_binding(&x, &c, STREAM_BINDING_SERVER_END_POINT, GNUTLS_CB_TLS_SERVER_END_POINT);
        client_end(&c);
        side_end(&x);
    }
}

static void no_exporter_binding_without_extended_master_secret(void **state)
{
    struct side x;
    struct client c;
    uint8_t out[64];
    size_t n;
    (void)state;
    side_begin(&x);
    stream_start_tls(x.s, context);
    assert_int_equal(stream_channel_binding(x.s, STREAM_BINDING_EXPORTER, out, &n), ERR_UNSUPPORTED);
    client_begin(&c, &x, TLS12 ":%NO_SESSION_HASH", NULL);
    assert_int_equal(client_handshake(&c), 0);
    turn_until(x.loop, x.secure_calls == 1);
    assert_int_equal(stream_channel_binding(x.s, STREAM_BINDING_EXPORTER, out, &n), ERR_UNSUPPORTED);
    client_end(&c);
    side_end(&x);
}

static void refuses_weak_clients(const char *priority)
{
    struct side x;
    struct client c;
    side_begin(&x);
    stream_start_tls(x.s, context);
    client_begin(&c, &x, priority, NULL);
    assert_int_not_equal(client_handshake(&c), 0);
    turn_until(x.loop, x.closed_calls == 1);
    assert_int_equal(x.secure_calls, 0);
    client_end(&c);
    side_end(&x);
}

static void old_versions_and_suites_are_refused(void **state)
{
    (void)state;
    refuses_weak_clients("NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_BROKEN");
    refuses_weak_clients("NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC");
    refuses_weak_clients("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA");
}

/* ---- ends ---- */

static void after_close_notify(const char *priority)
{
    struct side x;
    struct client c;
    begin_tls(&x, &c, priority);
    assert_int_equal(gnutls_record_send(c.session, "DATA part", 9), 9);
    assert_int_equal(gnutls_bye(c.session, GNUTLS_SHUT_WR), 0);
    static const char clear[] = "RCPT TO:<clear@example>\r\n.\r\nQUIT\r\n";
    for (int i = 0; i < 100; i++)
        peer_send(&x, slice_of(clear, sizeof clear - 1));
    turn_until(x.loop, x.closed_calls == 1);
    assert_slice(buf_slice(&x.got), "DATA part");
    assert_int_equal(x.why, ERR_CLOSED);
    assert_false(stream_is_secure(x.s));
    turns(x.loop, 5);
    assert_int_equal(x.closed_calls, 1);
    client_end(&c);
    side_end(&x);
}

static void clear_bytes_after_close_notify_are_never_read(void **state)
{
    (void)state;
    after_close_notify(TLS13);
    after_close_notify(TLS12);
}

static void after_close_notify_while_paused(const char *priority)
{
    struct side x;
    struct client c;
    begin_tls(&x, &c, priority);
    stream_pause(x.s);
    assert_int_equal(gnutls_record_send(c.session, "one", 3), 3);
    assert_int_equal(gnutls_bye(c.session, GNUTLS_SHUT_WR), 0);
    peer_send(&x, SLICE("clear"));
    turns(x.loop, 5);
    assert_int_equal(x.closed_calls, 0);
    stream_resume(x.s);
    turn_until(x.loop, x.closed_calls == 1);
    assert_slice(buf_slice(&x.got), "one");
    client_end(&c);
    side_end(&x);
}

static void the_end_of_tls_waits_for_a_paused_session(void **state)
{
    (void)state;
    after_close_notify_while_paused(TLS13);
    after_close_notify_while_paused(TLS12);
}

static void clear_bytes_in_the_middle_end_the_connection(void **state)
{
    static const char *const priorities[] = {TLS13, TLS12};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct side x;
        struct client c;
        begin_tls(&x, &c, priorities[i]);
        assert_int_equal(gnutls_record_send(c.session, "sealed", 6), 6);
        peer_send(&x, SLICE("RSET\r\nMAIL FROM:<clear@example>\r\n"));
        turn_until(x.loop, x.closed_calls == 1);
        assert_slice(buf_slice(&x.got), "sealed");
        assert_int_equal(x.why, ERR_SYNTAX);
        client_end(&c);
        side_end(&x);
    }
}

static void an_end_without_close_notify_comes_after_the_data(void **state)
{
    struct side x;
    struct client c;
    (void)state;
    begin_tls(&x, &c, TLS13);
    assert_int_equal(gnutls_record_send(c.session, "tail", 4), 4);
    shutdown(x.peer, SHUT_RDWR);
    turn_until(x.loop, x.closed_calls == 1);
    assert_slice(buf_slice(&x.got), "tail");
    assert_int_equal(x.why, ERR_CLOSED);
    client_end(&c);
    side_end(&x);
}

static void finish_sends_all_then_close_notify(void **state)
{
    static const char *const priorities[] = {TLS13, TLS12};
    static uint8_t block[300 * 1024];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct side x;
        struct client c;
        struct buf back;
        int fds[2];
        tcp_pair(fds);
        side_begin_with(&x, fds[0], fds[1]);
        buf_init(&back, 1024 * 1024);
        stream_start_tls(x.s, context);
        client_begin(&c, &x, priorities[i], NULL);
        assert_int_equal(client_handshake(&c), 0);
        turn_until(x.loop, x.secure_calls == 1);
        stream_write(x.s, slice_of(block, sizeof block));
        stream_finish(x.s);
        assert_int_equal(client_receive(&c, &back, sizeof block + 1), 0);
        assert_int_equal(back.n, sizeof block);
        gnutls_bye(c.session, GNUTLS_SHUT_WR);
        close(x.peer);
        x.peer = -1;
        turn_until(x.loop, x.closed_calls == 1);
        assert_int_equal(x.why, ERR_CLOSED);
        buf_clear(&back);
        client_end(&c);
        side_end(&x);
    }
}

static void garbage_instead_of_a_client_hello_closes(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    stream_start_tls(x.s, context);
    peer_send(&x, SLICE("EHLO this.is.not.tls\r\nMAIL FROM:<>\r\n"));
    turn_until(x.loop, x.closed_calls == 1);
    assert_int_equal(x.why, ERR_SYNTAX);
    assert_int_equal(x.data_calls, 0);
    side_end(&x);
}

static void a_stalled_handshake_meets_the_deadline(void **state)
{
    struct side x;
    (void)state;
    side_begin(&x);
    stream_start_tls(x.s, context);
    stream_set_deadline(x.s, 30);
    peer_send(&x, SLICE("\x16\x03\x01"));
    turn_until(x.loop, x.timeout_calls == 1);
    stream_finish(x.s);
    turn_until(x.loop, x.closed_calls == 1);
    side_end(&x);
}

static void renegotiation_is_refused(void **state)
{
    struct side x;
    struct client c;
    (void)state;
    begin_tls(&x, &c, TLS12);
    client_handshake(&c);
    turn_until(x.loop, x.closed_calls == 1);
    assert_int_equal(x.secure_calls, 1);
    client_end(&c);
    side_end(&x);
}

/* ---- flow ---- */

static void key_updates_are_followed(void **state)
{
    struct side x;
    struct client c;
    struct buf back;
    (void)state;
    begin_tls(&x, &c, TLS13);
    buf_init(&back, 100);
    x.echo = true;
    for (size_t i = 1; i <= 4; i++) {
        assert_int_equal(gnutls_session_key_update(c.session, GNUTLS_KU_PEER), 0);
        client_send(&c, SLICE("abcd"));
        client_receive(&c, &back, i * 4);
    }
    assert_slice(buf_slice(&back), "abcdabcdabcdabcd");
    buf_clear(&back);
    client_end(&c);
    side_end(&x);
}

static void input_that_gnutls_holds_is_not_forgotten(void **state)
{
    static const char *const priorities[] = {TLS13, TLS12};
    static uint8_t block[40 * 1024];
    (void)state;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i % 253);
    for (size_t i = 0; i < 2; i++) {
        struct side x;
        struct client c;
        begin_tls(&x, &c, priorities[i]);
        x.keep_input = true;
        stream_set_input_max(x.s, 1000);
        client_send(&c, slice_of(block, sizeof block));
        turns(x.loop, 10);
        assert_int_equal(stream_input(x.s).n, 1000);
        assert_memory_equal(stream_input(x.s).p, block, 1000);
        /* From now on the peer is silent: all the rest lies with us. */
        for (size_t at = 0; at < sizeof block;) {
            turn_until(x.loop, stream_input(x.s).n > 0);
            struct slice in = stream_input(x.s);
            assert_memory_equal(in.p, block + at, in.n);
            at += in.n;
            stream_consume(x.s, in.n);
        }
        x.keep_input = false;
        stream_set_input_max(x.s, 100000);
        client_send(&c, slice_of(block, sizeof block));
        turn_until(x.loop, x.got.n == sizeof block);
        client_end(&c);
        side_end(&x);
    }
}

static ssize_t push_byte_by_byte(gnutls_transport_ptr_t ptr, const void *data, size_t n)
{
    struct client *c = ptr;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(send(c->side->peer, (const uint8_t *)data + i, 1, MSG_NOSIGNAL), 1);
        loop_turn(c->side->loop, 0);
    }
    return (ssize_t)n;
}

static ssize_t pull_from_peer(gnutls_transport_ptr_t ptr, void *data, size_t n)
{
    const struct client *c = ptr;
    return recv(c->side->peer, data, n, 0);
}

static void records_may_come_byte_by_byte(void **state)
{
    static const char *const priorities[] = {TLS13, TLS12};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct side x;
        struct client c;
        struct buf back;
        side_begin(&x);
        buf_init(&back, 100);
        stream_start_tls(x.s, context);
        client_begin(&c, &x, priorities[i], NULL);
        gnutls_transport_set_ptr(c.session, &c);
        gnutls_transport_set_push_function(c.session, push_byte_by_byte);
        gnutls_transport_set_pull_function(c.session, pull_from_peer);
        assert_int_equal(client_handshake(&c), 0);
        x.echo = true;
        client_send(&c, SLICE("one"));
        client_send(&c, SLICE("two"));
        client_receive(&c, &back, 6);
        assert_slice(buf_slice(&back), "onetwo");
        assert_int_equal(x.data_calls, 2);
        buf_clear(&back);
        client_end(&c);
        side_end(&x);
    }
}

struct freer {
    struct loop *loop;
    struct stream *s;
    bool on_data;
    unsigned calls;
};

static void free_it(struct freer *f)
{
    f->calls++;
    stream_write_str(f->s, "x");
    stream_free(f->s);
    f->s = NULL;
}

static void freer_data(void *ctx)
{
    free_it(ctx);
}

static void freer_secure(void *ctx)
{
    struct freer *f = ctx;
    if (!f->on_data)
        free_it(f);
}

static void freer_closed(void *ctx, enum err why)
{
    (void)why;
    free_it(ctx);
}

static void may_be_freed_in_callbacks_under_tls(void **state)
{
    static const struct stream_events events = {.on_data = freer_data, .on_secure = freer_secure,
        .on_closed = freer_closed};
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct side x = {.loop = loop_new()};
        struct freer f = {.loop = x.loop, .on_data = round > 0};
        struct client c;
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        nonblocking(fds[1]);
        x.peer = fds[1];
        f.s = stream_new(x.loop, fds[0], &events, &f);
        stream_start_tls(f.s, context);
        client_begin(&c, &x, TLS13, NULL);
        assert_int_equal(client_handshake(&c), 0);
        if (round == 1)
            gnutls_record_send(c.session, "bye", 3);
        else if (round == 2)
            gnutls_bye(c.session, GNUTLS_SHUT_WR);
        turn_until(x.loop, f.calls == 1);
        turns(x.loop, 3);
        client_end(&c);
        close(fds[1]);
        loop_free(x.loop);
    }
}

/* ---- in the sandbox ---- */

static int serve_in_sandbox(void)
{
    struct side x[2];
    struct client c[2];
    static const char *const priorities[] = {TLS13, TLS12};
    int fds[4];
    for (int i = 0; i < 2; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds + i * 2) != 0)
            return 2;
    for (int i = 0; i < 2; i++) {
        side_begin_with(&x[i], fds[i * 2], fds[i * 2 + 1]);
        client_begin(&c[i], &x[i], priorities[i], "other.example");
    }
    if (sandbox_enter(SANDBOX_ACCEPT) != ERR_OK)
        return 3;
    for (int i = 0; i < 2; i++) {
        x[i].echo = true;
        stream_start_tls(x[i].s, context);
        if (client_handshake(&c[i]) != 0)
            return 4;
        if (gnutls_record_send(c[i].session, "hi", 2) != 2)
            return 5;
        for (int n = 0; n < 100 && x[i].got.n < 2; n++)
            loop_turn(x[i].loop, 5);
        if (x[i].got.n != 2)
            return 6;
    }
    return 0;
}

static void tls_works_in_the_sandbox_of_a_role(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(serve_in_sandbox());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- certificates ---- */

static void a_self_signed_certificate_verifies_for_its_names_only(void **state)
{
    struct buf chain, key, names, fingerprint;
    int64_t not_after = 0;
    gnutls_x509_crt_t c;
    (void)state;
    buf_init(&chain, 10000);
    buf_init(&key, 10000);
    buf_init(&names, 1000);
    buf_init(&fingerprint, 64);
    assert_int_equal(tls_self_signed(SLICE("mx.example.org"), true, &chain, &key), ERR_OK);
    assert_int_equal(tls_describe(buf_slice(&chain), &names, &fingerprint, &not_after), ERR_OK);
    assert_slice(buf_slice(&names), "mx.example.org,localhost");
    assert_int_equal(fingerprint.n, 64);
    assert_true(not_after > clock_wall() + INT64_C(9) * 365 * 86400);
    gnutls_datum_t pem = {chain.p, (unsigned)chain.n};
    assert_int_equal(gnutls_x509_crt_init(&c), 0);
    assert_int_equal(gnutls_x509_crt_import(c, &pem, GNUTLS_X509_FMT_PEM), 0);
    assert_true(gnutls_x509_crt_check_hostname(c, "mx.example.org"));
    assert_true(gnutls_x509_crt_check_hostname(c, "127.0.0.1"));
    assert_true(gnutls_x509_crt_check_hostname(c, "::1"));
    assert_false(gnutls_x509_crt_check_hostname(c, "example.org"));
    assert_true(gnutls_x509_crt_check_issuer(c, c));
    gnutls_x509_crt_deinit(c);
    buf_clear(&chain);
    buf_clear(&key);
    buf_clear(&names);
    buf_clear(&fingerprint);
}

static void bad_pems_and_foreign_keys_are_refused(void **state)
{
    struct buf a_chain, a_key, b_chain, b_key;
    struct tls_context *c = NULL;
    (void)state;
    buf_init(&a_chain, 10000);
    buf_init(&a_key, 10000);
    buf_init(&b_chain, 10000);
    buf_init(&b_key, 10000);
    assert_int_equal(tls_self_signed(SLICE("a.example"), false, &a_chain, &a_key), ERR_OK);
    assert_int_equal(tls_self_signed(SLICE("b.example"), false, &b_chain, &b_key), ERR_OK);
    const struct tls_certificate good = {buf_slice(&a_chain), buf_slice(&a_key)};
    const struct tls_certificate crossed[2] = {good, {buf_slice(&a_chain), buf_slice(&b_key)}};
    const struct tls_certificate no_pem = {SLICE("nonsense"), buf_slice(&a_key)};
    const struct tls_certificate no_key = {buf_slice(&a_chain), SLICE("")};
    assert_int_equal(tls_context_new(crossed, 2, NULL, &c), ERR_SYNTAX);
    assert_int_equal(tls_context_new(&no_pem, 1, NULL, &c), ERR_SYNTAX);
    assert_int_equal(tls_context_new(&no_key, 1, NULL, &c), ERR_SYNTAX);
    assert_int_equal(tls_context_new(&good, 0, NULL, &c), ERR_SYNTAX);
    assert_null(c);
    assert_int_equal(tls_self_signed(SLICE(""), false, &a_chain, &a_key), ERR_SYNTAX);
    struct buf small;
    buf_init(&small, 10);
    assert_int_equal(tls_self_signed(SLICE("a.example"), false, &small, &b_key), ERR_TOO_BIG);
    buf_clear(&small);
    buf_clear(&a_chain);
    buf_clear(&a_key);
    buf_clear(&b_chain);
    buf_clear(&b_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_over_tls_1_3),
        cmocka_unit_test(echoes_over_tls_1_2),
        cmocka_unit_test(starttls_drops_what_was_injected_in_clear),
        cmocka_unit_test(starttls_without_injection_is_not_flagged),
        cmocka_unit_test(what_is_written_during_the_handshake_is_sent_under_tls),
        cmocka_unit_test(the_server_name_picks_the_certificate),
        cmocka_unit_test(alpn_is_agreed_absent_or_refused),
        cmocka_unit_test(tickets_resume_sessions),
        cmocka_unit_test(channel_bindings_are_those_of_the_client),
        cmocka_unit_test(no_exporter_binding_without_extended_master_secret),
        cmocka_unit_test(old_versions_and_suites_are_refused),
        cmocka_unit_test(clear_bytes_after_close_notify_are_never_read),
        cmocka_unit_test(the_end_of_tls_waits_for_a_paused_session),
        cmocka_unit_test(clear_bytes_in_the_middle_end_the_connection),
        cmocka_unit_test(an_end_without_close_notify_comes_after_the_data),
        cmocka_unit_test(finish_sends_all_then_close_notify),
        cmocka_unit_test(garbage_instead_of_a_client_hello_closes),
        cmocka_unit_test(a_stalled_handshake_meets_the_deadline),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(key_updates_are_followed),
        cmocka_unit_test(input_that_gnutls_holds_is_not_forgotten),
        cmocka_unit_test(records_may_come_byte_by_byte),
        cmocka_unit_test(may_be_freed_in_callbacks_under_tls),
        cmocka_unit_test(tls_works_in_the_sandbox_of_a_role),
        cmocka_unit_test(a_self_signed_certificate_verifies_for_its_names_only),
        cmocka_unit_test(bad_pems_and_foreign_keys_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_shared_context, release_shared_context);
}
