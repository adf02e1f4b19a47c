/* Failure counters; see login_brake.h. Two tables of fixed size: a key is looked for in a few places, and
 * takes the place of the one not heard of for longest, so that a flood of names costs no memory. */
#include "storage/login_brake.h"

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/hash.h"

#define PLACES 8

struct login_brake {
    uint8_t key[HASH_BYTES];
    struct brake_entry entries[BRAKE_KINDS][BRAKE_ENTRIES_MAX];
    bool is_dirty[BRAKE_KINDS];
};

struct login_brake *login_brake_new(const uint8_t key[32])
{
    struct login_brake *b = mem_new(sizeof *b);
    memcpy(b->key, key, sizeof b->key);
    return b;
}

void login_brake_free(struct login_brake *b)
{
    free(b);
}

bool login_brake_network(const char *peer, char out[64])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t bytes[16] = {0};
    char text[INET6_ADDRSTRLEN];
    bool is_four = inet_pton(AF_INET, peer, bytes) == 1;
    if (!is_four && inet_pton(AF_INET6, peer, bytes) != 1)
        return false;
    if (!is_four && memcmp(bytes, mapped, sizeof mapped) == 0) {
        memmove(bytes, bytes + 12, 4);
        is_four = true;
    }
    if (is_four)
        bytes[3] = 0;
    else
        memset(bytes + 8, 0, 8);
    if (!inet_ntop(is_four ? AF_INET : AF_INET6, bytes, text, sizeof text))
        return false;
    snprintf(out, 64, "%s/%d", text, is_four ? 24 : 64);
    return true;
}

void login_brake_key(const struct login_brake *b, enum brake_kind kind, const char *name,
    uint8_t out[BRAKE_KEY_BYTES])
{
    uint8_t hash[HASH_BYTES];
    hash_blake2b_pair(b->key, kind == BRAKE_NETWORK ? SLICE("network") : SLICE("name"), slice_str(name), hash);
    memcpy(out, hash, BRAKE_KEY_BYTES);
}

void login_brake_pair(const struct login_brake *b, const char *name, const char *network,
    uint8_t out[BRAKE_KEY_BYTES])
{
    uint8_t hash[HASH_BYTES];
    hash_blake2b_pair(b->key, slice_str(name), slice_str(network), hash);
    memcpy(out, hash, BRAKE_KEY_BYTES);
}

static size_t place_of(const uint8_t key[BRAKE_KEY_BYTES], size_t i)
{
    uint32_t n;
    memcpy(&n, key, sizeof n);
    return (n + i) % BRAKE_ENTRIES_MAX;
}

static struct brake_entry *find(const struct login_brake *b, enum brake_kind kind,
    const uint8_t key[BRAKE_KEY_BYTES])
{
    for (size_t i = 0; i < PLACES; i++) {
        const struct brake_entry *e = &b->entries[kind][place_of(key, i)];
        if (e->at != 0 && memcmp(e->key, key, BRAKE_KEY_BYTES) == 0)
            return (struct brake_entry *)(uintptr_t)e;
    }
    return NULL;
}

/* The key's entry, put in the place of the oldest when it has none. */
static struct brake_entry *take(struct login_brake *b, enum brake_kind kind,
    const uint8_t key[BRAKE_KEY_BYTES], int64_t now)
{
    struct brake_entry *e = find(b, kind, key);
    if (e)
        return e;
    e = &b->entries[kind][place_of(key, 0)];
    for (size_t i = 1; i < PLACES; i++) {
        struct brake_entry *other = &b->entries[kind][place_of(key, i)];
        if (other->at < e->at)
            e = other;
    }
    *e = (struct brake_entry){.at = now};
    memcpy(e->key, key, BRAKE_KEY_BYTES);
    return e;
}

/* What is left of it now. */
static void age(struct brake_entry *e, int64_t now)
{
    if (e->at > now)
        e->at = now; /* the clock was set back */
    if (e->refused_until > now + BRAKE_REFUSE_S)
        e->refused_until = now + BRAKE_REFUSE_S;
    for (; now - e->at >= BRAKE_FORGET_S && e->failures; e->at += BRAKE_FORGET_S)
        e->failures /= 2;
}

uint64_t login_brake_note_failure(struct login_brake *b, enum brake_kind kind,
    const uint8_t key[BRAKE_KEY_BYTES], int64_t now)
{
    struct brake_entry *e = take(b, kind, key, now);
    uint32_t most = kind == BRAKE_NETWORK ? BRAKE_NETWORK_FAILURES : BRAKE_NAME_FAILURES;
    age(e, now);
    e->at = now;
    e->is_dirty = b->is_dirty[kind] = true;
    if (e->failures < UINT32_MAX)
        e->failures++;
    if (e->failures >= most && e->refused_until <= now)
        e->refused_until = now + BRAKE_REFUSE_S;
    if (e->failures <= BRAKE_FREE_FAILURES)
        return 0;
    unsigned doublings = e->failures - BRAKE_FREE_FAILURES - 1;
    uint64_t delay = doublings > 10 ? BRAKE_DELAY_MAX_MS : (uint64_t)BRAKE_STEP_MS << doublings;
    return delay < BRAKE_DELAY_MAX_MS ? delay : BRAKE_DELAY_MAX_MS;
}

bool login_brake_forgive(struct login_brake *b, enum brake_kind kind, const uint8_t key[BRAKE_KEY_BYTES])
{
    struct brake_entry *e = find(b, kind, key);
    if (!e || (e->failures == 0 && e->refused_until == 0))
        return false;
    e->failures = 0;
    e->refused_until = 0;
    e->is_dirty = b->is_dirty[kind] = true;
    return true;
}

bool login_brake_find(const struct login_brake *b, enum brake_kind kind, const uint8_t key[BRAKE_KEY_BYTES],
    int64_t now, struct brake_entry *out)
{
    const struct brake_entry *e = find(b, kind, key);
    if (!e)
        return false;
    *out = *e;
    age(out, now);
    return out->failures > 0 || out->refused_until > now;
}

bool login_brake_refuses(const struct login_brake *b, enum brake_kind kind,
    const uint8_t key[BRAKE_KEY_BYTES], int64_t now)
{
    struct brake_entry e;
    return login_brake_find(b, kind, key, now, &e) && e.refused_until > now;
}

void login_brake_load(struct login_brake *b, enum brake_kind kind, const struct brake_entry *kept, int64_t now)
{
    struct brake_entry *e = take(b, kind, kept->key, now);
    *e = *kept;
    age(e, now);
    if (e->at == 0)
        e->at = 1;
    e->is_dirty = false;
}

size_t login_brake_flush(struct login_brake *b, enum brake_kind kind, struct brake_entry *out)
{
    size_t n = 0;
    for (size_t i = 0; b->is_dirty[kind] && i < BRAKE_ENTRIES_MAX && n < BRAKE_FLUSH_MAX; i++) {
        struct brake_entry *e = &b->entries[kind][i];
        if (!e->is_dirty)
            continue;
        e->is_dirty = false;
        out[n++] = *e;
    }
    b->is_dirty[kind] = n == BRAKE_FLUSH_MAX; /* the next call goes on */
    return n;
}
