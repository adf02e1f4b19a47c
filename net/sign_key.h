/* Private keys that sign hashes (GnuTLS): RSA with SHA-256 (RFC 8017 section 8.2) and Ed25519 over a hash (RFC
 * 8463 section 3). Used for DKIM. Making an RSA key takes some tenths of a second: never on a loop. */
#ifndef NET_SIGN_KEY_H
#define NET_SIGN_KEY_H

#include "base/buf.h"

#define SIGN_HASH_BYTES 32
#define SIGN_RSA_BITS 2048       /* RFC 8301 section 3.2: what every verifier takes */
#define SIGN_PEM_MAX 4096
#define SIGN_BYTES_MAX 512       /* of a signature */

enum sign_algorithm { SIGN_RSA_SHA256 = 1, SIGN_ED25519_SHA256 = 2 };
/* "rsa-sha256", "ed25519-sha256" as in DKIM's a= tag; the part before the dash is the k= of its record. */
const char *sign_algorithm_name(enum sign_algorithm a);
bool sign_algorithm_parse(struct slice name, enum sign_algorithm *out);

struct sign_key;

/* A new pair: the private key as PEM (PKCS #8; wipe it), the public one as DKIM records have it: RSA a
 * SubjectPublicKeyInfo (DER), Ed25519 its 32 bytes. */
enum err sign_key_make(enum sign_algorithm a, struct buf *out_pem, struct buf *out_public) MUST_CHECK;
/* ERR_SYNTAX: not a key of that kind. */
enum err sign_key_open(enum sign_algorithm a, struct slice pem, struct sign_key **out) MUST_CHECK;
/* NULL is fine. */
void sign_key_free(struct sign_key *k);
/* Appends the signature of a SHA-256 hash. */
enum err sign_key_sign(const struct sign_key *k, const uint8_t hash[SIGN_HASH_BYTES], struct buf *out) MUST_CHECK;

#endif
