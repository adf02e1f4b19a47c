/* Between the files over credentials.db. */
#ifndef STORAGE_CREDENTIALS_INTERNAL_H
#define STORAGE_CREDENTIALS_INTERNAL_H

#include "storage/credentials.h"
#include "storage/db.h"

enum {
    SQL_ACCOUNT_BY_ADDRESS,
    SQL_ACCOUNT_ALL,
    SQL_ACCOUNT_ADD,
    SQL_ACCOUNT_STATE,
    SQL_ACCOUNT_REMOVE,
    SQL_CREDENTIAL_OF,
    SQL_CREDENTIAL_COUNT,
    SQL_CREDENTIAL_ADD,
    SQL_CREDENTIAL_REMOVE,
    SQL_CREDENTIAL_REMOVE_ALL,
    SQL_CREDENTIAL_TOUCH,
    SQL_SCRAM_OF,
    SQL_SCRAM_ADD,
    SQL_SCRAM_ANY,
    SQL_GUARD_ALL,
    SQL_GUARD_PUT,
    SQL_GUARD_REMOVE,
    SQL_KNOWN_GET,
    SQL_KNOWN_PUT,
    SQL_KNOWN_SWEEP,
    SQL_COUNT
};

struct credentials {
    struct db *db;
};

/* Ends a transaction: commits when all went well, else undoes it. The WAL is copied back at once: what
 * was deleted shall not linger, and this database is small. */
enum err credentials_finish(struct credentials *c, enum err e) MUST_CHECK;

#endif
