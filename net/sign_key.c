/* See sign_key.h. */
#include "net/sign_key.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct sign_key {
    enum sign_algorithm algorithm;
    gnutls_privkey_t key;
};

static gnutls_datum_t datum_of(const uint8_t *p, size_t n)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)p, (unsigned)n}; /* GnuTLS only reads it */
}

const char *sign_algorithm_name(enum sign_algorithm a)
{
    return a == SIGN_RSA_SHA256 ? "rsa-sha256" : "ed25519-sha256";
}

bool sign_algorithm_parse(struct slice name, enum sign_algorithm *out)
{
    for (enum sign_algorithm a = SIGN_RSA_SHA256; a <= SIGN_ED25519_SHA256; a++) {
        if (!slice_equal(name, slice_str(sign_algorithm_name(a))))
            continue;
        *out = a;
        return true;
    }
    return false;
}

static gnutls_pk_algorithm_t pk_of(enum sign_algorithm a)
{
    return a == SIGN_RSA_SHA256 ? GNUTLS_PK_RSA : GNUTLS_PK_EDDSA_ED25519;
}

static int put_public(enum sign_algorithm a, gnutls_privkey_t key, struct buf *out)
{
    gnutls_pubkey_t public;
    gnutls_datum_t data = {NULL, 0};
    int code = gnutls_pubkey_init(&public);
    if (code != 0)
        return code;
    code = gnutls_pubkey_import_privkey(public, key, 0, 0);
    if (code == 0 && a == SIGN_RSA_SHA256)
        code = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &data);
    else if (code == 0)
        code = gnutls_pubkey_export_ecc_raw2(public, NULL, &data, NULL, GNUTLS_EXPORT_FLAG_NO_LZ);
    if (code == 0)
        buf_put_bytes(out, data.data, data.size);
    gnutls_free(data.data);
    gnutls_pubkey_deinit(public);
    return code;
}

static int put_private(gnutls_privkey_t key, struct buf *out)
{
    gnutls_x509_privkey_t plain;
    gnutls_datum_t data = {NULL, 0};
    int code = gnutls_privkey_export_x509(key, &plain);
    if (code != 0)
        return code;
    code = gnutls_x509_privkey_export2_pkcs8(plain, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &data);
    if (code == 0)
        buf_put_bytes(out, data.data, data.size);
    if (data.data)
        gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    gnutls_x509_privkey_deinit(plain);
    return code;
}

enum err sign_key_make(enum sign_algorithm a, struct buf *out_pem, struct buf *out_public)
{
    gnutls_privkey_t key;
    if (gnutls_privkey_init(&key) != 0)
        return ERR_LIMIT;
    int code = gnutls_privkey_generate(key, pk_of(a), a == SIGN_RSA_SHA256 ? SIGN_RSA_BITS : 256, 0);
    if (code == 0)
        code = put_public(a, key, out_public);
    if (code == 0)
        code = put_private(key, out_pem);
    gnutls_privkey_deinit(key);
    return code == 0 ? buf_error(out_pem) : ERR_INTERNAL;
}

enum err sign_key_open(enum sign_algorithm a, struct slice pem, struct sign_key **out)
{
    gnutls_datum_t data = datum_of(pem.p, pem.n);
    struct sign_key *k = mem_new(sizeof *k);
    k->algorithm = a;
    if (gnutls_privkey_init(&k->key) != 0) {
        free(k);
        return ERR_LIMIT;
    }
    if (gnutls_privkey_import_x509_raw(k->key, &data, GNUTLS_X509_FMT_PEM, NULL, 0) != 0 ||
        gnutls_privkey_get_pk_algorithm(k->key, NULL) != (int)pk_of(a)) {
        sign_key_free(k);
        return ERR_SYNTAX;
    }
    *out = k;
    return ERR_OK;
}

void sign_key_free(struct sign_key *k)
{
    if (!k)
        return;
    gnutls_privkey_deinit(k->key);
    free(k);
}

enum err sign_key_sign(const struct sign_key *k, const uint8_t hash[SIGN_HASH_BYTES], struct buf *out)
{
    const gnutls_datum_t data = datum_of(hash, SIGN_HASH_BYTES);
    gnutls_datum_t signature = {NULL, 0};
    int code = k->algorithm == SIGN_RSA_SHA256
        ? gnutls_privkey_sign_hash2(k->key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &signature)
        : gnutls_privkey_sign_data2(k->key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &signature);
    if (code == 0)
        buf_put_bytes(out, signature.data, signature.size);
    gnutls_free(signature.data);
    return code == 0 ? buf_error(out) : ERR_INTERNAL;
}
