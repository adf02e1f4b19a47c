/* Who is connected with whom. Every role that starts gets a channel to each living peer, and the peer
 * gets the other end: so a role that was started again is connected like one that was there at first. */
#include <unistd.h>

#include "admin/supervisor_internal.h"
#include "base/log.h"

static bool are_peers(enum role a, enum role b)
{
    static const struct {
        enum role a, b;
    } pairs[] = {
        {ROLE_SMTP, ROLE_STORE},
        {ROLE_SMTP, ROLE_AUTH},
        {ROLE_DOOR, ROLE_AUTH},
        {ROLE_AUTH, ROLE_STORE},
        {ROLE_AUTH, ROLE_HASH},
        {ROLE_RETRIEVAL, ROLE_STORE},
        {ROLE_RELAY, ROLE_STORE},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a))
            return true;
    return false;
}

static void send_channel(struct role_process *to, const struct role_process *peer, int fd)
{
    struct buf body;
    buf_init(&body, 64);
    role_channel_encode(peer->role, peer->instance, peer->account, &body);
    process_send(to, M_CHANNEL, buf_slice(&body), &fd, 1);
    buf_clear(&body);
}

static void connect_pair(struct role_process *a, struct role_process *b)
{
    int pair[2];
    enum err e = channel_pair(pair);
    if (e) {
        log_event(LOG_ERROR, "no-channel", LF("between", role_name(a->role)),
            LF("and", role_name(b->role)), LF("reason", err_text(e)));
        return;
    }
    send_channel(a, b, pair[0]);
    send_channel(b, a, pair[1]);
    close(pair[0]);
    close(pair[1]);
}

/* Of a retrieval process auth hears by M_SPAWNED, which names the account it asked for. */
static void send_spawned(struct role_process *auth, uint64_t account, uint32_t instance, int fd)
{
    struct buf body;
    buf_init(&body, 64);
    wire_put_u64(&body, account);
    wire_put_u32(&body, instance);
    process_send(auth, M_SPAWNED, buf_slice(&body), &fd, 1);
    buf_clear(&body);
}

static enum err connect_retrieval(struct role_process *auth, struct role_process *retrieval)
{
    int pair[2];
    enum err e = channel_pair(pair);
    if (e)
        return e;
    send_channel(retrieval, auth, pair[0]);
    send_spawned(auth, retrieval->account, retrieval->instance, pair[1]);
    close(pair[0]);
    close(pair[1]);
    return ERR_OK;
}

void channels_make(struct role_process *p)
{
    for (struct role_process *q = p->supervisor->processes; q; q = q->next) {
        if (q == p || !process_is_alive(q))
            continue;
        if (are_peers(p->role, q->role))
            connect_pair(p, q);
        else if (p->role == ROLE_AUTH && q->role == ROLE_RETRIEVAL && connect_retrieval(p, q) != ERR_OK)
            log_event(LOG_ERROR, "no-channel", LF("between", "auth"), LF("and", "retrieval"));
    }
}

static struct role_process *retrieval_find(struct supervisor *s, uint64_t account, size_t *out_count)
{
    struct role_process *found = NULL;
    *out_count = 0;
    for (struct role_process *p = s->processes; p; p = p->next) {
        if (p->role != ROLE_RETRIEVAL)
            continue;
        ++*out_count;
        if (p->account == account && process_is_alive(p))
            found = p;
    }
    return found;
}

static enum err retrieval_give(struct supervisor *s, struct role_process *auth, uint64_t account)
{
    size_t count;
    struct role_process *p = retrieval_find(s, account, &count);
    if (!p) {
        if (count >= RETRIEVALS_MAX)
            return ERR_LIMIT;
        p = process_new(s, ROLE_RETRIEVAL, account);
        enum err e = process_start(p);
        if (e) {
            process_free(p);
            return e;
        }
    }
    return connect_retrieval(auth, p);
}

void retrieval_wanted(struct supervisor *s, struct slice body)
{
    struct wire w = wire_of(body);
    uint64_t account = wire_u64(&w);
    struct role_process *auth = process_find(s, ROLE_AUTH);
    if (!wire_done(&w) || !auth || s->phase > PHASE_SERVING)
        return;
    enum err e = retrieval_give(s, auth, account);
    if (e) /* auth gives up waiting by itself */
        log_event(LOG_ERROR, "no-retrieval", LF_X("account", account), LF("reason", err_text(e)));
}
