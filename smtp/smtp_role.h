/* The `smtp` role: takes letters from the world (25) and from our own people (465, 587, 2525). */
#ifndef SMTP_ROLE_H
#define SMTP_ROLE_H

#include "storage/role.h"

struct smtp_server;

extern const struct role_ops smtp_role_ops;

/* A session has ended: when the server stops, the last one ends the process. */
void smtp_server_session_gone(struct smtp_server *server);

#endif
