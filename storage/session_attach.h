/* How a logged-in session comes to its retrieval process: what auth tells it beside the descriptor
 * over which the door carries the client's bytes. */
#ifndef STORAGE_SESSION_ATTACH_H
#define STORAGE_SESSION_ATTACH_H

#include "storage/messages.h"
#include "storage/seal.h"

struct session_attach {
    uint64_t session;
    uint64_t account;
    enum login_protocol protocol;
    bool is_secure;
    uint8_t scopes;
    char address[328];            /* the account, for logs and quota roots */
    char peer[64];
    char tag[128];                /* IMAP: tag of the command that logged in, whose OK retrieval says */
    struct vault_keys keys;       /* in the caller's locked memory */
};

void session_attach_encode(const struct session_attach *a, struct buf *out);
enum err session_attach_decode(struct slice body, struct session_attach *out) MUST_CHECK;

#endif
