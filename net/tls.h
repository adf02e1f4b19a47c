/* TLS credentials. For servers: several certificates chosen by SNI, ALPN, session tickets, TLS 1.2 and 1.3
 * only. A reload makes a new context and swaps; streams keep the one they began with (counted). */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "base/slice.h"

struct tls_context;

/* One PEM chain with its PEM key. */
struct tls_certificate {
    struct slice chain_pem;
    struct slice key_pem;
};

/* The first certificate serves names that no other covers. alpn: "imap", "pop3" or NULL for none (a
 * client that offers no ALPN is welcome). ERR_SYNTAX: PEM or key do not parse or do not match. */
enum err tls_context_new(const struct tls_certificate *certificates, size_t n, const char *alpn,
    struct tls_context **out) MUST_CHECK;
/* For connections that we make. The system's trust anchors are read here, so before the sandbox. No
 * certificate ends a handshake: who needs one that is right asks stream_verify_peer() afterwards. */
enum err tls_context_new_client(struct tls_context **out) MUST_CHECK;
struct tls_context *tls_context_keep(struct tls_context *c);
void tls_context_release(struct tls_context *c);

/* A self-signed ECDSA P-256 certificate for a host name (and "localhost", 127.0.0.1, ::1 when
 * for_loopback), ten years. Both PEMs are appended. */
enum err tls_self_signed(struct slice host, bool for_loopback, struct buf *out_chain_pem,
    struct buf *out_key_pem) MUST_CHECK;
/* Names (comma separated), SHA-256 fingerprint and end of validity of a PEM chain's first certificate. */
enum err tls_describe(struct slice chain_pem, struct buf *out_names, struct buf *out_fingerprint_hex,
    int64_t *out_not_after) MUST_CHECK;

#endif
