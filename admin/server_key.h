/* server.key: 32 random bytes from which the server's own secrets are derived. It opens no letter; what
 * it opens is in docs/threat-model.md. Losing it costs the TLS keys kept in the database and the
 * hashes of +detail mailboxes. */
#ifndef ADMIN_SERVER_KEY_H
#define ADMIN_SERVER_KEY_H

#include "admin/data_folder.h"
#include "storage/role.h"

/* One subkey a purpose; the supervisor hands each role only its own. In the locked arena. */
struct server_keys {
    uint8_t fake_salt[32]; /* auth */
    uint8_t name_hash[32]; /* smtp */
    uint8_t queue[32];     /* relay; its public half goes to smtp */
    uint8_t queue_public[32];
    uint8_t route[32];     /* relay opens with it, the supervisor seals: passwords of routes */
    uint8_t dkim[32];      /* relay opens with it, the supervisor seals: keys that sign letters */
    uint8_t tls[32];       /* stays with the supervisor: opens the certificates' keys */
};

/* $CREDENTIALS_DIRECTORY/server.key (systemd), else the file in the folder, which is made, synced, when
 * the folder has no databases yet. ERR_NOT_FOUND: databases without their key; ERR_DAMAGED: not 32
 * bytes. The master is wiped before this returns. */
enum err server_keys_load(const struct data_folder *f, struct server_keys *out) MUST_CHECK;

#endif
