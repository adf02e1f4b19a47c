/* Which sockets the server listens on: the default set, or what --listen gave instead. */
#ifndef ADMIN_LISTEN_SET_H
#define ADMIN_LISTEN_SET_H

#include "admin/data_folder.h"
#include "storage/role.h"

struct listen_spec {
    char name[24];
    char address[128]; /* as given; after binding as it is */
    bool is_chosen;   /* port 0: the system chose one */
    int fd;           /* -1 until bound */
};

struct listen_set {
    struct listen_spec list[ROLE_LISTENERS_MAX];
    size_t count;
};

void listen_set_default(struct listen_set *s);
/* "imap=127.0.0.1:1143". ERR_SYNTAX, ERR_LIMIT. */
enum err listen_set_add(struct listen_set *s, const char *text) MUST_CHECK;
/* Binds all; on failure *out_failed is the one that could not be, and all are closed. */
enum err listen_set_bind(struct listen_set *s, const struct listen_spec **out_failed) MUST_CHECK;
/* After the others: the socket of `letterlock send`. */
enum err listen_set_bind_local(struct listen_set *s, const struct data_folder *f) MUST_CHECK;
void listen_set_close(struct listen_set *s);
/* Who accepts on a socket of this name: smtp or door; ROLE_COUNT: no such name. */
enum role listen_role(const char *name);

#endif
