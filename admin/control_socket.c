/* The command line's way into a running server: a seqpacket socket in the data folder, for root and for
 * the user who serves. Each connection asks with M_ADMIN and is answered with M_ADMIN_REPLY; it may ask
 * again before the answer. */
#include <sys/socket.h>
#include <unistd.h>

#include "admin/supervisor_internal.h"
#include "base/log.h"
#include "net/listener.h"

#define CLIENTS_MAX 64

struct client {
    struct client *next;
    struct control_socket *socket; /* borrowed */
    struct channel *channel;       /* owned */
};

/* One question of a client; freed with the answer, or when the client goes. */
struct question {
    struct client *client;
    uint64_t req; /* as the client numbers it */
    struct question *next;
};

struct control_socket {
    struct supervisor *supervisor; /* borrowed */
    struct listener *listener;
    struct client *clients;
    size_t client_count;
    struct question *questions;
};

static void question_remove(struct control_socket *c, struct question *q)
{
    struct question **at = &c->questions;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    free(q);
}

static void client_free(struct client *client)
{
    struct control_socket *c = client->socket;
    struct question *next;
    for (struct question *q = c->questions; q; q = next) {
        next = q->next;
        if (q->client != client)
            continue;
        admin_forget(c->supervisor, q);
        question_remove(c, q);
    }
    struct client **at = &c->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    c->client_count--;
    channel_free(client->channel);
    free(client);
}

static void on_answer(void *ctx, const struct admin_reply *r)
{
    struct question *q = ctx;
    struct client *client = q->client;
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    admin_reply_encode(q->req, r->err, r->text, r->json, &body);
    if (!buf_ok(&body)) {
        buf_reset(&body);
        body.overflowed = false;
        admin_reply_encode(q->req, ERR_TOO_BIG, SLICE("the answer is too long to show"),
            SLICE("{\"error\":\"the answer is too long to show\"}"), &body);
    }
    enum err e = channel_send(client->channel, M_ADMIN_REPLY, buf_slice(&body), &r->fd, r->fd >= 0 ? 1 : 0);
    if (e)
        log_event(LOG_DEBUG, "command-gone", LF("reason", err_text(e)));
    buf_wipe(&body);
    question_remove(client->socket, q);
}

static void on_message(void *ctx, struct channel *channel, uint16_t type, struct slice body,
    const int *fds, size_t nfds)
{
    struct client *client = ctx;
    struct control_socket *c = client->socket;
    struct admin_request r;
    (void)channel;
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    if (type != M_ADMIN || nfds > 0 || admin_request_decode(body, &r) != ERR_OK) {
        log_event(LOG_WARNING, "bad-command", LF_U("type", type));
        client_free(client);
        return;
    }
    struct question *q = mem_new(sizeof *q);
    *q = (struct question){.client = client, .req = r.req, .next = c->questions};
    c->questions = q;
    log_event(LOG_DEBUG, "command", LF_S("op", r.op));
    admin_ask(c->supervisor, &r, on_answer, q);
}

static void on_closed(void *ctx, struct channel *channel)
{
    (void)channel;
    client_free(ctx);
}

static const struct channel_events client_events = {
    .on_message = on_message,
    .on_closed = on_closed,
};

static bool is_allowed(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    log_event(LOG_WARNING, "command-refused", LF_U("uid", peer.uid));
    return false;
}

static void on_accept(void *ctx, int fd)
{
    struct control_socket *c = ctx;
    if (c->client_count == CLIENTS_MAX || !is_allowed(fd)) {
        close(fd);
        return;
    }
    struct client *client = mem_new(sizeof *client);
    client->socket = c;
    client->next = c->clients;
    c->clients = client;
    c->client_count++;
    client->channel = channel_new(c->supervisor->loop, fd, &client_events, client);
}

enum err control_socket_new(struct supervisor *s, struct control_socket **out)
{
    char path[108];
    int folder, fd;
    if (!data_folder_socket_path(s->folder, CONTROL_SOCKET, path, &folder))
        return ERR_IO;
    enum err e = listener_bind_unix(path, SOCK_SEQPACKET, 0600, &fd);
    if (folder >= 0)
        close(folder);
    if (e) {
        log_event(LOG_ERROR, "no-control-socket", LF("reason", err_text(e)));
        return e;
    }
    struct control_socket *c = mem_new(sizeof *c);
    c->supervisor = s;
    c->listener = listener_new(s->loop, fd, on_accept, c);
    *out = c;
    return ERR_OK;
}

static void remove_socket(const struct supervisor *s)
{
    char path[108];
    int folder;
    if (!data_folder_socket_path(s->folder, CONTROL_SOCKET, path, &folder))
        return;
    unlink(path); /* one that stays is only an old name: nobody answers there */
    if (folder >= 0)
        close(folder);
}

void control_socket_free(struct control_socket *c)
{
    if (!c)
        return;
    while (c->clients)
        client_free(c->clients);
    listener_free(c->listener);
    remove_socket(c->supervisor);
    free(c);
}
