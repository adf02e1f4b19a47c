/* The two roles that know who somebody is: auth, which holds the credential database and decides, and
 * hash, which turns a password and a salt into 32 bytes and knows nothing else. */
#ifndef STORAGE_AUTH_ROLE_H
#define STORAGE_AUTH_ROLE_H

#include "storage/role.h"

extern const struct role_ops auth_role_ops;
extern const struct role_ops hash_role_ops;

#endif
