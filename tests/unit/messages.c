/* Which role may send what to whom, against a matrix written here by hand; and the messages that start
 * a role, cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "storage/boot.h"

struct edge {
    enum role from, to;
    uint16_t types[24]; /* ended by 0 */
};

static const struct edge edges[] = {
    {ROLE_STORE, ROLE_SUPERVISOR, {M_READY, M_SETTINGS, M_ADMIN_REPLY, M_SNAPSHOT_REPLY}},
    {ROLE_AUTH, ROLE_SUPERVISOR, {M_READY, M_SPAWN, M_ADMIN_REPLY}},
    {ROLE_HASH, ROLE_SUPERVISOR, {M_READY}},
    {ROLE_SMTP, ROLE_SUPERVISOR, {M_READY}},
    {ROLE_DOOR, ROLE_SUPERVISOR, {M_READY}},
    {ROLE_RETRIEVAL, ROLE_SUPERVISOR, {M_READY}},
    {ROLE_RELAY, ROLE_SUPERVISOR, {M_READY, M_ADMIN_REPLY}},
    {ROLE_SUPERVISOR, ROLE_STORE,
        {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP, M_ADMIN, M_SNAPSHOT}},
    {ROLE_SUPERVISOR, ROLE_AUTH,
        {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP, M_ADMIN, M_SPAWNED}},
    {ROLE_SUPERVISOR, ROLE_HASH, {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP}},
    {ROLE_SUPERVISOR, ROLE_SMTP, {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP}},
    {ROLE_SUPERVISOR, ROLE_DOOR, {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP}},
    {ROLE_SUPERVISOR, ROLE_RETRIEVAL, {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP}},
    {ROLE_SUPERVISOR, ROLE_RELAY, {M_BOOT, M_CHANNEL, M_SETTINGS, M_CERTIFICATES, M_STOP, M_ADMIN}},
    {ROLE_SMTP, ROLE_AUTH, {M_LOGIN, M_LOGOUT, M_SCRAM}},
    {ROLE_DOOR, ROLE_AUTH, {M_LOGIN, M_SCRAM}},
    {ROLE_AUTH, ROLE_SMTP, {M_LOGIN_REPLY, M_SCRAM_OFFER, M_SCRAM_REPLY}},
    {ROLE_AUTH, ROLE_DOOR, {M_LOGIN_REPLY, M_SCRAM_OFFER, M_SCRAM_REPLY}},
    {ROLE_AUTH, ROLE_HASH, {M_HASH}},
    {ROLE_HASH, ROLE_AUTH, {M_HASH_REPLY}},
    {ROLE_AUTH, ROLE_RETRIEVAL, {M_ATTACH, M_DETACH}},
    {ROLE_RETRIEVAL, ROLE_AUTH, {M_DETACH}},
    {ROLE_AUTH, ROLE_STORE, {M_ADMIN, M_SESSION_OPEN, M_SESSION_CLOSE}},
    {ROLE_STORE, ROLE_AUTH, {M_ADMIN_REPLY, M_SESSION_OPENED}},
    {ROLE_SMTP, ROLE_STORE,
        {M_LOOKUP, M_MAY_SEND_AS, M_DONE, M_STAGE, M_STAGE_TARGETS, M_STAGE_RECIPIENTS, M_STAGE_DROP,
            M_DELIVER}},
    {ROLE_STORE, ROLE_SMTP, {M_CREDIT, M_REPLY, M_DIRECTORY}},
    {ROLE_RETRIEVAL, ROLE_STORE,
        {M_DONE, M_STAGE, M_STAGE_DROP, M_APPEND, M_APPEND_HOLD, M_APPEND_HELD, M_FLAGS, M_EXPUNGE, M_COPY, M_MAILBOX_CREATE,
            M_MAILBOX_RENAME, M_MAILBOX_DELETE, M_SUBSCRIBE, M_CLAIM_RECENT, M_KEYWORD, M_ADOPT,
            M_SUMMARY, M_SEARCH, M_LISTING}},
    {ROLE_STORE, ROLE_RETRIEVAL, {M_CREDIT, M_REPLY, M_RING, M_DIRECTORY}},
    {ROLE_RELAY, ROLE_STORE,
        {M_LOOKUP, M_DONE, M_STAGE, M_STAGE_TARGETS, M_STAGE_DROP, M_DELIVER, M_RELAY_WANT, M_RELAY_FETCH,
            M_RELAY_RESULT}},
    {ROLE_STORE, ROLE_RELAY,
        {M_CREDIT, M_REPLY, M_RELAY_WORK, M_RELAY_CHUNKS, M_RELAY_STATE, M_RELAY_ROUTES, M_RELAY_DKIM,
            M_RELAY_FORGET, M_RELAY_RETRY}},
};

static bool expected(enum role from, enum role to, uint16_t type)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (edges[i].from == from && edges[i].to == to)
            for (size_t k = 0; edges[i].types[k]; k++)
                if (edges[i].types[k] == type)
                    return true;
    return false;
}

static void every_role_may_send_what_the_matrix_says_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned from = 0; from <= ROLE_COUNT; from++)
        for (unsigned to = 0; to <= ROLE_COUNT; to++)
            for (unsigned type = 0; type <= M_TYPE_MAX + 300; type++) {
                bool want = expected((enum role)from, (enum role)to, (uint16_t)type);
                if (message_allowed((enum role)from, (enum role)to, (uint16_t)type) != want)
                    fail_msg("type %u from %s to %s: want %d", type, role_name((enum role)from),
                        role_name((enum role)to), want);
            }
}

static void a_boot_message_comes_back_whole_and_never_cut(void **state)
{
    (void)state;
    struct role_boot in = {.instance = 7, .account = 1ULL << 40, .folder = SLICE("/var/lib/x"),
        .settings = SLICE("abc"), .listener_count = 2};
    memset(in.keys.fake_salt, 1, 32);
    memset(in.keys.name_hash, 2, 32);
    snprintf(in.listeners[0].name, sizeof in.listeners[0].name, "smtp");
    snprintf(in.listeners[1].name, sizeof in.listeners[1].name, "submission-alt");
    struct buf body;
    buf_init(&body, 4096);
    role_boot_encode(&in, &body);
    struct role_boot out;
    const int fds[] = {40, 41, 42};
    assert_int_equal(role_boot_decode(buf_slice(&body), fds, 2, &out), ERR_OK);
    assert_int_equal(out.instance, 7);
    assert_int_equal(out.account, 1ULL << 40);
    assert_true(slice_equal(out.folder, in.folder));
    assert_memory_equal(&out.keys, &in.keys, sizeof in.keys);
    assert_string_equal(out.listeners[1].name, "submission-alt");
    assert_int_equal(out.listeners[1].fd, 41);
    assert_int_equal(role_boot_decode(buf_slice(&body), fds, 1, &out), ERR_SYNTAX);
    assert_int_equal(role_boot_decode(buf_slice(&body), fds, 3, &out), ERR_SYNTAX);
    for (size_t cut = 0; cut < body.n; cut++)
        assert_int_equal(role_boot_decode(slice_of(body.p, cut), fds, 2, &out), ERR_SYNTAX);
    buf_clear(&body);
}

static void certificates_come_back_and_replace_the_old_ones(void **state)
{
    (void)state;
    struct role_certificate in[2], out[ROLE_CERTIFICATES_MAX];
    size_t n = 0;
    struct buf body;
    buf_init(&body, 4096);
    for (size_t i = 0; i < 2; i++) {
        buf_init(&in[i].chain_pem, 100);
        buf_init(&in[i].key_pem, 100);
        buf_printf(&in[i].chain_pem, "chain %zu", i);
        buf_printf(&in[i].key_pem, "key %zu", i);
    }
    role_certificates_encode(in, 2, &body);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(role_certificates_decode(buf_slice(&body), out, &n), ERR_OK);
        assert_int_equal(n, 2);
        assert_true(slice_equal(buf_slice(&out[1].key_pem), SLICE("key 1")));
    }
    for (size_t cut = 0; cut < body.n; cut++)
        assert_int_equal(role_certificates_decode(slice_of(body.p, cut), out, &n), ERR_SYNTAX);
    assert_int_equal(n, 2);
    role_certificates_clear(out, &n);
    n = 2;
    role_certificates_clear(in, &n);
    buf_clear(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_may_send_what_the_matrix_says_and_nothing_else),
        cmocka_unit_test(a_boot_message_comes_back_whole_and_never_cut),
        cmocka_unit_test(certificates_come_back_and_replace_the_old_ones),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
