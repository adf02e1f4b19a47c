/* The schema as SQL. Applied by db_open() when a file is new; later versions are numbered migrations
 * that follow. See docs/schema.md for the key table and for what stays readable. */
#include "storage/schema.h"

const char *const schema_mail_v1 =
    /* Settings as text; only names of settings.c. */
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    /* Our domains, in lower-case A-labels. target: a domain alias's real domain. */
    "CREATE TABLE domain(name TEXT PRIMARY KEY, target TEXT REFERENCES domain(name)) STRICT, WITHOUT ROWID;"
    /* state: 0 active, 1 disabled, 2 being removed. quota_bytes 0: none. */
    "CREATE TABLE account(id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 2), created INTEGER NOT NULL,"
    " quota_bytes INTEGER NOT NULL DEFAULT 0, used_bytes INTEGER NOT NULL DEFAULT 0 CHECK(used_bytes >= 0),"
    " used_count INTEGER NOT NULL DEFAULT 0 CHECK(used_count >= 0), vault INTEGER NOT NULL) STRICT;"
    /* A key domain: owner account, public key, generation. The secret half is in credentials.db. */
    "CREATE TABLE vault(id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account(id),"
    " generation INTEGER NOT NULL, public_key BLOB NOT NULL CHECK(length(public_key) = 32)) STRICT;"
    /* Canonical address (or "@domain": catch-all) to one target address or account, many rows for many. */
    "CREATE TABLE alias(address TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY(address, target))"
    " STRICT, WITHOUT ROWID;"
    /* An id is never given twice: rows of `expunged` outlive their mailbox. name: sealed component.
     * name_hash: keyed, for uniqueness; INBOX has a fixed hash of zeros. */
    "CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES account(id),"
    " parent INTEGER NOT NULL DEFAULT 0, vault INTEGER NOT NULL REFERENCES vault(id),"
    " name BLOB NOT NULL, name_hash BLOB NOT NULL CHECK(length(name_hash) = 16),"
    " special_use INTEGER NOT NULL DEFAULT 0, subscribed INTEGER NOT NULL DEFAULT 1,"
    " noselect INTEGER NOT NULL DEFAULT 0, detail_hash BLOB,"
    " uidvalidity INTEGER NOT NULL CHECK(uidvalidity BETWEEN 1 AND 4294967295),"
    " uidnext INTEGER NOT NULL DEFAULT 1 CHECK(uidnext BETWEEN 1 AND 4294967295),"
    " highest_modseq INTEGER NOT NULL DEFAULT 1, expunged_floor INTEGER NOT NULL DEFAULT 0,"
    " recent_from INTEGER NOT NULL DEFAULT 1, messages INTEGER NOT NULL DEFAULT 0 CHECK(messages >= 0),"
    " unseen INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,"
    " size_bytes INTEGER NOT NULL DEFAULT 0, UNIQUE(account, parent, name_hash)) STRICT;"
    /* Immutable, stored once however many hold it. place 0: chunks in mail.db, 1: in letters.db.
     * prefix_size: plain bytes of the trace header (chunk CHUNK_PREFIX); size: of the body that was
     * parsed. refs: rows of wrap. */
    "CREATE TABLE letter(id INTEGER PRIMARY KEY, uid BLOB NOT NULL CHECK(length(uid) = 16),"
    " size INTEGER NOT NULL, prefix_size INTEGER NOT NULL, chunks INTEGER NOT NULL,"
    " place INTEGER NOT NULL CHECK(place IN (0, 1)), arrival INTEGER NOT NULL, refs INTEGER NOT NULL,"
    " summary BLOB NOT NULL) STRICT;"
    /* Sealed chunks of small letters. id = letter * 65536 + number (65535: the prefix). */
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
    /* The public half of the ephemeral pairs of smtp. */
    "CREATE TABLE epoch(id INTEGER PRIMARY KEY, vault INTEGER NOT NULL REFERENCES vault(id),"
    " public_key BLOB NOT NULL CHECK(length(public_key) = 32), UNIQUE(vault, public_key)) STRICT;"
    /* K for one vault: epoch NULL: under the vault's symmetric key (adopted). prefix: sealed owner lines
     * (Delivered-To) under K's summary subkey; refs: rows of mail and expunged in this vault. */
    "CREATE TABLE wrap(letter INTEGER NOT NULL REFERENCES letter(id), vault INTEGER NOT NULL REFERENCES vault(id),"
    " generation INTEGER NOT NULL, epoch INTEGER REFERENCES epoch(id), key BLOB NOT NULL, prefix BLOB,"
    " prefix_size INTEGER NOT NULL DEFAULT 0, refs INTEGER NOT NULL, PRIMARY KEY(letter, vault))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX wrap_unadopted ON wrap(vault, letter) WHERE epoch IS NOT NULL;"
    /* size: owner prefix + prefix + body. */
    "CREATE TABLE mail(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, letter INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, modseq INTEGER NOT NULL, internal_date INTEGER NOT NULL,"
    " saved INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY(mailbox, uid)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX mail_changed ON mail(mailbox, modseq);"
    /* A cache for listings: sealed envelopes and structures of the mails first..last (listing.h). */
    "CREATE TABLE listing(mailbox INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY(mailbox, first)) STRICT, WITHOUT ROWID;"
    /* Expunged rows keep their letter until `expires`; then they become a range of vanished. */
    "CREATE TABLE expunged(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, letter INTEGER NOT NULL,"
    " vault INTEGER NOT NULL, flags INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " internal_date INTEGER NOT NULL, saved INTEGER NOT NULL, size INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, PRIMARY KEY(mailbox, uid)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX expunged_expires ON expunged(expires);"
    /* Ranges of UIDs gone for good, with the modseq at which the last of them went. */
    "CREATE TABLE vanished(mailbox INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " modseq INTEGER NOT NULL, PRIMARY KEY(mailbox, first)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX vanished_modseq ON vanished(mailbox, modseq);"
    "CREATE TABLE keyword(vault INTEGER NOT NULL REFERENCES vault(id), bit INTEGER NOT NULL"
    " CHECK(bit BETWEEN 16 AND 62), name BLOB NOT NULL, name_hash BLOB NOT NULL CHECK(length(name_hash) = 16),"
    " PRIMARY KEY(vault, bit), UNIQUE(vault, name_hash)) STRICT, WITHOUT ROWID;"
    /* Changes lately committed (REQUEST_KEEP_S), so that "done?" can be answered after a crash. Appended
     * to at one end and swept from the other; result: the reply's body. */
    "CREATE TABLE request(id INTEGER PRIMARY KEY, rid BLOB NOT NULL CHECK(length(rid) = 16),"
    " at INTEGER NOT NULL, result BLOB NOT NULL) STRICT;"
    /* The search index (docs/search.md): one row is a segment over some letters of a vault; upto: the row id
     * of its last letter. directory NULL: it is being written. Never the same id twice: blocks are bound to it. */
    "CREATE TABLE search_segment(id INTEGER PRIMARY KEY AUTOINCREMENT, vault INTEGER NOT NULL REFERENCES vault(id),"
    " generation INTEGER NOT NULL, upto INTEGER NOT NULL DEFAULT 0, directory BLOB) STRICT;"
    "CREATE INDEX search_segment_vault ON search_segment(vault);"
    /* Sealed blocks of segments. id = segment * 65536 + number. */
    "CREATE TABLE search_block(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
    /* Letters whose wraps are all gone, to be freed in idle turns: a small table, never a scan. */
    "CREATE TABLE garbage(letter INTEGER PRIMARY KEY) STRICT;"
    /* TLS certificates; the key sealed under the server subkey "tls". */
    "CREATE TABLE certificate(host TEXT PRIMARY KEY, chain_pem TEXT NOT NULL, key_sealed BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    /* Letters on their way out. account: who submitted it. key: K wrapped for the queue's public key, with
     * the public half of the ephemeral pair that it was agreed with. Counts as one of letter.refs. */
    "CREATE TABLE queue_letter(letter INTEGER PRIMARY KEY, account INTEGER NOT NULL, sender TEXT NOT NULL,"
    " flags INTEGER NOT NULL, envid TEXT NOT NULL, created INTEGER NOT NULL,"
    " epoch BLOB NOT NULL CHECK(length(epoch) = 32), key BLOB NOT NULL) STRICT;"
    /* Foreign recipients; a row goes when it is settled. id = letter * 65536 + number. state 0 waiting,
     * 1 held by hand. next: when it is due (milliseconds). notify: RFC 3461. noticed: the delay notice
     * was sent. */
    "CREATE TABLE queue_recipient(id INTEGER PRIMARY KEY, address TEXT NOT NULL, domain TEXT NOT NULL,"
    " state INTEGER NOT NULL DEFAULT 0 CHECK(state IN (0, 1)), attempts INTEGER NOT NULL DEFAULT 0,"
    " next INTEGER NOT NULL, notify INTEGER NOT NULL, orcpt TEXT NOT NULL, noticed INTEGER NOT NULL DEFAULT 0,"
    " answer TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE INDEX queue_due ON queue_recipient(next) WHERE state = 0;"
    /* Destinations (a domain, or a route's name) that failed as a whole: one row for all their letters. */
    "CREATE TABLE queue_destination(name TEXT PRIMARY KEY, failures INTEGER NOT NULL, next INTEGER NOT NULL,"
    " answer TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    /* Where letters for a domain go instead of to its MX; "*": all others (the smarthost). password: sealed
     * under the server subkey "route". tls: enum route_tls of queue.h. */
    "CREATE TABLE route(destination TEXT PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL"
    " CHECK(port BETWEEN 1 AND 65535), tls INTEGER NOT NULL, user TEXT NOT NULL, password BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    /* Keys that sign letters from the domain (DKIM). algorithm: enum sign_algorithm. state 0 waiting (published,
     * not used yet), 1 signing, 2 retired (still published). public_key: base64, as its DNS record has it. key:
     * sealed under the server subkey "dkim". */
    "CREATE TABLE dkim_key(domain TEXT NOT NULL, selector TEXT NOT NULL, algorithm INTEGER NOT NULL"
    " CHECK(algorithm IN (1, 2)), state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 2), created INTEGER NOT NULL,"
    " public_key TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY(domain, selector)) STRICT, WITHOUT ROWID;"
    /* Foreign recipients that an account wrote to in one hour (hours since 1970). */
    "CREATE TABLE sent(account INTEGER NOT NULL, hour INTEGER NOT NULL, recipients INTEGER NOT NULL,"
    " PRIMARY KEY(account, hour)) STRICT, WITHOUT ROWID;";

const char *const schema_letters_v1 =
    /* Sealed chunks of larger letters; the key as in mail.db's chunk. */
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
    /* Letters being staged: swept at start unless mail.db knows the letter. */
    "CREATE TABLE staged(letter INTEGER PRIMARY KEY) STRICT;";

const char *const schema_credentials_v1 =
    /* id is also mail.db's account id. scram_salt: one per account. */
    "CREATE TABLE account(id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 2), app_salt BLOB NOT NULL CHECK(length(app_salt) = 32),"
    " vault INTEGER NOT NULL, generation INTEGER NOT NULL, public_key BLOB NOT NULL CHECK(length(public_key) = 32),"
    " escrow BLOB, created INTEGER NOT NULL) STRICT;"
    /* kind 1 password (Argon2id), 2 app password, 3 recovery code. verifier: BLAKE2b of the hash. wrap:
     * vault secrets under a key from the hash; NULL for scope smtp alone. */
    "CREATE TABLE credential(id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    " kind INTEGER NOT NULL CHECK(kind IN (1, 2, 3)), label TEXT NOT NULL, scopes INTEGER NOT NULL,"
    " salt BLOB, opslimit INTEGER, memlimit INTEGER, verifier BLOB NOT NULL CHECK(length(verifier) = 32),"
    " wrap BLOB, created INTEGER NOT NULL, last_used INTEGER, UNIQUE(account, kind, label)) STRICT;"
    /* SCRAM-SHA-256 of an app password: one row for each way of writing it (form 0: as shown, 1: without
     * dashes). wrap: vault secrets under a key from ClientKey; NULL for scope smtp alone. */
    "CREATE TABLE scram(credential INTEGER NOT NULL REFERENCES credential(id) ON DELETE CASCADE,"
    " form INTEGER NOT NULL CHECK(form IN (0, 1)),"
    " stored_key BLOB NOT NULL CHECK(length(stored_key) = 32),"
    " server_key BLOB NOT NULL CHECK(length(server_key) = 32), wrap BLOB, PRIMARY KEY(credential, form))"
    " STRICT, WITHOUT ROWID;"
    /* Failed logins (login_brake.h): kind 1 a network, 2 a name; key: a keyed hash of it. */
    "CREATE TABLE guard(kind INTEGER NOT NULL CHECK(kind IN (1, 2)), key BLOB NOT NULL CHECK(length(key) = 16),"
    " failures INTEGER NOT NULL, at INTEGER NOT NULL, refused_until INTEGER NOT NULL, PRIMARY KEY(kind, key))"
    " STRICT, WITHOUT ROWID;"
    /* An account and a network that it logged in from: a keyed hash of both. */
    "CREATE TABLE known(key BLOB PRIMARY KEY CHECK(length(key) = 16), at INTEGER NOT NULL) STRICT, WITHOUT ROWID;";
