/* The dialogue of AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), as a
 * pure state holder: lines in, a challenge or name and password out. Who checks them is cmd_auth.c's
 * matter. What was decoded is wiped by sasl_clear(). */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include "base/buf.h"
#include "storage/auth_client.h"

#define SASL_MESSAGE_MAX (LOGIN_USER_MAX * 2 + LOGIN_PASSWORD_MAX + 2)

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN };

struct sasl {
    enum sasl_mechanism mechanism;
    bool has_user;           /* LOGIN: the first of the two answers has come */
    struct buf user;
    struct buf password;
};

/* ERR_UNSUPPORTED: no such mechanism. */
enum err sasl_init(struct sasl *x, struct slice mechanism) MUST_CHECK;
void sasl_clear(struct sasl *x);

enum sasl_step { SASL_CHALLENGE, SASL_COMPLETE, SASL_BAD, SASL_CANCELLED };
/* The base64 text to send behind "334 " when the client's turn comes; lives as long as the program. */
struct slice sasl_challenge(const struct sasl *x);
/* The initial response, "=" standing for an empty one (RFC 4954 section 4). */
enum sasl_step sasl_initial(struct sasl *x, struct slice text);
/* A line of the client's: base64, or "*" to cancel. */
enum sasl_step sasl_answer(struct sasl *x, struct slice line);

#endif
