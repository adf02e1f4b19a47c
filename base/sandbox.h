/* What a role gives up before the first byte from outside: capabilities, new privileges, files
 * (Landlock, as far as the kernel's ABI goes) and system calls (seccomp).
 *
 * Called by each role after it opened what it needs. Irrevocable. */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/err.h"
#include "base/slice.h"

enum sandbox_right {
    SANDBOX_NETWORK = 1 << 0,    /* socket, connect, bind, sendto to the network (DNS, relay) */
    SANDBOX_ACCEPT = 1 << 1,     /* accept on sockets that it was given */
    SANDBOX_FILES_READ = 1 << 2, /* open, read below the folder */
    SANDBOX_FILES_WRITE = 1 << 3 /* create, write, rename, delete below the folder */
};

struct sandbox {
    unsigned rights;    /* of enum sandbox_right */
    const char *folder; /* where file rights hold; NULL: nowhere */
};

/* Only the file rights of it, and earlier: for what must not even be opened for writing. Rulesets stack. */
enum err sandbox_confine_files(const struct sandbox *s) MUST_CHECK;
/* ERR_IO when the filter cannot be set; a kernel without Landlock is logged and borne, seccomp is
 * not: a role without it does not run. */
enum err sandbox_enter(const struct sandbox *s) MUST_CHECK;
/* The Landlock ABI of the running kernel; 0 when it has none. */
int sandbox_landlock_abi(void);

#endif
