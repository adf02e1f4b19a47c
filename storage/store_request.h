/* The inside of store_client that letter_writer shares: sending any request, bulk and its window, and the
 * epoch keys of this process. */
#ifndef STORAGE_STORE_REQUEST_H
#define STORAGE_STORE_REQUEST_H

#include "storage/messages.h"
#include "storage/store_client.h"

#define STORE_BULK_WINDOW (1024 * 1024)   /* staged bytes that the store has not yet taken */
#define STORE_EPOCH_MS (10 * 60 * 1000)

enum store_request_flag {
    STORE_REQUEST_CHANGE = 1,  /* carries a request id: asked "done?" for after a restart of the store */
    STORE_REQUEST_STAGED = 2   /* leans on chunks that die with the store: not sent again */
};

/* body: what follows req (and rid). Copied. */
uint64_t store_client_request(struct store_client *c, uint16_t type, unsigned flags, struct slice body,
    store_reply_fn fn, void *ctx);
/* A request that ends with this error, by its callback and from the loop, without the store's doing. */
uint64_t store_client_fail(struct store_client *c, enum err why, store_reply_fn fn, void *ctx);
/* A number that grows whenever the store was restarted. */
uint64_t store_client_generation(const struct store_client *c);
/* ERR_STORE_GONE when there is no channel. */
enum err store_client_bulk(struct store_client *c, uint16_t type, struct slice body) MUST_CHECK;
/* The epoch for this vault and generation, made when there is none or its ten minutes are over. Valid
 * until the next call. NULL: the vault's public key is no key. */
const struct seal_epoch *store_client_epoch(struct store_client *c, const struct vault_public *vault);
uint64_t store_client_new_stage(struct store_client *c);

#endif
