/* The brake on guessing: failures are counted per network and per name that was tried, across protocols.
 * The more of them, the later the answer to the next failure comes; at last attempts are refused for a
 * while. Half of the failures are forgotten every BRAKE_FORGET_S.
 *
 * Who refuses, and whom it spares (an account on a network from which it has logged in properly), is
 * auth_login.c's matter. Names and networks stand here as keyed hashes: what somebody typed by mistake
 * where the name goes is kept nowhere. Entries that changed are written to credentials.db by
 * login_brake_flush(), so that a restart forgets nothing. Times are wall-clock seconds: they must
 * outlive the process; one that lies in the future beyond what is possible is cut to it. */
#ifndef STORAGE_LOGIN_BRAKE_H
#define STORAGE_LOGIN_BRAKE_H

#include "base/err.h"
#include "base/slice.h"

#define BRAKE_ENTRIES_MAX 4096           /* of each kind */
#define BRAKE_FREE_FAILURES 3            /* typing errors are human */
#define BRAKE_STEP_MS 250
#define BRAKE_DELAY_MAX_MS 4000
#define BRAKE_FORGET_S (10 * 60)
#define BRAKE_NETWORK_FAILURES 20        /* from here on a network is refused */
#define BRAKE_NAME_FAILURES 50           /* and a name, from networks that it was never used from */
#define BRAKE_REFUSE_S (10 * 60)
#define BRAKE_KEY_BYTES 16
#define BRAKE_FLUSH_MAX 256              /* entries of one commit */

enum brake_kind { BRAKE_NETWORK = 1, BRAKE_NAME = 2, BRAKE_KINDS };

struct brake_entry {
    uint8_t key[BRAKE_KEY_BYTES];
    int64_t at;                          /* of the last failure; 0: the place is free */
    int64_t refused_until;
    uint32_t failures;
    bool is_dirty;
};

struct login_brake;

/* key: a subkey that outlives the process. */
struct login_brake *login_brake_new(const uint8_t key[32]);
void login_brake_free(struct login_brake *b);
/* "192.0.2.0/24", "2001:db8::/64" of a peer's address; false for what is none. */
bool login_brake_network(const char *peer, char out[64]);
void login_brake_key(const struct login_brake *b, enum brake_kind kind, const char *name,
    uint8_t out[BRAKE_KEY_BYTES]);
/* Of an account and a network that it logged in from. */
void login_brake_pair(const struct login_brake *b, const char *name, const char *network,
    uint8_t out[BRAKE_KEY_BYTES]);

/* Counts one failure and says how long its answer shall wait. */
uint64_t login_brake_note_failure(struct login_brake *b, enum brake_kind kind,
    const uint8_t key[BRAKE_KEY_BYTES], int64_t now);
/* Forgets all failures; true when there were any. */
bool login_brake_forgive(struct login_brake *b, enum brake_kind kind, const uint8_t key[BRAKE_KEY_BYTES]);
/* A copy as things stand now; false when nothing is known. */
bool login_brake_find(const struct login_brake *b, enum brake_kind kind, const uint8_t key[BRAKE_KEY_BYTES],
    int64_t now, struct brake_entry *out);
bool login_brake_refuses(const struct login_brake *b, enum brake_kind kind,
    const uint8_t key[BRAKE_KEY_BYTES], int64_t now);

/* Puts back an entry that was kept. */
void login_brake_load(struct login_brake *b, enum brake_kind kind, const struct brake_entry *e, int64_t now);
/* Takes up to BRAKE_FLUSH_MAX changed entries of a kind; they count as written. */
size_t login_brake_flush(struct login_brake *b, enum brake_kind kind, struct brake_entry *out);

#endif
