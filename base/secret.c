/* The locked arena; see secret.h. A bitmap of 64-byte grains: there are few secrets, so a first-fit
 * search is enough. */
#include "base/secret.h"

#include <errno.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"

#define GRAINS (SECRET_ARENA_BYTES / SECRET_GRAIN_BYTES)

static uint8_t *arena;
static bool taken[GRAINS];
static size_t taken_count;

enum err secret_init(void)
{
    struct rlimit none = {0, 0};
    if (arena)
        return ERR_OK;
    if (sodium_init() < 0)
        return ERR_IO;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    void *p = mmap(NULL, SECRET_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
        0);
    if (p == MAP_FAILED)
        return ERR_IO;
    if (mlock(p, SECRET_ARENA_BYTES) != 0)
        log_event(LOG_WARNING, "keys-not-locked", LF("reason", strerror(errno)));
    madvise(p, SECRET_ARENA_BYTES, MADV_DONTDUMP);
    madvise(p, SECRET_ARENA_BYTES, MADV_WIPEONFORK);
    arena = p;
    return ERR_OK;
}

static size_t grains_of(size_t size)
{
    return size / SECRET_GRAIN_BYTES + (size % SECRET_GRAIN_BYTES != 0) + (size == 0);
}

void *secret_new(size_t size)
{
    ENSURE(arena != NULL);
    if (size > SECRET_ARENA_BYTES)
        return NULL;
    size_t need = grains_of(size);
    size_t run = 0;
    for (size_t i = 0; i < GRAINS; i++) {
        run = taken[i] ? 0 : run + 1;
        if (run < need)
            continue;
        size_t first = i + 1 - need;
        for (size_t k = first; k <= i; k++)
            taken[k] = true;
        taken_count += need;
        return arena + first * SECRET_GRAIN_BYTES;
    }
    return NULL;
}

void secret_free(void *p, size_t size)
{
    if (!p)
        return;
    size_t first = (size_t)((uint8_t *)p - arena) / SECRET_GRAIN_BYTES;
    size_t need = grains_of(size);
    ENSURE((uint8_t *)p >= arena && first + need <= GRAINS && taken[first]);
    sodium_memzero(p, need * SECRET_GRAIN_BYTES);
    for (size_t k = first; k < first + need; k++)
        taken[k] = false;
    taken_count -= need;
}

void secret_wipe(void *p, size_t size)
{
    sodium_memzero(p, size);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

size_t secret_used_bytes(void)
{
    return taken_count * SECRET_GRAIN_BYTES;
}
