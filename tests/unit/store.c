/* The store, asked as its peers ask it: over channels, in one process and one loop with them. Letters are
 * sealed by the real writer into real databases in a folder of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/secret.h"
#include "message/parser.h"
#include "storage/admin_ops.h"
#include "storage/letter_message.h"
#include "storage/letter_writer.h"
#include "storage/reader.h"
#include "storage/store.h"
#include "storage/store_request.h"
#include "storage/store_role.h"

#define ACCOUNT 77
#define OTHER 88
#define SESSION 4711
#define OTHER_SESSION 4712
#define SMTP_SESSION 4713

struct world {
    char folder[64];
    struct loop *loop;
    struct role_context store;
    struct channel *control;      /* the supervisor's end */
    struct channel *auth;         /* auth's end */
    struct store_client *smtp;
    struct store_client *retrieval;
    struct vault_keys *keys;
    struct vault_keys *other_keys;
    struct store_reply reply;     /* a copy of the last, arrays too */
    struct uid_range ranges[16];
    struct uid_range ranges2[16];
    struct store_target target;
    bool has_reply;
    bool has_admin;
    enum err admin_err;
    unsigned rings;
    uint64_t ring_mailbox;
    bool auth_closed;
};

static struct world w;

static void on_reply(void *ctx, const struct store_reply *r)
{
    (void)ctx;
    w.has_reply = true;
    w.reply = *r;
    assert_true(r->range_count <= 16 && r->range2_count <= 16);
    if (r->range_count)
        memcpy(w.ranges, r->ranges, r->range_count * sizeof *r->ranges);
    if (r->range2_count)
        memcpy(w.ranges2, r->ranges2, r->range2_count * sizeof *r->ranges2);
    if (r->target_count)
        w.target = r->targets[0];
}

static enum err wait_reply(void)
{
    for (int i = 0; i < 500 && !w.has_reply; i++)
        loop_turn(w.loop, 10);
    assert_true(w.has_reply);
    w.has_reply = false;
    return w.reply.err;
}

static void on_peer_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct admin_reply r;
    (void)ctx;
    (void)c;
    (void)fds;
    (void)nfds;
    if (type == M_ADMIN_REPLY) {
        assert_int_equal(admin_reply_decode(body, &r), ERR_OK);
        w.has_admin = true;
        w.admin_err = r.err;
    }
}

static void on_peer_closed(void *ctx, struct channel *c)
{
    if (ctx == &w.auth) {
        w.auth_closed = true;
        w.auth = NULL;
    }
    channel_free(c);
}

static void on_ring(void *ctx, uint64_t mailbox, uint64_t modseq)
{
    (void)ctx;
    (void)modseq;
    w.rings++;
    w.ring_mailbox = mailbox;
}

static const struct channel_events peer_events = {.on_message = on_peer_message, .on_closed = on_peer_closed};
static const struct store_client_events client_events = {.on_ring = on_ring};

static int join(enum role role, uint32_t instance, uint64_t account)
{
    int fds[2];
    assert_int_equal(channel_pair(fds), ERR_OK);
    store_role_ops.on_channel(&w.store, role, instance, account, fds[0]);
    return fds[1];
}

static enum err admin(struct channel *via, struct admin_request *r)
{
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    admin_request_encode(r, &body);
    assert_int_equal(channel_send(via, M_ADMIN, buf_slice(&body), NULL, 0), ERR_OK);
    buf_clear(&body);
    w.has_admin = false;
    for (int i = 0; i < 500 && !w.has_admin; i++)
        loop_turn(w.loop, 10);
    assert_true(w.has_admin);
    return w.admin_err;
}

static enum err admin_one(const char *op, const char *key, const char *value, const char *key2,
    const char *value2)
{
    struct admin_request r = {.op = slice_str(op)};
    if (key)
        admin_request_add(&r, key, slice_str(value));
    if (key2)
        admin_request_add(&r, key2, slice_str(value2));
    return admin(w.control, &r);
}

static void put_mailbox(struct admin_request *r, const struct vault_keys *keys, unsigned special,
    const char *name, struct buf *memory)
{
    uint8_t hash[NAME_HASH_BYTES];
    struct buf sealed;
    buf_init(&sealed, 4096);
    buf_init(memory, 4096);
    name_hash(keys, SEAL_NAME_MAILBOX, slice_str(name), hash);
    assert_int_equal(name_seal(keys, SEAL_NAME_MAILBOX, slice_str(name), &sealed), ERR_OK);
    buf_put_u64(memory, special);
    buf_put_byte(memory, ' ');
    hex_put(memory, slice_of(hash, sizeof hash));
    buf_put_byte(memory, ' ');
    hex_put(memory, buf_slice(&sealed));
    buf_clear(&sealed);
    admin_request_add(r, "mailbox", buf_slice(memory));
}

static enum err create_account(uint64_t id, const char *address, const struct vault_keys *keys)
{
    struct admin_request r = {.op = SLICE("account.create")};
    struct buf key;
    struct buf inbox;
    struct buf sent;
    char number[24];
    buf_init(&key, 64);
    snprintf(number, sizeof number, "%llu", (unsigned long long)id);
    hex_put(&key, slice_of(keys->public_key, sizeof keys->public_key));
    admin_request_add(&r, "account", slice_str(number));
    admin_request_add(&r, "vault", slice_str(number));
    admin_request_add(&r, "address", slice_str(address));
    admin_request_add(&r, "generation", SLICE("1"));
    admin_request_add(&r, "public_key", buf_slice(&key));
    put_mailbox(&r, keys, SPECIAL_INBOX, "INBOX", &inbox);
    put_mailbox(&r, keys, SPECIAL_SENT, "Sent", &sent);
    enum err e = admin(w.auth, &r);
    buf_clear(&key);
    buf_clear(&inbox);
    buf_clear(&sent);
    return e;
}

static void open_session(uint64_t session, enum role role, uint32_t instance, uint64_t account, uint8_t scopes)
{
    struct buf body;
    buf_init(&body, 64);
    wire_put_u64(&body, 1);
    wire_put_u64(&body, session);
    wire_put_u8(&body, (uint8_t)role);
    wire_put_u32(&body, instance);
    wire_put_u64(&body, account);
    wire_put_u8(&body, scopes);
    assert_int_equal(channel_send(w.auth, M_SESSION_OPEN, buf_slice(&body), NULL, 0), ERR_OK);
    buf_clear(&body);
    for (int i = 0; i < 5; i++)
        loop_turn(w.loop, 2);
}

static void start_store(void)
{
    int fds[2];
    w.store = (struct role_context){.ops = &store_role_ops, .loop = w.loop, .folder = w.folder};
    assert_int_equal(channel_pair(fds), ERR_OK);
    w.store.control = channel_new(w.loop, fds[0], &peer_events, NULL);
    w.control = channel_new(w.loop, fds[1], &peer_events, NULL);
    assert_int_equal(store_role_ops.start(&w.store), ERR_OK);
    w.auth = channel_new(w.loop, join(ROLE_AUTH, 2, 0), &peer_events, &w.auth);
}

/* As the death of its process would: channels close, the databases are closed without a word. */
static void drop_store(void)
{
    struct store *s = w.store.state;
    channel_free(w.auth);
    channel_free(w.control);
    channel_free(w.store.control);
    loop_on_turn_end(w.loop, NULL, NULL);
    timer_free(s->sweep_timer);
    while (s->peers) {
        struct store_peer *p = s->peers;
        s->peers = p->next;
        while (p->stages) {
            struct store_stage *t = p->stages;
            p->stages = t->next;
            buf_clear(&t->targets);
            free(t);
        }
        if (p->channel)
            channel_free(p->channel);
        free(p);
    }
    store_close(s);
    free(s->rings);
    free(s->replies);
    free(s->unstage);
    free(s);
}

static void relay_control(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    (void)ctx;
    (void)c;
    store_role_ops.on_control(&w.store, type, body, fds, nfds);
}

static const struct channel_events control_events = {.on_message = relay_control, .on_closed = on_peer_closed};

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    assert_int_equal(secret_init(), ERR_OK);
    snprintf(w.folder, sizeof w.folder, "/tmp/letterlock-store-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    w.loop = loop_new();
    int fds[2];
    start_store();
    /* Replace the control pair by one that hands messages to the role. */
    channel_free(w.store.control);
    channel_free(w.control);
    assert_int_equal(channel_pair(fds), ERR_OK);
    w.store.control = channel_new(w.loop, fds[0], &control_events, NULL);
    w.control = channel_new(w.loop, fds[1], &peer_events, NULL);
    w.keys = secret_new(sizeof *w.keys);
    w.other_keys = secret_new(sizeof *w.other_keys);
    vault_keys_generate(w.keys, ACCOUNT);
    vault_keys_generate(w.other_keys, OTHER);
    assert_int_equal(admin_one("domain.add", "domain", "example.org", NULL, NULL), ERR_OK);
    assert_int_equal(create_account(ACCOUNT, "ann@example.org", w.keys), ERR_OK);
    assert_int_equal(create_account(OTHER, "bob@example.org", w.other_keys), ERR_OK);
    w.smtp = store_client_new(w.loop, &client_events, NULL);
    store_client_attach(w.smtp, join(ROLE_SMTP, 3, 0));
    w.retrieval = store_client_new(w.loop, &client_events, NULL);
    store_client_attach(w.retrieval, join(ROLE_RETRIEVAL, 4, ACCOUNT));
    open_session(SESSION, ROLE_RETRIEVAL, 4, ACCOUNT, SCOPE_ALL);
    open_session(SMTP_SESSION, ROLE_SMTP, 3, ACCOUNT, SCOPE_SMTP);
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    store_client_free(w.smtp);
    store_client_free(w.retrieval);
    drop_store();
    loop_free(w.loop);
    secret_free(w.keys, sizeof *w.keys);
    secret_free(w.other_keys, sizeof *w.other_keys);
    snprintf(command, sizeof command, "rm -r %s", w.folder);
    return system(command) == 0 ? 0 : -1;
}

static void lookup(const char *address, enum err expected)
{
    store_lookup(w.smtp, slice_str(address), on_reply, NULL);
    assert_int_equal(wait_reply(), expected);
}

static enum err deliver_text(struct slice text)
{
    lookup("ann@example.org", ERR_OK);
    struct letter_writer *l = letter_writer_new(w.smtp);
    while (text.n) {
        struct slice piece = slice_sub(text, 0, 50000);
        letter_writer_feed(l, piece);
        text = slice_from(text, piece.n);
        for (int i = 0; i < 100 && letter_writer_is_full(l); i++)
            loop_turn(w.loop, 10);
    }
    letter_writer_finish(l);
    letter_deliver(l, SLICE("Received: from here\r\n"), &w.target, 1, on_reply, NULL);
    enum err e = wait_reply();
    letter_writer_free(l);
    return e;
}

static enum err deliver(const char *text)
{
    return deliver_text(slice_str(text));
}

static void verify_is_clean(void)
{
    assert_int_equal(admin_one("verify", NULL, NULL, NULL, NULL), ERR_OK);
}

static uint64_t inbox(void)
{
    lookup("ann@example.org", ERR_OK);
    return w.target.mailbox;
}

static void addresses_lead_to_accounts(void **state)
{
    (void)state;
    lookup("ann@example.org", ERR_OK);
    assert_int_equal(w.target.account, ACCOUNT);
    assert_memory_equal(w.target.vault.public_key, w.keys->public_key, 32);
    lookup("ann+lists@example.org", ERR_OK);
    assert_int_equal(w.target.account, ACCOUNT);
    lookup("nobody@example.org", ERR_NOT_FOUND);
    lookup("ann@elsewhere.org", ERR_DENIED);
    assert_int_equal(admin_one("alias.add", "address", "team@example.org", "target", "bob@example.org"), ERR_OK);
    lookup("team@example.org", ERR_OK);
    assert_int_equal(w.target.account, OTHER);
    assert_int_equal(admin_one("alias.add", "address", "team@example.org", "target", "ann@example.org"), ERR_OK);
    lookup("team@example.org", ERR_OK);
    assert_int_equal(w.reply.target_count, 2);
    assert_int_equal(admin_one("alias.add", "address", "@example.org", "target", "bob@example.org"), ERR_OK);
    lookup("whoever@example.org", ERR_OK);
    assert_int_equal(w.target.account, OTHER);
}

static enum err alias(const char *address, const char *target)
{
    return admin_one("alias.add", "address", address, "target", target);
}

static void an_alias_leads_to_accounts_of_ours(void **state)
{
    (void)state;
    assert_int_equal(alias("x@example.org", "ann@elsewhere.org"), ERR_DENIED);
    assert_int_equal(alias("a@example.org", "ann@example.org"), ERR_OK);
    assert_int_equal(alias("b@example.org", "a@example.org"), ERR_OK);
    assert_int_equal(alias("a@example.org", "b@example.org"), ERR_LIMIT);
    assert_int_equal(alias("c@example.org", "c@example.org"), ERR_LIMIT);
    lookup("x@example.org", ERR_NOT_FOUND);
    lookup("c@example.org", ERR_NOT_FOUND);
    lookup("b@example.org", ERR_OK);
    assert_int_equal(w.reply.target_count, 1);
    assert_int_equal(alias("c@example.org", "nobody@example.org"), ERR_NOT_FOUND);
}

/* Each alias of a level leads to all of the one before: 4 to the power of the level. */
static void aliases_to_aliases_are_counted(void **state)
{
    char address[32], target[32];
    enum err e = alias("l0-0@example.org", "ann@example.org");
    (void)state;
    for (int level = 1; e == ERR_OK && level < 9; level++)
        for (int i = 0; e == ERR_OK && i < 16; i++) {
            snprintf(address, sizeof address, "l%d-%d@example.org", level, i / 4);
            snprintf(target, sizeof target, "l%d-%d@example.org", level - 1, level == 1 ? 0 : i % 4);
            e = alias(address, target);
        }
    assert_int_equal(e, ERR_LIMIT);
}

static void a_letter_is_committed_once_for_all(void **state)
{
    (void)state;
    assert_int_equal(deliver("Subject: one\r\n\r\nHello\r\n"), ERR_OK);
    assert_int_equal(w.reply.value, 1);
    verify_is_clean();
    for (int i = 0; i < 5; i++)
        loop_turn(w.loop, 2);
    assert_true(w.rings > 0);
    assert_int_equal(w.ring_mailbox, inbox());
}

static void large_letters_are_staged(void **state)
{
    (void)state;
    size_t n = 5 * 1024 * 1024;
    char *text = malloc(n);
    assert_non_null(text);
    random_bytes(text, n);
    memcpy(text, "Subject: big\r\n\r\n", 16);
    assert_int_equal(deliver_text(slice_of(text, n)), ERR_OK);
    free(text);
    for (int i = 0; i < 5; i++)
        loop_turn(w.loop, 2);
    verify_is_clean();
}

static void half_a_letter_leaves_no_trace(void **state)
{
    (void)state;
    size_t n = 1024 * 1024;
    char *text = malloc(n);
    random_bytes(text, n);
    struct letter_writer *l = letter_writer_new(w.smtp);
    letter_writer_feed(l, slice_of(text, n));
    for (int i = 0; i < 10; i++)
        loop_turn(w.loop, 2);
    letter_writer_free(l);
    for (int i = 0; i < 1500; i++)
        loop_turn(w.loop, 1);
    free(text);
    verify_is_clean();
}

static void change_flags(enum store_flag_op op, uint64_t flags, uint32_t first, uint32_t last)
{
    const struct uid_range r = {first, last};
    const struct store_flags f = {.session = SESSION, .mailbox = inbox(), .op = op, .flags = flags,
        .unchanged_since = UINT64_MAX, .uids = &r, .uid_count = 1};
    store_change_flags(w.retrieval, &f, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
}

static void flags_expunge_and_copy_keep_the_counters(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(deliver("Subject: x\r\n\r\nbody\r\n"), ERR_OK);
    uint64_t box = inbox();
    change_flags(STORE_FLAGS_ADD, FLAG_SEEN, 1, 3);
    change_flags(STORE_FLAGS_ADD, FLAG_DELETED, 2, 2);
    change_flags(STORE_FLAGS_SET, FLAG_FLAGGED, 3, 3);
    change_flags(STORE_FLAGS_REMOVE, FLAG_SEEN, 1, 1);
    verify_is_clean();
    store_expunge(w.retrieval, SESSION, box, false, NULL, 0, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.reply.value, 1);
    const struct uid_range r[] = {{1, 1}, {4, 9}};
    store_mailbox_create(w.retrieval, SESSION, w.keys, 0, SLICE("Archive of Ann"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    uint64_t archive = w.reply.value;
    store_copy(w.retrieval, SESSION, box, archive, false, r, 2, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.reply.value, 3);
    assert_int_equal(w.reply.range_count, 2);
    assert_int_equal(w.ranges2[0].first, 1);
    assert_int_equal(w.ranges2[0].last, 3);
    store_copy(w.retrieval, SESSION, archive, box, true, r, 1, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.ranges2[0].first, 6);
    verify_is_clean();
    store_mailbox_delete(w.retrieval, SESSION, archive, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    for (int i = 0; i < 1500; i++)
        loop_turn(w.loop, 1); /* the sweeper comes by */
    verify_is_clean();
}

static void unchanged_since_protects_what_changed(void **state)
{
    (void)state;
    assert_int_equal(deliver("Subject: x\r\n\r\nbody\r\n"), ERR_OK);
    assert_int_equal(deliver("Subject: y\r\n\r\nbody\r\n"), ERR_OK);
    change_flags(STORE_FLAGS_ADD, FLAG_SEEN, 2, 2);
    uint64_t modseq = w.reply.modseq;
    const struct uid_range r = {1, 2};
    const struct store_flags f = {.session = SESSION, .mailbox = inbox(), .op = STORE_FLAGS_ADD,
        .flags = FLAG_FLAGGED, .unchanged_since = modseq - 1, .uids = &r, .uid_count = 1};
    store_change_flags(w.retrieval, &f, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.reply.range_count, 1);
    assert_int_equal(w.ranges[0].first, 2);
}

static void one_account_never_reaches_another(void **state)
{
    (void)state;
    lookup("bob@example.org", ERR_OK);
    uint64_t his = w.target.mailbox;
    const struct uid_range r = {1, 10};
    const struct store_flags f = {.session = SESSION, .mailbox = his, .op = STORE_FLAGS_ADD, .flags = FLAG_SEEN,
        .unchanged_since = UINT64_MAX, .uids = &r, .uid_count = 1};
    store_change_flags(w.retrieval, &f, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_FOUND);
    store_expunge(w.retrieval, SESSION, his, true, &r, 1, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_FOUND);
    store_copy(w.retrieval, SESSION, inbox(), his, false, &r, 1, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_FOUND);
    store_mailbox_delete(w.retrieval, SESSION, his, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_FOUND);
    store_mailbox_create(w.retrieval, SESSION, w.keys, his, SLICE("below"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_FOUND);
    struct letter_writer *l = letter_writer_new(w.retrieval);
    letter_writer_feed(l, SLICE("Subject: x\r\n\r\n"));
    letter_append(l, SESSION, w.keys, his, 0, INT64_MIN, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_FOUND);
    letter_writer_free(l);
    verify_is_clean();
}

/* A letter of random bytes for a group. */
static void hold(struct letter_group *g, uint64_t mailbox, size_t bytes)
{
    struct letter_writer *l = letter_writer_new(w.retrieval);
    uint8_t *text = malloc(bytes);
    assert_non_null(text);
    random_bytes(text, bytes);
    letter_writer_feed(l, SLICE("Subject: one of some\r\n\r\n"));
    letter_writer_feed(l, slice_of(text, bytes));
    letter_group_hold(g, l, w.keys, mailbox, 0, INT64_MIN);
    letter_writer_free(l);
    free(text);
}

static enum err commit_group(struct letter_group *g, uint64_t replaced_mailbox, uint32_t replaced_uid)
{
    letter_group_commit(g, SESSION, replaced_mailbox, replaced_uid, on_reply, NULL);
    enum err e = wait_reply();
    letter_group_free(g);
    return e;
}

static void a_group_is_stored_whole_or_not_at_all(void **state)
{
    (void)state;
    lookup("bob@example.org", ERR_OK);
    uint64_t his = w.target.mailbox, mine = inbox();
    struct letter_group *g = letter_group_new(w.retrieval);
    hold(g, mine, 100);
    hold(g, mine, 20000);
    hold(g, mine, 200000);
    assert_int_equal(commit_group(g, 0, 0), ERR_OK);
    assert_int_equal(w.ranges[0].first, 1);
    assert_int_equal(w.ranges[0].last, 3);
    g = letter_group_new(w.retrieval);
    hold(g, mine, 200000);
    hold(g, his, 100);
    assert_int_equal(commit_group(g, 0, 0), ERR_NOT_FOUND);
    g = letter_group_new(w.retrieval);
    hold(g, mine, 20000);
    assert_int_equal(commit_group(g, mine, 2), ERR_OK);
    assert_int_equal(w.ranges[0].first, 4);
    g = letter_group_new(w.retrieval);
    hold(g, mine, 20000);
    assert_int_equal(commit_group(g, mine, 2), ERR_NOT_FOUND);
    g = letter_group_new(w.retrieval);
    hold(g, mine, 200000);
    letter_group_free(g);
    for (int i = 0; i < 1500; i++)
        loop_turn(w.loop, 1);
    verify_is_clean();
}

/* What a taken-over process might send. */
static void a_group_that_names_itself_is_refused(void **state)
{
    (void)state;
    struct letter_head h = {.stage = 77, .size = 5, .chunks = 1, .summary = SLICE("x")};
    struct buf body;
    buf_init(&body, 4096);
    wire_put_u64(&body, 77);
    letter_head_encode(&h, &body);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_client_bulk(w.retrieval, M_APPEND_HOLD, buf_slice(&body)), ERR_OK);
    buf_reset(&body);
    wire_put_u64(&body, SESSION);
    wire_put_u64(&body, 77);
    wire_put_u32(&body, 2);
    wire_put_u64(&body, 0);
    wire_put_u32(&body, 0);
    store_client_request(w.retrieval, M_APPEND_HELD, STORE_REQUEST_CHANGE, buf_slice(&body), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_STORE_GONE);
    buf_clear(&body);
    verify_is_clean();
}

static void a_session_works_only_for_the_process_it_was_opened_for(void **state)
{
    (void)state;
    open_session(OTHER_SESSION, ROLE_RETRIEVAL, 99, OTHER, SCOPE_ALL);
    const struct uid_range r = {1, 10};
    store_expunge(w.retrieval, OTHER_SESSION, inbox(), true, &r, 1, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_DENIED);
    store_expunge(w.retrieval, 123456, inbox(), true, &r, 1, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_DENIED);
    store_may_send_as(w.smtp, SMTP_SESSION, SLICE("ann+x@example.org"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    store_may_send_as(w.smtp, SMTP_SESSION, SLICE("bob@example.org"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_DENIED);
}

static void a_full_account_takes_no_more(void **state)
{
    (void)state;
    assert_int_equal(admin_one("account.quota", "address", "ann@example.org", "bytes", "300"), ERR_OK);
    assert_int_equal(deliver("Subject: x\r\n\r\nbody\r\n"), ERR_OK);
    char text[400];
    memset(text, 'x', sizeof text);
    assert_int_equal(deliver_text(slice_of(text, sizeof text)), ERR_QUOTA);
    verify_is_clean();
}

struct reached {
    bool closed;
};

static void on_reached_closed(void *ctx, struct channel *c)
{
    struct reached *r = ctx;
    r->closed = true;
    channel_free(c);
}

/* Every type of message from every role: what the table does not allow ends the channel. */
static void forbidden_messages_end_the_channel(void **state)
{
    static const struct channel_events events = {.on_message = on_peer_message, .on_closed = on_reached_closed};
    static const enum role roles[] = {ROLE_HASH, ROLE_SMTP, ROLE_DOOR, ROLE_RETRIEVAL, ROLE_RELAY, ROLE_AUTH};
    unsigned refused = 0;
    (void)state;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        for (uint16_t type = 0; type <= M_TYPE_MAX; type++) {
            if (message_allowed(roles[i], ROLE_STORE, type))
                continue;
            struct reached r = {false};
            struct channel *c = channel_new(w.loop, join(roles[i], 1000u + type, 0), &events, &r);
            assert_int_equal(channel_send(c, type, SLICE("12345678abcdefgh"), NULL, 0), ERR_OK);
            for (int k = 0; k < 50 && !r.closed; k++)
                loop_turn(w.loop, 2);
            assert_true(r.closed);
            refused++;
        }
    }
    assert_true(refused > 100);
}

static void what_was_done_is_known_after_a_restart(void **state)
{
    (void)state;
    assert_int_equal(deliver("Subject: x\r\n\r\nbody\r\n"), ERR_OK);
    uint64_t box = inbox();
    /* Sent, committed, but the answer never seen: the channel is swapped before the loop runs on. */
    const struct uid_range r = {1, 1};
    store_expunge(w.retrieval, SESSION, box, true, &r, 1, on_reply, NULL);
    struct store *s = w.store.state;
    for (int i = 0; i < 100 && s->commits < 100000 && s->replies == NULL; i++)
        loop_turn(w.loop, 1);
    drop_store();
    start_store();
    store_client_attach(w.smtp, join(ROLE_SMTP, 3, 0));
    store_client_attach(w.retrieval, join(ROLE_RETRIEVAL, 4, ACCOUNT));
    open_session(SESSION, ROLE_RETRIEVAL, 4, ACCOUNT, SCOPE_ALL);
    if (!w.has_reply)
        assert_int_equal(wait_reply(), ERR_OK);
    w.has_reply = false;
    assert_int_equal(w.reply.err, ERR_OK);
    assert_int_equal(w.reply.value, 1);
}

static void keywords_get_bits_by_name(void **state)
{
    (void)state;
    store_keyword(w.retrieval, SESSION, w.keys, SLICE("holiday"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.reply.value, FLAG_KEYWORD_FIRST);
    store_keyword(w.retrieval, SESSION, w.keys, SLICE("work"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.reply.value, FLAG_KEYWORD_FIRST + 1);
    store_keyword(w.retrieval, SESSION, w.keys, SLICE("holiday"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    assert_int_equal(w.reply.value, FLAG_KEYWORD_FIRST);
}

static void mailboxes_have_one_name_each(void **state)
{
    (void)state;
    store_mailbox_create(w.retrieval, SESSION, w.keys, 0, SLICE("Work"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    uint64_t work = w.reply.value;
    store_mailbox_create(w.retrieval, SESSION, w.keys, 0, SLICE("Work"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_EXISTS);
    store_mailbox_create(w.retrieval, SESSION, w.keys, work, SLICE("Work"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    uint64_t below = w.reply.value;
    store_mailbox_rename(w.retrieval, SESSION, w.keys, work, below, SLICE("Circle"), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_DENIED);
    store_mailbox_delete(w.retrieval, SESSION, work, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_OK);
    store_mailbox_delete(w.retrieval, SESSION, work, on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_NOT_EMPTY);
    store_mailbox_delete(w.retrieval, SESSION, inbox(), on_reply, NULL);
    assert_int_equal(wait_reply(), ERR_DENIED);
}

static void an_account_that_is_removed_leaves_nothing_to_read(void **state)
{
    struct admin_request r = {.op = SLICE("account.remove")};
    (void)state;
    assert_int_equal(deliver("Subject: x\r\n\r\nbody\r\n"), ERR_OK);
    admin_request_add(&r, "account", SLICE("77"));
    assert_int_equal(admin(w.auth, &r), ERR_OK);
    lookup("ann@example.org", ERR_NOT_FOUND);
    for (int i = 0; i < 1500; i++)
        loop_turn(w.loop, 1);
    verify_is_clean();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(addresses_lead_to_accounts),
        T(an_alias_leads_to_accounts_of_ours),
        T(aliases_to_aliases_are_counted),
        T(a_letter_is_committed_once_for_all),
        T(large_letters_are_staged),
        T(half_a_letter_leaves_no_trace),
        T(flags_expunge_and_copy_keep_the_counters),
        T(unchanged_since_protects_what_changed),
        T(one_account_never_reaches_another),
        T(a_group_is_stored_whole_or_not_at_all),
        T(a_group_that_names_itself_is_refused),
        T(a_session_works_only_for_the_process_it_was_opened_for),
        T(a_full_account_takes_no_more),
        T(forbidden_messages_end_the_channel),
        T(what_was_done_is_known_after_a_restart),
        T(keywords_get_bits_by_name),
        T(mailboxes_have_one_name_each),
        T(an_account_that_is_removed_leaves_nothing_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
