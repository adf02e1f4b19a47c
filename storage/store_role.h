/* The store's process; see store.h for what it does. */
#ifndef STORAGE_STORE_ROLE_H
#define STORAGE_STORE_ROLE_H

#include "storage/role.h"

extern const struct role_ops store_role_ops;

#endif
