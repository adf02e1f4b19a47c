/* Error texts; see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>

#include "base/log.h"

static const struct {
    const char *text;
    bool temporary;
} table[ERR_COUNT] = {
    [ERR_OK] = {"done", false},
    [ERR_AGAIN] = {"not ready yet", true},
    [ERR_TIMEOUT] = {"it took too long", true},
    [ERR_CLOSED] = {"the connection is closed", true},
    [ERR_IO] = {"reading or writing failed", true},
    [ERR_DISK_FULL] = {"there is no room left to store it", true},
    [ERR_TOO_BIG] = {"it is larger than the limit", false},
    [ERR_SYNTAX] = {"it is not well-formed", false},
    [ERR_BAD_STATE] = {"it is not possible in this state", false},
    [ERR_NOT_FOUND] = {"there is no such thing", false},
    [ERR_EXISTS] = {"it exists already", false},
    [ERR_DENIED] = {"it is not allowed", false},
    [ERR_BAD_CREDENTIALS] = {"user name or password is wrong", false},
    [ERR_DISABLED] = {"the account is disabled", false},
    [ERR_QUOTA] = {"the mailbox is over its quota", true},
    [ERR_BUSY] = {"it is in use", true},
    [ERR_LIMIT] = {"there are too many", true},
    [ERR_DAMAGED] = {"the stored data is damaged", false},
    [ERR_KEY_MISSING] = {"it is sealed to a key that is not at hand", false},
    [ERR_NOT_EMPTY] = {"it is not empty", false},
    [ERR_UNSUPPORTED] = {"it is not supported", false},
    [ERR_STORE_GONE] = {"the store is being restarted", true},
    [ERR_INTERNAL] = {"an internal error occurred", true},
};

const char *err_text(enum err e)
{
    if ((unsigned)e >= ERR_COUNT || !table[e].text)
        return "an unknown error occurred";
    return table[e].text;
}

bool err_is_temporary(enum err e)
{
    return (unsigned)e < ERR_COUNT && table[e].temporary;
}

enum err err_from_errno(int system_errno)
{
    switch (system_errno) {
    case 0:
        return ERR_OK;
    case EAGAIN:
    case EINTR:
        return ERR_AGAIN;
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK_FULL;
    case EPIPE:
    case ECONNRESET:
        return ERR_CLOSED;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

void ensure_failed(const char *condition, const char *file, int line)
{
    log_event(LOG_ERROR, "broken-invariant", LF("condition", condition), LF("file", file),
        LF_U("line", (uint64_t)line));
    abort();
}
