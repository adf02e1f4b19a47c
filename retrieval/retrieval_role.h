/* The retrieval role: one process per logged-in account, which holds that account's vault keys and
 * serves its IMAP and POP3 sessions; see session.h for what the sessions share. */
#ifndef RETRIEVAL_RETRIEVAL_ROLE_H
#define RETRIEVAL_RETRIEVAL_ROLE_H

#include "storage/role.h"

extern const struct role_ops retrieval_role_ops;

#endif
