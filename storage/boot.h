/* What the supervisor tells a role at its start: M_BOOT with the listening sockets, then always one
 * M_CERTIFICATES (of no certificates for roles that have none). Everything else is M_CHANNEL and comes
 * later. Both bodies may hold keys: wipe the buffers. */
#ifndef STORAGE_BOOT_H
#define STORAGE_BOOT_H

#include "storage/messages.h"

struct role_boot {
    uint32_t instance;
    uint64_t account;
    struct slice folder;
    struct slice settings; /* settings_encode */
    struct role_keys keys;
    struct role_listener listeners[ROLE_LISTENERS_MAX];
    size_t listener_count;
};

void role_boot_encode(const struct role_boot *b, struct buf *out);
/* Slices borrow from body. The descriptors are those that came with the message, in order; ERR_SYNTAX
 * when they are not as many as the listeners. */
enum err role_boot_decode(struct slice body, const int *fds, size_t nfds, struct role_boot *out)
    MUST_CHECK;

void role_certificates_encode(const struct role_certificate *list, size_t n, struct buf *out);
/* Replaces and wipes what was in list (ROLE_CERTIFICATES_MAX places). */
enum err role_certificates_decode(struct slice body, struct role_certificate *list, size_t *inout_n)
    MUST_CHECK;
void role_certificates_clear(struct role_certificate *list, size_t *inout_n);

void role_channel_encode(enum role peer, uint32_t instance, uint64_t account, struct buf *out);

#endif
