/* The self-signed certificate that serves until a real one is there; see tls.h. RFC 5280. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/clock.h"
#include "base/hash.h"
#include "net/tls.h"

#define YEARS_10 (INT64_C(10) * 365 * 86400)
#define BACKDATE_S 3600 /* a client whose clock is somewhat behind */
#define HOST_MAX 253    /* RFC 1035 section 2.3.4, without the last dot */

static int add_name(gnutls_x509_crt_t c, gnutls_x509_subject_alt_name_t kind, const void *p, size_t n)
{
    return gnutls_x509_crt_set_subject_alt_name(c, kind, p, (unsigned)n, GNUTLS_FSAN_APPEND);
}

static int add_names(gnutls_x509_crt_t c, struct slice host, bool for_loopback)
{
    static const uint8_t v4[4] = {127, 0, 0, 1};
    static const uint8_t v6[16] = {[15] = 1};
    int code = add_name(c, GNUTLS_SAN_DNSNAME, host.p, host.n);
    if (!for_loopback)
        return code;
    if (code == 0 && !slice_equal_nocase(host, SLICE("localhost")))
        code = add_name(c, GNUTLS_SAN_DNSNAME, "localhost", 9);
    if (code == 0)
        code = add_name(c, GNUTLS_SAN_IPADDRESS, v4, sizeof v4);
    if (code == 0)
        code = add_name(c, GNUTLS_SAN_IPADDRESS, v6, sizeof v6);
    return code;
}

static int fill(gnutls_x509_crt_t c, gnutls_x509_privkey_t key, struct slice host, bool for_loopback)
{
    uint8_t serial[16];
    int64_t now = clock_wall();
    random_bytes(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, of full length */
    /* A common name has 64 characters at most; the alternative name is what counts. */
    struct slice cn = host.n <= 64 ? host : SLICE("letterlock");
    int code = gnutls_x509_crt_set_version(c, 3);
    if (code == 0)
        code = gnutls_x509_crt_set_serial(c, serial, sizeof serial);
    if (code == 0)
        code = gnutls_x509_crt_set_activation_time(c, now - BACKDATE_S);
    if (code == 0)
        code = gnutls_x509_crt_set_expiration_time(c, now + YEARS_10);
    if (code == 0)
        code = gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, cn.p, (unsigned)cn.n);
    if (code == 0)
        code = gnutls_x509_crt_set_key(c, key);
    if (code == 0)
        code = add_names(c, host, for_loopback);
    if (code == 0)
        code = gnutls_x509_crt_set_basic_constraints(c, 0, -1);
    if (code == 0)
        code = gnutls_x509_crt_set_key_usage(c, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (code == 0)
        code = gnutls_x509_crt_set_key_purpose_oid(c, GNUTLS_KP_TLS_WWW_SERVER, 0);
    return code ? code : gnutls_x509_crt_sign2(c, c, key, GNUTLS_DIG_SHA256, 0);
}

static int put_pems(gnutls_x509_crt_t c, gnutls_x509_privkey_t key, struct buf *chain, struct buf *out_key)
{
    gnutls_datum_t text = {0};
    int code = gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, &text);
    if (code)
        return code;
    buf_put_bytes(chain, text.data, text.size);
    gnutls_free(text.data);
    text = (gnutls_datum_t){0};
    code = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text);
    if (code)
        return code;
    buf_put_bytes(out_key, text.data, text.size);
    explicit_bzero(text.data, text.size);
    gnutls_free(text.data);
    return 0;
}

enum err tls_self_signed(struct slice host, bool for_loopback, struct buf *out_chain_pem,
    struct buf *out_key_pem)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t c = NULL;
    if (host.n == 0 || host.n > HOST_MAX || !slice_is_ascii(host))
        return ERR_SYNTAX;
    int code = gnutls_x509_privkey_init(&key);
    if (code == 0)
        code = gnutls_x509_crt_init(&c);
    if (code == 0)
        code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
            GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (code == 0)
        code = fill(c, key, host, for_loopback);
    if (code == 0)
        code = put_pems(c, key, out_chain_pem, out_key_pem);
    if (c)
        gnutls_x509_crt_deinit(c);
    if (key)
        gnutls_x509_privkey_deinit(key);
    if (code)
        return ERR_INTERNAL;
    return buf_ok(out_chain_pem) && buf_ok(out_key_pem) ? ERR_OK : ERR_TOO_BIG;
}
