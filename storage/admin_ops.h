/* The operations that M_ADMIN carries: names and keys. The command line and the supervisor send them;
 * `auth` answers those of user.* and app-password.*, `store` all others. A request is an op and a list
 * of (key, value) pairs, all text (UTF-8); a key that may come several times is marked with "*". The
 * reply (M_ADMIN_REPLY) is an err, a text for people (lines ended by LF, empty when there is nothing to
 * say) and one JSON value (also with an error: {"error": "..."}).
 *
 * The supervisor routes by admin_op_role(). Secrets travel only over the control socket and channels;
 * nobody logs values.
 *
 * auth:
 *   user.add               address, password               creates account, vault and standard mailboxes.
 *                                                          {"address","account","recovery_code"}; the
 *                                                          recovery code is shown this once. ERR_EXISTS;
 *                                                          an interrupted one is simply repeated.
 *   user.password          address, password (new), old    `old` is the old password or the recovery
 *                                                          code. Without `old`: ERR_KEY_MISSING with a
 *                                                          text that says what a reset would lose.
 *   user.recover           address, code, password         new password by the recovery code; makes and
 *                                                          returns a new code: {"recovery_code"}
 *   user.list                                              [{"address","account","state","created",
 *                                                          "app_passwords"}]
 *   user.show              address                         the same object and "credentials": [{"kind",
 *                                                          "label","scopes":[],"created","last_used"}]
 *   user.disable           address                         no login, no submission; letters still come in
 *   user.enable            address
 *   user.remove            address                         the account, its mailboxes and letters
 *   app-password.add       address, label, scope           scope "imap,pop3,smtp". password: the main
 *                          [password]                      one, needed unless scope is smtp alone.
 *                                                          {"app_password","label","scopes"}
 *   app-password.list      address                         [{"label","scopes","created","last_used"}]
 *   app-password.revoke    address, label
 *   login.why              name (address or IP)            {"address" or "network","failures","refused"[,"until"]}
 *   login.unblock          name                            {"forgotten": true or false}
 *
 *   session.open           address, password               an IMAP session in the name of the account, for
 *                                                          the command line: its descriptor comes with the
 *                                                          reply
 *
 * store, asked by auth (over its channel):
 *   account.create         account, vault (decimal ids, chosen by auth, below 2^48), address (canonical),
 *                          generation, public_key (64 hex digits), mailbox* ("SPECIAL_USE HASH NAME":
 *                          decimal enum special_use, 32 hex digits of name hash, hex of the sealed name).
 *                          Repeated with the same account and public key: ERR_OK. Address taken by
 *                          another account or alias: ERR_EXISTS. Domain not ours: ERR_NOT_FOUND.
 *   account.remove         account                         ERR_NOT_FOUND when there is none (borne)
 *   account.disable        account, on ("1" or "0")
 *
 * store, asked by the command line:
 *   account.list           [address]                       [{"address","account","used_bytes","letters",
 *                                                          "quota_bytes","state"}]
 *   account.quota          address, bytes
 *   domain.add             domain [target]                 domain.list, domain.remove: domain
 *   alias.add              address, target*                alias.list, alias.remove: address [target*]
 *   config.set             (name, value)*, all or none     config.get: name; config.list
 *   cert.set               host, chain, key (PEM)          host "": the default. The supervisor checks the
 *                                                          pair and seals the key under its subkey "tls"
 *                                                          (seal_blob, associated data: host): the store
 *                                                          gets the sealed blob in hex as `key`.
 *                                                          cert.show: [{"host","chain"}]; cert.remove: host
 *   route.add              destination, host ("host:port") destination: a domain or "*". tls: may none must
 *                          [tls, user, password]          verify implicit. The supervisor seals the password
 *                                                          (seal_blob, subkey "route", associated data:
 *                                                          destination in canonical form): the store gets it
 *                                                          in hex. route.list; route.remove: destination
 *   dkim.add               domain, selector, algorithm,   algorithm: rsa-sha256 ed25519-sha256. public: base64.
 *                          public, key (PEM)              The supervisor seals the key (seal_blob, subkey
 *                                                          "dkim", associated data: selector._domainkey.domain):
 *                                                          the store gets it in hex. It signs at once when the
 *                                                          domain has none of its kind, else it waits; those
 *                                                          of its kind that waited or were retired go
 *   dkim.activate          domain                          what waits signs; what signed is retired
 *   dns.list               [domain]                       [{"name","type","value"}]: what to publish
 *   dkim.list              [domain]                       [{"domain","selector","algorithm","state","created",
 *                                                          "name","record"}]
 *   queue.list             [domain] [from]                [{"letter","from","to","held","attempts",
 *                                                          "created","next","size","answer"}]
 *   queue.show             letter                          the same, of one letter. queue.hold, queue.release,
 *                                                          queue.drop: letter
 *   relay.check            [domain]                       relay: connects as for a letter to the domain (or to
 *                                                          the smarthost), sends none. {"ok","said"|"error",
 *                                                          "peer","tls"}
 *   queue.retry            [letter]                        a letter, a domain, or without it all: now
 *   status, verify, repair                                 status: the supervisor adds the roles
 */
#ifndef STORAGE_ADMIN_OPS_H
#define STORAGE_ADMIN_OPS_H

#include "base/wire.h"
#include "storage/role.h"

#define ADMIN_PAIRS_MAX 256

/* Who answers an op: ROLE_AUTH for user.* and app-password.*, else ROLE_STORE. */
enum role admin_op_role(struct slice op);

struct admin_pair {
    struct slice key;
    struct slice value;
};

/* One M_ADMIN; slices borrow from the body it was decoded from. */
struct admin_request {
    uint64_t req;
    struct slice op;
    struct admin_pair pairs[ADMIN_PAIRS_MAX];
    size_t count;
};

void admin_request_encode(const struct admin_request *r, struct buf *out);
enum err admin_request_decode(struct slice body, struct admin_request *out) MUST_CHECK;
/* At most ADMIN_PAIRS_MAX pairs; one more is a mistake of the caller's own and ends the process. */
void admin_request_add(struct admin_request *r, const char *key, struct slice value);
/* The first value of that key; an empty slice with p NULL when there is none. */
struct slice admin_request_get(const struct admin_request *r, const char *key);

void admin_reply_encode(uint64_t req, enum err err, struct slice text, struct slice json, struct buf *out);
struct admin_reply {
    uint64_t req;
    enum err err;
    struct slice text;
    struct slice json;
    int fd;              /* of session.open; else -1. Whoever passes the reply on keeps owning it */
};
enum err admin_reply_decode(struct slice body, struct admin_reply *out) MUST_CHECK;

#endif
