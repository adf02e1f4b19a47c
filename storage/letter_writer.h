/* A letter on its way in: fed as bytes come, parsed once, cut into chunks that are compressed, sealed
 * and handed to the store as they fill, so that a 50 MB letter never stands in memory. Used by smtp
 * (delivery), by retrieval (APPEND) and by import.
 *
 *     new → feed … feed → finish → (read the summary) → deliver or append → callback → free
 *
 * Freed early, what was staged is dropped. A letter whose sealed content is small travels in the one
 * message that commits it. When the store dies before the end, staged chunks died with it: the
 * callback comes with ERR_STORE_GONE and the sender is told to come again. */
#ifndef STORAGE_LETTER_WRITER_H
#define STORAGE_LETTER_WRITER_H

#include "message/summary.h"
#include "storage/store_client.h"

#define LETTER_PREFIX_MAX 16384   /* Return-Path, Received, Authentication-Results, … */

struct letter_writer;

struct letter_writer *letter_writer_new(struct store_client *c);
void letter_writer_free(struct letter_writer *w);
/* While true, do not feed: the store is behind. store_client's on_drained says when to go on. */
bool letter_writer_is_full(const struct letter_writer *w);
void letter_writer_feed(struct letter_writer *w, struct slice bytes);
uint64_t letter_writer_size(const struct letter_writer *w);
/* No more bytes. The summary lives until free. */
const struct summary *letter_writer_finish(struct letter_writer *w);

/* One commit for all targets: content once, K wrapped per vault, a Delivered-To per target. prefix:
 * trace header lines, each with CRLF. Targets with the same account count once. The epoch keys are
 * kept by the process (store_client). value: number of mails stored. */
void letter_deliver(struct letter_writer *w, struct slice prefix, const struct store_target *targets,
    size_t n, store_reply_fn fn, void *ctx);
/* Submission: as letter_deliver, in the name of a session with scope smtp. */
/* What goes into the queue for recipients elsewhere; see queue.h. recipients: encoded one behind the other. */
struct letter_outbound {
    struct slice sender;
    uint8_t flags;                    /* QUEUE_UTF8 and what RET said; the others are found here */
    struct slice envid;
    struct slice recipients;
    struct vault_public key;          /* queue_public_of() */
};
/* outbound NULL, or n 0: all recipients are here, or none is. */
void letter_submit(struct letter_writer *w, uint64_t session, struct slice prefix,
    const struct store_target *targets, size_t n, const struct letter_outbound *outbound, store_reply_fn fn,
    void *ctx);
/* Of relay: a report on a letter in the queue; results (queue_result) become true in the same commit. */
void letter_report(struct letter_writer *w, struct slice prefix, const struct store_target *targets, size_t n,
    struct slice results, store_reply_fn fn, void *ctx);
/* APPEND, wrapped for keys' vault at once. internal_date in seconds; INT64_MIN: now. value: UID,
 * uidvalidity: the mailbox's. */
void letter_append(struct letter_writer *w, uint64_t session, const struct vault_keys *keys,
    uint64_t mailbox, uint64_t flags, int64_t internal_date, store_reply_fn fn, void *ctx);

/* Several letters in one commit, all or none (RFC 3502, RFC 8508): new → hold each → commit → callback → free.
 * A writer may be freed once it is held. Freed early, the group is forgotten. */
struct letter_group;
struct letter_group *letter_group_new(struct store_client *c);
void letter_group_free(struct letter_group *g);
/* Finishes the letter and hands it over. What fails is told by the commit. */
void letter_group_hold(struct letter_group *g, struct letter_writer *w, const struct vault_keys *keys,
    uint64_t mailbox, uint64_t flags, int64_t internal_date);
/* replaced_uid, if not 0, is expunged from replaced_mailbox in the same commit: ERR_NOT_FOUND when it is gone.
 * ranges: one, the UIDs in order; value: the last. ERR_LIMIT: too much for one commit. */
void letter_group_commit(struct letter_group *g, uint64_t session, uint64_t replaced_mailbox,
    uint32_t replaced_uid, store_reply_fn fn, void *ctx);

#endif
