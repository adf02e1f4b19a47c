/* A command's way to the roles; see link.h. */
#include "admin/link.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin/database_files.h"
#include "admin/supervisor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/channel.h"
#include "storage/messages.h"

#define RETRY_MS 50
#define ANSWER_MAX_MS (30 * 60 * 1000) /* verify reads everything */
#define TURN_MS 200

struct link {
    struct data_folder folder;
    struct buf reply;              /* what the last answer borrows from */
    int fd;                        /* what came with it, or -1; owned until it is taken */

    /* to a server */
    struct loop *loop;
    struct channel *channel;
    uint64_t last_req;
    bool has_reply;
    bool is_closed;

    /* private */
    struct server_keys *keys;
    struct supervisor *supervisor;
};

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct link *l = ctx;
    (void)c;
    bool is_awaited = type == M_ADMIN_REPLY && !l->has_reply;
    for (size_t i = 0; i < nfds; i++) {
        if (is_awaited && i == 0)
            l->fd = fds[i];
        else
            close(fds[i]);
    }
    if (!is_awaited)
        return;
    buf_put(&l->reply, body);
    l->has_reply = true;
}

static void on_closed(void *ctx, struct channel *c)
{
    struct link *l = ctx;
    channel_free(c);
    l->channel = NULL;
    l->is_closed = true;
}

static const struct channel_events link_events = {.on_message = on_message, .on_closed = on_closed};

static enum err connect_server(const struct data_folder *f, int *out_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int folder;
    if (!data_folder_socket_path(f, CONTROL_SOCKET, a.sun_path, &folder))
        return ERR_IO;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    enum err e = fd < 0 ? ERR_IO : ERR_OK;
    if (e == ERR_OK && connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        e = errno == ECONNREFUSED ? ERR_NOT_FOUND : err_from_errno(errno);
    if (folder >= 0)
        close(folder);
    if (e && fd >= 0)
        close(fd);
    if (e == ERR_OK)
        *out_fd = fd;
    return e;
}

bool link_server_answers(const struct data_folder *f)
{
    int fd;
    if (connect_server(f, &fd) != ERR_OK)
        return false;
    close(fd);
    return true;
}

static enum err files_and_keys(struct link *l, struct buf *why)
{
    const char *missing = NULL;
    enum err e = data_folder_drop_rights(&l->folder);
    if (e == ERR_OK)
        e = database_files_make(&l->folder, &missing);
    if (missing)
        buf_printf(why, "%s is missing beside the other databases in %s: bring it back from a backup",
            missing, l->folder.path);
    else if (e)
        buf_printf(why, "the databases in %s cannot be used: %s", l->folder.path, err_text(e));
    if (e)
        return e;
    e = server_keys_load(&l->folder, l->keys);
    if (e == ERR_NOT_FOUND)
        buf_printf(why, "%s/server.key is missing beside its databases: bring it back from a backup",
            l->folder.path);
    else if (e)
        buf_printf(why, "server.key cannot be used: %s", err_text(e));
    return e;
}

static enum err start_private(struct link *l, struct buf *why)
{
    l->keys = secret_new(sizeof *l->keys);
    ENSURE(l->keys != NULL);
    struct supervisor_config config = {.folder = &l->folder, .keys = l->keys};
    enum err e = files_and_keys(l, why);
    if (e)
        return e;
    e = supervisor_new(&config, &l->supervisor);
    if (e == ERR_OK)
        e = supervisor_wait_ready(l->supervisor);
    if (e)
        buf_put_str(why, "the storage could not be opened; the lines above say why");
    return e;
}

/* A server, or the lock. Commands and starting servers hold the folder for moments: wait for those. */
static enum err reach(struct link *l, struct buf *why)
{
    uint64_t end = clock_mono_ms() + DATA_FOLDER_PATIENCE_MS;
    for (;;) {
        int fd;
        pid_t holder = 0;
        enum err e = connect_server(&l->folder, &fd);
        if (e == ERR_OK) {
            l->loop = loop_new();
            l->channel = channel_new(l->loop, fd, &link_events, l);
            return ERR_OK;
        }
        if (e != ERR_NOT_FOUND) {
            buf_printf(why, "the server's control socket cannot be used: %s", err_text(e));
            return e;
        }
        e = data_folder_lock(&l->folder, &holder);
        if (e == ERR_OK)
            return start_private(l, why);
        if (e != ERR_BUSY || clock_mono_ms() >= end) {
            if (e == ERR_BUSY)
                buf_printf(why, "process %d holds %s but does not answer", (int)holder, l->folder.path);
            else
                buf_printf(why, "%s cannot be locked: %s", l->folder.path, err_text(e));
            return e;
        }
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
}

static void explain_folder(const char *folder, enum err e, struct buf *why)
{
    if (e == ERR_NOT_FOUND)
        buf_printf(why, "there is no data folder %s: begin with letterlock setup", folder);
    else if (e == ERR_DENIED)
        buf_printf(why, "%s must belong to you and be closed to others (mode 0700)", folder);
    else
        buf_printf(why, "%s cannot be used: %s", folder, err_text(e));
}

enum err link_open(const char *folder, bool create, struct link **out, struct buf *out_why)
{
    struct link *l = mem_new(sizeof *l);
    l->folder.lock_fd = -1;
    l->fd = -1;
    buf_init(&l->reply, CHANNEL_MESSAGE_MAX);
    enum err e = data_folder_open(folder, create, &l->folder);
    if (e)
        explain_folder(folder, e, out_why);
    else
        e = reach(l, out_why);
    if (e) {
        link_close(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

bool link_is_server(const struct link *l)
{
    return !l->supervisor;
}

static enum err ask_server(struct link *l, const struct admin_request *r)
{
    struct admin_request copy = *r;
    struct buf body;
    uint64_t end = clock_mono_ms() + ANSWER_MAX_MS;
    if (!l->channel)
        return ERR_CLOSED;
    copy.req = ++l->last_req;
    l->has_reply = false;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    admin_request_encode(&copy, &body);
    enum err e = buf_error(&body);
    if (e == ERR_OK)
        e = channel_send(l->channel, M_ADMIN, buf_slice(&body), NULL, 0);
    buf_wipe(&body);
    while (e == ERR_OK && !l->has_reply && !l->is_closed && clock_mono_ms() < end)
        loop_turn(l->loop, TURN_MS);
    if (e)
        return e;
    return l->has_reply ? ERR_OK : l->is_closed ? ERR_CLOSED : ERR_TIMEOUT;
}

enum err link_ask(struct link *l, const struct admin_request *r, struct admin_reply *out)
{
    buf_wipe(&l->reply);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    enum err e = l->supervisor ? supervisor_ask(l->supervisor, r, &l->reply, &l->fd) : ask_server(l, r);
    return e ? e : admin_reply_decode(buf_slice(&l->reply), out);
}

int link_take_fd(struct link *l)
{
    int fd = l->fd;
    l->fd = -1;
    return fd;
}

const char *link_folder(const struct link *l)
{
    return l->folder.path;
}

void link_close(struct link *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    if (l->supervisor)
        supervisor_stop_and_wait(l->supervisor);
    supervisor_free(l->supervisor);
    if (l->keys)
        secret_free(l->keys, sizeof *l->keys);
    channel_free(l->channel);
    loop_free(l->loop);
    buf_wipe(&l->reply);
    data_folder_close(&l->folder);
    free(l);
}
