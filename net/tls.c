/* TLS server contexts over GnuTLS; see tls.h.
 *
 * Each certificate has a credentials object, which also holds the others of the same name (say, RSA
 * beside ECDSA): among these GnuTLS chooses by what the client can verify. Which object, a hook after
 * the ClientHello decides by the server name. GnuTLS's own choice among names is not used: it minds
 * case and knows no wildcards. */
#include "net/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/codec.h"
#include "base/log.h"
#include "net/stream_internal.h"

#define TLS_CERTIFICATES_MAX 256
#define TLS_NAME_MAX 256

/* TLS 1.2 and 1.3, AEAD only, forward secrecy only, AES-GCM before ChaCha (GnuTLS's is six times
 * slower); no SHA-1 signatures, no static RSA, no finite-field groups. */
static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
    ":-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD"
    ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-GROUP-DH-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"
    ":%SERVER_PRECEDENCE";

struct tls_context {
    unsigned count;
    bool is_client;
    size_t n;
    gnutls_certificate_credentials_t *each; /* owned, n of them */
    gnutls_x509_crt_t *leaves;              /* owned, n of them */
    gnutls_priority_t priority;             /* owned */
    gnutls_datum_t ticket_key;              /* owned */
    char *alpn;                             /* owned; may be NULL */
};

static gnutls_datum_t datum_of(struct slice s)
{
    uint8_t *p = (uint8_t *)(uintptr_t)s.p; /* GnuTLS's type has no const; it only reads */
    return (gnutls_datum_t){.data = p, .size = (unsigned)s.n};
}

static enum err add_pair(gnutls_certificate_credentials_t to, const struct tls_certificate *pair)
{
    gnutls_datum_t chain = datum_of(pair->chain_pem);
    gnutls_datum_t key = datum_of(pair->key_pem);
    int code = gnutls_certificate_set_x509_key_mem2(to, &chain, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    return code < 0 ? ERR_SYNTAX : ERR_OK;
}

static enum err read_leaf(struct slice chain_pem, gnutls_x509_crt_t *out)
{
    gnutls_datum_t chain = datum_of(chain_pem);
    if (gnutls_x509_crt_init(out) < 0)
        return ERR_INTERNAL;
    if (gnutls_x509_crt_import(*out, &chain, GNUTLS_X509_FMT_PEM) == 0)
        return ERR_OK;
    gnutls_x509_crt_deinit(*out);
    *out = NULL;
    return ERR_SYNTAX;
}

static enum err read_leaves(struct tls_context *c, const struct tls_certificate *certificates, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum err e = read_leaf(certificates[i].chain_pem, &c->leaves[i]);
        if (e)
            return e;
        c->n = i + 1;
    }
    return ERR_OK;
}

/* The certificate itself and those that cover its first name too. */
static enum err fill_set(struct tls_context *c, size_t i, const struct tls_certificate *certificates)
{
    char name[TLS_NAME_MAX];
    size_t n = sizeof name;
    if (gnutls_certificate_allocate_credentials(&c->each[i]) < 0)
        return ERR_INTERNAL;
    enum err e = add_pair(c->each[i], &certificates[i]);
    if (gnutls_x509_crt_get_subject_alt_name(c->leaves[i], 0, name, &n, NULL) != GNUTLS_SAN_DNSNAME)
        return e;
    for (size_t j = 0; j < c->n && e == ERR_OK; j++)
        if (j != i && gnutls_x509_crt_check_hostname2(c->leaves[j], name,
                GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS))
            e = add_pair(c->each[i], &certificates[j]);
    return e;
}

static enum err load(struct tls_context *c, const struct tls_certificate *certificates, size_t n)
{
    enum err e = read_leaves(c, certificates, n);
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = fill_set(c, i, certificates);
    if (e)
        return e;
    if (gnutls_priority_init(&c->priority, priorities, NULL) < 0)
        return ERR_INTERNAL;
    return gnutls_session_ticket_key_generate(&c->ticket_key) < 0 ? ERR_INTERNAL : ERR_OK;
}

enum err tls_context_new(const struct tls_certificate *certificates, size_t n, const char *alpn,
    struct tls_context **out)
{
    if (n == 0 || n > TLS_CERTIFICATES_MAX)
        return ERR_SYNTAX;
    struct tls_context *c = mem_new(sizeof *c);
    c->count = 1;
    c->each = mem_new(n * sizeof(gnutls_certificate_credentials_t));
    c->leaves = mem_new(n * sizeof(gnutls_x509_crt_t));
    c->alpn = alpn ? mem_strdup(slice_str(alpn)) : NULL;
    enum err e = load(c, certificates, n);
    if (e)
        tls_context_release(c);
    else
        *out = c;
    return e;
}

/* Opportunistic TLS meets old servers: what they have is better than clear text. */
static const char client_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%COMPAT";

enum err tls_context_new_client(struct tls_context **out)
{
    struct tls_context *c = mem_new(sizeof *c);
    c->count = 1;
    c->is_client = true;
    c->each = mem_new(sizeof(gnutls_certificate_credentials_t));
    c->leaves = mem_new(sizeof(gnutls_x509_crt_t));
    enum err e = ERR_OK;
    if (gnutls_certificate_allocate_credentials(&c->each[0]) < 0)
        e = ERR_INTERNAL;
    c->n = e ? 0 : 1;
    if (!e && gnutls_priority_init(&c->priority, client_priorities, NULL) < 0)
        e = ERR_INTERNAL;
    if (e) {
        tls_context_release(c);
        return e;
    }
    int anchors = gnutls_certificate_set_x509_system_trust(c->each[0]);
    if (anchors <= 0)
        log_event(LOG_WARNING, "no-trust-anchors",
            LF("meaning", "other servers' certificates cannot be verified; install ca-certificates"));
    *out = c;
    return ERR_OK;
}

struct tls_context *tls_context_keep(struct tls_context *c)
{
    c->count++;
    return c;
}

void tls_context_release(struct tls_context *c)
{
    if (!c || --c->count > 0)
        return;
    for (size_t i = 0; i < c->n; i++) {
        if (c->leaves[i])
            gnutls_x509_crt_deinit(c->leaves[i]);
        if (c->each[i])
            gnutls_certificate_free_credentials(c->each[i]);
    }
    if (c->priority)
        gnutls_priority_deinit(c->priority);
    if (c->ticket_key.data)
        explicit_bzero(c->ticket_key.data, c->ticket_key.size);
    gnutls_free(c->ticket_key.data);
    free(c->each);
    free(c->leaves);
    free(c->alpn);
    free(c);
}

/* Index of the certificate whose names cover `name`, exactly if `exact`; n when none does. */
static size_t find_certificate(const struct tls_context *c, const char *name, bool exact)
{
    unsigned flags = exact ? GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS : 0;
    size_t i = 0;
    while (i < c->n && !gnutls_x509_crt_check_hostname2(c->leaves[i], name, flags))
        i++;
    return i;
}

static int on_client_hello(gnutls_session_t session)
{
    struct tls_context *c = gnutls_session_get_ptr(session);
    char name[TLS_NAME_MAX];
    size_t n = sizeof name;
    unsigned kind = 0;
    if (c->n == 1 || gnutls_server_name_get(session, name, &n, &kind, 0) != 0 ||
        kind != GNUTLS_NAME_DNS)
        return 0;
    size_t i = find_certificate(c, name, true);
    if (i == c->n)
        i = find_certificate(c, name, false);
    return i == c->n ? 0 : gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->each[i]);
}

static enum err begin_client(struct tls_context *c, gnutls_session_t *out)
{
    gnutls_session_t session;
    if (gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
        return ERR_INTERNAL;
    if (gnutls_priority_set(session, c->priority) != 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->each[0]) != 0) {
        gnutls_deinit(session);
        return ERR_INTERNAL;
    }
    *out = session;
    return ERR_OK;
}

enum err tls_context_begin(struct tls_context *c, gnutls_session_t *out)
{
    gnutls_session_t session;
    if (c->is_client)
        return begin_client(c, out);
    if (gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
        return ERR_INTERNAL;
    gnutls_session_set_ptr(session, c);
    gnutls_handshake_set_post_client_hello_function(session, on_client_hello);
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_IGNORE);
    bool good = gnutls_priority_set(session, c->priority) == 0 &&
                gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->each[0]) == 0 &&
                gnutls_session_ticket_enable_server(session, &c->ticket_key) == 0;
    if (good && c->alpn) {
        gnutls_datum_t protocol = datum_of(slice_str(c->alpn));
        good = gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY) == 0;
    }
    if (!good) {
        gnutls_deinit(session);
        return ERR_INTERNAL;
    }
    *out = session;
    return ERR_OK;
}

static void put_names(gnutls_x509_crt_t leaf, struct buf *out)
{
    char name[TLS_NAME_MAX];
    for (unsigned i = 0; i < 1000; i++) {
        size_t n = sizeof name;
        int kind = gnutls_x509_crt_get_subject_alt_name(leaf, i, name, &n, NULL);
        if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return;
        if (kind != GNUTLS_SAN_DNSNAME)
            continue;
        if (out->n)
            buf_put_byte(out, ',');
        buf_put(out, slice_of(name, n));
    }
}

enum err tls_describe(struct slice chain_pem, struct buf *out_names, struct buf *out_fingerprint_hex,
    int64_t *out_not_after)
{
    gnutls_x509_crt_t leaf;
    uint8_t fingerprint[32];
    size_t n = sizeof fingerprint;
    enum err e = read_leaf(chain_pem, &leaf);
    if (e)
        return e;
    if (gnutls_x509_crt_get_fingerprint(leaf, GNUTLS_DIG_SHA256, fingerprint, &n) == 0) {
        put_names(leaf, out_names);
        hex_put(out_fingerprint_hex, slice_of(fingerprint, n));
        *out_not_after = gnutls_x509_crt_get_expiration_time(leaf);
    } else {
        e = ERR_SYNTAX;
    }
    gnutls_x509_crt_deinit(leaf);
    return e;
}
