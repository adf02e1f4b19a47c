/* The hash role: Argon2id for auth, one at a time, in a process that has no file, no network and no
 * key. It blocks while it hashes; that is what it is for. */
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "storage/auth_role.h"
#include "storage/messages.h"

/* What auth may ask for at most: credentials.db is no more trusted than a peer. */
#define HASH_OPSLIMIT_MAX 10
#define HASH_MEMLIMIT_MAX (1024ULL * 1024 * 1024)

static enum err hash_request(struct slice body, struct buf *reply)
{
    uint8_t salt[ARGON2ID_SALT_BYTES];
    uint8_t ph[HASH_BYTES] = {0};
    struct wire w = wire_of(body);
    uint64_t req = wire_u64(&w);
    uint64_t opslimit = wire_u64(&w);
    uint64_t memlimit = wire_u64(&w);
    wire_copy(&w, salt, sizeof salt);
    struct slice password = wire_bytes(&w);
    if (!wire_done(&w))
        return ERR_SYNTAX;
    enum err e = opslimit > HASH_OPSLIMIT_MAX || memlimit > HASH_MEMLIMIT_MAX
        ? ERR_TOO_BIG : hash_argon2id(password, salt, opslimit, memlimit, ph);
    wire_put_u64(reply, req);
    wire_put_u16(reply, (uint16_t)e);
    buf_put_bytes(reply, ph, sizeof ph);
    secret_wipe(ph, sizeof ph);
    return ERR_OK;
}

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct role_context *context = ctx;
    struct buf reply;
    (void)fds;
    buf_init(&reply, 64);
    if (type != M_HASH || nfds != 0 || hash_request(body, &reply) != ERR_OK) {
        log_event(LOG_ERROR, "message-refused", LF_U("type", type));
        context->state = NULL;
        channel_free(c);
    } else if (channel_send(c, M_HASH_REPLY, buf_slice(&reply), NULL, 0) != ERR_OK) {
        log_event(LOG_WARNING, "auth-gone", LF_U("type", type));
    }
    buf_wipe(&reply);
}

static void on_closed(void *ctx, struct channel *c)
{
    struct role_context *context = ctx;
    context->state = NULL;
    channel_free(c);
}

static enum err start(struct role_context *c)
{
    c->state = NULL;
    return ERR_OK;
}

static void on_channel(struct role_context *c, enum role peer, uint32_t instance, uint64_t account, int fd)
{
    static const struct channel_events events = {.on_message = on_message, .on_closed = on_closed};
    (void)instance;
    (void)account;
    if (peer != ROLE_AUTH) {
        close(fd);
        return;
    }
    channel_free(c->state);
    c->state = channel_new(c->loop, fd, &events, c);
}

const struct role_ops hash_role_ops = {
    .role = ROLE_HASH,
    .sandbox_rights = 0,
    .start = start,
    .on_channel = on_channel,
};
