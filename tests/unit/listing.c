/* Listing blocks: what was sealed opens for its mailbox and UIDs under its vault's keys, and for nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "storage/listing.h"

static void fill(struct listing *l, size_t n)
{
    *l = (struct listing){.mailbox = 7, .first = 10, .last = 20};
    buf_init(&l->text, LISTING_TEXT_MAX + 1);
    for (size_t i = 0; i < n; i++)
        buf_put_byte(&l->text, (uint8_t)('a' + i % 23));
}

static void a_block_opens_where_it_belongs(void **state)
{
    static const size_t sizes[] = {1, 200, 5000, LISTING_TEXT_MAX};
    struct vault_keys keys;
    (void)state;
    vault_keys_generate(&keys, 3);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct listing l;
        struct listing got = {.mailbox = 7, .first = 10, .last = 20};
        struct buf sealed;
        fill(&l, sizes[i]);
        buf_init(&got.text, LISTING_TEXT_MAX);
        buf_init(&sealed, LISTING_SEALED_MAX);
        assert_int_equal(listing_seal(&keys, &l, &sealed), ERR_OK);
        assert_int_equal(listing_open(&keys, buf_slice(&sealed), &got), ERR_OK);
        assert_true(slice_equal(buf_slice(&got.text), buf_slice(&l.text)));
        buf_clear(&sealed);
        buf_clear(&l.text);
        buf_clear(&got.text);
    }
}

static void a_block_opens_nowhere_else(void **state)
{
    struct vault_keys keys, others;
    struct listing l, got;
    struct buf sealed;
    (void)state;
    vault_keys_generate(&keys, 3);
    vault_keys_generate(&others, 3);
    fill(&l, 3000);
    fill(&got, 0);
    buf_init(&sealed, LISTING_SEALED_MAX);
    assert_int_equal(listing_seal(&keys, &l, &sealed), ERR_OK);
    assert_int_equal(listing_open(&others, buf_slice(&sealed), &got), ERR_DAMAGED);
    got.mailbox = 8;
    assert_int_equal(listing_open(&keys, buf_slice(&sealed), &got), ERR_DAMAGED);
    got.mailbox = 7;
    got.first = 11;
    assert_int_equal(listing_open(&keys, buf_slice(&sealed), &got), ERR_DAMAGED);
    got.first = 10;
    got.last = 21;
    assert_int_equal(listing_open(&keys, buf_slice(&sealed), &got), ERR_DAMAGED);
    got.last = 20;
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        assert_int_equal(listing_open(&keys, buf_slice(&sealed), &got), ERR_DAMAGED);
        sealed.p[i] ^= 1;
        assert_int_equal(listing_open(&keys, slice_of(sealed.p, i), &got), ERR_DAMAGED);
    }
    assert_int_equal(listing_open(&keys, buf_slice(&sealed), &got), ERR_OK);
    buf_clear(&sealed);
    buf_clear(&l.text);
    buf_clear(&got.text);
}

static void a_text_beyond_the_limit_is_refused(void **state)
{
    struct vault_keys keys;
    struct listing l;
    struct buf sealed;
    (void)state;
    vault_keys_generate(&keys, 3);
    fill(&l, LISTING_TEXT_MAX + 1);
    buf_init(&sealed, 2 * LISTING_SEALED_MAX);
    assert_int_equal(listing_seal(&keys, &l, &sealed), ERR_TOO_BIG);
    assert_int_equal(sealed.n, 0);
    buf_clear(&sealed);
    buf_clear(&l.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_opens_where_it_belongs),
        cmocka_unit_test(a_block_opens_nowhere_else),
        cmocka_unit_test(a_text_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
