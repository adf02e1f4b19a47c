/* One mail transaction: the envelope, and the letter while it comes in. An object apart from the
 * session, with one reset function; a session has one, and uses it again and again. */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include "smtp/data_reader.h"
#include "smtp/reply.h"
#include "smtp/submit_header.h"
#include "storage/letter_writer.h"

struct smtp_transaction {
    uint64_t id;                   /* random; told to the sender and in Received */
    struct buf reverse_path;       /* owned; as written, without "<" ">" */
    struct buf sender;             /* owned; canonical, of a submission; known to be the account's */
    bool is_utf8;                  /* SMTPUTF8 was said */
    uint32_t recipient_count;      /* accepted */
    struct buf recipient;          /* owned; the first, as written, for Received */
    struct store_target *targets;  /* owned; each account and mailbox once */
    size_t target_count;
    size_t target_cap;
    struct buf foreign;            /* owned; queue_recipient after queue_recipient: for the relay */
    uint32_t foreign_count;
    /* while the letter comes in */
    struct letter_writer *letter;  /* owned; NULL once it is refused */
    struct data_reader reader;
    struct submit_header header;   /* submission; while !has_header */
    bool has_header;
    const struct summary *summary; /* of `letter`, while From is looked at */
    uint32_t from_checked;
    enum smtp_reply_name refusal;  /* REPLY_OK while all is well */
    uint64_t started_ms;
    uint64_t received_bytes;       /* as they came */
    uint64_t size_bytes;           /* of the letter, without stuffing and end */
};

void smtp_transaction_init(struct smtp_transaction *t);
/* Back to nothing: what was staged is dropped. Keeps small memory for the next one. */
void smtp_transaction_reset(struct smtp_transaction *t);
/* As reset, and frees all memory. */
void smtp_transaction_clear(struct smtp_transaction *t);

void smtp_transaction_begin(struct smtp_transaction *t, struct slice reverse_path, bool is_utf8);
/* ERR_LIMIT when there are too many targets. `written`: the recipient as the sender wrote it. */
enum err smtp_transaction_add(struct smtp_transaction *t, struct slice written,
    const struct store_target *targets, size_t n) MUST_CHECK;
/* A recipient elsewhere; domain in lower-case A-labels. ERR_LIMIT when there are too many. */
enum err smtp_transaction_add_foreign(struct smtp_transaction *t, struct slice written, struct slice domain)
    MUST_CHECK;
/* From here on nothing of the letter is kept; the first refusal counts. */
void smtp_transaction_refuse(struct smtp_transaction *t, enum smtp_reply_name why);

#endif
