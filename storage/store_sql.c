/* The store's statements; see store_sql.h. */
#include "storage/store_sql.h"

/* What a flag change makes of `flags`: ":keep" bits stay, ":set" bits come. */
/* The destination that a recipient `r` has: its domain, or the smarthost's "*". */
#define DESTINATION_OF "iif(EXISTS(SELECT 1 FROM route t WHERE t.destination = '*') AND NOT EXISTS(SELECT 1 FROM" \
    " route t WHERE t.destination = r.domain), '*', r.domain)"
#define NEW_FLAGS "((flags & :keep) | :set)"

const char *const mail_sql[SQL_MAIL_COUNT] = {
    [SQL_SAVEPOINT] = "SAVEPOINT one",
    [SQL_RELEASE] = "RELEASE one",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO one",

    [SQL_ACCOUNT_BY_ADDRESS] = (
        "SELECT id, state, quota_bytes, used_bytes, vault FROM account WHERE address = :address"),
    [SQL_ACCOUNT_BY_ID] = "SELECT address, state, quota_bytes, used_bytes, vault FROM account WHERE id = :id",
    [SQL_ACCOUNT_INSERT] = ("INSERT INTO account(id, address, created, quota_bytes, vault)"
        " VALUES(:id, :address, :now, :quota, :vault)"),
    [SQL_ACCOUNT_STATE] = "UPDATE account SET state = :state WHERE address = :address",
    [SQL_ACCOUNT_LIST] = ("SELECT id, address, state, created, quota_bytes, used_bytes, used_count FROM account"
        " ORDER BY address"),
    [SQL_ACCOUNT_USE] = ("UPDATE account SET used_bytes = used_bytes + :bytes, used_count = used_count + :count"
        " WHERE id = :id"),
    [SQL_ACCOUNT_QUOTA] = "UPDATE account SET quota_bytes = :quota WHERE address = :address",
    [SQL_ACCOUNT_TOMBSTONE] = "UPDATE account SET state = 2, address = 'removed-' || id WHERE id = :id",

    [SQL_VAULT_INSERT] = ("INSERT INTO vault(id, account, generation, public_key)"
        " VALUES(:id, :account, :generation, :key)"),
    [SQL_VAULT_GET] = "SELECT account, generation, public_key FROM vault WHERE id = :id",

    [SQL_DOMAIN_GET] = "SELECT target FROM domain WHERE name = :name",
    [SQL_DOMAIN_INSERT] = "INSERT INTO domain(name, target) VALUES(:name, :target)",
    [SQL_DOMAIN_DELETE] = "DELETE FROM domain WHERE name = :name",
    [SQL_DOMAIN_LIST] = "SELECT name, target FROM domain ORDER BY name",
    [SQL_DOMAIN_IN_USE] = "SELECT count(*) FROM account WHERE address LIKE '%@' || :name",

    [SQL_ALIAS_GET] = "SELECT target FROM alias WHERE address = :address",
    [SQL_ALIAS_INSERT] = "INSERT OR IGNORE INTO alias(address, target) VALUES(:address, :target)",
    [SQL_ALIAS_DELETE] = "DELETE FROM alias WHERE address = :address AND target = :target",
    [SQL_ALIAS_DELETE_ALL] = "DELETE FROM alias WHERE address = :address",
    [SQL_ALIAS_LIST] = "SELECT address, target FROM alias ORDER BY address, target",
    [SQL_ALIAS_DELETE_TARGET] = "DELETE FROM alias WHERE target = :target",

    [SQL_INBOX_GET] = ("SELECT id FROM mailbox WHERE account = :account AND parent = 0"
        " AND name_hash = zeroblob(16)"),
    [SQL_MAILBOX_GET] = ("SELECT account, vault, parent, uidvalidity, uidnext, highest_modseq, special_use,"
        " noselect, recent_from FROM mailbox WHERE id = :id"),
    [SQL_MAILBOX_INSERT] = ("INSERT INTO mailbox(account, parent, vault, name, name_hash, special_use,"
        " uidvalidity) VALUES(:account, :parent, :vault, :name, :hash, :special, :uidvalidity)"),
    [SQL_MAILBOX_RENAME] = "UPDATE mailbox SET parent = :parent, name = :name, name_hash = :hash WHERE id = :id",
    [SQL_MAILBOX_DELETE] = "DELETE FROM mailbox WHERE id = :id",
    [SQL_MAILBOX_NOSELECT] = "UPDATE mailbox SET noselect = :noselect, special_use = :special, uidvalidity = :uidvalidity WHERE id = :id",
    [SQL_MAILBOX_SPECIAL] = "SELECT id FROM mailbox WHERE account = :account AND special_use = :special",
    [SQL_MAILBOX_CHILDREN] = "SELECT count(*) FROM mailbox WHERE account = :account AND parent = :id",
    [SQL_MAILBOX_SUBSCRIBE] = "UPDATE mailbox SET subscribed = :on WHERE id = :id",
    [SQL_MAILBOX_RECENT] = "UPDATE mailbox SET recent_from = uidnext WHERE id = :id AND recent_from < uidnext",
    [SQL_MAILBOX_TAKE_UID] = ("UPDATE mailbox SET uidnext = uidnext + 1, highest_modseq = highest_modseq + 1,"
        " messages = messages + 1, unseen = unseen + :unseen, deleted = deleted + :deleted,"
        " size_bytes = size_bytes + :size WHERE id = :id AND noselect = 0 AND uidnext < 4294967295"
        " RETURNING uidnext - 1, highest_modseq, uidvalidity, account, vault"),
    [SQL_MAILBOX_COUNT] = ("UPDATE mailbox SET highest_modseq = :modseq, messages = messages + :messages,"
        " unseen = unseen + :unseen, deleted = deleted + :deleted, size_bytes = size_bytes + :size,"
        " uidnext = uidnext + :uids WHERE id = :id"),
    [SQL_MAILBOX_BY_NAME] = ("SELECT id, noselect FROM mailbox WHERE account = :account AND parent = :parent"
        " AND name_hash = :hash"),
    [SQL_MAILBOX_OF_ACCOUNT] = "SELECT id FROM mailbox WHERE account = :account LIMIT 1",
    [SQL_MAILBOX_PARENT] = "SELECT parent FROM mailbox WHERE id = :id AND account = :account",

    [SQL_LETTER_INSERT] = ("INSERT INTO letter(id, uid, size, prefix_size, chunks, place, arrival, refs, summary)"
        " VALUES(:id, :uid, :size, :prefix_size, :chunks, :place, :arrival, :refs, :summary)"),
    [SQL_LETTER_SUMMARY] = "UPDATE letter SET summary = :summary WHERE id = :id",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
    [SQL_LISTING_PUT] =
        "INSERT OR REPLACE INTO listing(mailbox, first, last, data) VALUES(:mailbox, :first, :last, :data)",
    [SQL_LISTING_DROP] = "DELETE FROM listing WHERE mailbox = :mailbox AND first > :from AND first <= :uid"
        " AND last >= :uid",
    [SQL_LISTING_DROP_ALL] = "DELETE FROM listing WHERE mailbox = :mailbox",
    [SQL_LETTER_MAX] = "SELECT coalesce(max(id), 0) FROM letter",
    [SQL_LETTER_KNOWN] = "SELECT 1 FROM letter WHERE id = :id",
    [SQL_LETTER_UNREF] = "UPDATE letter SET refs = refs - 1 WHERE id = :id RETURNING refs",
    [SQL_LETTER_PLACE] = "SELECT place FROM letter WHERE id = :id",
    [SQL_LETTER_DELETE] = "DELETE FROM letter WHERE id = :id",

    [SQL_CHUNK_INSERT] = "INSERT INTO chunk(id, data) VALUES(:id, :data)",
    [SQL_CHUNK_DELETE] = "DELETE FROM chunk WHERE id BETWEEN :first AND :last",

    [SQL_EPOCH_INSERT] = "INSERT OR IGNORE INTO epoch(vault, public_key) VALUES(:vault, :key)",
    [SQL_EPOCH_GET] = "SELECT id FROM epoch WHERE vault = :vault AND public_key = :key",

    [SQL_WRAP_INSERT] = ("INSERT INTO wrap(letter, vault, generation, epoch, key, prefix, prefix_size, refs)"
        " VALUES(:letter, :vault, :generation, :epoch, :key, :prefix, :prefix_size, 1)"),
    [SQL_WRAP_REF] = "UPDATE wrap SET refs = refs + 1 WHERE letter = :letter AND vault = :vault",
    [SQL_WRAP_UNREF] = "UPDATE wrap SET refs = refs - 1 WHERE letter = :letter AND vault = :vault RETURNING refs",
    [SQL_WRAP_DELETE] = "DELETE FROM wrap WHERE letter = :letter AND vault = :vault",
    [SQL_WRAP_ADOPT] = ("UPDATE wrap SET key = :key, epoch = NULL WHERE letter = :letter AND vault = :vault"
        " AND epoch IS NOT NULL"),
    [SQL_WRAP_HELD] = "SELECT 1 FROM wrap WHERE letter = :letter AND vault = :vault",

    [SQL_MAIL_INSERT] = ("INSERT INTO mail(mailbox, uid, letter, flags, modseq, internal_date, saved, size)"
        " VALUES(:mailbox, :uid, :letter, :flags, :modseq, :date, :now, :size)"),
    [SQL_MAIL_NTH] = ("SELECT uid FROM mail WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last"
        " ORDER BY uid LIMIT 1 OFFSET :n"),
    [SQL_MAIL_SUMS] = (
        "SELECT count(*), total((" NEW_FLAGS " & 8) = 0) - total((flags & 8) = 0),"
        " total((" NEW_FLAGS " & 4) != 0) - total((flags & 4) != 0) FROM mail WHERE mailbox = :mailbox"
        " AND uid BETWEEN :first AND :last AND modseq <= :since AND flags != " NEW_FLAGS),
    [SQL_MAIL_SET_FLAGS] = ("UPDATE mail SET flags = " NEW_FLAGS ", modseq = :modseq WHERE mailbox = :mailbox"
        " AND uid BETWEEN :first AND :last AND modseq <= :since AND flags != " NEW_FLAGS),
    [SQL_MAIL_CHANGED_SINCE] = ("SELECT uid FROM mail WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last"
        " AND modseq > :since AND modseq < :modseq ORDER BY uid"),
    [SQL_MAIL_EXPUNGE_SUMS] = ("SELECT count(*), total((flags & 8) = 0), total((flags & 4) != 0), total(size)"
        " FROM mail WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last AND (:whatever OR flags & 4)"),
    [SQL_MAIL_EXPUNGE_COPY] = ("INSERT INTO expunged(mailbox, uid, letter, vault, flags, modseq, internal_date,"
        " saved, size, expires) SELECT mailbox, uid, letter, :vault, flags, :modseq, internal_date, saved, size,"
        " :expires FROM mail WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last"
        " AND (:whatever OR flags & 4)"),
    [SQL_MAIL_EXPUNGE_DELETE] = ("DELETE FROM mail WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last"
        " AND (:whatever OR flags & 4)"),
    [SQL_MAIL_RANGE] = ("SELECT uid, letter, flags, internal_date, size FROM mail WHERE mailbox = :mailbox"
        " AND uid BETWEEN :first AND :last ORDER BY uid"),

    [SQL_EXPUNGED_DUE] = ("SELECT mailbox, uid, letter, vault, modseq FROM expunged WHERE expires <= :now"
        " ORDER BY expires, mailbox, uid LIMIT 1"),
    [SQL_EXPUNGED_DELETE] = "DELETE FROM expunged WHERE mailbox = :mailbox AND uid = :uid",
    [SQL_EXPUNGED_OF_MAILBOX] = "UPDATE expunged SET expires = 0 WHERE mailbox = :mailbox",
    [SQL_VANISHED_BEFORE] = ("SELECT first, last FROM vanished WHERE mailbox = :mailbox AND first <= :uid"
        " ORDER BY first DESC LIMIT 1"),
    [SQL_VANISHED_EXTEND] = ("UPDATE vanished SET last = :uid, modseq = max(modseq, :modseq)"
        " WHERE mailbox = :mailbox AND first = :first"),
    [SQL_VANISHED_INSERT] = ("INSERT OR IGNORE INTO vanished(mailbox, first, last, modseq)"
        " SELECT id, :uid, :uid, :modseq FROM mailbox WHERE id = :mailbox"),
    [SQL_VANISHED_DELETE] = "DELETE FROM vanished WHERE mailbox = :mailbox",

    [SQL_KEYWORD_GET] = "SELECT bit FROM keyword WHERE vault = :vault AND name_hash = :hash",
    [SQL_KEYWORD_FREE] = "SELECT coalesce(max(bit), 15) + 1 FROM keyword WHERE vault = :vault",
    [SQL_KEYWORD_INSERT] = "INSERT INTO keyword(vault, bit, name, name_hash) VALUES(:vault, :bit, :name, :hash)",

    [SQL_REQUEST_INSERT] = "INSERT INTO request(rid, at, result) VALUES(:rid, :now, :result)",
    [SQL_REQUEST_FIND] = "SELECT result FROM request WHERE rid = :rid",
    [SQL_REQUEST_OLDEST] = "SELECT id, at FROM request ORDER BY id LIMIT 1",
    [SQL_REQUEST_SWEEP] = "DELETE FROM request WHERE id BETWEEN :first AND :last AND at <= :before",

    [SQL_GARBAGE_INSERT] = "INSERT OR IGNORE INTO garbage(letter) VALUES(:letter)",
    [SQL_GARBAGE_FIRST] = "SELECT letter FROM garbage ORDER BY letter LIMIT 1",
    [SQL_GARBAGE_DELETE] = "DELETE FROM garbage WHERE letter = :letter",

    [SQL_SEARCH_INSERT] = "INSERT INTO search_segment(vault, generation) VALUES(:vault, :generation)",
    [SQL_SEARCH_UNFINISHED] = "SELECT id FROM search_segment WHERE vault = :vault AND directory IS NULL LIMIT 1",
    [SQL_SEARCH_GET] = "SELECT vault FROM search_segment WHERE id = :id AND directory IS NULL",
    [SQL_SEARCH_UPTO] = ("SELECT coalesce(max(upto), 0), coalesce(sum(upto = :from), 0) FROM search_segment"
        " WHERE vault = :vault AND directory IS NOT NULL"),
    [SQL_SEARCH_REPLACED] = ("SELECT id FROM search_segment WHERE vault = :vault AND directory IS NOT NULL"
        " AND upto > :from LIMIT 1"),
    [SQL_SEARCH_FINISH] = "UPDATE search_segment SET directory = :directory, upto = :upto WHERE id = :id",
    [SQL_SEARCH_OF_ACCOUNT] = ("SELECT g.id FROM vault v JOIN search_segment g ON g.vault = v.id"
        " WHERE v.account = :account LIMIT 1"),
    [SQL_SEARCH_DELETE] = "DELETE FROM search_segment WHERE id = :id",
    [SQL_SEARCH_MAX] = "SELECT coalesce(max(upto), 0) FROM search_segment",
    [SQL_SEARCH_BLOCK_INSERT] = "INSERT INTO search_block(id, data) VALUES(:id, :data)",
    [SQL_SEARCH_BLOCK_DELETE] = "DELETE FROM search_block WHERE id BETWEEN :first AND :last",

    [SQL_SETTING_LIST] = "SELECT name, value FROM setting ORDER BY name",
    [SQL_SETTING_SET] = ("INSERT INTO setting(name, value) VALUES(:name, :value)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value"),
    [SQL_SETTING_UNSET] = "DELETE FROM setting WHERE name = :name",
    [SQL_CERTIFICATE_LIST] = "SELECT host, chain_pem, key_sealed FROM certificate ORDER BY host != '', host",
    [SQL_CERTIFICATE_SET] = ("INSERT INTO certificate(host, chain_pem, key_sealed) VALUES(:host, :chain, :key)"
        " ON CONFLICT(host) DO UPDATE SET chain_pem = excluded.chain_pem, key_sealed = excluded.key_sealed"),
    [SQL_CERTIFICATE_DELETE] = "DELETE FROM certificate WHERE host = :host",
    [SQL_COUNTER_RAISE] = ("INSERT INTO counter(name, value) VALUES(:name, :least) ON CONFLICT(name)"
        " DO UPDATE SET value = max(value + 1, :least) RETURNING value"),
    [SQL_COUNTS] = ("SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM letter),"
        " (SELECT coalesce(sum(messages), 0) FROM mailbox), (SELECT count(*) FROM expunged),"
        " (SELECT count(*) FROM garbage), (SELECT count(*) FROM queue_letter),"
        " (SELECT count(*) FROM queue_recipient)"),

    [SQL_QUEUE_LETTER_INSERT] = ("INSERT INTO queue_letter(letter, account, sender, flags, envid, created, epoch,"
        " key) VALUES(:letter, :account, :sender, :flags, :envid, :now, :epoch, :key)"),
    [SQL_QUEUE_LETTER_DELETE] = "DELETE FROM queue_letter WHERE letter = :letter",
    [SQL_QUEUE_LETTER_GET] = ("SELECT l.place, l.prefix_size, l.chunks FROM queue_letter q"
        " JOIN letter l ON l.id = q.letter WHERE q.letter = :letter"),
    [SQL_QUEUE_RECIPIENT_INSERT] = ("INSERT INTO queue_recipient(id, address, domain, next, notify, orcpt)"
        " VALUES(:id, :address, :domain, :next, :notify, :orcpt)"),
    [SQL_QUEUE_RECIPIENT_DELETE] = "DELETE FROM queue_recipient WHERE id = :id",
    [SQL_QUEUE_RECIPIENT_LEFT] = "SELECT 1 FROM queue_recipient WHERE id BETWEEN :first AND :last LIMIT 1",
    [SQL_QUEUE_DEFER] = ("UPDATE queue_recipient SET next = :next, attempts = attempts + 1, answer = :answer"
        " WHERE id = :id"),
    [SQL_QUEUE_NOTICED] = "UPDATE queue_recipient SET noticed = 1 WHERE id = :id",
    [SQL_QUEUE_DUE] = ("SELECT r.id, r.next, r.attempts, r.noticed, r.address, r.domain, r.notify, r.orcpt,"
        " q.sender, q.flags, q.envid, q.created, q.epoch, q.key, l.uid, l.size, l.prefix_size, l.chunks"
        " FROM queue_recipient r INDEXED BY queue_due CROSS JOIN queue_letter q ON q.letter = r.id / 65536"
        " CROSS JOIN letter l ON l.id = q.letter"
        " WHERE r.state = 0 AND r.next <= :now AND (r.next, r.id) > (:next, :id) ORDER BY r.next, r.id"
        " LIMIT :count"),
    [SQL_QUEUE_DESTINATION_SET] = ("INSERT INTO queue_destination(name, failures, next, answer)"
        " VALUES(:name, :failures, :next, :answer) ON CONFLICT(name) DO UPDATE SET failures = excluded.failures,"
        " next = excluded.next, answer = excluded.answer"),
    [SQL_QUEUE_DESTINATION_DELETE] = "DELETE FROM queue_destination WHERE name = :name OR :name = ''",
    [SQL_QUEUE_DESTINATION_LIST] = "SELECT name, failures, next, answer FROM queue_destination ORDER BY name",
    [SQL_QUEUE_LIST] = ("SELECT r.id, r.address, r.state, r.attempts, r.next, r.answer, q.sender, q.created,"
        " l.size + l.prefix_size, d.failures, d.next, d.answer FROM queue_recipient r"
        " JOIN queue_letter q ON q.letter = r.id / 65536 JOIN letter l ON l.id = q.letter"
        " LEFT JOIN queue_destination d ON d.name = " DESTINATION_OF ""
        " WHERE (:domain = '' OR r.domain = :domain) AND (:sender = '' OR q.sender = :sender)"
        " ORDER BY r.id LIMIT :count"),
    [SQL_QUEUE_SHOW] = ("SELECT r.id, r.address, r.state, r.attempts, r.next, r.answer, q.sender, q.created,"
        " l.size + l.prefix_size, d.failures, d.next, d.answer FROM queue_recipient r"
        " JOIN queue_letter q ON q.letter = r.id / 65536 JOIN letter l ON l.id = q.letter"
        " LEFT JOIN queue_destination d ON d.name = " DESTINATION_OF " WHERE r.id BETWEEN :first AND :last ORDER BY r.id"),
    [SQL_QUEUE_RETRY] = ("UPDATE queue_recipient SET next = :next WHERE id BETWEEN :first AND :last AND state = 0"
        " AND next > :next AND (:domain = '' OR domain = :domain)"),
    [SQL_QUEUE_STATE] = ("UPDATE queue_recipient SET state = :state, next = :next WHERE id BETWEEN :first AND :last"
        " AND state != :state"),
    [SQL_QUEUE_DROP] = "DELETE FROM queue_recipient WHERE id BETWEEN :first AND :last",
    [SQL_CHUNK_GET] = "SELECT data FROM chunk WHERE id = :id",
    [SQL_ROUTE_SET] = ("INSERT INTO route(destination, host, port, tls, user, password) VALUES(:destination, :host,"
        " :port, :tls, :user, :password) ON CONFLICT(destination) DO UPDATE SET host = excluded.host,"
        " port = excluded.port, tls = excluded.tls, user = excluded.user, password = excluded.password"),
    [SQL_ROUTE_DELETE] = "DELETE FROM route WHERE destination = :destination",
    [SQL_ROUTE_LIST] = "SELECT destination, host, port, tls, user, password FROM route ORDER BY destination",
    [SQL_DKIM_INSERT] = ("INSERT INTO dkim_key(domain, selector, algorithm, state, created, public_key, key)"
        " VALUES(:domain, :selector, :algorithm, NOT EXISTS(SELECT 1 FROM dkim_key WHERE domain = :domain"
        " AND algorithm = :algorithm AND state = 1), :now, :public, :key)"),
    [SQL_DKIM_SIGNING] = "SELECT domain, selector, algorithm, key FROM dkim_key WHERE state = 1",
    [SQL_DKIM_LIST] = ("SELECT domain, selector, algorithm, state, created, public_key FROM dkim_key"
        " WHERE :domain = '' OR domain = :domain ORDER BY domain, state, selector"),
    [SQL_DKIM_CLEAN] = "DELETE FROM dkim_key WHERE domain = :domain AND algorithm = :algorithm AND state != 1",
    [SQL_DKIM_RETIRE] = ("UPDATE dkim_key SET state = 2 WHERE domain = :domain AND state = 1 AND algorithm IN"
        " (SELECT algorithm FROM dkim_key WHERE domain = :domain AND state = 0)"),
    [SQL_DKIM_ACTIVATE] = "UPDATE dkim_key SET state = 1 WHERE domain = :domain AND state = 0",
    [SQL_DKIM_DELETE] = "DELETE FROM dkim_key WHERE domain = :domain",
    [SQL_SENT_ADD] = ("INSERT INTO sent(account, hour, recipients) VALUES(:account, :hour, :n)"
        " ON CONFLICT(account, hour) DO UPDATE SET recipients = recipients + :n"),
    [SQL_SENT_SUM] = ("SELECT coalesce(sum(recipients) FILTER (WHERE hour = :hour), 0), coalesce(sum(recipients), 0)"
        " FROM sent WHERE account = :account AND hour > :hour - 24"),
    [SQL_SENT_SWEEP] = "DELETE FROM sent WHERE hour < :hour - 48",

    [SQL_VERIFY_MAIL] = ("SELECT count(*) FROM mail m LEFT JOIN mailbox b ON b.id = m.mailbox"
        " LEFT JOIN letter l ON l.id = m.letter LEFT JOIN wrap w ON w.letter = m.letter AND w.vault = b.vault"
        " WHERE b.id IS NULL OR l.id IS NULL OR w.letter IS NULL OR m.uid >= b.uidnext"
        " OR m.modseq > b.highest_modseq"),
    [SQL_VERIFY_EXPUNGED] = ("SELECT count(*) FROM expunged m LEFT JOIN letter l ON l.id = m.letter"
        " LEFT JOIN wrap w ON w.letter = m.letter AND w.vault = m.vault"
        " WHERE l.id IS NULL OR w.letter IS NULL"),
    [SQL_VERIFY_CHUNKS] = ("SELECT count(*) FROM letter l WHERE place = 0 AND NOT EXISTS(SELECT 1"
        " FROM garbage g WHERE g.letter = l.id) AND chunks + (prefix_size > 0) !="
        " (SELECT count(*) FROM chunk c WHERE c.id BETWEEN l.id * 65536 AND l.id * 65536 + 65535)"),
    [SQL_VERIFY_LETTER_REFS] = ("SELECT count(*) FROM letter l WHERE refs !="
        " (SELECT count(*) FROM wrap w WHERE w.letter = l.id)"
        " + (SELECT count(*) FROM queue_letter q WHERE q.letter = l.id)"
        " OR (refs = 0 AND NOT EXISTS(SELECT 1 FROM garbage g WHERE g.letter = l.id))"),
    [SQL_VERIFY_WRAP_REFS] = ("WITH held(letter, vault) AS (SELECT m.letter, b.vault FROM mail m JOIN mailbox b"
        " ON b.id = m.mailbox UNION ALL SELECT letter, vault FROM expunged), sums(letter, vault, n) AS"
        " (SELECT letter, vault, count(*) FROM held GROUP BY letter, vault)"
        " SELECT count(*) FROM wrap w LEFT JOIN sums s ON s.letter = w.letter AND s.vault = w.vault"
        " WHERE w.refs != coalesce(s.n, 0)"),
    [SQL_VERIFY_COUNTERS] = ("WITH sums(mailbox, n, unseen, deleted, size) AS (SELECT mailbox, count(*),"
        " sum((flags & 8) = 0), sum((flags & 4) != 0), sum(size) FROM mail GROUP BY mailbox)"
        " SELECT count(*) FROM mailbox b LEFT JOIN sums s ON s.mailbox = b.id"
        " WHERE b.messages != coalesce(s.n, 0) OR b.unseen != coalesce(s.unseen, 0)"
        " OR b.deleted != coalesce(s.deleted, 0) OR b.size_bytes != coalesce(s.size, 0)"),
    [SQL_VERIFY_ACCOUNTS] = ("WITH sums(account, n, size) AS (SELECT account, sum(messages), sum(size_bytes)"
        " FROM mailbox GROUP BY account) SELECT count(*) FROM account a LEFT JOIN sums s ON s.account = a.id"
        " WHERE a.used_count != coalesce(s.n, 0) OR a.used_bytes != coalesce(s.size, 0)"),
    [SQL_VERIFY_ORPHANS] = ("SELECT count(*) FROM chunk c WHERE NOT EXISTS(SELECT 1 FROM letter l"
        " WHERE l.id = c.id / 65536 AND l.place = 0)"),
    [SQL_VERIFY_LARGE] = ("SELECT id, chunks + (prefix_size > 0), EXISTS(SELECT 1 FROM garbage g WHERE g.letter = letter.id)"
        " FROM letter WHERE place = 1"),

    [SQL_REPAIR_ORPHANS] = ("DELETE FROM chunk WHERE NOT EXISTS(SELECT 1 FROM letter l"
        " WHERE l.id = chunk.id / 65536 AND l.place = 0)"),
    [SQL_REPAIR_WRAP_REFS] = ("WITH held(letter, vault) AS (SELECT m.letter, b.vault FROM mail m JOIN mailbox b"
        " ON b.id = m.mailbox UNION ALL SELECT letter, vault FROM expunged), sums(letter, vault, n) AS"
        " (SELECT letter, vault, count(*) FROM held GROUP BY letter, vault),"
        " wrong(letter, vault, n) AS (SELECT w.letter, w.vault, coalesce(s.n, 0) FROM wrap w LEFT JOIN sums s"
        " ON s.letter = w.letter AND s.vault = w.vault WHERE w.refs != coalesce(s.n, 0))"
        " UPDATE wrap SET refs = wrong.n FROM wrong WHERE wrap.letter = wrong.letter AND wrap.vault = wrong.vault"),
    [SQL_REPAIR_WRAPS] = "DELETE FROM wrap WHERE refs = 0",
    [SQL_REPAIR_LETTER_REFS] = ("WITH right(letter, n) AS (SELECT l.id, (SELECT count(*) FROM wrap w"
        " WHERE w.letter = l.id) + (SELECT count(*) FROM queue_letter q WHERE q.letter = l.id) FROM letter l)"
        " UPDATE letter SET refs = right.n FROM right WHERE right.letter = letter.id AND letter.refs != right.n"),
    [SQL_REPAIR_GARBAGE] = ("INSERT OR IGNORE INTO garbage(letter) SELECT id FROM letter l WHERE refs = 0"
        " AND NOT EXISTS(SELECT 1 FROM garbage g WHERE g.letter = l.id)"),
    [SQL_REPAIR_MAILBOXES] = ("WITH sums(mailbox, n, unseen, deleted, size) AS (SELECT b.id, count(m.uid),"
        " coalesce(sum((m.flags & 8) = 0), 0), coalesce(sum((m.flags & 4) != 0), 0), coalesce(sum(m.size), 0)"
        " FROM mailbox b LEFT JOIN mail m ON m.mailbox = b.id GROUP BY b.id)"
        " UPDATE mailbox SET messages = s.n, unseen = s.unseen, deleted = s.deleted, size_bytes = s.size FROM sums s"
        " WHERE s.mailbox = mailbox.id AND (messages != s.n OR mailbox.unseen != s.unseen OR mailbox.deleted != s.deleted"
        " OR size_bytes != s.size)"),
    [SQL_REPAIR_ACCOUNTS] = ("WITH sums(account, n, size) AS (SELECT a.id, coalesce(sum(b.messages), 0),"
        " coalesce(sum(b.size_bytes), 0) FROM account a LEFT JOIN mailbox b ON b.account = a.id GROUP BY a.id)"
        " UPDATE account SET used_count = s.n, used_bytes = s.size FROM sums s WHERE s.account = account.id"
        " AND (used_count != s.n OR used_bytes != s.size)"),
};

const char *const letters_sql[SQL_LETTERS_COUNT] = {
    [SQL_BIG_CHUNK_INSERT] = "INSERT INTO chunk(id, data) VALUES(:id, :data)",
    [SQL_BIG_CHUNK_DELETE] = "DELETE FROM chunk WHERE id BETWEEN :first AND :last",
    [SQL_BIG_STAGED_INSERT] = "INSERT OR IGNORE INTO staged(letter) VALUES(:letter)",
    [SQL_BIG_STAGED_DELETE] = "DELETE FROM staged WHERE letter = :letter",
    [SQL_BIG_STAGED_LIST] = "SELECT letter FROM staged ORDER BY letter LIMIT 1",
    [SQL_BIG_FREE_PAGES] = "PRAGMA freelist_count",
    [SQL_BIG_MAX] = "SELECT coalesce(max(letter), 0) FROM staged",
    [SQL_BIG_CHUNK_GET] = "SELECT data FROM chunk WHERE id = :id",
    [SQL_BIG_CHUNK_COUNT] = "SELECT count(*) FROM chunk WHERE id BETWEEN :first AND :last",
    [SQL_BIG_COMMITTED_COUNT] = ("SELECT count(*) FROM chunk c WHERE NOT EXISTS(SELECT 1 FROM staged t"
        " WHERE t.letter = c.id / 65536)"),
    [SQL_BIG_STAGED_COUNT] = "SELECT count(*) FROM staged",
    [SQL_BIG_CHUNK_MAX] = "SELECT coalesce(max(id), 0) FROM chunk",
};
