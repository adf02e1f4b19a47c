/* What a role gives up before the first byte from outside: capabilities, new privileges, files
 * (Landlock, as far as the kernel's ABI goes) and system calls (seccomp).
 *
 * Called by each role after it opened what it needs: from then on no role opens a file, whatever its
 * rights. What is open already is all that it has. Irrevocable. */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/err.h"
#include "base/slice.h"

enum sandbox_right {
    SANDBOX_NETWORK = 1 << 0,    /* socket, connect, bind, sendto to the internet (DNS, relay) */
    SANDBOX_ACCEPT = 1 << 1,     /* accept on sockets that it was given */
    SANDBOX_FILES_READ = 1 << 2, /* what SQLite asks for to read files that are open */
    SANDBOX_FILES_WRITE = 1 << 3 /* and to write them */
};

/* Before the files are opened: this process opens nothing outside folder, and there only to read. */
enum err sandbox_only_read(const char *folder) MUST_CHECK;
/* rights of enum sandbox_right. ERR_IO when the filter cannot be set; a kernel without Landlock is
 * logged and borne, seccomp is not: a role without it does not run. */
enum err sandbox_enter(unsigned rights) MUST_CHECK;
/* The Landlock ABI of the running kernel; 0 when it has none. */
int sandbox_landlock_abi(void);

#endif
