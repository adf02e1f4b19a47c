/* The reader over databases that the test writes itself, row by row, by the schema and seal.h: letters
 * wrapped in each way, small and large, with every row damaged in turn, expunged, with owner prefixes,
 * read at every offset that matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/secret.h"
#include "message/parser.h"
#include "storage/reader_internal.h"
#include "storage/schema.h"

#define ACCOUNT 5
#define VAULT 6
#define INBOX 1
#define OTHER_BOX 2
#define BIG (4 * 1024 * 1024)

enum put {
    PUT_ACCOUNT, PUT_VAULT, PUT_MAILBOX, PUT_LETTER, PUT_CHUNK, PUT_EPOCH, PUT_WRAP, PUT_MAIL,
    PUT_EXPUNGED, PUT_VANISHED, PUT_KEYWORD, FLOOR_RAISE, MAIL_TO_EXPUNGED, MAIL_DELETE, CHUNK_DELETE,
    LETTER_SET_SUMMARY, LETTER_SET_NUMBERS, WRAP_SET_GENERATION, WRAP_SET_KEY, WRAP_SET_OWNER, WRAP_ADOPT,
    WRAP_DELETE, MAILBOX_COUNTS, MAIL_FLAGS, PUT_COUNT
};

static const char *const puts_sql[PUT_COUNT] = {
    [PUT_ACCOUNT] = "INSERT INTO account(id, address, created, vault, quota_bytes, used_bytes, used_count)"
        " VALUES(:id, 'a@example.org', 0, :vault, 1000, 900, 9)",
    [PUT_VAULT] = "INSERT INTO vault(id, account, generation, public_key) VALUES(:id, :account, 1, :key)",
    [PUT_MAILBOX] = "INSERT INTO mailbox(id, account, parent, vault, name, name_hash, special_use, uidvalidity)"
        " VALUES(:id, :account, :parent, :vault, :name, :hash, :special, 77)",
    [PUT_LETTER] = "INSERT INTO letter(id, uid, size, prefix_size, chunks, place, arrival, refs, summary)"
        " VALUES(:id, :uid, :size, :trace, :chunks, :place, 0, 1, :summary)",
    [PUT_CHUNK] = "INSERT INTO chunk(id, data) VALUES(:id, :data)",
    [PUT_EPOCH] = "INSERT INTO epoch(id, vault, public_key) VALUES(:id, :vault, :key)",
    [PUT_WRAP] = "INSERT INTO wrap(letter, vault, generation, epoch, key, prefix, prefix_size, refs)"
        " VALUES(:letter, :vault, 1, :epoch, :key, :owner, :owner_size, 1)",
    [PUT_MAIL] = "INSERT INTO mail(mailbox, uid, letter, flags, modseq, internal_date, saved, size)"
        " VALUES(:mailbox, :uid, :letter, :flags, :modseq, 1000 + :uid, 2000 + :uid, :size)",
    [PUT_EXPUNGED] = "INSERT INTO expunged(mailbox, uid, letter, vault, flags, modseq, internal_date, saved,"
        " size, expires) VALUES(:mailbox, :uid, 0, 0, 0, :modseq, 0, 0, 0, 0)",
    [PUT_VANISHED] = "INSERT INTO vanished(mailbox, first, last, modseq) VALUES(:mailbox, :first, :last, :modseq)",
    [PUT_KEYWORD] = "INSERT INTO keyword(vault, bit, name, name_hash) VALUES(:vault, :bit, :name, :hash)",
    [FLOOR_RAISE] = "UPDATE mailbox SET expunged_floor = :floor WHERE id = :id",
    [MAIL_TO_EXPUNGED] = "INSERT INTO expunged(mailbox, uid, letter, vault, flags, modseq, internal_date, saved,"
        " size, expires) SELECT mailbox, uid, letter, :vault, flags, modseq, internal_date, saved, size, 9"
        " FROM mail WHERE mailbox = :mailbox AND uid = :uid",
    [MAIL_DELETE] = "DELETE FROM mail WHERE mailbox = :mailbox AND uid = :uid",
    [CHUNK_DELETE] = "DELETE FROM chunk WHERE id = :id",
    [LETTER_SET_SUMMARY] = "UPDATE letter SET summary = :summary WHERE id = :id",
    [LETTER_SET_NUMBERS] = "UPDATE letter SET size = :size, prefix_size = :trace, chunks = :chunks WHERE id = :id",
    [WRAP_SET_GENERATION] = "UPDATE wrap SET generation = :generation WHERE letter = :letter",
    [WRAP_SET_KEY] = "UPDATE wrap SET key = :key WHERE letter = :letter",
    [WRAP_SET_OWNER] = "UPDATE wrap SET prefix = :owner WHERE letter = :letter",
    [WRAP_ADOPT] = "UPDATE wrap SET key = :key, epoch = NULL WHERE letter = :letter",
    [WRAP_DELETE] = "DELETE FROM wrap WHERE letter = :letter",
    [MAILBOX_COUNTS] = "UPDATE mailbox SET messages = :messages, unseen = :unseen, uidnext = :uidnext"
        " WHERE id = :id",
    [MAIL_FLAGS] = "UPDATE mail SET flags = :flags, modseq = :modseq WHERE mailbox = :mailbox AND uid = :uid",
};
static const char *const puts_letters_sql[] = {"INSERT INTO chunk(id, data) VALUES(:id, :data)"};

struct world {
    char folder[64];
    struct db *mail;
    struct db *letters;
    struct vault_keys *keys;
    struct seal_epoch epoch;      /* of the next letters */
    int64_t epoch_id;
    struct reader *reader;
    uint64_t next_letter;
};
static struct world w;

/* A letter as it was put there. */
struct made {
    uint64_t letter;
    struct letter_keys keys;
    struct buf whole;      /* owner prefix, trace header, body */
    size_t owner_size;
    size_t trace_size;
    size_t body_size;
};

/* The statement, with what every row of the test's world has in common. */
static struct stmt *use(enum put p)
{
    return db_use(w.mail, p);
}

static void run(struct stmt *s)
{
    assert_int_equal(stmt_run(s), ERR_OK);
}

static void put_mailbox(uint64_t id, uint64_t parent, const char *name, enum special_use special)
{
    struct buf sealed;
    uint8_t hash[NAME_HASH_BYTES];
    buf_init(&sealed, 1024);
    assert_int_equal(name_seal(w.keys, SEAL_NAME_MAILBOX, slice_str(name), &sealed), ERR_OK);
    name_hash(w.keys, SEAL_NAME_MAILBOX, slice_str(name), hash);
    struct stmt *s = use(PUT_MAILBOX);
    stmt_bind_int(s, "id", (int64_t)id);
    stmt_bind_int(s, "account", ACCOUNT);
    stmt_bind_int(s, "parent", (int64_t)parent);
    stmt_bind_int(s, "vault", VAULT);
    stmt_bind_blob(s, "name", buf_slice(&sealed));
    stmt_bind_blob(s, "hash", slice_of(hash, sizeof hash));
    stmt_bind_int(s, "special", special);
    run(s);
    buf_clear(&sealed);
}

static void put_chunk(const struct made *m, bool large, uint32_t number, bool is_last, struct slice text)
{
    struct buf sealed;
    buf_init(&sealed, CHUNK_TEXT_BYTES + SEAL_OVERHEAD_MAX);
    assert_int_equal(chunk_seal(&m->keys, number, is_last, text, &sealed), ERR_OK);
    struct stmt *s = large ? db_use(w.letters, 0) : use(PUT_CHUNK);
    int64_t row = number == CHUNK_PREFIX ? 65535 : (int64_t)number;
    stmt_bind_int(s, "id", (int64_t)m->letter * 65536 + row);
    stmt_bind_blob(s, "data", buf_slice(&sealed));
    run(s);
    buf_clear(&sealed);
}

static void put_summary(const struct made *m, struct slice body, struct buf *out)
{
    struct buf record;
    struct message_parser *p = message_parser_new();
    message_parser_feed(p, body);
    buf_init(&record, SUMMARY_BYTES_MAX);
    assert_int_equal(summary_encode(message_parser_finish(p), &record), ERR_OK);
    assert_int_equal(summary_seal(&m->keys, buf_slice(&record), out), ERR_OK);
    message_parser_free(p);
    buf_clear(&record);
}

static void put_letter_row(const struct made *m, struct slice body, bool large)
{
    struct buf summary;
    buf_init(&summary, SUMMARY_BYTES_MAX + SEAL_OVERHEAD_MAX);
    put_summary(m, body, &summary);
    struct stmt *s = use(PUT_LETTER);
    stmt_bind_int(s, "id", (int64_t)m->letter);
    stmt_bind_blob(s, "uid", slice_of(m->keys.uid, sizeof m->keys.uid));
    stmt_bind_int(s, "size", (int64_t)body.n);
    stmt_bind_int(s, "trace", (int64_t)m->trace_size);
    stmt_bind_int(s, "chunks", (int64_t)(body.n + CHUNK_TEXT_BYTES - 1) / CHUNK_TEXT_BYTES);
    stmt_bind_int(s, "place", large);
    stmt_bind_blob(s, "summary", buf_slice(&summary));
    run(s);
    buf_clear(&summary);
}

static void put_wrap(const struct made *m, struct slice owner, bool with_epoch)
{
    uint8_t wrap[WRAP_BYTES];
    struct buf sealed;
    buf_init(&sealed, 1024);
    if (with_epoch)
        wrap_for_epoch(&w.epoch, &m->keys, wrap);
    else
        wrap_for_vault(w.keys, &m->keys, wrap);
    struct stmt *s = use(PUT_WRAP);
    stmt_bind_int(s, "letter", (int64_t)m->letter);
    stmt_bind_int(s, "vault", VAULT);
    if (with_epoch)
        stmt_bind_int(s, "epoch", w.epoch_id);
    stmt_bind_blob(s, "key", slice_of(wrap, sizeof wrap));
    if (owner.n) {
        assert_int_equal(owner_prefix_seal(&m->keys, VAULT, owner, &sealed), ERR_OK);
        stmt_bind_blob(s, "owner", buf_slice(&sealed));
    }
    stmt_bind_int(s, "owner_size", (int64_t)owner.n);
    run(s);
    buf_clear(&sealed);
}

static void put_mail(uint64_t mailbox, uint32_t uid, const struct made *m, uint64_t flags, uint64_t modseq)
{
    struct stmt *s = use(PUT_MAIL);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "uid", uid);
    stmt_bind_int(s, "letter", (int64_t)m->letter);
    stmt_bind_int(s, "flags", (int64_t)flags);
    stmt_bind_int(s, "modseq", (int64_t)modseq);
    stmt_bind_int(s, "size", (int64_t)m->whole.n);
    run(s);
}

static void make_letter(struct made *m, struct slice owner, struct slice trace, struct slice body,
    bool with_epoch, bool large)
{
    *m = (struct made){.letter = w.next_letter++, .owner_size = owner.n, .trace_size = trace.n,
        .body_size = body.n};
    letter_keys_generate(&m->keys);
    buf_init(&m->whole, BIG);
    buf_put(&m->whole, owner);
    buf_put(&m->whole, trace);
    buf_put(&m->whole, body);
    put_letter_row(m, body, large);
    put_wrap(m, owner, with_epoch);
    if (trace.n)
        put_chunk(m, large, CHUNK_PREFIX, true, trace);
    for (uint32_t i = 0; (size_t)i * CHUNK_TEXT_BYTES < body.n; i++)
        put_chunk(m, large, i, (size_t)(i + 1) * CHUNK_TEXT_BYTES >= body.n,
            slice_sub(body, (size_t)i * CHUNK_TEXT_BYTES, CHUNK_TEXT_BYTES));
}

#define OWNER SLICE("Delivered-To: a@example.org\r\n")
#define TRACE SLICE("Return-Path: <b@example.net>\r\nReceived: from x\r\n\tby y; today\r\n")

/* A letter of some size, every line of it different. */
static void make_body(struct buf *b, size_t n)
{
    buf_init(b, BIG);
    buf_put_str(b, "From: B <b@example.net>\r\nSubject: about things\r\nMessage-ID: <1@x>\r\n\r\n");
    for (size_t i = 0; b->n < n; i++)
        buf_printf(b, "%zu things stand in line %zu\r\n", i * 2654435761u % 100000, i);
    b->n = n;
}

static void make_usual(struct made *m, size_t size, bool with_epoch, bool large)
{
    struct buf body;
    make_body(&body, size);
    make_letter(m, OWNER, TRACE, buf_slice(&body), with_epoch, large);
    buf_clear(&body);
}

static struct db *open_writer(const char *file, const char *schema, unsigned page_bytes)
{
    struct db *d;
    struct db_config config = {.folder = w.folder, .file = file, .mode = DB_WRITER, .schema = schema,
        .version = 1, .page_bytes = page_bytes, .cache_kib = 2048};
    assert_int_equal(db_open(&config, &d), ERR_OK);
    return d;
}

static void begin_epoch(int64_t id)
{
    struct vault_public pub = {.vault = VAULT, .generation = 1};
    memcpy(pub.public_key, w.keys->public_key, sizeof pub.public_key);
    assert_int_equal(seal_epoch_begin(&w.epoch, &pub, 0, 1000), ERR_OK);
    w.epoch_id = id;
    struct stmt *s = use(PUT_EPOCH);
    stmt_bind_int(s, "id", id);
    stmt_bind_int(s, "vault", VAULT);
    stmt_bind_blob(s, "key", slice_of(w.epoch.public_key, sizeof w.epoch.public_key));
    run(s);
}

static void put_people(void)
{
    vault_keys_generate(w.keys, VAULT);
    struct stmt *s = use(PUT_ACCOUNT);
    stmt_bind_int(s, "id", ACCOUNT);
    stmt_bind_int(s, "vault", VAULT);
    run(s);
    s = use(PUT_VAULT);
    stmt_bind_int(s, "id", VAULT);
    stmt_bind_int(s, "account", ACCOUNT);
    stmt_bind_blob(s, "key", slice_of(w.keys->public_key, sizeof w.keys->public_key));
    run(s);
    begin_epoch(1);
    put_mailbox(INBOX, 0, "whatever it says", SPECIAL_INBOX);
    put_mailbox(OTHER_BOX, 0, "Arbeit & Spaß", SPECIAL_NONE);
}

static int setup(void **state)
{
    (void)state;
    w = (struct world){.next_letter = 1};
    if (secret_init() != ERR_OK)
        return -1;
    log_init("test", LOG_ERROR);
    snprintf(w.folder, sizeof w.folder, "/tmp/letterlock-reader-XXXXXX");
    if (!mkdtemp(w.folder))
        return -1;
    w.mail = open_writer("mail.db", schema_mail_v1, 8192);
    w.letters = open_writer("letters.db", schema_letters_v1, 65536);
    assert_int_equal(db_prepare(w.mail, puts_sql, PUT_COUNT), ERR_OK);
    assert_int_equal(db_prepare(w.letters, puts_letters_sql, 1), ERR_OK);
    w.keys = secret_new(sizeof *w.keys);
    put_people();
    assert_int_equal(reader_open(w.folder, &w.reader), ERR_OK);
    reader_set_keys(w.reader, w.keys);
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = {"mail.db", "mail.db-wal", "mail.db-shm", "letters.db",
        "letters.db-wal", "letters.db-shm"};
    (void)state;
    reader_close(w.reader);
    db_close(w.mail);
    db_close(w.letters);
    secret_free(w.keys, sizeof *w.keys);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", w.folder, files[i]);
        unlink(path);
    }
    rmdir(w.folder);
    return secret_used_bytes() == 0 ? 0 : -1;
}

/* --- reading --- */

static enum err read_by_cursor(uint64_t mailbox, uint32_t uid, uint64_t offset, size_t n, struct buf *out)
{
    struct mail_cursor *c;
    struct mail_row row;
    assert_int_equal(mail_cursor_open(w.reader, mailbox, uid, uid, MAIL_WANT_CONTENT, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(row.uid, uid);
    enum err e = mail_cursor_read(c, offset, n, out);
    mail_cursor_close(c);
    return e;
}

static enum err read_by_handle(uint64_t mailbox, uint32_t uid, uint64_t offset, size_t n, struct buf *out)
{
    struct letter_handle *h;
    enum err e = letter_handle_open(w.reader, mailbox, uid, &h);
    if (e)
        return e;
    assert_int_equal(letter_handle_row(h)->uid, uid);
    e = letter_handle_read(h, offset, n, out);
    letter_handle_close(h);
    return e;
}

static void assert_reads(uint32_t uid, const struct made *m, uint64_t offset, size_t n)
{
    struct slice expected = offset < m->whole.n ? slice_sub(buf_slice(&m->whole), offset, n) : SLICE_EMPTY;
    struct buf out;
    buf_init(&out, BIG);
    buf_put_str(&out, "before");
    assert_int_equal(read_by_cursor(INBOX, uid, offset, n, &out), ERR_OK);
    assert_true(slice_equal(slice_from(buf_slice(&out), 6), expected));
    buf_reset(&out);
    assert_int_equal(read_by_handle(INBOX, uid, offset, n, &out), ERR_OK);
    assert_true(slice_equal(buf_slice(&out), expected));
    buf_clear(&out);
}

static void assert_summary(uint32_t uid, enum err expected, bool envelope_only)
{
    struct mail_cursor *c;
    struct mail_row row;
    struct summary s;
    uint64_t prefix = 0;
    assert_int_equal(mail_cursor_open(w.reader, INBOX, uid, uid, MAIL_WANT_SUMMARY, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(mail_cursor_summary(c, envelope_only, &s, &prefix), expected);
    if (expected == ERR_OK) {
        assert_int_equal(prefix, OWNER.n + TRACE.n);
        assert_int_equal(s.size + prefix, row.size);
        assert_true(slice_equal(s.envelopes[0].fields[SUMMARY_SUBJECT], SLICE("about things")));
        assert_int_equal(s.part_count > 0, !envelope_only);
        summary_clear(&s);
    }
    assert_int_equal(mail_cursor_next(c, &row), ERR_NOT_FOUND);
    mail_cursor_close(c);
}

static void letters_in_every_wrap_and_place_are_read(void **state)
{
    (void)state;
    uint32_t uid = 1;
    for (int how = 0; how < 4; how++, uid++) {
        struct made m;
        make_usual(&m, how & 2 ? 200000 : 3000, how & 1, how & 2);
        put_mail(INBOX, uid, &m, FLAG_SEEN, 10 + uid);
        assert_reads(uid, &m, 0, BIG / 2);
        assert_summary(uid, ERR_OK, true);
        assert_summary(uid, ERR_OK, false);
        buf_clear(&m.whole);
    }
}

static void offsets_across_every_border_give_the_bytes_of_the_letter(void **state)
{
    (void)state;
    struct made m;
    make_usual(&m, 2 * CHUNK_TEXT_BYTES + 100, true, true);
    put_mail(INBOX, 9, &m, 0, 10);
    size_t prefix = OWNER.n + TRACE.n;
    const size_t borders[] = {0, OWNER.n, prefix, prefix + CHUNK_TEXT_BYTES, prefix + 2 * CHUNK_TEXT_BYTES,
        m.whole.n};
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++) {
        for (size_t k = 0; k < 3; k++) {
            if (borders[i] + k < 1)
                continue;
            size_t from = borders[i] + k - 1;
            assert_reads(9, &m, from, 0);
            assert_reads(9, &m, from, 1);
            assert_reads(9, &m, from, 2);
            assert_reads(9, &m, from, CHUNK_TEXT_BYTES);
            assert_reads(9, &m, from, CHUNK_TEXT_BYTES + 1);
            assert_reads(9, &m, from, BIG / 2);
        }
    }
    assert_reads(9, &m, UINT64_MAX, 10);
    assert_reads(9, &m, 1ULL << 63, SIZE_MAX);
    buf_clear(&m.whole);
}

static void a_handle_reads_a_letter_in_steps_of_any_size(void **state)
{
    (void)state;
    static const size_t steps[] = {777, 4096, CHUNK_TEXT_BYTES, 65536};
    struct made m;
    make_usual(&m, 3 * CHUNK_TEXT_BYTES, false, true);
    put_mail(INBOX, 1, &m, 0, 10);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct letter_handle *h;
        struct buf out;
        buf_init(&out, BIG);
        assert_int_equal(letter_handle_open(w.reader, INBOX, 1, &h), ERR_OK);
        size_t before;
        do {
            before = out.n;
            assert_int_equal(letter_handle_read(h, out.n, steps[i], &out), ERR_OK);
        } while (out.n - before == steps[i]);
        assert_true(slice_equal(buf_slice(&out), buf_slice(&m.whole)));
        letter_handle_close(h);
        buf_clear(&out);
    }
    buf_clear(&m.whole);
}

static void a_full_buffer_is_told_and_left_as_it_was(void **state)
{
    (void)state;
    struct made m;
    struct buf out;
    make_usual(&m, 100000, false, false);
    put_mail(INBOX, 1, &m, 0, 10);
    buf_init(&out, 1000);
    assert_int_equal(read_by_cursor(INBOX, 1, 50, 1001, &out), ERR_TOO_BIG);
    assert_int_equal(out.n, 0);
    buf_reset(&out);
    assert_int_equal(read_by_cursor(INBOX, 1, 50, 1000, &out), ERR_OK);
    assert_memory_equal(out.p, m.whole.p + 50, 1000);
    buf_clear(&out);
    buf_clear(&m.whole);
}

static void letters_without_prefixes_and_empty_ones_are_read(void **state)
{
    (void)state;
    struct made m;
    struct made empty;
    struct buf out;
    make_letter(&m, SLICE_EMPTY, SLICE_EMPTY, SLICE("Subject: x\r\n\r\nhello\r\n"), false, false);
    make_letter(&empty, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY, true, false);
    put_mail(INBOX, 1, &m, 0, 10);
    put_mail(INBOX, 2, &empty, 0, 11);
    assert_reads(1, &m, 0, 1000);
    assert_reads(1, &m, 20, 1000);
    buf_init(&out, 100);
    assert_int_equal(read_by_cursor(INBOX, 2, 0, 100, &out), ERR_OK);
    assert_int_equal(out.n, 0);
    buf_clear(&m.whole);
    buf_clear(&empty.whole);
}

/* --- rows --- */

static void the_cursor_walks_its_range_in_order_and_no_further(void **state)
{
    (void)state;
    struct made m;
    struct mail_cursor *c;
    struct mail_row row;
    static const uint32_t uids[] = {7, 3, 100, UINT32_MAX, 4};
    make_usual(&m, 500, false, false);
    for (size_t i = 0; i < 5; i++)
        put_mail(INBOX, uids[i], &m, i, 20 + i);
    put_mail(OTHER_BOX, 5, &m, 0, 9);
    assert_int_equal(mail_cursor_open(w.reader, INBOX, 4, 100, MAIL_WANT_ROW, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(row.uid, 4);
    assert_int_equal(row.flags, 4);
    assert_int_equal(row.modseq, 24);
    assert_int_equal(row.internal_date, 1004);
    assert_int_equal(row.saved_date, 2004);
    assert_int_equal(row.size, m.whole.n);
    assert_int_equal(row.letter, m.letter);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(row.uid, 7);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(row.uid, 100);
    assert_int_equal(mail_cursor_next(c, &row), ERR_NOT_FOUND);
    mail_cursor_close(c);
    assert_int_equal(mail_cursor_open(w.reader, INBOX, 101, UINT32_MAX, MAIL_WANT_ROW, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(row.uid, UINT32_MAX);
    mail_cursor_close(c);
    assert_int_equal(mail_cursor_open(w.reader, 99, 1, 2, MAIL_WANT_ROW, &c), ERR_NOT_FOUND);
    buf_clear(&m.whole);
}

static void changes_since_a_modseq_come_by_uid(void **state)
{
    (void)state;
    struct made m;
    struct mail_cursor *c;
    struct mail_row row;
    static const uint32_t expected[] = {2, 3, 9};
    make_usual(&m, 500, false, false);
    put_mail(INBOX, 9, &m, 0, 50);
    put_mail(INBOX, 2, &m, 0, 60);
    put_mail(INBOX, 3, &m, 0, 41);
    put_mail(INBOX, 4, &m, 0, 40);
    put_mail(OTHER_BOX, 5, &m, 0, 70);
    assert_int_equal(mail_cursor_open_changed(w.reader, INBOX, 40, &c), ERR_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
        assert_int_equal(row.uid, expected[i]);
    }
    assert_int_equal(mail_cursor_next(c, &row), ERR_NOT_FOUND);
    mail_cursor_close(c);
    assert_int_equal(mail_cursor_open_changed(w.reader, INBOX, UINT64_MAX, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_NOT_FOUND);
    mail_cursor_close(c);
    buf_clear(&m.whole);
}

static void a_cursor_sees_one_moment_and_a_new_one_the_next(void **state)
{
    (void)state;
    struct made m;
    struct mail_cursor *c;
    struct mail_row row;
    make_usual(&m, 500, false, false);
    put_mail(INBOX, 1, &m, 0, 10);
    put_mail(INBOX, 2, &m, 0, 11);
    assert_int_equal(mail_cursor_open(w.reader, INBOX, 1, UINT32_MAX, MAIL_WANT_ROW, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    put_mail(INBOX, 3, &m, 0, 12);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_NOT_FOUND);
    mail_cursor_close(c);
    assert_int_equal(mail_cursor_open(w.reader, INBOX, 3, UINT32_MAX, MAIL_WANT_ROW, &c), ERR_OK);
    assert_int_equal(mail_cursor_next(c, &row), ERR_OK);
    assert_int_equal(row.uid, 3);
    mail_cursor_close(c);
    buf_clear(&m.whole);
}

/* --- damage --- */

static enum err try_read(uint32_t uid)
{
    struct buf out;
    buf_init(&out, BIG);
    enum err by_handle = read_by_handle(INBOX, uid, 0, BIG / 2, &out);
    assert_true(by_handle == ERR_OK || out.n == 0);
    buf_reset(&out);
    enum err e = read_by_cursor(INBOX, uid, 0, BIG / 2, &out);
    assert_true(e == ERR_OK || out.n == 0);
    assert_int_equal(e, by_handle);
    buf_clear(&out);
    return e;
}

static void set_numbers(const struct made *m, int64_t size, int64_t trace, int64_t chunks)
{
    struct stmt *s = use(LETTER_SET_NUMBERS);
    stmt_bind_int(s, "id", (int64_t)m->letter);
    stmt_bind_int(s, "size", size);
    stmt_bind_int(s, "trace", trace);
    stmt_bind_int(s, "chunks", chunks);
    run(s);
}

static void numbers_of_the_database_are_not_trusted(void **state)
{
    (void)state;
    struct made m;
    make_usual(&m, 3000, false, false);
    put_mail(INBOX, 1, &m, 0, 10);
    int64_t trace = (int64_t)TRACE.n;
    const int64_t bad[][3] = {
        {-1, trace, 1}, {INT64_MAX, trace, 1}, {3000, -1, 1}, {3000, LETTER_PREFIX_MAX + 1, 1},
        {3000, trace, -1}, {3000, trace, 0}, {3000, trace, 2}, {3000, trace, CHUNK_COUNT_MAX + 1},
        {2999, trace, 1}, {2999, trace + 1, 1}, {3001, trace - 1, 1}, {INT64_MIN, INT64_MIN, INT64_MIN},
        {3000 - CHUNK_TEXT_BYTES, trace + CHUNK_TEXT_BYTES, 1},
        {(int64_t)CHUNK_COUNT_MAX * CHUNK_TEXT_BYTES + 1, trace, CHUNK_COUNT_MAX + 1},
    };
    assert_int_equal(try_read(1), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_numbers(&m, bad[i][0], bad[i][1], bad[i][2]);
        assert_int_equal(try_read(1), ERR_DAMAGED);
    }
    set_numbers(&m, 3000, trace, 1);
    assert_int_equal(try_read(1), ERR_OK);
    buf_clear(&m.whole);
}

static void a_missing_chunk_wrap_or_letter_is_damage(void **state)
{
    (void)state;
    struct made m;
    struct made n;
    make_usual(&m, 3000, false, false);
    make_usual(&n, 3000, false, false);
    put_mail(INBOX, 1, &m, 0, 10);
    put_mail(INBOX, 2, &n, 0, 11);
    struct stmt *s = use(CHUNK_DELETE);
    stmt_bind_int(s, "id", (int64_t)m.letter * 65536);
    run(s);
    assert_int_equal(try_read(1), ERR_DAMAGED);
    assert_int_equal(try_read(2), ERR_OK);
    assert_summary(1, ERR_OK, false);
    s = use(WRAP_DELETE);
    stmt_bind_int(s, "letter", (int64_t)n.letter);
    run(s);
    assert_int_equal(try_read(2), ERR_DAMAGED);
    assert_summary(2, ERR_DAMAGED, true);
    n.letter = 12345;
    put_mail(INBOX, 3, &n, 0, 12);
    assert_int_equal(try_read(3), ERR_DAMAGED);
    buf_clear(&m.whole);
    buf_clear(&n.whole);
}

static void damaged_summaries_wraps_and_owner_lines_are_noticed_and_the_rest_goes_on(void **state)
{
    (void)state;
    struct made m[4];
    uint8_t rubbish[100] = {SEAL_XCHACHA20POLY1305};
    for (uint32_t i = 0; i < 4; i++) {
        make_usual(&m[i], 3000, i % 2, false);
        put_mail(INBOX, i + 1, &m[i], 0, 10 + i);
    }
    struct stmt *s = use(LETTER_SET_SUMMARY);
    stmt_bind_int(s, "id", (int64_t)m[0].letter);
    stmt_bind_blob(s, "summary", slice_of(rubbish, sizeof rubbish));
    run(s);
    s = use(WRAP_SET_KEY);
    stmt_bind_int(s, "letter", (int64_t)m[1].letter);
    stmt_bind_blob(s, "key", slice_of(rubbish, WRAP_BYTES));
    run(s);
    s = use(WRAP_SET_OWNER);
    stmt_bind_int(s, "letter", (int64_t)m[2].letter);
    stmt_bind_blob(s, "owner", slice_of(rubbish, 80));
    run(s);
    assert_summary(1, ERR_DAMAGED, false);
    assert_int_equal(try_read(1), ERR_OK);
    assert_summary(2, ERR_DAMAGED, false);
    assert_int_equal(try_read(2), ERR_DAMAGED);
    assert_summary(3, ERR_OK, false);
    assert_int_equal(try_read(3), ERR_DAMAGED);
    assert_summary(4, ERR_OK, false);
    assert_int_equal(try_read(4), ERR_OK);
    for (size_t i = 0; i < 4; i++)
        buf_clear(&m[i].whole);
}

static void other_generations_vaults_and_no_keys_are_missing_keys(void **state)
{
    (void)state;
    struct made m;
    struct vault_keys *other = secret_new(sizeof *other);
    make_usual(&m, 3000, true, false);
    put_mail(INBOX, 1, &m, 0, 10);
    reader_set_keys(w.reader, NULL);
    assert_int_equal(try_read(1), ERR_KEY_MISSING);
    assert_summary(1, ERR_KEY_MISSING, false);
    vault_keys_generate(other, VAULT + 1);
    reader_set_keys(w.reader, other);
    assert_int_equal(try_read(1), ERR_KEY_MISSING);
    *other = *w.keys;
    other->generation++;
    reader_set_keys(w.reader, other);
    assert_int_equal(try_read(1), ERR_KEY_MISSING);
    /* The right name on the wrong keys. */
    vault_keys_generate(other, VAULT);
    reader_set_keys(w.reader, other);
    assert_int_equal(try_read(1), ERR_DAMAGED);
    reader_set_keys(w.reader, w.keys);
    assert_int_equal(try_read(1), ERR_OK);
    secret_free(other, sizeof *other);
    buf_clear(&m.whole);
}

/* --- expunged, vanished --- */

static void an_expunged_mail_is_read_by_handle_until_its_letter_goes(void **state)
{
    (void)state;
    struct made m;
    struct buf out;
    struct letter_handle *h;
    struct summary summary;
    uint64_t prefix;
    make_usual(&m, 2 * CHUNK_TEXT_BYTES, true, false);
    put_mail(INBOX, 1, &m, FLAG_DELETED, 10);
    struct stmt *s = use(MAIL_TO_EXPUNGED);
    stmt_bind_int(s, "vault", VAULT);
    stmt_bind_int(s, "mailbox", INBOX);
    stmt_bind_int(s, "uid", 1);
    run(s);
    s = use(MAIL_DELETE);
    stmt_bind_int(s, "mailbox", INBOX);
    stmt_bind_int(s, "uid", 1);
    run(s);
    buf_init(&out, BIG);
    assert_int_equal(letter_handle_open(w.reader, INBOX, 1, &h), ERR_OK);
    assert_int_equal(letter_handle_row(h)->flags, FLAG_DELETED);
    assert_int_equal(letter_handle_read(h, 0, BIG / 2, &out), ERR_OK);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&m.whole)));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(letter_handle_summary(h, &summary, &prefix), ERR_OK);
        assert_int_equal(prefix, OWNER.n + TRACE.n);
        assert_true(slice_equal(summary.envelopes[0].fields[SUMMARY_MESSAGE_ID], SLICE("<1@x>")));
        summary_clear(&summary);
    }
    letter_handle_close(h);
    assert_int_equal(letter_handle_open(w.reader, INBOX, 2, &h), ERR_NOT_FOUND);
    assert_int_equal(letter_handle_open(w.reader, OTHER_BOX, 1, &h), ERR_NOT_FOUND);
    buf_clear(&out);
    buf_clear(&m.whole);
}

static void put_vanished(uint32_t first, uint32_t last, uint64_t modseq)
{
    struct stmt *s = use(PUT_VANISHED);
    stmt_bind_int(s, "mailbox", INBOX);
    stmt_bind_int(s, "first", first);
    stmt_bind_int(s, "last", last);
    stmt_bind_int(s, "modseq", (int64_t)modseq);
    run(s);
}

static void put_expunged(uint32_t uid, uint64_t modseq)
{
    struct stmt *s = use(PUT_EXPUNGED);
    stmt_bind_int(s, "mailbox", INBOX);
    stmt_bind_int(s, "uid", uid);
    stmt_bind_int(s, "modseq", (int64_t)modseq);
    run(s);
}

static void what_vanished_comes_as_joined_ranges_from_the_floor_on(void **state)
{
    (void)state;
    struct uid_range *ranges;
    size_t n;
    put_vanished(10, 20, 30);
    put_vanished(21, 25, 40);
    put_vanished(100, 100, 20);
    put_expunged(26, 50);
    put_expunged(9, 35);
    put_expunged(5, 15);
    struct stmt *s = use(FLOOR_RAISE);
    stmt_bind_int(s, "id", INBOX);
    stmt_bind_int(s, "floor", 12);
    run(s);
    assert_int_equal(reader_vanished(w.reader, INBOX, 11, &ranges, &n), ERR_NOT_FOUND);
    assert_int_equal(reader_vanished(w.reader, INBOX, 12, &ranges, &n), ERR_OK);
    assert_int_equal(n, 3);
    assert_int_equal(ranges[0].first, 5);
    assert_int_equal(ranges[0].last, 5);
    assert_int_equal(ranges[1].first, 9);
    assert_int_equal(ranges[1].last, 26);
    assert_int_equal(ranges[2].first, 100);
    free(ranges);
    assert_int_equal(reader_vanished(w.reader, INBOX, 40, &ranges, &n), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ranges[0].first, 26);
    assert_int_equal(ranges[0].last, 26);
    free(ranges);
    assert_int_equal(reader_vanished(w.reader, INBOX, 50, &ranges, &n), ERR_OK);
    assert_int_equal(n, 0);
    free(ranges);
    assert_int_equal(reader_vanished(w.reader, 99, 50, &ranges, &n), ERR_NOT_FOUND);
}

static void ranges_tidy_whatever_they_overlap(void **state)
{
    (void)state;
    static const struct uid_range in[] = {{50, 60}, {1, 3}, {4, 4}, {55, 70}, {70, 70}, {72, UINT32_MAX},
        {100, 200}, {UINT32_MAX, UINT32_MAX}};
    struct range_list l = {0};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        range_list_add(&l, in[i].first, in[i].last);
    range_list_tidy(&l);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.items[0].last, 4);
    assert_int_equal(l.items[1].first, 50);
    assert_int_equal(l.items[1].last, 70);
    assert_int_equal(l.items[2].first, 72);
    assert_int_equal(l.items[2].last, UINT32_MAX);
    free(l.items);
}

/* --- mailboxes --- */

static void set_counts(uint64_t messages, uint64_t unseen, uint32_t uidnext)
{
    struct stmt *s = use(MAILBOX_COUNTS);
    stmt_bind_int(s, "id", INBOX);
    stmt_bind_int(s, "messages", (int64_t)messages);
    stmt_bind_int(s, "unseen", (int64_t)unseen);
    stmt_bind_int(s, "uidnext", uidnext);
    run(s);
}

static void assert_runs(const struct uid_range *expected, size_t expected_n)
{
    struct uid_range *runs;
    size_t n;
    assert_int_equal(reader_uid_runs(w.reader, INBOX, &runs, &n), ERR_OK);
    assert_int_equal(n, expected_n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(runs[i].first, expected[i].first);
        assert_int_equal(runs[i].last, expected[i].last);
    }
    free(runs);
}

static void uid_runs_are_those_of_the_mailbox(void **state)
{
    (void)state;
    static const uint32_t uids[] = {1, 2, 3, 7, 9, 10, UINT32_MAX};
    static const struct uid_range whole[] = {{1, 3}};
    static const struct uid_range holes[] = {{1, 3}, {7, 7}, {9, 10}, {UINT32_MAX, UINT32_MAX}};
    struct made m;
    make_usual(&m, 500, false, false);
    assert_runs(NULL, 0);
    for (size_t i = 0; i < 3; i++)
        put_mail(INBOX, uids[i], &m, 0, 10);
    set_counts(3, 0, 4);
    assert_runs(whole, 1);
    set_counts(4, 0, 4);
    assert_runs(whole, 1);
    for (size_t i = 3; i < 7; i++)
        put_mail(INBOX, uids[i], &m, 0, 10);
    set_counts(7, 0, UINT32_MAX);
    assert_runs(holes, 4);
    buf_clear(&m.whole);
}

/* The counters say that the complement of what is gone is the mailbox: no row is walked. Where they
 * contradict, rows are. */
static void uid_runs_come_from_what_is_gone_if_that_adds_up(void **state)
{
    (void)state;
    struct made m;
    static const struct uid_range by_gone[] = {{1, 2}, {6, 6}, {8, 9}, {12, 99}};
    static const struct uid_range by_rows[] = {{1, 1}, {50, 50}};
    make_usual(&m, 500, false, false);
    put_mail(INBOX, 1, &m, 0, 10);
    put_mail(INBOX, 50, &m, 0, 10);
    put_vanished(3, 5, 20);
    put_expunged(7, 21);
    put_vanished(10, 11, 22);
    set_counts(2 + 1 + 2 + 88, 0, 100);
    assert_runs(by_gone, 4);
    set_counts(2 + 1 + 2 + 88 + 1, 0, 100);
    assert_runs(by_rows, 2);
    /* Gone up to the end, and beyond what was ever given out. */
    put_vanished(12, UINT32_MAX, 23);
    set_counts(5, 0, 100);
    assert_runs(by_gone, 3);
    set_counts(1, 0, 2);
    assert_runs(by_rows, 1);
    set_counts(0, 0, 1);
    assert_runs(NULL, 0);
    buf_clear(&m.whole);
}

static void assert_first_unseen(uint64_t messages, uint64_t unseen, uint32_t expected)
{
    uint32_t uid = 99;
    set_counts(messages, unseen, 11);
    assert_int_equal(reader_first_unseen(w.reader, INBOX, &uid), ERR_OK);
    assert_int_equal(uid, expected);
}

static void the_first_unseen_is_found_from_either_end(void **state)
{
    (void)state;
    struct made m;
    make_usual(&m, 500, false, false);
    for (uint32_t uid = 1; uid <= 10; uid++)
        put_mail(INBOX, uid, &m, uid == 8 || uid == 10 ? FLAG_FLAGGED : FLAG_SEEN, 10);
    assert_first_unseen(10, 2, 8);
    assert_first_unseen(3, 2, 8);
    /* A counter that is too high only costs time. */
    assert_first_unseen(100, 20, 8);
    assert_first_unseen(10, 0, 0);
    buf_clear(&m.whole);
}

static const struct mailbox_info *find_box(const struct mailbox_info *all, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].id == id)
            return &all[i];
    fail_msg("mailbox %llu is missing", (unsigned long long)id);
    return NULL;
}

static void mailboxes_come_parents_first_with_their_names(void **state)
{
    (void)state;
    struct mailbox_info *all;
    struct mailbox_info one;
    size_t n;
    put_mailbox(3, 5, "deep", SPECIAL_NONE);
    put_mailbox(5, 4, "middle", SPECIAL_NONE);
    put_mailbox(4, 0, "top", SPECIAL_ARCHIVE);
    put_mailbox(7, 999, "orphan", SPECIAL_NONE);
    put_mailbox(8, 9, "ring a", SPECIAL_NONE);
    put_mailbox(9, 8, "ring b", SPECIAL_NONE);
    assert_int_equal(reader_mailboxes(w.reader, ACCOUNT, &all, &n), ERR_OK);
    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (all[i].parent && k < i && all[k].id != all[i].parent)
            k++;
        assert_true(all[i].parent == 0 || k < i);
    }
    assert_string_equal(find_box(all, n, INBOX)->name, "INBOX");
    assert_int_equal(find_box(all, n, INBOX)->special_use, SPECIAL_INBOX);
    assert_string_equal(find_box(all, n, OTHER_BOX)->name, "Arbeit & Spaß");
    assert_string_equal(find_box(all, n, 3)->name, "deep");
    assert_int_equal(find_box(all, n, 3)->parent, 5);
    assert_int_equal(find_box(all, n, 4)->special_use, SPECIAL_ARCHIVE);
    assert_int_equal(find_box(all, n, 4)->uidvalidity, 77);
    assert_int_equal(find_box(all, n, 7)->parent, 0);
    free(all);
    assert_int_equal(reader_mailbox(w.reader, 4, &one), ERR_OK);
    assert_string_equal(one.name, "top");
    assert_true(one.is_subscribed && !one.is_noselect);
    assert_int_equal(reader_mailbox(w.reader, 99, &one), ERR_NOT_FOUND);
    assert_int_equal(reader_mailboxes(w.reader, ACCOUNT + 1, &all, &n), ERR_OK);
    assert_int_equal(n, 0);
    free(all);
}

static void a_name_that_does_not_open_is_empty_and_the_inbox_never_is(void **state)
{
    (void)state;
    struct mailbox_info info;
    struct vault_keys *other = secret_new(sizeof *other);
    vault_keys_generate(other, VAULT);
    reader_set_keys(w.reader, other);
    assert_int_equal(reader_mailbox(w.reader, OTHER_BOX, &info), ERR_OK);
    assert_string_equal(info.name, "");
    assert_int_equal(reader_mailbox(w.reader, INBOX, &info), ERR_OK);
    assert_string_equal(info.name, "INBOX");
    reader_set_keys(w.reader, w.keys);
    secret_free(other, sizeof *other);
}

static void put_keyword(unsigned bit, const char *name)
{
    struct buf sealed;
    uint8_t hash[NAME_HASH_BYTES];
    buf_init(&sealed, 1024);
    assert_int_equal(name_seal(w.keys, SEAL_NAME_KEYWORD, slice_str(name), &sealed), ERR_OK);
    name_hash(w.keys, SEAL_NAME_KEYWORD, slice_str(name), hash);
    struct stmt *s = use(PUT_KEYWORD);
    stmt_bind_int(s, "vault", VAULT);
    stmt_bind_int(s, "bit", bit);
    stmt_bind_blob(s, "name", buf_slice(&sealed));
    stmt_bind_blob(s, "hash", slice_of(hash, sizeof hash));
    run(s);
    buf_clear(&sealed);
}

static void keywords_and_quota_are_the_accounts(void **state)
{
    (void)state;
    struct keyword_info *all;
    struct quota_info quota;
    size_t n;
    put_keyword(16, "$label1");
    put_keyword(62, "later");
    assert_int_equal(reader_keywords(w.reader, ACCOUNT, &all, &n), ERR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(all[0].bit, 16);
    assert_string_equal(all[0].name, "$label1");
    assert_int_equal(all[1].bit, 62);
    assert_string_equal(all[1].name, "later");
    free(all);
    assert_int_equal(reader_quota(w.reader, ACCOUNT, &quota), ERR_OK);
    assert_int_equal(quota.limit_bytes, 1000);
    assert_int_equal(quota.used_bytes, 900);
    assert_int_equal(quota.used_count, 9);
    assert_int_equal(reader_quota(w.reader, 99, &quota), ERR_NOT_FOUND);
}

/* --- adoption --- */

static void adopt(const struct store_adoption *a)
{
    struct stmt *s = use(WRAP_ADOPT);
    stmt_bind_int(s, "letter", (int64_t)a->letter);
    stmt_bind_blob(s, "key", slice_of(a->wrap, sizeof a->wrap));
    run(s);
}

static void adopted_letters_open_without_their_epoch_and_damaged_ones_are_passed_over(void **state)
{
    (void)state;
    struct made m[6];
    struct store_adoption a[4];
    size_t n;
    uint8_t rubbish[100] = {SEAL_XCHACHA20POLY1305};
    for (uint32_t i = 0; i < 6; i++) {
        make_usual(&m[i], 1000, i != 2, false);
        put_mail(INBOX, i + 1, &m[i], 0, 10);
    }
    struct stmt *s = use(LETTER_SET_SUMMARY);
    stmt_bind_int(s, "id", (int64_t)m[0].letter);
    stmt_bind_blob(s, "summary", slice_of(rubbish, sizeof rubbish));
    run(s);
    assert_int_equal(reader_adoptions(w.reader, a, 2, &n), ERR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(a[0].letter, m[1].letter);
    assert_int_equal(a[1].letter, m[3].letter);
    adopt(&a[0]);
    adopt(&a[1]);
    assert_int_equal(reader_adoptions(w.reader, a, 4, &n), ERR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(a[0].letter, m[4].letter);
    assert_int_equal(a[1].letter, m[5].letter);
    /* The last two were not committed: they come again, once the end was met. */
    assert_int_equal(reader_adoptions(w.reader, a, 4, &n), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(reader_adoptions(w.reader, a, 4, &n), ERR_OK);
    assert_int_equal(n, 2);
    for (uint32_t i = 1; i < 6; i++) {
        assert_reads(i + 1, &m[i], 0, 5000);
        assert_summary(i + 1, ERR_OK, false);
    }
    reader_set_keys(w.reader, NULL);
    assert_int_equal(reader_adoptions(w.reader, a, 4, &n), ERR_KEY_MISSING);
    for (size_t i = 0; i < 6; i++)
        buf_clear(&m[i].whole);
}

static void epochs_that_share_a_place_in_the_table_all_open(void **state)
{
    (void)state;
    struct made m[3];
    for (uint32_t i = 0; i < 3; i++) {
        begin_epoch(7 + (int64_t)i * EPOCH_ENTRIES);
        make_usual(&m[i], 500, true, false);
        put_mail(INBOX, i + 1, &m[i], 0, 10);
    }
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 3; i++)
            assert_reads(i + 1, &m[i], 0, 5000);
    for (size_t i = 0; i < 3; i++)
        buf_clear(&m[i].whole);
}

/* --- opening, plans --- */

static void a_folder_without_databases_is_not_found(void **state)
{
    (void)state;
    struct reader *r;
    assert_int_equal(reader_open("/tmp/letterlock-no-such-folder", &r), ERR_NOT_FOUND);
}

static void check_plan(const char *sql)
{
    struct db *d;
    char explain[2048];
    const char *one = explain;
    struct db_config config = {.folder = w.folder, .file = "mail.db", .mode = DB_READER, .version = 1,
        .cache_kib = 100};
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(db_open(&config, &d), ERR_OK);
    assert_int_equal(db_prepare(d, &one, 1), ERR_OK);
    struct stmt *s = db_use(d, 0);
    enum err e;
    while ((e = stmt_step(s)) == ERR_OK) {
        struct slice detail = stmt_bytes(s, 3);
        if (slice_starts(detail, SLICE("SCAN")) || slice_find(detail, SLICE("TEMP B-TREE")) != SIZE_MAX)
            fail_msg("%s: %.*s", sql, SLICE_FMT(detail));
    }
    assert_int_equal(e, ERR_NOT_FOUND);
    db_close(d);
}

static void no_statement_scans_a_table_or_sorts(void **state)
{
    (void)state;
    for (size_t i = 0; i < READ_MAIL_SQL_COUNT; i++) {
        assert_non_null(reader_mail_sql[i]);
        if (i != READ_TOUCH)
            check_plan(reader_mail_sql[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(letters_in_every_wrap_and_place_are_read),
        TEST(offsets_across_every_border_give_the_bytes_of_the_letter),
        TEST(a_handle_reads_a_letter_in_steps_of_any_size),
        TEST(a_full_buffer_is_told_and_left_as_it_was),
        TEST(letters_without_prefixes_and_empty_ones_are_read),
        TEST(the_cursor_walks_its_range_in_order_and_no_further),
        TEST(changes_since_a_modseq_come_by_uid),
        TEST(a_cursor_sees_one_moment_and_a_new_one_the_next),
        TEST(numbers_of_the_database_are_not_trusted),
        TEST(a_missing_chunk_wrap_or_letter_is_damage),
        TEST(damaged_summaries_wraps_and_owner_lines_are_noticed_and_the_rest_goes_on),
        TEST(other_generations_vaults_and_no_keys_are_missing_keys),
        TEST(an_expunged_mail_is_read_by_handle_until_its_letter_goes),
        TEST(what_vanished_comes_as_joined_ranges_from_the_floor_on),
        TEST(ranges_tidy_whatever_they_overlap),
        TEST(uid_runs_are_those_of_the_mailbox),
        TEST(uid_runs_come_from_what_is_gone_if_that_adds_up),
        TEST(the_first_unseen_is_found_from_either_end),
        TEST(mailboxes_come_parents_first_with_their_names),
        TEST(a_name_that_does_not_open_is_empty_and_the_inbox_never_is),
        TEST(keywords_and_quota_are_the_accounts),
        TEST(adopted_letters_open_without_their_epoch_and_damaged_ones_are_passed_over),
        TEST(epochs_that_share_a_place_in_the_table_all_open),
        TEST(a_folder_without_databases_is_not_found),
        TEST(no_statement_scans_a_table_or_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
