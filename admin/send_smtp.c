/* The SMTP of `send`, blocking, over the server's UNIX socket; see send.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/send.h"

#define REPLY_MAX 65536

struct send_link {
    int fd;
    struct buf in;
    char host[256];
    char reply[1024];   /* the last line of the last reply, without its end */
};

static int say(int status, const char *what, const char *why)
{
    fprintf(stderr, "sendmail: %s: %s\n", what, why);
    return status;
}

static int connect_to(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = strlen(path) < sizeof a.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return -1;
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do {
        n = poll(&p, 1, SEND_PATIENCE_MS);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = is_ready(fd, POLLOUT) ? send(fd, bytes.p, bytes.n, MSG_NOSIGNAL) : -1;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            bytes = slice_from(bytes, (size_t)n);
    }
    return true;
}

/* A whole reply: its code; 0: the connection is lost. */
static unsigned reply_take(struct send_link *l)
{
    for (;;) {
        struct slice in = buf_slice(&l->in);
        size_t end = slice_find_byte(in, '\n');
        if (end < in.n) {
            struct slice line = slice_trim(slice_sub(in, 0, end));
            bool is_last = line.n < 4 || line.p[3] != '-';
            uint64_t code = 0;
            snprintf(l->reply, sizeof l->reply, "%.*s", SLICE_FMT(line));
            bool is_sound = slice_to_u64(slice_sub(line, 0, 3), 599, &code);
            buf_consume(&l->in, end + 1);
            if (!is_sound || is_last)
                return is_sound ? (unsigned)code : 0;
            continue;
        }
        uint8_t *room = buf_room(&l->in, 4096);
        ssize_t n = room && is_ready(l->fd, POLLIN) ? read(l->fd, room, 4096) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        buf_grew(&l->in, (size_t)n);
    }
}

/* What sysexits.h calls a refusal. */
static int status_of(const struct send_link *l, unsigned code)
{
    if (code == 0 || code < 500)
        return EX_TEMPFAIL;
    if (strstr(l->reply, " 5.1.1 "))
        return EX_NOUSER;
    if (strstr(l->reply, " 5.7.1 "))
        return EX_NOPERM;
    return strstr(l->reply, " 5.1.") || strstr(l->reply, " 5.5.") || strstr(l->reply, " 5.6.") ? EX_DATAERR : EX_UNAVAILABLE;
}

static unsigned command(struct send_link *l, const char *format, const char *value)
{
    struct buf line;
    buf_init(&line, 4096);
    buf_printf(&line, format, value);
    bool is_sent = buf_ok(&line) && slice_find(buf_slice(&line), SLICE("\r\n")) == line.n - 2 &&
        write_all(l->fd, buf_slice(&line));
    buf_clear(&line);
    snprintf(l->reply, sizeof l->reply, "the server is gone, or the address cannot be said in SMTP");
    return is_sent ? reply_take(l) : 0;
}

int send_link_open(const char *socket, struct send_link **out)
{
    struct send_link *l = mem_new(sizeof *l);
    l->fd = connect_to(socket);
    buf_init(&l->in, REPLY_MAX);
    if (l->fd < 0) {
        int status = say(EX_TEMPFAIL, socket, "no server answers there");
        send_link_close(l);
        return status;
    }
    unsigned code = reply_take(l);
    struct slice rest = slice_from(slice_str(l->reply), 4);
    struct slice host = slice_cut(&rest, ' ');
    snprintf(l->host, sizeof l->host, "%.*s", (int)host.n, host.n ? (const char *)host.p : "");
    if (code == 220)
        code = command(l, "EHLO %s\r\n", "localhost");
    if (code != 250) {
        int status = say(EX_TEMPFAIL, "the server does not want to talk", l->reply);
        send_link_close(l);
        return status;
    }
    *out = l;
    return EX_OK;
}

void send_link_close(struct send_link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    buf_clear(&l->in);
    free(l);
}

const char *send_link_host(const struct send_link *l)
{
    return l->host;
}

/* ---- one letter ---- */

static int send_recipients(struct send_link *l, char *const *recipients, size_t n, size_t *out_taken)
{
    int status = EX_OK;
    *out_taken = 0;
    for (size_t i = 0; i < n; i++) {
        struct buf address;
        buf_init(&address, 1024);
        send_qualify(recipients[i], l->host, &address);
        buf_put_byte(&address, 0);
        unsigned code = command(l, "RCPT TO:<%s>\r\n", buf_ok(&address) ? (const char *)address.p : "\r\n");
        buf_clear(&address);
        if (code / 100 == 2) {
            ++*out_taken;
        } else {
            int s = say(status_of(l, code), recipients[i], l->reply);
            status = status == EX_OK ? s : status;
        }
        if (code == 0)
            break;
    }
    return status;
}

/* Dots at the start of lines are doubled. The letter ends with CRLF. */
static void put_stuffed(struct buf *out, struct slice letter)
{
    while (letter.n > 0) {
        size_t end = slice_find_byte(letter, '\n');
        if (letter.p[0] == '.')
            buf_put_byte(out, '.');
        buf_put(out, slice_sub(letter, 0, end + 1));
        letter = slice_from(letter, end + 1);
    }
    buf_put_str(out, ".\r\n");
}

static int send_text(struct send_link *l, struct slice letter)
{
    struct buf text;
    unsigned code = command(l, "DATA%s\r\n", "");
    if (code != 354)
        return say(status_of(l, code), "the letter is not wanted", l->reply);
    buf_init(&text, 2 * (size_t)SEND_LETTER_MAX);
    put_stuffed(&text, letter);
    code = buf_ok(&text) && write_all(l->fd, buf_slice(&text)) ? reply_take(l) : 0;
    buf_clear(&text);
    return code == 250 ? EX_OK : say(status_of(l, code), "the letter was not taken", l->reply);
}

int send_link_letter(struct send_link *l, const char *sender, char *const *recipients, size_t n, struct slice letter)
{
    size_t taken;
    unsigned code = command(l, "MAIL FROM:<%s>\r\n", sender);
    if (code / 100 != 2)
        return say(status_of(l, code), sender, l->reply);
    int status = send_recipients(l, recipients, n, &taken);
    if (taken > 0) {
        int sent = send_text(l, letter);
        status = sent == EX_OK ? status : sent;
    }
    (void)command(l, "QUIT%s\r\n", "");
    return status;
}

/* ---- -bs ---- */

/* One piece from there to here. False: the end. */
static bool pass(int from, int to)
{
    uint8_t bytes[16384];
    ssize_t n = read(from, bytes, sizeof bytes);
    struct slice rest = slice_of(bytes, n > 0 ? (size_t)n : 0);
    while (rest.n > 0) {
        ssize_t w = write(to, rest.p, rest.n);
        if (w < 0 && errno != EINTR)
            return false;
        rest = slice_from(rest, w > 0 ? (size_t)w : 0);
    }
    return n > 0 || (n < 0 && errno == EINTR);
}

int send_link_splice(const char *socket)
{
    int fd = connect_to(socket);
    if (fd < 0)
        return say(EX_TEMPFAIL, socket, "no server answers there");
    /* What stands on stdin waits for the greeting: the server refuses who talks before it. */
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (!is_ready(fd, POLLIN) || !pass(fd, STDOUT_FILENO))
        p[0].fd = -1;
    while (poll(p, 2, SEND_PATIENCE_MS) > 0 || errno == EINTR) {
        if (p[1].revents && !pass(fd, STDOUT_FILENO))
            break;
        if (p[0].fd >= 0 && p[0].revents && !pass(STDIN_FILENO, fd)) {
            shutdown(fd, SHUT_WR);
            p[0].fd = -1;
        }
    }
    close(fd);
    return EX_OK;
}
