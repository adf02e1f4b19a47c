/* The reader's statements. Each answers from a primary key or an index, without sorting: a test reads
 * the query plans. */
#include "storage/reader_internal.h"

#define MAILBOX_COLUMNS \
    "id, parent, name, special_use, subscribed, noselect, uidvalidity, uidnext, highest_modseq," \
    " recent_from, messages, unseen, deleted, size_bytes, vault"
#define LETTER_COLUMNS \
    "l.uid, l.size, l.prefix_size, l.chunks, l.place," \
    " w.vault, w.generation, w.epoch, w.key, w.prefix, w.prefix_size, l.summary"

const char *const reader_mail_sql[READ_MAIL_SQL_COUNT] = {
    [READ_TOUCH] = "SELECT name FROM setting LIMIT 1",
    [READ_MAILBOXES] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE account = :account",
    [READ_MAILBOX] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = :id",
    [READ_MAILBOX_VAULT] = "SELECT vault FROM mailbox WHERE id = :id",
    [READ_VANISHED_FLOOR] = "SELECT expunged_floor FROM mailbox WHERE id = :id",
    [READ_KEYWORDS] =
        "SELECT k.bit, k.name FROM account a CROSS JOIN keyword k ON k.vault = a.vault"
        " WHERE a.id = :account",
    [READ_QUOTA] = "SELECT used_bytes, used_count, quota_bytes FROM account WHERE id = :account",
    [READ_VAULT_PUBLIC] = "SELECT public_key FROM vault WHERE id = :vault",
    [READ_ROWS] =
        "SELECT uid, letter, flags, modseq, internal_date, saved, size FROM mail"
        " WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last ORDER BY uid",
    /* Outer joins: a mail whose letter or wrap is gone is damaged, not absent. */
    [READ_LETTERS] =
        "SELECT m.uid, m.letter, m.flags, m.modseq, m.internal_date, m.saved, m.size, " LETTER_COLUMNS
        " FROM mail m LEFT JOIN letter l ON l.id = m.letter"
        " LEFT JOIN wrap w ON w.letter = m.letter AND w.vault = :vault"
        " WHERE m.mailbox = :mailbox AND m.uid BETWEEN :first AND :last ORDER BY m.uid",
    /* By modseq: as dear as there are changes. Sorted by UID afterwards. */
    [READ_CHANGED] =
        "SELECT uid, letter, flags, modseq, internal_date, saved, size FROM mail INDEXED BY mail_changed"
        " WHERE mailbox = :mailbox AND modseq > :since",
    [READ_UIDS] =
        "SELECT uid FROM mail WHERE mailbox = :mailbox AND uid BETWEEN :first AND :last ORDER BY uid",
    /* One statement, so that all three are of one moment. */
    [READ_UIDS_GONE] =
        "SELECT 0, uidnext, messages FROM mailbox WHERE id = :mailbox"
        " UNION ALL SELECT 1, first, last FROM vanished WHERE mailbox = :mailbox"
        " UNION ALL SELECT 1, uid, uid FROM expunged WHERE mailbox = :mailbox",
    [READ_DELETED_BYTES] =
        "SELECT coalesce(sum(size), 0) FROM mail WHERE mailbox = :mailbox AND flags & 4",
    [READ_FIRST_UNSEEN] =
        "SELECT uid FROM mail WHERE mailbox = :mailbox AND flags & 8 = 0 ORDER BY uid LIMIT 1",
    /* With :unseen unseen mails, the last of these is the first of all. */
    [READ_FIRST_UNSEEN_FROM_END] =
        "SELECT uid FROM mail WHERE mailbox = :mailbox AND flags & 8 = 0 ORDER BY uid DESC LIMIT :unseen",
    [READ_VANISHED] =
        "SELECT first, last FROM vanished WHERE mailbox = :mailbox AND modseq > :since"
        " UNION ALL SELECT uid, uid FROM expunged WHERE mailbox = :mailbox AND modseq > :since",
    [READ_LETTER] =
        "SELECT m.uid, m.letter, m.flags, m.modseq, m.internal_date, m.saved, m.size, " LETTER_COLUMNS
        " FROM mail m LEFT JOIN letter l ON l.id = m.letter"
        " LEFT JOIN wrap w ON w.letter = m.letter AND w.vault = :vault"
        " WHERE m.mailbox = :mailbox AND m.uid = :uid",
    [READ_EXPUNGED_LETTER] =
        "SELECT m.uid, m.letter, m.flags, m.modseq, m.internal_date, m.saved, m.size, " LETTER_COLUMNS
        " FROM expunged m LEFT JOIN letter l ON l.id = m.letter"
        " LEFT JOIN wrap w ON w.letter = m.letter AND w.vault = m.vault"
        " WHERE m.mailbox = :mailbox AND m.uid = :uid",
    [READ_SUMMARY] = "SELECT summary FROM letter WHERE id = :letter",
    [READ_LISTING] =
        "SELECT first, last, data FROM listing WHERE mailbox = :mailbox AND first > :from AND first <= :uid"
        " AND last >= :uid ORDER BY first DESC LIMIT 1",
    [READ_CHUNK] = "SELECT data FROM chunk WHERE id = :id",
    [READ_EPOCH] = "SELECT public_key FROM epoch WHERE id = :epoch",
    [READ_UNADOPTED] =
        "SELECT w.letter, w.generation, w.epoch, w.key, l.uid, l.summary"
        " FROM wrap w INDEXED BY wrap_unadopted CROSS JOIN letter l ON l.id = w.letter"
        " WHERE w.vault = :vault AND w.epoch IS NOT NULL AND w.letter > :after ORDER BY w.letter",
    /* Columns as in READ_LETTERS, though no mailbox is looked at. */
    [READ_VAULT_LETTERS] =
        "SELECT 1, w.letter, 0, 1, 0, 0, l.size + l.prefix_size + w.prefix_size, " LETTER_COLUMNS
        " FROM wrap w CROSS JOIN letter l ON l.id = w.letter"
        " WHERE w.letter > :after AND w.vault = :vault ORDER BY w.letter",
    [READ_SEARCH_SEGMENTS] =
        "SELECT id, generation, directory FROM search_segment"
        " WHERE vault = :vault AND directory IS NOT NULL ORDER BY id",
    [READ_SEARCH_BLOCK] = "SELECT data FROM search_block WHERE id = :id",
    [READ_SEARCH_LAST] =
        "SELECT id, upto, directory FROM search_segment"
        " WHERE vault = :vault AND directory IS NOT NULL ORDER BY id DESC LIMIT 2",
    [READ_SEARCH_MISSING] =
        "SELECT letter FROM wrap WHERE letter > :after AND vault = :vault LIMIT :max",
};

const char *const reader_letters_sql[READ_LETTERS_SQL_COUNT] = {
    [READ_LETTERS_TOUCH] = "SELECT letter FROM staged LIMIT 1",
    [READ_LETTERS_CHUNK] = "SELECT data FROM chunk WHERE id = :id",
};
