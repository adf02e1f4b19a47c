/* See sasl.h. */
#include "smtp/sasl.h"

#include "base/codec.h"

enum err sasl_init(struct sasl *x, struct slice mechanism)
{
    bool is_plain = slice_equal_nocase(mechanism, SLICE("PLAIN"));
    if (!is_plain && !slice_equal_nocase(mechanism, SLICE("LOGIN")))
        return ERR_UNSUPPORTED;
    *x = (struct sasl){.mechanism = is_plain ? SASL_PLAIN : SASL_LOGIN};
    buf_init(&x->user, LOGIN_USER_MAX);
    buf_init(&x->password, LOGIN_PASSWORD_MAX);
    buf_room(&x->password, LOGIN_PASSWORD_MAX); /* so that it never moves and leaves a copy behind */
    return ERR_OK;
}

void sasl_clear(struct sasl *x)
{
    buf_wipe(&x->user);
    buf_wipe(&x->password);
}

struct slice sasl_challenge(const struct sasl *x)
{
    if (x->mechanism == SASL_PLAIN)
        return SLICE_EMPTY;
    return x->has_user ? SLICE("UGFzc3dvcmQ6") : SLICE("VXNlcm5hbWU6");
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
        return SASL_BAD;
    buf_put(&x->user, user);
    buf_put(&x->password, password);
    return buf_ok(&x->user) && buf_ok(&x->password) ? SASL_COMPLETE : SASL_BAD;
}

static enum sasl_step take_login(struct sasl *x, struct slice message)
{
    struct buf *to = x->has_user ? &x->password : &x->user;
    buf_put(to, message);
    if (message.n == 0 || !buf_ok(to) || slice_find_byte(message, 0) < message.n)
        return SASL_BAD;
    if (x->has_user)
        return SASL_COMPLETE;
    x->has_user = true;
    return SASL_CHALLENGE;
}

static enum sasl_step take(struct sasl *x, struct slice base64)
{
    struct buf message;
    buf_init(&message, SASL_MESSAGE_MAX);
    buf_room(&message, SASL_MESSAGE_MAX);
    enum sasl_step step = SASL_BAD;
    if (base64_get(base64, &message) == ERR_OK) {
        struct slice m = buf_slice(&message);
        step = x->mechanism == SASL_PLAIN ? take_plain(x, m) : take_login(x, m);
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
