/* See transaction.h. */
#include "smtp/transaction.h"

#include "base/hash.h"
#include "message/address.h"
#include "smtp/limits.h"
#include "storage/queue.h"

#define TARGETS_KEPT 8 /* memory for so many stays between transactions */
#define FOREIGN_KEPT 1024 /* and for so many bytes of foreign recipients */

void smtp_transaction_init(struct smtp_transaction *t)
{
    *t = (struct smtp_transaction){0};
    buf_init(&t->reverse_path, ADDRESS_MAX);
    buf_init(&t->recipient, ADDRESS_MAX);
    buf_init(&t->foreign, (size_t)QUEUE_RECIPIENTS_MAX * (2 * ADDRESS_MAX + 16));
    buf_init(&t->sender, 2 * ADDRESS_MAX);
    submit_header_init(&t->header);
}

void smtp_transaction_reset(struct smtp_transaction *t)
{
    if (t->letter != NULL)
        letter_writer_free(t->letter);
    t->letter = NULL;
    t->refusal = REPLY_OK;
    t->id = 0;
    t->is_utf8 = false;
    t->recipient_count = 0;
    t->target_count = 0;
    t->foreign_count = 0;
    if (t->foreign.n > FOREIGN_KEPT)
        buf_clear(&t->foreign);
    buf_reset(&t->foreign);
    t->received_bytes = 0;
    t->size_bytes = 0;
    buf_reset(&t->reverse_path);
    buf_reset(&t->recipient);
    buf_reset(&t->sender);
    submit_header_clear(&t->header);
    submit_header_init(&t->header);
    t->has_header = false;
    t->summary = NULL;
    t->from_checked = 0;
    if (t->target_cap > TARGETS_KEPT) {
        free(t->targets);
        t->targets = NULL;
        t->target_cap = 0;
    }
}

void smtp_transaction_clear(struct smtp_transaction *t)
{
    smtp_transaction_reset(t);
    buf_clear(&t->reverse_path);
    buf_clear(&t->recipient);
    buf_clear(&t->foreign);
    buf_clear(&t->sender);
    submit_header_clear(&t->header);
    free(t->targets);
    t->targets = NULL;
    t->target_cap = 0;
}

void smtp_transaction_begin(struct smtp_transaction *t, struct slice reverse_path, bool is_utf8)
{
    smtp_transaction_reset(t);
    t->id = random_u64();
    t->is_utf8 = is_utf8;
    buf_put(&t->reverse_path, reverse_path);
}

static bool has_target(const struct smtp_transaction *t, const struct store_target *target)
{
    for (size_t i = 0; i < t->target_count; i++)
        if (t->targets[i].account == target->account && t->targets[i].mailbox == target->mailbox)
            return true;
    return false;
}

static void make_room(struct smtp_transaction *t)
{
    if (t->target_count < t->target_cap)
        return;
    t->target_cap = t->target_cap == 0 ? 1 : t->target_cap * 2;
    t->targets = mem_resize(t->targets, t->target_cap * sizeof t->targets[0]);
}

enum err smtp_transaction_add(struct smtp_transaction *t, struct slice written,
    const struct store_target *targets, size_t n)
{
    if (n > SMTP_TARGETS_MAX - t->target_count)
        return ERR_LIMIT;
    for (size_t i = 0; i < n; i++) {
        if (has_target(t, &targets[i]))
            continue;
        make_room(t);
        t->targets[t->target_count++] = targets[i];
    }
    if (t->recipient_count++ == 0)
        buf_put(&t->recipient, written);
    return ERR_OK;
}

enum err smtp_transaction_add_foreign(struct smtp_transaction *t, struct slice written, struct slice domain)
{
    struct queue_recipient r = {.address = written, .domain = domain};
    if (t->foreign_count == QUEUE_RECIPIENTS_MAX)
        return ERR_LIMIT;
    queue_recipient_encode(&r, &t->foreign);
    t->foreign_count++;
    if (t->recipient_count++ == 0)
        buf_put(&t->recipient, written);
    return buf_error(&t->foreign);
}

void smtp_transaction_refuse(struct smtp_transaction *t, enum smtp_reply_name why)
{
    if (t->refusal == REPLY_OK)
        t->refusal = why;
    if (t->letter != NULL)
        letter_writer_free(t->letter);
    t->letter = NULL;
}
