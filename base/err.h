/* The one enum of what can go wrong, with a text for each.
 *
 * Whatever can fail returns it (ERR_OK is 0) and is MUST_CHECK. Protocol sessions map it to reply
 * codes; err_is_temporary() chooses 4xx or 5xx. Texts are for people and carry no internals. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
    ERR_OK = 0,
    ERR_AGAIN,          /* would block; come back */
    ERR_TIMEOUT,        /* a deadline passed */
    ERR_CLOSED,         /* the other end is gone */
    ERR_IO,             /* a system call failed in earnest */
    ERR_DISK_FULL,      /* no room to store */
    ERR_TOO_BIG,        /* beyond a named limit */
    ERR_SYNTAX,         /* not what the grammar allows */
    ERR_BAD_STATE,      /* not now */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_DENIED,         /* not allowed to this session or role */
    ERR_BAD_CREDENTIALS,
    ERR_DISABLED,       /* the account is disabled */
    ERR_QUOTA,          /* over quota */
    ERR_BUSY,           /* held by somebody else for now */
    ERR_LIMIT,          /* too many of something */
    ERR_DAMAGED,        /* a seal does not verify, or a row makes no sense */
    ERR_KEY_MISSING,    /* sealed to a key that this session does not hold */
    ERR_NOT_EMPTY,
    ERR_UNSUPPORTED,
    ERR_STORE_GONE,     /* the store process is being restarted */
    ERR_INTERNAL,       /* our own mistake */
    ERR_COUNT
};

const char *err_text(enum err e);
/* Whether trying again later may help (4xx, NO with TRYCREATE-like hope), as opposed to 5xx. */
bool err_is_temporary(enum err e);
/* Maps errno values to ERR_DISK_FULL, ERR_AGAIN, ERR_CLOSED, ERR_NOT_FOUND, ERR_DENIED or ERR_IO. */
enum err err_from_errno(int system_errno);

/* A broken invariant of our own: logs one line and aborts, also in release builds. */
#define ENSURE(condition) ((condition) ? (void)0 : ensure_failed(#condition, __FILE__, __LINE__))
__attribute__((noreturn)) void ensure_failed(const char *condition, const char *file, int line);

#endif
