/* TLS certificates: letterlock cert … */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin/commands.h"

#define PEM_FILE_MAX (48 * 1024)

static const struct cli_option set_options[] = {
    {"cert", "FILE", "the certificate and its chain, PEM", NULL, true},
    {"key", "FILE", "its private key, PEM", NULL, true},
    {"host", "NAME", "only for clients that ask for this name; without it, the default", NULL, false},
    {0},
};

static enum err read_pem(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err e = fd < 0 ? err_from_errno(errno) : ERR_OK;
    while (e == ERR_OK) {
        uint8_t *room = buf_room(out, 4096);
        ssize_t n = room ? read(fd, room, 4096) : -1;
        if (!room)
            e = ERR_TOO_BIG;
        else if (n < 0)
            e = err_from_errno(errno);
        if (e || n == 0)
            break;
        buf_grew(out, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    return e;
}

static int set_pair(struct cli *c, struct slice chain, struct slice key)
{
    struct admin_request r = {.op = SLICE("cert.set")};
    struct admin_reply reply;
    const char *host = cli_value(c, "host");
    admin_request_add(&r, "host", slice_str(host ? host : ""));
    admin_request_add(&r, "chain", chain);
    admin_request_add(&r, "key", key);
    return cli_ask(c, &r, &reply) ? cli_print(c, &reply) : CLI_FAILED;
}

static int run_set(struct cli *c)
{
    struct buf chain, key;
    int status = CLI_DONE;
    buf_init(&chain, PEM_FILE_MAX);
    buf_init(&key, PEM_FILE_MAX);
    enum err e = read_pem(cli_value(c, "cert"), &chain);
    if (e)
        status = cli_fail(c, "%s cannot be read: %s", cli_value(c, "cert"), err_text(e));
    if (status == CLI_DONE && (e = read_pem(cli_value(c, "key"), &key)) != ERR_OK)
        status = cli_fail(c, "%s cannot be read: %s", cli_value(c, "key"), err_text(e));
    if (status == CLI_DONE)
        status = set_pair(c, buf_slice(&chain), buf_slice(&key));
    buf_clear(&chain);
    buf_wipe(&key);
    return status;
}

const struct command cmd_cert_set = {
    .name = "cert set",
    .summary = "the certificate that clients and servers are shown",
    .details = "Takes effect at once for new connections. The key is kept sealed under server.key.",
    .options = set_options, .run = run_set,
};

const struct command cmd_cert_show = {
    .name = "cert show",
    .summary = "names, fingerprint and end of the certificates",
    .op = "cert.show",
};
