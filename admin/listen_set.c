/* The set of listening sockets; see listen_set.h. */
#include "admin/listen_set.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/send.h"
#include "base/log.h"
#include "net/listener.h"

static const struct {
    const char *name;
    const char *address;
    enum role role;
} known[] = {
    {"smtp", "*:25", ROLE_SMTP},
    {"submission", "*:587", ROLE_SMTP},
    {"submissions", "*:465", ROLE_SMTP},
    {"submission-alt", "*:2525", ROLE_SMTP},
    {"imap", "*:143", ROLE_DOOR},
    {"imaps", "*:993", ROLE_DOOR},
    {"pop3", "*:110", ROLE_DOOR},
    {"pop3s", "*:995", ROLE_DOOR},
    {"local", NULL, ROLE_SMTP}, /* a socket in a folder: listen_set_bind_local() */
};
#define KNOWN_COUNT (sizeof known / sizeof known[0])

enum role listen_role(const char *name)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].role;
    return ROLE_COUNT;
}

static void put(struct listen_set *s, const char *name, const char *address)
{
    struct listen_spec *l = &s->list[s->count++];
    *l = (struct listen_spec){.fd = -1};
    snprintf(l->name, sizeof l->name, "%s", name);
    snprintf(l->address, sizeof l->address, "%s", address);
    l->is_chosen = slice_ends_nocase(slice_str(l->address), SLICE(":0"));
}

void listen_set_default(struct listen_set *s)
{
    s->count = 0;
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (known[i].address)
            put(s, known[i].name, known[i].address);
}

/* Where programs of this machine hand letters over. With a folder of systemd's for all users, all may. */
enum err listen_set_bind_local(struct listen_set *s, const struct data_folder *f)
{
    const char *run = getenv("RUNTIME_DIRECTORY");
    bool is_public = run && run[0] == '/' && !strchr(run, ':') && strlen(run) < 90;
    char path[108];
    int folder = -1, fd;
    if (s->count == ROLE_LISTENERS_MAX)
        return ERR_LIMIT;
    if (is_public)
        snprintf(path, sizeof path, "%s/%s", run, SEND_SOCKET);
    else if (!data_folder_socket_path(f, SEND_SOCKET, path, &folder))
        return ERR_IO;
    enum err e = listener_bind_unix(path, SOCK_STREAM, is_public ? 0666 : 0600, &fd);
    if (folder >= 0)
        close(folder);
    if (e)
        return e;
    struct listen_spec *l = &s->list[s->count++];
    *l = (struct listen_spec){.fd = fd, .name = "local"};
    snprintf(l->address, sizeof l->address, "%s", is_public ? path : SEND_SOCKET);
    return ERR_OK;
}

enum err listen_set_add(struct listen_set *s, const char *text)
{
    char name[24];
    struct slice address = slice_str(text);
    struct slice n = slice_cut(&address, '=');
    if (n.n == 0 || n.n >= sizeof name || address.n == 0 || address.n >= sizeof s->list[0].address)
        return ERR_SYNTAX;
    memcpy(name, n.p, n.n);
    name[n.n] = '\0';
    if (listen_role(name) == ROLE_COUNT || strcmp(name, "local") == 0)
        return ERR_SYNTAX;
    if (s->count == ROLE_LISTENERS_MAX)
        return ERR_LIMIT;
    put(s, name, (const char *)address.p);
    return ERR_OK;
}

/* What the system made of it, with the port it chose. */
static void real_address(struct listen_spec *l)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(l->fd, (struct sockaddr *)&a, &n) != 0)
        return;
    if (a.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(l->address, sizeof l->address, "%s:%u", host, ntohs(v4->sin_port));
    } else if (a.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(l->address, sizeof l->address, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

enum err listen_set_bind(struct listen_set *s, const struct listen_spec **out_failed)
{
    for (size_t i = 0; i < s->count; i++) {
        struct listen_spec *l = &s->list[i];
        enum err e = listener_bind(l->address, &l->fd);
        if (e) {
            *out_failed = l;
            l->fd = -1;
            listen_set_close(s);
            return e;
        }
        real_address(l);
        log_event(LOG_INFO, "listening", LF("name", l->name), LF("address", l->address));
    }
    return ERR_OK;
}

void listen_set_close(struct listen_set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].fd >= 0)
            close(s->list[i].fd);
        s->list[i].fd = -1;
    }
}
