/* AUTHENTICATE and AUTH before the login: storage/sasl.h's dialogue over a door's session. IMAP (RFC 3501
 * section 6.2.2) and POP3 (RFC 5034 section 4) write challenges and answers alike.
 *
 * SCRAM: when auth grants the login the descriptor to the account's process is kept back until the client
 * has read our proof and said so with an empty line; only then do that process's words reach it. */
#include <unistd.h>

#include "retrieval/door.h"

static bool has_scram(const struct door_session *s)
{
    return auth_offers_scram(s->door->auth, s->door->role->settings);
}

void door_sasl_end(struct door_session *s)
{
    struct door_before *b = s->before;
    if (b->granted_fd >= 0)
        close(b->granted_fd);
    b->granted_fd = -1;
    if (b->has_sasl)
        sasl_clear(&b->sasl);
    b->has_sasl = false;
}

static enum err challenge(struct door_session *s)
{
    struct slice text = sasl_challenge(&s->before->sasl);
    s->state = DOOR_SASL;
    door_say(s, "+ %.*s\r\n", SLICE_FMT(text));
    return ERR_OK;
}

static void on_salt(void *ctx, const struct login_reply *r)
{
    struct door_session *s = ctx;
    s->request = 0;
    if (s->state != DOOR_ASKING)
        return;
    if (r->err) {
        door_on_login(s, r); /* as any login that cannot be checked now */
        return;
    }
    sasl_take_salt(&s->before->sasl, r->salt, r->rounds);
    (void)!challenge(s);
    stream_resume(s->client);
}

static enum err ask_salt(struct door_session *s)
{
    s->state = DOOR_ASKING;
    stream_pause(s->client);
    s->request = auth_scram(s->door->auth, buf_slice(&s->before->sasl.user), on_salt, s);
    return ERR_OK;
}

static enum err ask_login(struct door_session *s)
{
    struct login l = {.protocol = s->protocol,
        .is_secure = stream_is_secure(s->client),
        .peer = stream_peer(s->client),
        .tag = buf_slice(&s->before->tag)};
    sasl_login(&s->before->sasl, &l);
    s->state = DOOR_ASKING;
    stream_pause(s->client);
    s->request = auth_login(s->door->auth, &l, door_on_login, s);
    return ERR_OK;
}

void door_sasl_granted(struct door_session *s, const struct login_reply *r)
{
    s->before->granted_fd = r->fd;
    sasl_take_signature(&s->before->sasl, r->signature);
    (void)!challenge(s);
    stream_resume(s->client);
}

static enum err finish(struct door_session *s)
{
    int fd = s->before->granted_fd;
    s->before->granted_fd = -1;
    stream_pause(s->client);
    door_enter(s, fd);
    return ERR_OK;
}

static enum err go_on(struct door_session *s, enum sasl_step step)
{
    switch (step) {
    case SASL_CHALLENGE:
        return challenge(s);
    case SASL_SALT:
        return ask_salt(s);
    case SASL_COMPLETE:
        return ask_login(s);
    case SASL_FINISHED:
        return finish(s);
    case SASL_CANCELLED:
        door_sasl_end(s);
        return ERR_CLOSED;
    case SASL_DENIED:
        door_sasl_end(s);
        return ERR_BAD_CREDENTIALS;
    case SASL_BAD:
        break;
    }
    door_sasl_end(s);
    return ERR_SYNTAX;
}

enum err door_sasl_begin(struct door_session *s, struct slice mechanism, bool has_initial, struct slice base64)
{
    door_sasl_end(s);
    if (sasl_init(&s->before->sasl, mechanism, has_scram(s), s->client) != ERR_OK)
        return ERR_UNSUPPORTED;
    s->before->has_sasl = true;
    return has_initial ? go_on(s, sasl_initial(&s->before->sasl, base64)) : challenge(s);
}

enum err door_sasl_line(struct door_session *s, struct slice base64)
{
    s->state = DOOR_LINES;
    return go_on(s, sasl_answer(&s->before->sasl, base64));
}

void door_sasl_names(const struct door_session *s, const char *before, const char *after, char out[DOOR_NAMES_MAX])
{
    struct buf names, text;
    buf_init(&names, SASL_NAMES_MAX);
    buf_init(&text, DOOR_NAMES_MAX - 1);
    sasl_put_names(&names, has_scram(s), stream_is_secure(s->client));
    struct slice rest = buf_slice(&names);
    while (rest.n) {
        buf_put_str(&text, before);
        buf_put(&text, slice_cut(&rest, ' '));
        buf_put_str(&text, after);
    }
    ENSURE(buf_ok(&text));
    memcpy(out, text.p, text.n);
    out[text.n] = 0;
    buf_clear(&names);
    buf_clear(&text);
}
