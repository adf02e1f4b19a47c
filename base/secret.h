/* Keys and passwords: one locked arena per process, never in a core dump, wiped on release.
 *
 * The arena is made at secret_init() with mlock and MADV_DONTDUMP; when it is full, secret_new()
 * returns NULL, which callers treat as ERR_LIMIT. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/err.h"
#include "base/slice.h"

#define SECRET_KEY_BYTES 32
#define SECRET_ARENA_BYTES (256 * 1024)
#define SECRET_GRAIN_BYTES 64

/* Also turns core dumps of the process off. ERR_IO when memory cannot be had; that it cannot be
 * locked (RLIMIT_MEMLOCK) is logged and borne. */
enum err secret_init(void) MUST_CHECK;
/* Zeroed; NULL when the arena is full or size is over SECRET_ARENA_BYTES. */
void *secret_new(size_t size);
/* Wipes and gives back; NULL is allowed. size as at secret_new(). */
void secret_free(void *p, size_t size);
void secret_wipe(void *p, size_t size);
/* Constant-time. */
bool secret_equal(const void *a, const void *b, size_t n);
size_t secret_used_bytes(void);

#endif
