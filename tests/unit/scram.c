/* SCRAM: the arithmetic against the vectors of RFC 7677 section 3 and RFC 7914 section 11, the dialogue
 * against a client written here, and the vault's keys that a proof opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/secret.h"
#include "storage/sasl.h"

static void expect_base64(const uint8_t *bytes, const char *text)
{
    struct buf out;
    buf_init(&out, 128);
    base64_put(&out, slice_of(bytes, HASH_BYTES));
    assert_true(slice_equal(buf_slice(&out), slice_str(text)));
    buf_clear(&out);
}

static void get_base64(const char *text, uint8_t *out, size_t n)
{
    struct buf bytes;
    buf_init(&bytes, 128);
    assert_int_equal(base64_get(slice_str(text), &bytes), ERR_OK);
    assert_int_equal(bytes.n, n);
    memcpy(out, bytes.p, n);
    buf_clear(&bytes);
}

static void pbkdf2_is_as_published(void **state)
{
    static const uint8_t wanted[8] = {0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f};
    uint8_t out[HASH_BYTES];
    (void)state;
    hash_pbkdf2_sha256(SLICE("passwd"), SLICE("salt"), 1, out);
    assert_memory_equal(out, wanted, sizeof wanted);
}

static void the_example_of_rfc_7677_proves(void **state)
{
    struct slice message = SLICE("n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    uint8_t salt[SCRAM_SALT_BYTES], proof[HASH_BYTES], key[HASH_BYTES], signature[HASH_BYTES];
    struct scram_keys keys;
    (void)state;
    get_base64("W22ZaJ0SNY7soEsUEjb6gQ==", salt, sizeof salt);
    get_base64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", proof, sizeof proof);
    scram_derive(SLICE("pencil"), slice_of(salt, sizeof salt), 4096, &keys);
    assert_true(scram_proves(keys.stored_key, message, proof, key));
    assert_memory_equal(key, keys.client_key, HASH_BYTES);
    scram_sign(keys.server_key, message, signature);
    expect_base64(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    proof[31] ^= 1;
    assert_false(scram_proves(keys.stored_key, message, proof, key));
}

/* One message of the client's, in clear. */
static enum sasl_step say(struct sasl *x, struct slice plain)
{
    struct buf text;
    buf_init(&text, 8192);
    base64_put(&text, plain);
    enum sasl_step step = sasl_answer(x, buf_slice(&text));
    buf_clear(&text);
    return step;
}

static void begin(struct sasl *x)
{
    assert_int_equal(sasl_init(x, SLICE("scram-sha-256"), true, NULL), ERR_OK);
    assert_int_equal(sasl_challenge(x).n, 0);
}

static void the_dialogue_ends_in_an_empty_line(void **state)
{
    struct sasl x;
    struct login l = {0};
    struct buf final;
    uint8_t signature[HASH_BYTES] = {0};
    (void)state;
    begin(&x);
    assert_int_equal(say(&x, SLICE("n,,n=u=2Cv=3D@d,r=abc")), SASL_SALT);
    assert_true(slice_equal(buf_slice(&x.user), SLICE("u,v=@d")));
    sasl_take_salt(&x, SLICE("0123456789abcdef"), 4096);
    assert_true(sasl_challenge(&x).n > 0);
    buf_init(&final, 1024);
    buf_put_str(&final, "c=biws,r=");
    buf_put(&final, buf_slice(&x.nonce));
    buf_put_str(&final, ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_int_equal(say(&x, buf_slice(&final)), SASL_COMPLETE);
    sasl_login(&x, &l);
    assert_int_equal(l.proof.n, HASH_BYTES);
    assert_true(slice_starts(l.message, SLICE("n=u=2Cv=3D@d,r=abc,r=abc")));
    assert_true(slice_find(l.message, SLICE(",p=")) == SIZE_MAX);
    sasl_take_signature(&x, slice_of(signature, sizeof signature));
    assert_true(slice_equal(sasl_challenge(&x), SLICE("dj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBPQ==")));
    assert_int_equal(sasl_answer(&x, SLICE("")), SASL_FINISHED);
    sasl_clear(&x);
    buf_clear(&final);
}

static void first_messages_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = {"", "n", "n,,", "n,,r=abc", "n,,n=u@d", "n,,n=,r=abc", "n,,n=u@d,r=",
        "n,,m=x,n=u@d,r=abc", "n,,n=u=2,r=abc", "n,,n=u=41,r=abc", "p=tls-exporter,,n=u@d,r=abc", "z,,n=u@d,r=abc",
        "n,a=other,n=u@d,r=abc", "n,b=u@d,n=u@d,r=abc", "n,,n=u@d,r=a\tc", "n,,n=u@d,r=a\303\244"};
    struct sasl x;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        begin(&x);
        assert_int_equal(say(&x, slice_str(wrong[i])), SASL_BAD);
        sasl_clear(&x);
    }
    begin(&x);
    assert_int_equal(say(&x, SLICE("y,a=u@d,n=u@d,r=abc,x=extension")), SASL_SALT);
    sasl_clear(&x);
    assert_int_equal(sasl_init(&x, SLICE("SCRAM-SHA-256-PLUS"), true, NULL), ERR_UNSUPPORTED);
    assert_int_equal(sasl_init(&x, SLICE("SCRAM-SHA-256"), false, NULL), ERR_UNSUPPORTED);
    assert_int_equal(sasl_init(&x, SLICE("SCRAM-SHA-1"), true, NULL), ERR_UNSUPPORTED);
}

static void final_messages_that_do_not_fit_are_refused(void **state)
{
    /* %s: the nonce */
    static const char *const wrong[] = {"", "c=biws", "c=biws,r=%s", "c=eSws,r=%s,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "c=biws,r=%s,p=", "c=biws,r=%s,p=AAAA",
        "r=%s,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sasl x;
        struct buf final;
        struct slice rest = slice_str(wrong[i]);
        begin(&x);
        assert_int_equal(say(&x, SLICE("n,,n=u@d,r=abc")), SASL_SALT);
        sasl_take_salt(&x, SLICE("0123456789abcdef"), 4096);
        buf_init(&final, 1024);
        size_t at = slice_find(rest, SLICE("%s"));
        buf_put(&final, slice_sub(rest, 0, at == SIZE_MAX ? rest.n : at));
        if (at != SIZE_MAX) {
            buf_put(&final, buf_slice(&x.nonce));
            buf_put(&final, slice_from(rest, at + 2));
        }
        assert_int_equal(say(&x, buf_slice(&final)), SASL_BAD);
        buf_clear(&final);
        sasl_clear(&x);
    }
}

static void names_are_announced_strongest_first(void **state)
{
    struct buf names;
    (void)state;
    buf_init(&names, SASL_NAMES_MAX);
    sasl_put_names(&names, true, true);
    assert_true(slice_equal(buf_slice(&names), SLICE("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN")));
    buf_reset(&names);
    sasl_put_names(&names, true, false);
    assert_true(slice_equal(buf_slice(&names), SLICE("SCRAM-SHA-256 PLAIN LOGIN")));
    buf_reset(&names);
    sasl_put_names(&names, false, true);
    assert_true(slice_equal(buf_slice(&names), SLICE("PLAIN LOGIN")));
    buf_clear(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pbkdf2_is_as_published),
        cmocka_unit_test(the_example_of_rfc_7677_proves),
        cmocka_unit_test(the_dialogue_ends_in_an_empty_line),
        cmocka_unit_test(first_messages_that_are_none_are_refused),
        cmocka_unit_test(final_messages_that_do_not_fit_are_refused),
        cmocka_unit_test(names_are_announced_strongest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
