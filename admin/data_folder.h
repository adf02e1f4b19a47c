/* The data folder: where it is, that it is private, who serves from it, and to whom rights are dropped. */
#ifndef ADMIN_DATA_FOLDER_H
#define ADMIN_DATA_FOLDER_H

#include <sys/types.h>

#include "base/buf.h"

/* So long a command waits for another one that holds the folder. */
#define DATA_FOLDER_PATIENCE_MS 10000

struct data_folder {
    char *path;       /* absolute; owned */
    int lock_fd;      /* -1: not held by us */
    uid_t owner;
    gid_t group;
};

/* $LETTERLOCK_DATA, else /var/lib/letterlock for root, else $XDG_DATA_HOME/letterlock (or
 * ~/.local/share). malloc'ed; NULL when there is no home. */
char *data_folder_default(void);
/* With create, makes it (and what leads to it) with mode 0700; made by root it goes to the user
 * "letterlock" when there is one. ERR_NOT_FOUND: there is none. ERR_DENIED: others may look into it. */
enum err data_folder_open(const char *path, bool create, struct data_folder *out) MUST_CHECK;
/* ERR_BUSY: another process holds it; *out_holder is its number, 0 when unknown. */
enum err data_folder_lock(struct data_folder *f, pid_t *out_holder) MUST_CHECK;
/* Root becomes the owner of the folder for good; others stay who they are. */
enum err data_folder_drop_rights(const struct data_folder *f) MUST_CHECK;
void data_folder_close(struct data_folder *f);
/* A file in it: opened with these flags (and close-on-exec, no symbolic link followed), mode 0600, owned
 * by the folder's owner. -1: see errno. */
int data_folder_file(const struct data_folder *f, const char *name, int flags);
/* Writes "<folder>/<name>", or when that is too long for a socket address "/proc/self/fd/N/<name>" of a
 * descriptor that *out_fd then owns (else -1). False: cannot. */
bool data_folder_socket_path(const struct data_folder *f, const char *name, char out[108], int *out_fd);

#endif
