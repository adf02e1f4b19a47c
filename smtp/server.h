/* What all sessions of one smtp process share: clients of store and auth, TLS, settings, counts. Made
 * by smtp_role.c; sessions borrow it. */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "base/idmap.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/proxy_gate.h"
#include "net/tls.h"
#include "smtp/lookup.h"
#include "storage/auth_client.h"
#include "storage/role.h"
#include "storage/settings.h"
#include "storage/store_client.h"

enum smtp_service {
    SMTP_RECEIVING,    /* 25: from everybody, for our own addresses */
    SMTP_SUBMISSION,   /* 587, 2525: from our own, after STARTTLS and AUTH */
    SMTP_SUBMISSIONS,  /* 465: the same in TLS from the first byte (RFC 8314) */
    SMTP_LOCAL,        /* a socket of this machine: as 25, and LMTP for who says LHLO */
};

/* A copy of the settings, so that no session looks a name up. */
struct smtp_config {
    struct buf host;    /* owned */
    struct buf domain;  /* owned; may be empty */
    uint64_t max_size_bytes;
    uint64_t max_recipients;
    uint64_t max_errors;
    uint64_t max_connections;
    uint64_t max_per_network;
    uint64_t lookup_cache_ms;
    uint64_t network_connections;
    uint64_t network_errors;
    uint64_t max_idle_commands;
    uint64_t greeting_wait_ms;
    bool keeps_bcc;
    bool shows_client;
};

struct smtp_door {
    struct smtp_server *server;
    struct listener *listener;  /* owned */
    enum smtp_service service;
    const char *name;           /* of the listener */
};

struct smtp_server {
    struct role_context *role;      /* borrowed */
    struct loop *loop;              /* borrowed */
    struct store_client *store;     /* owned */
    struct auth_client *auth;       /* owned */
    struct tls_context *tls;        /* owned; NULL without certificates */
    struct smtp_config config;
    struct smtp_door doors[ROLE_LISTENERS_MAX];
    size_t door_count;
    struct proxy_gate *gate;        /* owned; connections of a front until they tell their client */
    struct timer *stop_timer;       /* owned; NULL until is_stopping */
    bool is_stopping;

    struct idmap sessions;          /* by id; each owns itself and leaves when its stream closes */
    struct idmap networks;          /* hash of a network -> number of its connections */
    struct idmap tallies;           /* hash of a network -> struct smtp_tally */
    uint64_t last_id;
    struct lookup_cache lookups;
    struct buf line;                /* scratch: a reply while it is put together */
};

#endif
