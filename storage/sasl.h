/* The login dialogues of SMTP (RFC 4954), IMAP (RFC 3501) and POP3 (RFC 5034), as a pure state holder:
 * PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802,
 * RFC 7677; channel bindings tls-exporter, RFC 9266, and tls-server-end-point, RFC 5929).
 *
 * Lines in; out a challenge, or what auth is to be asked:
 *
 *     PLAIN, LOGIN: … → SASL_COMPLETE: sasl_login(), auth_login()
 *     SCRAM: client-first → SASL_SALT: auth_scram(), then sasl_take_salt() → SASL_CHALLENGE (server-first)
 *            → client-final → SASL_COMPLETE: sasl_login(), auth_login(), then when it is granted
 *            sasl_take_signature(): a challenge (server-final) → an empty line → SASL_FINISHED
 *
 * What was decoded is wiped by sasl_clear(). Who may use which mechanism is the callers' matter. */
#ifndef STORAGE_SASL_H
#define STORAGE_SASL_H

#include "base/buf.h"
#include "net/stream.h"
#include "storage/auth_client.h"
#include "storage/scram.h"

#define SASL_MESSAGE_MAX 3072
#define SASL_NONCE_MAX 256       /* the client's */
#define SASL_NAMES_MAX 64
#define SASL_BINDING_MAX 64

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN, SASL_SCRAM, SASL_SCRAM_PLUS };
enum sasl_stage { SASL_STAGE_FIRST, SASL_STAGE_SECOND, SASL_STAGE_LAST };

struct sasl {
    enum sasl_mechanism mechanism;
    enum sasl_stage stage;
    struct stream *stream;    /* borrowed; NULL: no channel to bind to */
    struct buf user;
    struct buf password;
    struct buf out;           /* SCRAM: the next challenge, in base64 */
    /* SCRAM */
    struct buf message;       /* AuthMessage as far as it is known */
    struct buf nonce;         /* the client's, then ours behind it */
    struct buf binding;       /* gs2-header and channel binding data, in base64: what "c=" must be */
    uint8_t proof[HASH_BYTES];
};

/* The names to announce, parted by blanks, strongest first. */
void sasl_put_names(struct buf *out, bool has_scram, bool is_secure);
/* ERR_UNSUPPORTED: no such mechanism, or (PLUS) no channel to bind to. */
enum err sasl_init(struct sasl *x, struct slice mechanism, bool has_scram, struct stream *stream) MUST_CHECK;
void sasl_clear(struct sasl *x);

enum sasl_step { SASL_CHALLENGE, SASL_COMPLETE, SASL_SALT, SASL_FINISHED, SASL_BAD, SASL_CANCELLED,
    SASL_DENIED /* acting for another */ };
/* The base64 text to send when the client's turn comes; valid until the next call. */
struct slice sasl_challenge(const struct sasl *x);
/* The initial response, "=" standing for an empty one (RFC 4954 section 4). */
enum sasl_step sasl_initial(struct sasl *x, struct slice text);
/* A line of the client's: base64, or "*" to cancel. */
enum sasl_step sasl_answer(struct sasl *x, struct slice line);
/* After SASL_SALT: server-first becomes the challenge. */
void sasl_take_salt(struct sasl *x, struct slice salt, uint32_t rounds);
/* Fills user and password, or user, message and proof; borrowed from x. */
void sasl_login(const struct sasl *x, struct login *out);
bool sasl_is_scram(const struct sasl *x);
/* After a SCRAM login was granted: server-final becomes the challenge. */
void sasl_take_signature(struct sasl *x, struct slice signature);

#endif
