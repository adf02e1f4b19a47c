/* The supervisor: binds, holds the keys, starts the roles and starts them again when they die, connects
 * them with each other, and carries administrative requests. It never reads mail and never faces the
 * network itself.
 *
 * Two ways of life, one code: `serve` has listeners, a control socket and all roles; a command that
 * finds no server runs a private one with store, auth and hash only, asks its question, and stops. */
#ifndef ADMIN_SUPERVISOR_H
#define ADMIN_SUPERVISOR_H

#include "admin/data_folder.h"
#include "admin/listen_set.h"
#include "admin/server_key.h"
#include "storage/admin_ops.h"

#define CONTROL_SOCKET "control.sock"

struct supervisor;

struct supervisor_config {
    struct data_folder *folder;   /* locked; borrowed */
    struct server_keys *keys;     /* in the locked arena; borrowed */
    struct listen_set *listeners; /* bound; borrowed; NULL: private */
};

/* Starts the store; the others follow from the loop. */
enum err supervisor_new(const struct supervisor_config *config, struct supervisor **out) MUST_CHECK;
void supervisor_free(struct supervisor *s);

/* Serves until SIGTERM or SIGINT; the exit status. */
int supervisor_serve(struct supervisor *s);

/* The private life. Turns the loop until all roles are ready: ERR_OK, else they could not start. */
enum err supervisor_wait_ready(struct supervisor *s) MUST_CHECK;
/* Turns the loop until the reply is there, and appends it as in M_ADMIN_REPLY. *out_fd: the descriptor
 * that came with it, for the caller to close, or -1. */
enum err supervisor_ask(struct supervisor *s, const struct admin_request *r, struct buf *out_reply, int *out_fd)
    MUST_CHECK;
/* Stops all roles in order and waits for them. */
void supervisor_stop_and_wait(struct supervisor *s);

#endif
