/* How a command reaches the roles: through the server that holds the data folder, or, when none does,
 * through a private supervisor in this process, by the same messages. One path only: no command ever
 * touches a database itself. */
#ifndef ADMIN_LINK_H
#define ADMIN_LINK_H

#include "admin/data_folder.h"
#include "storage/admin_ops.h"

struct link;

/* Waits up to DATA_FOLDER_PATIENCE_MS for another command that holds the folder. With an error,
 * out_why says in words what is wrong. */
enum err link_open(const char *folder, bool create, struct link **out, struct buf *out_why) MUST_CHECK;
/* Whether a server serves from this folder now. */
bool link_server_answers(const struct data_folder *f);
/* True: a server answers. False: it is private to this command. */
bool link_is_server(const struct link *l);
/* Asks and waits. Slices of *out live until the next call. ERR_OK: there is a reply, perhaps one that
 * says what went wrong; else no reply came. */
enum err link_ask(struct link *l, const struct admin_request *r, struct admin_reply *out) MUST_CHECK;
/* The descriptor that came with the last answer, now the caller's; -1: none. */
int link_take_fd(struct link *l);
/* The data folder's absolute path. */
const char *link_folder(const struct link *l);
void link_close(struct link *l);

#endif
