/* `letterlock send`, and the same program under the name `sendmail`: letters from programs on this machine
 * (cron, scripts) to the server, by SMTP over a UNIX socket. Takes the options of old. Exits as sysexits.h
 * says, for that is what its callers look at. */
#ifndef ADMIN_SEND_H
#define ADMIN_SEND_H

#include <sysexits.h>

#include "base/buf.h"

#define SEND_SOCKET "send.sock"
#define SEND_SOCKET_PUBLIC "/run/letterlock/" SEND_SOCKET
#define SEND_LETTER_MAX (256u << 20)
#define SEND_RECIPIENTS_MAX 5000
#define SEND_PATIENCE_MS 300000        /* RFC 5321 section 4.5.3.2 */

struct send_options {
    const char *socket;         /* where the server listens */
    const char *sender;         /* -f; NULL: user@host; "" or "<>": the null sender */
    const char *full_name;      /* -F */
    bool takes_from_header;     /* -t */
    bool ignores_dots;          /* -i, -oi */
    bool speaks_smtp;           /* -bs */
    char **recipients;          /* owned */
    size_t recipient_count;
};

/* arguments: without the program's name. EX_OK, or EX_USAGE after saying what is wrong. */
int send_parse(int argc, char *const *argv, struct send_options *out);
void send_options_clear(struct send_options *o);
bool send_add_recipient(struct send_options *o, struct slice address);
/* Reads the letter from stdin and hands it over; the exit status. */
int send_run(struct send_options *o);

/* send_letter.c: what came from stdin made fit for SMTP. With -t it adds recipients and removes Bcc. From,
 * Date and Message-ID are added where they are missing. host: behind the "@" of names without one. */
int send_letter(struct send_options *o, const char *sender, const char *host, struct slice raw, struct buf *out);
/* The null sender stays; a name gets "@host". */
void send_qualify(const char *address, const char *host, struct buf *out);

/* send_smtp.c */
struct send_link;
int send_link_open(const char *socket, struct send_link **out);
void send_link_close(struct send_link *l);
/* What the server calls itself. */
const char *send_link_host(const struct send_link *l);
int send_link_letter(struct send_link *l, const char *sender, char *const *recipients, size_t n, struct slice letter);
/* -bs: bytes both ways until both have ended. */
int send_link_splice(const char *socket);

#endif
