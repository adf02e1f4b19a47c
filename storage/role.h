/* The processes and how they start: each role is this same binary, started by the supervisor with
 * `--role NAME` and a control channel on descriptor ROLE_CONTROL_FD, over which it gets a boot
 * message (settings, keys, certificates), its listening sockets and its channels to other roles. It
 * opens what it needs, enters its sandbox, and says ready; only then does anything from outside
 * reach it. docs/architecture.md has the table of who holds what. */
#ifndef STORAGE_ROLE_H
#define STORAGE_ROLE_H

#include "base/buf.h"
#include "net/channel.h"
#include "net/loop.h"

#define ROLE_CONTROL_FD 3
#define ROLE_LISTENERS_MAX 12

enum role {
    ROLE_SUPERVISOR = 0,
    ROLE_STORE,
    ROLE_AUTH,
    ROLE_HASH,
    ROLE_SMTP,
    ROLE_DOOR,
    ROLE_RETRIEVAL,
    ROLE_RELAY,
    ROLE_COUNT
};

const char *role_name(enum role r);

/* Subkeys of server.key; each role gets only its own (docs/schema.md, key table). All zero when not
 * for this role. */
struct role_keys {
    uint8_t fake_salt[32];   /* auth: salts shown for unknown names */
    uint8_t name_hash[32];   /* smtp: +detail mailboxes */
    uint8_t queue_public[32]; /* smtp: letters on their way out are sealed to it */
    uint8_t queue[32];       /* relay: opens them (queue_keys_from) */
    uint8_t route[32];       /* relay: opens the passwords of routes */
    uint8_t dkim[32];        /* relay: opens the keys that sign letters */
};

struct role_listener {
    char name[24];           /* smtp submission submissions submission-alt imap imaps pop3 pop3s */
    int fd;
};

struct role_certificate {
    struct buf chain_pem;
    struct buf key_pem;
};
#define ROLE_CERTIFICATES_MAX 16

/* Settings as the store keeps them: names of settings.h, values as text. */
struct settings;

struct role_context {
    const struct role_ops *ops;
    struct loop *loop;
    struct channel *control;
    uint32_t instance;        /* unique over the life of the supervisor */
    uint64_t account;         /* retrieval: whose */
    char *folder;             /* data folder, absolute */
    struct settings *settings;
    struct role_keys *keys;   /* in the locked arena */
    struct role_listener listeners[ROLE_LISTENERS_MAX];
    size_t listener_count;
    struct role_certificate certificates[ROLE_CERTIFICATES_MAX]; /* smtp and door; [0] the default */
    size_t certificate_count;
    bool stopping;
    void *state;              /* the role's own */
};

struct role_ops {
    enum role role;
    unsigned sandbox_rights;  /* base/sandbox.h */
    /* Opens what it needs; boot data is complete, channels come right after by on_channel. Before
     * the sandbox. An error ends the process with a log line. */
    enum err (*start)(struct role_context *c);
    /* A channel to another role: at the start, and again after that role was restarted (the old one
     * is closed then). Owns fd. account: of a retrieval peer, else 0. */
    void (*on_channel)(struct role_context *c, enum role peer, uint32_t instance, uint64_t account,
        int fd);
    /* Settings or certificates in the context have been replaced. May be NULL. */
    void (*on_settings)(struct role_context *c);
    void (*on_certificates)(struct role_context *c);
    /* Another message on the control channel (types in storage/messages.h). May be NULL. */
    void (*on_control)(struct role_context *c, uint16_t type, struct slice body, const int *fds,
        size_t nfds);
    /* SIGTERM or the supervisor's word: stop accepting, finish replies, then role_stop(). NULL: stops
     * at once. */
    void (*on_stop)(struct role_context *c);
};

/* The whole life of a role process; returns its exit status. c->settings keeps its address for life. */
int role_main(const struct role_ops *ops);
/* Ends the loop; role_main returns 0. */
void role_stop(struct role_context *c);

#endif
