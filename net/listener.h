/* Listening sockets. The supervisor binds; roles accept. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/err.h"
#include "net/loop.h"

struct listener;

/* "127.0.0.1:2525", "[::1]:143", "*:25" (both families: dual-stack). Non-blocking, close-on-exec,
 * SO_REUSEADDR. ERR_SYNTAX, ERR_BUSY (in use), ERR_DENIED (privileged port), ERR_IO. */
enum err listener_bind(const char *address, int *out_fd) MUST_CHECK;
/* UNIX stream or seqpacket socket at path (an old one is removed), mode as given. */
enum err listener_bind_unix(const char *path, int type, unsigned mode, int *out_fd) MUST_CHECK;

/* on_accept owns fd. Accepts at most LISTENER_BATCH per turn. When descriptors run out it pauses for
 * LISTENER_PAUSE_MS instead of spinning, logs once, and goes on when there is room. */
#define LISTENER_BATCH 64
#define LISTENER_PAUSE_MS 250
struct listener *listener_new(struct loop *l, int fd, void (*on_accept)(void *ctx, int fd), void *ctx);
void listener_pause(struct listener *s);
void listener_resume(struct listener *s);
/* Closes the socket. */
void listener_free(struct listener *s);

#endif
