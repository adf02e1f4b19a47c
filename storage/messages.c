/* Who may send what to whom; see messages.h. The same table stands in words in docs/architecture.md;
 * tests/unit/test_messages.c holds a second copy, written by hand, against which it is checked. */
#include "storage/messages.h"

#define R(role) (1u << (role))
#define SUP R(ROLE_SUPERVISOR)
#define STORE R(ROLE_STORE)
#define AUTH R(ROLE_AUTH)
#define HASH R(ROLE_HASH)
#define SMTP R(ROLE_SMTP)
#define DOOR R(ROLE_DOOR)
#define RETRIEVAL R(ROLE_RETRIEVAL)
#define RELAY R(ROLE_RELAY)
#define EVERY (R(ROLE_COUNT) - 1u - SUP)

/* One type may have two rules: the senders of the first may send it to the receivers of the first. */
struct rule {
    uint16_t from, to;
    uint16_t also_from, also_to;
};

static const struct rule rules[M_TYPE_MAX] = {
    [M_BOOT] = {SUP, EVERY, 0, 0},
    [M_READY] = {EVERY, SUP, 0, 0},
    [M_CHANNEL] = {SUP, EVERY, 0, 0},
    [M_SETTINGS] = {SUP, EVERY, STORE, SUP},
    [M_CERTIFICATES] = {SUP, EVERY, 0, 0},
    [M_STOP] = {SUP, EVERY, 0, 0},
    [M_SPAWN] = {AUTH, SUP, 0, 0},
    [M_SPAWNED] = {SUP, AUTH, 0, 0},
    [M_ADMIN] = {SUP, STORE | AUTH | RELAY, AUTH, STORE},
    [M_ADMIN_REPLY] = {STORE | AUTH | RELAY, SUP, STORE, AUTH},
    [M_SNAPSHOT] = {SUP, STORE, 0, 0},
    [M_SNAPSHOT_REPLY] = {STORE, SUP, 0, 0},

    [M_LOGIN] = {SMTP | DOOR, AUTH, 0, 0},
    [M_LOGIN_REPLY] = {AUTH, SMTP | DOOR, 0, 0},
    [M_LOGOUT] = {SMTP, AUTH, 0, 0},
    [M_SCRAM] = {SMTP | DOOR, AUTH, 0, 0},
    [M_SCRAM_OFFER] = {AUTH, SMTP | DOOR, 0, 0},
    [M_SCRAM_REPLY] = {AUTH, SMTP | DOOR, 0, 0},
    [M_HASH] = {AUTH, HASH, 0, 0},
    [M_HASH_REPLY] = {HASH, AUTH, 0, 0},
    [M_ATTACH] = {AUTH, RETRIEVAL, 0, 0},
    [M_DETACH] = {RETRIEVAL, AUTH, AUTH, RETRIEVAL},
    [M_SESSION_OPEN] = {AUTH, STORE, 0, 0},
    [M_SESSION_OPENED] = {STORE, AUTH, 0, 0},
    [M_SESSION_CLOSE] = {AUTH, STORE, 0, 0},

    [M_LOOKUP] = {SMTP | RELAY, STORE, 0, 0},
    [M_MAY_SEND_AS] = {SMTP, STORE, 0, 0},
    [M_DONE] = {SMTP | RETRIEVAL | RELAY, STORE, 0, 0},
    [M_STAGE] = {SMTP | RETRIEVAL | RELAY, STORE, 0, 0},
    [M_STAGE_TARGETS] = {SMTP | RELAY, STORE, 0, 0},
    [M_STAGE_RECIPIENTS] = {SMTP, STORE, 0, 0},
    [M_STAGE_DROP] = {SMTP | RETRIEVAL | RELAY, STORE, 0, 0},
    [M_CREDIT] = {STORE, SMTP | RETRIEVAL | RELAY, 0, 0},
    [M_DELIVER] = {SMTP | RELAY, STORE, 0, 0},
    [M_APPEND] = {RETRIEVAL, STORE, 0, 0},
    [M_APPEND_HOLD] = {RETRIEVAL, STORE, 0, 0},
    [M_APPEND_HELD] = {RETRIEVAL, STORE, 0, 0},
    [M_FLAGS] = {RETRIEVAL, STORE, 0, 0},
    [M_EXPUNGE] = {RETRIEVAL, STORE, 0, 0},
    [M_COPY] = {RETRIEVAL, STORE, 0, 0},
    [M_MAILBOX_CREATE] = {RETRIEVAL, STORE, 0, 0},
    [M_MAILBOX_RENAME] = {RETRIEVAL, STORE, 0, 0},
    [M_MAILBOX_DELETE] = {RETRIEVAL, STORE, 0, 0},
    [M_SUBSCRIBE] = {RETRIEVAL, STORE, 0, 0},
    [M_CLAIM_RECENT] = {RETRIEVAL, STORE, 0, 0},
    [M_KEYWORD] = {RETRIEVAL, STORE, 0, 0},
    [M_ADOPT] = {RETRIEVAL, STORE, 0, 0},
    [M_SUMMARY] = {RETRIEVAL, STORE, 0, 0},
    [M_LISTING] = {RETRIEVAL, STORE, 0, 0},
    [M_SEARCH] = {RETRIEVAL, STORE, 0, 0},
    [M_REPLY] = {STORE, SMTP | RETRIEVAL | RELAY, 0, 0},
    [M_RING] = {STORE, RETRIEVAL, 0, 0},
    [M_DIRECTORY] = {STORE, SMTP | RETRIEVAL, 0, 0},

    [M_RELAY_WANT] = {RELAY, STORE, 0, 0},
    [M_RELAY_WORK] = {STORE, RELAY, 0, 0},
    [M_RELAY_FETCH] = {RELAY, STORE, 0, 0},
    [M_RELAY_CHUNKS] = {STORE, RELAY, 0, 0},
    [M_RELAY_RESULT] = {RELAY, STORE, 0, 0},
    [M_RELAY_STATE] = {STORE, RELAY, 0, 0},
    [M_RELAY_ROUTES] = {STORE, RELAY, 0, 0},
    [M_RELAY_DKIM] = {STORE, RELAY, 0, 0},
    [M_RELAY_FORGET] = {STORE, RELAY, 0, 0},
    [M_RELAY_RETRY] = {STORE, RELAY, 0, 0},
};

bool message_allowed(enum role from, enum role to, uint16_t type)
{
    if (type >= M_TYPE_MAX || (unsigned)from >= ROLE_COUNT || (unsigned)to >= ROLE_COUNT)
        return false;
    const struct rule *r = &rules[type];
    return (r->from & R(from) && r->to & R(to)) || (r->also_from & R(from) && r->also_to & R(to));
}
