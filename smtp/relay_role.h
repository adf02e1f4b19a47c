/* The relay role: letters on their way out. See smtp/relay.h and docs/relay.md. */
#ifndef SMTP_RELAY_ROLE_H
#define SMTP_RELAY_ROLE_H

#include "storage/role.h"

extern const struct role_ops relay_role_ops;

#endif
