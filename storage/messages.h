/* The types of all messages between roles, and who may send which: the table in messages.c
 * (message_allowed) is the right list; store and auth refuse what is not in it and cut the channel.
 *
 * Bodies are base/wire.h fields, in the order given here. A request begins with `req` (u64), chosen by
 * the sender, and its reply repeats it. A change carries `rid`, 16 random bytes, by which "done?" can
 * be asked after a crash. */
#ifndef STORAGE_MESSAGES_H
#define STORAGE_MESSAGES_H

#include "base/wire.h"
#include "storage/role.h"

enum message_type {
    /* supervisor <-> every role, on the control channel */
    M_BOOT = 1,         /* s->r: see role.c */
    M_READY,            /* r->s: nothing */
    M_CHANNEL,          /* s->r: peer role u8, instance u32, account u64; one fd */
    M_SETTINGS,         /* s->r: settings_encode; st->s: after a change */
    M_CERTIFICATES,     /* s->r: n u16, n times (bytes chain, bytes key); r re-makes its TLS contexts */
    M_STOP,             /* s->r: end in good order */
    M_SPAWN,            /* auth->s: account u64: start (or find) that account's retrieval role */
    M_SPAWNED,          /* s->auth: account u64, instance u32; one fd: channel to it. (M_CHANNEL is not
                           sent for it.) Also sent for living ones after auth was restarted. */
    M_ADMIN,            /* CLI->s->store|auth, auth->store: req u64, op bytes, n u16, n times (bytes key,
                           bytes value). Control channel or role channel. */
    M_ADMIN_REPLY,      /* req u64, err u16, bytes text for people, bytes JSON */
    M_SNAPSHOT,         /* s->store at start: nothing */
    M_SNAPSHOT_REPLY,   /* store->s: bytes settings, n u16, n times (bytes host pattern, bytes chain PEM,
                           bytes sealed key PEM): seal_blob under the server subkey "tls" */

    /* smtp, door -> auth */
    M_LOGIN = 32,       /* req, protocol u8, secure u8, bytes peer, bytes user, bytes password, bytes tag,
                           bytes SCRAM message, bytes SCRAM proof (empty, or 32 in place of a password) */
    M_LOGIN_REPLY,      /* req, err u16, session u64, account u64, bytes address, bytes SCRAM signature;
                           door: one fd when ok */
    M_LOGOUT,           /* smtp -> auth: session u64 */
    /* auth <-> hash */
    M_HASH,             /* req, opslimit u64, memlimit u64, salt fixed 16, bytes password */
    M_HASH_REPLY,       /* req, err u16, fixed 32 */
    /* auth <-> retrieval */
    M_ATTACH,           /* session_attach.h; one fd */
    M_DETACH,           /* session u64. retrieval->auth: it is over. auth->retrieval: end it, its
                           credential was revoked. Session 0, retrieval->auth: may it end? auth closes
                           the channel when no session is on the way */
    /* auth -> store */
    M_SESSION_OPEN,     /* req, session u64, role u8, instance u32, account u64, scopes u8 */
    M_SESSION_OPENED,   /* req, err u16 */
    M_SESSION_CLOSE,    /* session u64 */
    /* smtp, door <-> auth */
    M_SCRAM,            /* req, bytes user */
    M_SCRAM_OFFER,      /* auth->: u8, whether any account has an app password that SCRAM could prove */
    M_SCRAM_REPLY,      /* req, bytes salt, rounds u32: also of names that do not exist */

    /* smtp, retrieval, relay -> store: look-ups */
    M_LOOKUP = 64,      /* req, bytes canonical address */
    M_MAY_SEND_AS,      /* req, session u64, bytes canonical address */
    M_DONE,             /* req, rid: was this change committed? reply M_REPLY err OK or NOT_FOUND */
    /* letters */
    M_STAGE,            /* stage u64 (chosen by the sender), uid 16, number u32, bytes sealed chunk */
    M_STAGE_TARGETS,    /* stage u64, targets (as in M_DELIVER): more than one message holds */
    M_STAGE_RECIPIENTS, /* stage u64, n times queue_recipient: foreign ones, more than one message holds */
    M_STAGE_DROP,       /* stage u64 */
    M_CREDIT,           /* store->r: bytes u64 taken from bulk */
    M_DELIVER,          /* req, rid, session u64 (0: from outside, or relay's own), bytes outbound, bytes
                           results, letter, targets; letter_message.h. outbound: empty, or queue_letter,
                           n times queue_recipient (of a session alone). results: n times queue_result,
                           that are true once this report is delivered (of relay alone) */
    M_APPEND,           /* req, rid, session u64, letter, mailbox u64, flags u64, date i64, one target */
    M_APPEND_HOLD,      /* group u64 (a stage of the sender's; M_STAGE_DROP ends it), then as M_APPEND from
                           letter on: kept until M_APPEND_HELD. No reply */
    M_APPEND_HELD,      /* req, rid, session u64, group u64, n u32, mailbox u64, uid u32: the group's n letters,
                           all or none; a UID that is not 0 is expunged with that */
    /* changes of a retrieval session: req, rid, session, … */
    M_FLAGS,            /* mailbox u64, op u8, flags u64, unchanged_since u64, n u32, n ranges */
    M_EXPUNGE,          /* mailbox u64, whatever u8 (or EXPUNGE_WHOLE), n u32, n ranges */
    M_COPY,             /* from u64, to u64, move u8, n u32, n ranges */
    M_MAILBOX_CREATE,   /* parent u64, special use u8, bytes sealed name, fixed 16 name hash */
    M_MAILBOX_RENAME,   /* mailbox u64, parent u64, bytes sealed name, fixed 16 hash */
    M_MAILBOX_DELETE,   /* mailbox u64 */
    M_SUBSCRIBE,        /* mailbox u64, on u8 */
    M_CLAIM_RECENT,     /* mailbox u64 */
    M_KEYWORD,          /* bytes sealed name, fixed 16 hash */
    M_ADOPT,            /* vault u64, n u32, n times (letter u64, wrap WRAP_BYTES) */
    M_SUMMARY,          /* letter u64, bytes sealed */
    M_SEARCH,           /* op u8 (store_search_op), vault u64, segment u64, number u64, upto u64,
                           bytes sealed */
    M_LISTING,          /* mailbox u64, first u32, last u32, bytes sealed: listing.h */
    /* store -> smtp, retrieval, relay */
    M_REPLY,            /* req, err u16, modseq u64, value u64, uidvalidity u32, n u32 ranges, n u32
                           ranges, n u16 targets (account, mailbox, vault u64, generation u32, key 32,
                           bytes address) */
    M_RING,             /* mailbox u64, modseq u64 */
    M_DIRECTORY,        /* nothing: addresses changed */
    /* the queue (storage/queue.h) */
    M_RELAY_WANT,       /* relay->store: n u32, so many recipients more. The first one on a channel begins
                           anew: all that is due is handed out (again) */
    M_RELAY_WORK,       /* n times queue_work */
    M_RELAY_FETCH,      /* relay->store: cookie u64, letter u64, number u32: chunks from that number on
                           (CHUNK_PREFIX: that one, then 0, 1 …), as many as fit */
    M_RELAY_CHUNKS,     /* cookie u64, err u16, n times (number u32, bytes sealed) */
    M_RELAY_RESULT,     /* req, rid, n times queue_result */
    M_RELAY_STATE,      /* n times queue_result: destinations that failed, at the beginning */
    M_RELAY_ROUTES,     /* n times queue_route: all; at the beginning and after a change */
    M_RELAY_DKIM,       /* is_first u8, n times (domain, selector bytes, algorithm u8, sealed key bytes): all keys
                           that sign; at the beginning and after a change, in as many messages as needed */
    M_RELAY_FORGET,     /* letter u64: held or dropped by hand */
    M_RELAY_RETRY,      /* bytes destination (empty: every one): try now */
    M_TYPE_MAX
};

enum login_protocol { LOGIN_SMTP = 1, LOGIN_IMAP = 2, LOGIN_POP3 = 3 };
/* Of M_EXPUNGE: whatever its flags, and in one piece. */
#define EXPUNGE_WHOLE 2
/* Scopes of a credential. */
#define SCOPE_SMTP 1
#define SCOPE_IMAP 2
#define SCOPE_POP3 4
#define SCOPE_ALL 7

/* Whether role `from` may send this type to role `to`. */
bool message_allowed(enum role from, enum role to, uint16_t type);

#endif
