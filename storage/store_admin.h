/* What the administrative parts of the store share; inside storage/ only. */
#ifndef STORAGE_STORE_ADMIN_H
#define STORAGE_STORE_ADMIN_H

#include "net/sign_key.h"
#include "storage/store.h"

/* Says the sentence, for people and in JSON, and returns e. */
enum err store_admin_refuse(struct store_admin *a, enum err e, const char *sentence) MUST_CHECK;
enum err store_admin_ok(struct store_admin *a) MUST_CHECK;
/* The first value of that key; empty when there is none. */
struct slice store_admin_arg(const struct store_admin *a, const char *key);
enum err store_admin_address(struct store_admin *a, struct slice text, struct buf *out) MUST_CHECK;

/* store_admin_queue.c */
enum err store_dkim_add(struct store_admin *a) MUST_CHECK;
enum err store_dkim_activate(struct store_admin *a) MUST_CHECK;
enum err store_dkim_list(struct store_admin *a) MUST_CHECK;
/* The value of a key's record. */
void store_dkim_record(enum sign_algorithm algorithm, struct slice public, struct buf *out);
/* store_admin_dns.c */
enum err store_dns_list(struct store_admin *a) MUST_CHECK;
/* With its domain. */
enum err store_dkim_forget(struct store *s, struct slice domain) MUST_CHECK;
enum err store_route_add(struct store_admin *a) MUST_CHECK;
enum err store_route_list(struct store_admin *a) MUST_CHECK;
enum err store_route_remove(struct store_admin *a) MUST_CHECK;
enum err store_queue_list(struct store_admin *a) MUST_CHECK;
enum err store_queue_show(struct store_admin *a) MUST_CHECK;
enum err store_queue_retry(struct store_admin *a) MUST_CHECK;
enum err store_queue_hold(struct store_admin *a) MUST_CHECK;
enum err store_queue_release(struct store_admin *a) MUST_CHECK;
enum err store_queue_drop(struct store_admin *a) MUST_CHECK;

enum err store_account_create(struct store_admin *a) MUST_CHECK;
enum err store_account_remove(struct store_admin *a) MUST_CHECK;
enum err store_account_disable(struct store_admin *a) MUST_CHECK;
enum err store_account_list(struct store_admin *a) MUST_CHECK;
enum err store_account_quota(struct store_admin *a) MUST_CHECK;

#endif
