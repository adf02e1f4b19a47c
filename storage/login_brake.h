/* A brake on guessing: failures are counted per network in memory, and the more of them, the later
 * the answer to the next failure comes. Networks from which somebody logged in properly are never
 * slowed. It refuses nobody; the caller keeps the number of waiting answers bounded. */
#ifndef STORAGE_LOGIN_BRAKE_H
#define STORAGE_LOGIN_BRAKE_H

#include "base/err.h"
#include "base/slice.h"

#define BRAKE_NETWORKS_MAX 4096
#define BRAKE_FREE_FAILURES 3          /* typing errors are human */
#define BRAKE_STEP_MS 250
#define BRAKE_DELAY_MAX_MS 4000
#define BRAKE_FORGET_MS (10 * 60 * 1000) /* half of the failures are forgotten after so long */

struct login_brake;

struct login_brake *login_brake_new(void);
void login_brake_free(struct login_brake *b);
/* The network of a peer: its /24 (IPv4) or /64 (IPv6) as an opaque number; 0 for what is no address. */
uint64_t login_brake_network(struct login_brake *b, const char *peer);
void login_brake_note_success(struct login_brake *b, uint64_t network, uint64_t now_ms);
/* Counts one failure and says how long its answer shall wait. */
uint64_t login_brake_note_failure(struct login_brake *b, uint64_t network, uint64_t now_ms);
bool login_brake_is_known(const struct login_brake *b, uint64_t network);

#endif
