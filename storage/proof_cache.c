/* Remembered proofs; see proof_cache.h. */
#include "storage/proof_cache.h"

#include "base/secret.h"
#include "base/wire.h"

struct proof {
    uint8_t name[HASH_BYTES];
    uint64_t account;          /* 0: free */
    int64_t credential;
    uint64_t until_ms;
    uint8_t sealed[CREDENTIAL_WRAP_MAX];
    size_t sealed_n;
};

struct proof_cache {
    uint8_t *name_key;         /* in the locked arena: two keys of HASH_BYTES */
    struct proof proofs[PROOFS_MAX];
};

struct proof_cache *proof_cache_new(void)
{
    struct proof_cache *p = mem_new(sizeof *p);
    p->name_key = secret_new(2 * HASH_BYTES);
    ENSURE(p->name_key != NULL);
    random_bytes(p->name_key, 2 * HASH_BYTES);
    return p;
}

void proof_cache_free(struct proof_cache *p)
{
    if (!p)
        return;
    secret_free(p->name_key, 2 * HASH_BYTES);
    secret_wipe(p, sizeof *p);
    free(p);
}

static void hash_with(const uint8_t *key, uint64_t account, struct slice password, uint8_t out[HASH_BYTES])
{
    uint8_t id[8];
    memcpy(id, &account, sizeof id);
    hash_blake2b_pair(key, slice_of(id, sizeof id), password, out);
}

static struct proof *find(struct proof_cache *p, const uint8_t name[HASH_BYTES])
{
    for (size_t i = 0; i < PROOFS_MAX; i++)
        if (p->proofs[i].account && secret_equal(p->proofs[i].name, name, HASH_BYTES))
            return &p->proofs[i];
    return NULL;
}

/* A free place, or that of the proof that ends first. */
static struct proof *place(struct proof_cache *p)
{
    struct proof *oldest = &p->proofs[0];
    for (size_t i = 0; i < PROOFS_MAX; i++) {
        if (!p->proofs[i].account)
            return &p->proofs[i];
        if (p->proofs[i].until_ms < oldest->until_ms)
            oldest = &p->proofs[i];
    }
    return oldest;
}

void proof_cache_put(struct proof_cache *p, uint64_t account, int64_t credential, struct slice password,
    const struct vault_keys *keys, uint64_t now_ms)
{
    uint8_t name[HASH_BYTES];
    uint8_t key[HASH_BYTES];
    uint8_t secrets[VAULT_SECRET_BYTES];
    struct buf sealed;
    hash_with(p->name_key, account, password, name);
    hash_with(p->name_key + HASH_BYTES, account, password, key);
    memcpy(secrets, keys->secret_key, SEAL_KEY_BYTES);
    memcpy(secrets + SEAL_KEY_BYTES, keys->symmetric_key, SEAL_KEY_BYTES);
    buf_init(&sealed, CREDENTIAL_WRAP_MAX);
    if (seal_blob(key, slice_of(name, sizeof name), slice_of(secrets, sizeof secrets), &sealed) == ERR_OK) {
        struct proof *e = find(p, name);
        if (!e)
            e = place(p);
        *e = (struct proof){.account = account, .credential = credential,
            .until_ms = now_ms + PROOF_LIFE_MS, .sealed_n = sealed.n};
        memcpy(e->name, name, sizeof name);
        memcpy(e->sealed, sealed.p, sealed.n);
    }
    buf_clear(&sealed);
    secret_wipe(key, sizeof key);
    secret_wipe(secrets, sizeof secrets);
}

enum err proof_cache_get(struct proof_cache *p, uint64_t account, int64_t credential, struct slice password,
    uint64_t now_ms, struct vault_keys *out)
{
    uint8_t name[HASH_BYTES];
    uint8_t key[HASH_BYTES];
    struct buf secrets;
    hash_with(p->name_key, account, password, name);
    const struct proof *e = find(p, name);
    if (!e || e->account != account || e->credential != credential || now_ms >= e->until_ms)
        return ERR_NOT_FOUND;
    hash_with(p->name_key + HASH_BYTES, account, password, key);
    buf_init(&secrets, 4 * VAULT_SECRET_BYTES);
    enum err err = seal_blob_open(key, slice_of(name, sizeof name), slice_of(e->sealed, e->sealed_n),
        &secrets);
    if (!err && secrets.n == VAULT_SECRET_BYTES) {
        memcpy(out->secret_key, secrets.p, SEAL_KEY_BYTES);
        memcpy(out->symmetric_key, secrets.p + SEAL_KEY_BYTES, SEAL_KEY_BYTES);
    } else {
        err = ERR_NOT_FOUND;
    }
    buf_wipe(&secrets);
    secret_wipe(key, sizeof key);
    return err;
}

void proof_cache_drop(struct proof_cache *p, uint64_t account)
{
    for (size_t i = 0; i < PROOFS_MAX; i++)
        if (p->proofs[i].account == account)
            secret_wipe(&p->proofs[i], sizeof p->proofs[i]);
}

void proof_cache_sweep(struct proof_cache *p, uint64_t now_ms)
{
    for (size_t i = 0; i < PROOFS_MAX; i++)
        if (p->proofs[i].account && now_ms >= p->proofs[i].until_ms)
            secret_wipe(&p->proofs[i], sizeof p->proofs[i]);
}
