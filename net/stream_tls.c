/* TLS of a stream: a GnuTLS session between two byte queues of our own. Its pull function takes from
 * `raw_in`, which is filled with large reads (GnuTLS itself would ask the kernel for each record's
 * header and again for its body); its push function appends to `raw_out`, which one send() carries
 * away. So a push never blocks, and no half-done write has to be repeated with the same arguments.
 *
 * `ended` is final: after close_notify, EOF or an error nothing is given to GnuTLS or taken from the
 * socket again. RFC 8446, RFC 5246, RFC 9266 and RFC 5929 (channel bindings). */
#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/stream_internal.h"

#define RAW_READ (32 * 1024)              /* two records */
#define RAW_OUT_MAX (2 * 1024 * 1024)     /* we never let it come near */
#define RECORD_MAX (16 * 1024)            /* RFC 8446 section 5.1 */
#define ENCRYPT_STEP (64 * 1024)          /* encrypted before it is sent */
#define RECORDS_OVERHEAD 256              /* headers, nonces and tags of such a step: a guess of size */
#define HARMLESS_MAX 16                   /* non-fatal codes in a row: an attack or a mistake */

struct tls_link {
    gnutls_session_t session;    /* owned */
    struct tls_context *context; /* counted */
    int fd;                      /* borrowed */
    bool drained;                /* the socket was read empty since the last event */
    bool eof;
    bool secure;
    bool ended;
    bool goodbye_wanted;
    bool goodbye_done;
    enum err io;                 /* of the last pull */
    struct fifo raw_in;
    struct fifo raw_out;
};

static ssize_t fail_with(struct tls_link *t, int system_errno)
{
    gnutls_transport_set_errno(t->session, system_errno);
    return -1;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t n)
{
    struct tls_link *t = ptr;
    if (fifo_size(&t->raw_in) == 0) {
        if (t->eof)
            return 0;
        if (t->drained)
            return fail_with(t, EAGAIN);
        ssize_t got = recv(t->fd, fifo_reserve(&t->raw_in, RAW_READ), RAW_READ, MSG_DONTWAIT);
        if (got < 0) {
            t->drained = true;
            t->io = errno == EINTR ? ERR_AGAIN : err_from_errno(errno);
            return fail_with(t, t->io == ERR_AGAIN ? EAGAIN : errno);
        }
        t->eof = got == 0;
        t->drained = got < RAW_READ;
        fifo_added(&t->raw_in, (size_t)got);
        if (got == 0)
            return 0;
    }
    struct slice held = fifo_slice(&t->raw_in);
    size_t take = n < held.n ? n : held.n;
    memcpy(data, held.p, take);
    fifo_consume(&t->raw_in, take);
    return (ssize_t)take;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *data, size_t n)
{
    struct tls_link *t = ptr;
    if (n > RAW_OUT_MAX || fifo_size(&t->raw_out) > RAW_OUT_MAX - n)
        return fail_with(t, EIO);
    fifo_put(&t->raw_out, slice_of(data, n));
    return (ssize_t)n;
}

/* Data is in our queue or it is not: nobody waits. */
static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    const struct tls_link *t = ptr;
    (void)ms;
    return fifo_size(&t->raw_in) > 0 || !t->drained || t->eof;
}

struct tls_link *tls_link_new(struct tls_context *context, int fd, struct fifo *clear)
{
    gnutls_session_t session;
    if (tls_context_begin(context, &session) != ERR_OK)
        return NULL;
    struct tls_link *t = mem_new(sizeof *t);
    t->session = session;
    t->context = tls_context_keep(context);
    t->fd = fd;
    t->drained = true;
    t->raw_out = *clear;
    *clear = (struct fifo){0};
    gnutls_transport_set_ptr(session, t);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_push_function(session, push);
    gnutls_transport_set_pull_timeout_function(session, pull_timeout);
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT); /* streams have deadlines */
    return t;
}

void tls_link_free(struct tls_link *t)
{
    if (!t)
        return;
    gnutls_deinit(t->session);
    tls_context_release(t->context);
    fifo_clear(&t->raw_in);
    fifo_clear(&t->raw_out);
    free(t);
}

void tls_link_ask_for(struct tls_link *t, struct slice host)
{
    int code = gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, host.p, host.n);
    if (code != 0)
        log_event(LOG_DEBUG, "tls-name-not-sent", LF("why", gnutls_strerror(code)));
}

enum err tls_link_verify(const struct tls_link *t, struct slice host)
{
    unsigned status = 0;
    char *name = mem_strdup(host);
    int code = gnutls_certificate_verify_peers3(t->session, name, &status);
    free(name);
    return code == 0 && status == 0 ? ERR_OK : ERR_DENIED;
}

void tls_link_wake(struct tls_link *t)
{
    t->drained = false;
}

/* What ends the link when GnuTLS gives code. */
static enum err end_link(struct tls_link *t, int code)
{
    t->ended = true;
    fifo_clear(&t->raw_in);
    if (t->eof || code == 0 || code == GNUTLS_E_PREMATURE_TERMINATION)
        return ERR_CLOSED;
    if ((code == GNUTLS_E_PULL_ERROR || code == GNUTLS_E_PUSH_ERROR) && t->io != ERR_AGAIN)
        return t->io ? t->io : ERR_IO;
    log_event(LOG_DEBUG, "tls-ended", LF("why", gnutls_strerror(code)));
    return ERR_SYNTAX;
}

static bool would_block(int code)
{
    return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED;
}

enum err tls_link_handshake(struct tls_link *t)
{
    int code = GNUTLS_E_INTERNAL_ERROR;
    if (t->ended)
        return ERR_CLOSED;
    for (int i = 0; i < HARMLESS_MAX; i++) {
        code = gnutls_handshake(t->session);
        if (code == GNUTLS_E_SUCCESS) {
            t->secure = true;
            return ERR_OK;
        }
        if (would_block(code))
            return ERR_AGAIN;
        if (gnutls_error_is_fatal(code))
            break;
    }
    int alert_sent = gnutls_alert_send_appropriate(t->session, code);
    if (alert_sent < 0)
        log_event(LOG_DEBUG, "tls-alert-not-sent", LF("why", gnutls_strerror(alert_sent)));
    return end_link(t, code);
}

bool tls_link_is_secure(const struct tls_link *t)
{
    return t->secure;
}

enum err tls_link_receive(struct tls_link *t, uint8_t *p, size_t n, size_t *out_n)
{
    ssize_t got = GNUTLS_E_INTERNAL_ERROR;
    if (t->ended)
        return ERR_CLOSED;
    for (int i = 0; i < HARMLESS_MAX; i++) {
        got = gnutls_record_recv(t->session, p, n);
        if (got > 0) {
            *out_n = (size_t)got;
            return ERR_OK;
        }
        if (would_block((int)got))
            return ERR_AGAIN;
        if (got == 0 || gnutls_error_is_fatal((int)got) || got == GNUTLS_E_REHANDSHAKE)
            break;
    }
    return end_link(t, (int)got);
}

bool tls_link_has_buffered(const struct tls_link *t)
{
    return !t->ended && (fifo_size(&t->raw_in) > 0 ||
                         (t->secure && gnutls_record_check_pending(t->session) > 0));
}

static enum err encrypt(struct tls_link *t, struct fifo *clear)
{
    size_t budget = ENCRYPT_STEP;
    size_t held = fifo_size(clear);
    fifo_reserve(&t->raw_out, (held < budget ? held : budget) + RECORDS_OVERHEAD);
    while (budget > 0 && fifo_size(clear) > 0) {
        struct slice piece = slice_sub(fifo_slice(clear), 0, RECORD_MAX);
        ssize_t sent = gnutls_record_send(t->session, piece.p, piece.n);
        if (sent <= 0)
            return ERR_IO;
        fifo_consume(clear, (size_t)sent);
        budget -= (size_t)sent < budget ? (size_t)sent : budget;
    }
    return ERR_OK;
}

static void say_goodbye(struct tls_link *t)
{
    if (!t->goodbye_wanted || t->goodbye_done || !t->secure)
        return;
    t->goodbye_done = true;
    int code = gnutls_bye(t->session, GNUTLS_SHUT_WR);
    if (code < 0)
        log_event(LOG_DEBUG, "tls-goodbye-not-sent", LF("why", gnutls_strerror(code)));
}

enum err tls_link_transmit(struct tls_link *t, struct fifo *clear, bool *out_progress)
{
    for (;;) {
        enum err e = stream_send_fifo(t->fd, &t->raw_out, out_progress);
        if (e)
            return e;
        if (t->secure && fifo_size(clear) > 0) {
            e = encrypt(t, clear);
            if (e)
                return e;
        } else {
            say_goodbye(t);
        }
        if (fifo_size(&t->raw_out) == 0)
            return ERR_OK;
        fifo_trim(clear);
    }
}

size_t tls_link_pending(const struct tls_link *t)
{
    return fifo_size(&t->raw_out);
}

void tls_link_goodbye(struct tls_link *t)
{
    t->goodbye_wanted = true;
}

void tls_link_trim(struct tls_link *t)
{
    fifo_trim(&t->raw_in);
}

void tls_link_describe(const struct tls_link *t, char *out, size_t cap)
{
    const char *suite = gnutls_ciphersuite_get(t->session);
    const char *version = gnutls_protocol_get_name(gnutls_protocol_get_version(t->session));
    snprintf(out, cap, "%s %s", version ? version : "TLS", suite ? suite : "?");
}

enum err tls_link_binding(const struct tls_link *t, enum stream_binding kind, uint8_t *out,
    size_t *out_n)
{
    gnutls_datum_t data = {0};
    bool exporter = kind == STREAM_BINDING_EXPORTER;
    /* Without extended master secret two TLS 1.2 sessions can share keys (RFC 7627). */
    if (gnutls_protocol_get_version(t->session) < GNUTLS_TLS1_3 &&
        !gnutls_session_ext_master_secret_status(t->session))
        return ERR_UNSUPPORTED;
    int code = gnutls_session_channel_binding(t->session,
        exporter ? GNUTLS_CB_TLS_EXPORTER : GNUTLS_CB_TLS_SERVER_END_POINT, &data);
    if (code != 0)
        return ERR_UNSUPPORTED;
    enum err e = data.size <= 64 ? ERR_OK : ERR_UNSUPPORTED;
    if (e == ERR_OK) {
        memcpy(out, data.data, data.size);
        *out_n = data.size;
    }
    gnutls_free(data.data);
    return e;
}
