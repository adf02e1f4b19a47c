/* The door role: every IMAP and POP3 connection until somebody has logged in, and the carrier of its bytes
 * afterwards. It ends TLS; it holds no key of anybody's mail and opens no file. */
#ifndef RETRIEVAL_DOOR_ROLE_H
#define RETRIEVAL_DOOR_ROLE_H

#include "storage/role.h"

extern const struct role_ops door_role_ops;

#endif
