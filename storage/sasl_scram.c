/* The messages of SCRAM (RFC 5802 sections 5 to 7) from the server's side.
 *
 *     client-first  = gs2-header client-first-bare
 *     gs2-header    = ("p=" cb-name / "n" / "y") "," ["a=" saslname] ","
 *     client-first-bare = "n=" saslname ",r=" c-nonce [extensions]
 *     server-first  = "r=" c-nonce s-nonce ",s=" base64 ",i=" posit-number
 *     client-final  = "c=" base64 ",r=" c-nonce s-nonce [extensions] ",p=" base64
 *     server-final  = "v=" base64
 *
 * Names are compared in their canonical form (message/address.h) by auth, which is why SASLprep is not
 * done here. */
#include "base/codec.h"
#include "storage/sasl_internal.h"

#define SERVER_NONCE_BYTES 18

/* saslname: "=2C" and "=3D" stand for "," and "=". */
static bool put_name(struct slice name, struct buf *out)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (c == '=') {
            struct slice code = slice_sub(name, i, 3);
            bool is_comma = slice_equal(code, SLICE("=2C"));
            if (!is_comma && !slice_equal(code, SLICE("=3D")))
                return false;
            c = is_comma ? ',' : '=';
            i += 2;
        }
        if (c == 0)
            return false;
        buf_put_byte(out, c);
    }
    return name.n > 0 && buf_ok(out);
}

/* Takes "X=value" off *rest, up to the next comma. */
static bool take_attribute(struct slice *rest, const char *name, struct slice *out)
{
    if (!slice_starts(*rest, slice_str(name)))
        return false;
    *out = slice_from(slice_cut(rest, ','), 2);
    return true;
}

static bool put_binding_data(struct sasl *x, struct slice type, struct buf *out)
{
    uint8_t data[SASL_BINDING_MAX];
    size_t n = 0;
    enum stream_binding kind = STREAM_BINDING_EXPORTER;
    if (slice_equal(type, SLICE("tls-server-end-point")))
        kind = STREAM_BINDING_SERVER_END_POINT;
    else if (!slice_equal(type, SLICE("tls-exporter")))
        return false;
    if (x->stream == NULL || stream_channel_binding(x->stream, kind, data, &n) != ERR_OK)
        return false;
    buf_put(out, slice_of(data, n));
    return true;
}

/* The flag must fit the mechanism. "y" says "I could bind, but you do not offer it": when it was offered,
 * somebody between us took the offer away (RFC 5802 section 6). */
static bool take_flag(struct sasl *x, struct slice flag, struct slice header)
{
    struct buf binding;
    buf_init(&binding, 512);
    buf_put(&binding, header);
    bool good;
    if (x->mechanism == SASL_SCRAM_PLUS)
        good = slice_starts(flag, SLICE("p=")) && put_binding_data(x, slice_from(flag, 2), &binding);
    else
        good = slice_equal(flag, SLICE("n")) || (slice_equal(flag, SLICE("y")) && x->stream == NULL);
    good = good && buf_ok(&binding);
    if (good)
        base64_put(&x->binding, buf_slice(&binding));
    buf_clear(&binding);
    return good && buf_ok(&x->binding);
}

/* To act for somebody else is not offered: "a=" must be the name itself. */
static bool authzid_fits(struct slice authzid, struct slice name)
{
    return authzid.n == 0 ||
           (slice_starts(authzid, SLICE("a=")) && slice_equal_nocase(slice_from(authzid, 2), name));
}

static bool nonce_is_sane(struct slice nonce)
{
    for (size_t i = 0; i < nonce.n; i++)
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e || nonce.p[i] == ',')
            return false;
    return nonce.n > 0 && nonce.n <= SASL_NONCE_MAX;
}

static enum sasl_step take_first(struct sasl *x, struct slice message)
{
    struct slice rest = message;
    struct slice name, nonce;
    struct slice flag = slice_cut(&rest, ',');
    struct slice authzid = slice_cut(&rest, ',');
    struct slice header = slice_sub(message, 0, message.n - rest.n);
    struct slice bare = rest;
    /* A mandatory extension ("m=") would stand before the name: none is known. */
    if (!take_attribute(&rest, "n=", &name) || !take_attribute(&rest, "r=", &nonce))
        return SASL_BAD;
    if (!nonce_is_sane(nonce) || !authzid_fits(authzid, name) || !put_name(name, &x->user) ||
        !take_flag(x, flag, header))
        return SASL_BAD;
    buf_put(&x->nonce, nonce);
    buf_put(&x->message, bare);
    x->stage = SASL_STAGE_SECOND;
    return buf_ok(&x->message) ? SASL_SALT : SASL_BAD;
}

void sasl_take_salt(struct sasl *x, struct slice salt, uint32_t rounds)
{
    uint8_t random[SERVER_NONCE_BYTES];
    struct buf first;
    random_bytes(random, sizeof random);
    base64_put(&x->nonce, slice_of(random, sizeof random));
    buf_init(&first, SASL_MESSAGE_MAX);
    buf_put_str(&first, "r=");
    buf_put(&first, buf_slice(&x->nonce));
    buf_put_str(&first, ",s=");
    base64_put(&first, salt);
    buf_put_str(&first, ",i=");
    buf_put_u64(&first, rounds);
    buf_put_byte(&x->message, ',');
    buf_put(&x->message, buf_slice(&first));
    buf_reset(&x->out);
    base64_put(&x->out, buf_slice(&first));
    buf_clear(&first);
}

static bool get_proof(struct sasl *x, struct slice base64)
{
    struct buf proof;
    buf_init(&proof, HASH_BYTES);
    bool good = base64_get(base64, &proof) == ERR_OK && proof.n == HASH_BYTES;
    if (good)
        memcpy(x->proof, proof.p, HASH_BYTES);
    buf_wipe(&proof);
    return good;
}

static enum sasl_step take_final(struct sasl *x, struct slice message)
{
    struct slice rest = message;
    struct slice binding, nonce;
    size_t at = message.n;
    if (!take_attribute(&rest, "c=", &binding) || !take_attribute(&rest, "r=", &nonce))
        return SASL_BAD;
    while (rest.n > 0 && !slice_starts(rest, SLICE("p=")))
        (void)slice_cut(&rest, ',');
    at -= rest.n;
    if (at == 0 || rest.n == 0 || !get_proof(x, slice_from(rest, 2)))
        return SASL_BAD;
    if (!slice_equal(binding, buf_slice(&x->binding)) || !slice_equal(nonce, buf_slice(&x->nonce)))
        return SASL_BAD;
    buf_put_byte(&x->message, ',');
    buf_put(&x->message, slice_sub(message, 0, at - 1));
    x->stage = SASL_STAGE_LAST;
    return buf_ok(&x->message) ? SASL_COMPLETE : SASL_BAD;
}

void sasl_take_signature(struct sasl *x, struct slice signature)
{
    struct buf last;
    buf_init(&last, 128);
    buf_put_str(&last, "v=");
    base64_put(&last, signature);
    buf_reset(&x->out);
    base64_put(&x->out, buf_slice(&last));
    buf_clear(&last);
}

enum sasl_step sasl_take_scram(struct sasl *x, struct slice message)
{
    switch (x->stage) {
    case SASL_STAGE_FIRST:
        return message.n == 0 ? SASL_BAD : take_first(x, message);
    case SASL_STAGE_SECOND:
        return take_final(x, message);
    case SASL_STAGE_LAST:
        break;
    }
    return message.n == 0 ? SASL_FINISHED : SASL_BAD;
}
