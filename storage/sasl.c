/* See sasl.h. SCRAM's part is sasl_scram.c's. */
#include "storage/sasl.h"

#include "base/codec.h"
#include "storage/sasl_internal.h"

static const struct {
    const char *name;
    enum sasl_mechanism mechanism;
} mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", SASL_SCRAM_PLUS},
    {"SCRAM-SHA-256", SASL_SCRAM},
    {"PLAIN", SASL_PLAIN},
    {"LOGIN", SASL_LOGIN},
};

static bool is_offered(enum sasl_mechanism m, bool has_scram, bool is_secure)
{
    return m == SASL_PLAIN || m == SASL_LOGIN || (has_scram && (is_secure || m == SASL_SCRAM));
}

void sasl_put_names(struct buf *out, bool has_scram, bool is_secure)
{
    const char *blank = "";
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (!is_offered(mechanisms[i].mechanism, has_scram, is_secure))
            continue;
        buf_put_str(out, blank);
        buf_put_str(out, mechanisms[i].name);
        blank = " ";
    }
}

enum err sasl_init(struct sasl *x, struct slice mechanism, bool has_scram, struct stream *stream)
{
    bool is_secure = stream != NULL && stream_is_secure(stream);
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (!slice_equal_nocase(mechanism, slice_str(mechanisms[i].name)) ||
            !is_offered(mechanisms[i].mechanism, has_scram, is_secure))
            continue;
        *x = (struct sasl){.mechanism = mechanisms[i].mechanism, .stream = is_secure ? stream : NULL};
        buf_init(&x->user, LOGIN_USER_MAX);
        buf_init(&x->password, LOGIN_PASSWORD_MAX);
        buf_room(&x->password, LOGIN_PASSWORD_MAX); /* so that it never moves and leaves a copy behind */
        buf_init(&x->out, SASL_MESSAGE_MAX);
        buf_init(&x->message, SCRAM_MESSAGE_MAX);
        buf_init(&x->nonce, 2 * SASL_NONCE_MAX);
        buf_init(&x->binding, 512);
        return ERR_OK;
    }
    return ERR_UNSUPPORTED;
}

void sasl_clear(struct sasl *x)
{
    buf_wipe(&x->user);
    buf_wipe(&x->password);
    buf_clear(&x->out);
    buf_wipe(&x->message);
    buf_clear(&x->nonce);
    buf_clear(&x->binding);
    secret_wipe(x->proof, sizeof x->proof);
}

bool sasl_is_scram(const struct sasl *x)
{
    return x->mechanism == SASL_SCRAM || x->mechanism == SASL_SCRAM_PLUS;
}

struct slice sasl_challenge(const struct sasl *x)
{
    if (x->mechanism == SASL_LOGIN)
        return x->stage == SASL_STAGE_FIRST ? SLICE("VXNlcm5hbWU6") : SLICE("UGFzc3dvcmQ6");
    return buf_slice(&x->out);
}

/* RFC 4616 section 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd. To act for somebody else
 * (an authzid that is not the authcid) is not offered. */
static enum sasl_step take_plain(struct sasl *x, struct slice message)
{
    if (slice_find_byte(message, 0) == message.n)
        return SASL_BAD;
    struct slice authzid = slice_cut(&message, 0);
    size_t nul = slice_find_byte(message, 0);
    struct slice password = slice_from(message, nul < message.n ? nul + 1 : nul);
    struct slice user = slice_sub(message, 0, nul);
    if (user.n == 0 || password.n == 0 || slice_find_byte(password, 0) < password.n)
        return SASL_BAD;
    if (authzid.n > 0 && !slice_equal_nocase(authzid, user))
        return SASL_DENIED;
    buf_put(&x->user, user);
    buf_put(&x->password, password);
    return buf_ok(&x->user) && buf_ok(&x->password) ? SASL_COMPLETE : SASL_BAD;
}

static enum sasl_step take_login(struct sasl *x, struct slice message)
{
    bool has_user = x->stage == SASL_STAGE_SECOND;
    struct buf *to = has_user ? &x->password : &x->user;
    buf_put(to, message);
    if (message.n == 0 || !buf_ok(to) || slice_find_byte(message, 0) < message.n)
        return SASL_BAD;
    x->stage = SASL_STAGE_SECOND;
    return has_user ? SASL_COMPLETE : SASL_CHALLENGE;
}

static enum sasl_step take(struct sasl *x, struct slice base64)
{
    struct buf message;
    buf_init(&message, SASL_MESSAGE_MAX);
    buf_room(&message, SASL_MESSAGE_MAX);
    enum sasl_step step = SASL_BAD;
    if (base64_get(base64, &message) == ERR_OK) {
        struct slice m = buf_slice(&message);
        step = x->mechanism == SASL_PLAIN   ? take_plain(x, m)
               : x->mechanism == SASL_LOGIN ? take_login(x, m)
                                            : sasl_take_scram(x, m);
    }
    buf_wipe(&message);
    return step;
}

enum sasl_step sasl_initial(struct sasl *x, struct slice text)
{
    return take(x, slice_equal(text, SLICE("=")) ? SLICE_EMPTY : text);
}

enum sasl_step sasl_answer(struct sasl *x, struct slice line)
{
    return slice_equal(line, SLICE("*")) ? SASL_CANCELLED : take(x, line);
}

void sasl_login(const struct sasl *x, struct login *out)
{
    out->user = buf_slice(&x->user);
    if (sasl_is_scram(x)) {
        out->message = buf_slice(&x->message);
        out->proof = slice_of(x->proof, sizeof x->proof);
    } else {
        out->password = buf_slice(&x->password);
    }
}
