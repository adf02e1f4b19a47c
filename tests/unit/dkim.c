/* DKIM: canonical bodies with known hashes, the same result wherever the input is cut, whose a letter is, and what a
 * signature covers. That others find the signatures good is tests/system/test_dkim.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/codec.h"
#include "smtp/dkim.h"

#define HEADER "From: a@example.org\r\n\r\n"

static void expect_hash(const char *body, const char *wanted)
{
    struct buf all;
    buf_init(&all, 65536);
    buf_put_str(&all, HEADER);
    buf_put_str(&all, body);
    for (size_t cut = 0; cut <= all.n; cut++) {
        struct dkim_message m;
        struct buf got;
        buf_init(&got, 64);
        dkim_begin(&m);
        dkim_put(&m, slice_sub(buf_slice(&all), 0, cut));
        dkim_put(&m, slice_from(buf_slice(&all), cut));
        assert_int_equal(dkim_end(&m), ERR_OK);
        assert_true(slice_equal(buf_slice(&m.header), SLICE(HEADER)));
        base64_put(&got, slice_of(m.body_hash, sizeof m.body_hash));
        if (!slice_equal(buf_slice(&got), slice_str(wanted)))
            fail_msg("%s cut at %zu: %.*s", body, cut, SLICE_FMT(buf_slice(&got)));
        buf_clear(&got);
        dkim_clear(&m);
    }
    buf_clear(&all);
}

static void bodies_have_the_hashes_of_the_standards(void **state)
{
    (void)state;
    /* RFC 6376 section 3.4.4: the hash of nothing. */
    static const char empty[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    expect_hash("", empty);
    expect_hash("\r\n", empty);
    expect_hash("\r\n\r\n\r\n", empty);
    expect_hash(" \t\r\n \r\n", empty);
    expect_hash(" \t", empty);
    /* RFC 8463 appendix A.3 */
    expect_hash("Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n",
        "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

/* Both bodies are the same in the relaxed form. */
static void expect_same(const char *body, const char *canonical)
{
    uint8_t hash[HASH_BYTES];
    struct sha256 h;
    struct buf text;
    sha256_begin(&h);
    sha256_put(&h, slice_str(canonical));
    sha256_end(&h, hash);
    buf_init(&text, 64);
    base64_put(&text, slice_of(hash, sizeof hash));
    buf_put_byte(&text, 0);
    expect_hash(body, (const char *)text.p);
    buf_clear(&text);
}

static void bodies_are_relaxed(void **state)
{
    (void)state;
    expect_same(" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"); /* RFC 6376 section 3.4.5 */
    expect_same("no end", "no end\r\n");
    expect_same("\r\n\r\na\r\n\r\n", "\r\n\r\na\r\n");
    expect_same("a\r\n \t\r\nb \r\n\t", "a\r\n\r\nb\r\n");
    expect_same("a\rb\nc\r\r\nd\r", "a\r\nb\r\nc\r\n\r\nd\r\n");
    expect_same(".\r\n..\r\n\xc3\xbc \xff\r\n", ".\r\n..\r\n\xc3\xbc \xff\r\n");
}

static void expect_from(const char *header, const char *wanted)
{
    struct dkim_message m;
    struct buf domain;
    buf_init(&domain, 512);
    dkim_begin(&m);
    dkim_put(&m, slice_str(header));
    assert_int_equal(dkim_end(&m), ERR_OK);
    enum err e = dkim_from_domain(&m, &domain);
    if (e != (wanted ? ERR_OK : ERR_NOT_FOUND) ||
        (wanted && !slice_equal(buf_slice(&domain), slice_str(wanted))))
        fail_msg("%s: %s %.*s", header, err_text(e), SLICE_FMT(buf_slice(&domain)));
    buf_clear(&domain);
    dkim_clear(&m);
}

static void the_first_from_says_whose_it_is(void **state)
{
    (void)state;
    expect_from("From: a@Example.ORG\r\n\r\n", "example.org");
    expect_from("from : \"x@evil.example\" (y@evil.example) <a@example.org>\r\n\r\n", "example.org");
    expect_from("From: \"a\\\"@evil.example\" <a@example.org>\r\n\r\n", "example.org");
    expect_from("From:\r\n =?utf-8?q?a?=\r\n <a@b\xc3\xbc""cher.example>\r\n\r\n", "xn--bcher-kva.example");
    expect_from("From: a@one.example, b@two.example\r\n\r\n", "one.example");
    expect_from("From: a@one.example\r\nFrom: b@two.example\r\n\r\n", NULL);
    expect_from("From: nobody\r\n\r\n", NULL);
    expect_from("To: a@one.example\r\n\r\nFrom: a@one.example\r\n", NULL);
    expect_from("", NULL);
}

/* What would be signed: the h= of a signature, without its folds. Empty: refused with the error. */
static void names_of(struct slice header, struct buf *out, enum err wanted)
{
    struct buf pem, public, field;
    struct dkim_message m;
    buf_init(&pem, SIGN_PEM_MAX);
    buf_init(&public, SIGN_PEM_MAX);
    buf_init(&field, DKIM_SIGNATURE_MAX);
    struct sign_key *key = NULL;
    assert_int_equal(sign_key_make(SIGN_ED25519_SHA256, &pem, &public), ERR_OK);
    assert_int_equal(public.n, 32);
    assert_int_equal(sign_key_open(SIGN_ED25519_SHA256, buf_slice(&pem), &key), ERR_OK);
    struct dkim_signer s = {SLICE("example.org"), SLICE("sel"), SIGN_ED25519_SHA256, key, 1500000000};
    dkim_begin(&m);
    dkim_put(&m, header);
    enum err e = dkim_end(&m);
    e = e ? e : dkim_sign(&m, &s, &field);
    assert_int_equal(e, wanted);
    const char *start = buf_slice(&field).n ? memmem(field.p, field.n, "h=", 2) : NULL;
    for (const char *c = start ? start + 2 : ";"; *c != ';'; c++)
        if (*c != '\r' && *c != '\n' && *c != '\t' && *c != ' ')
            buf_put(out, slice_of(c, 1));
    /* No line is longer than RFC 5322 recommends, and a failure leaves nothing. */
    size_t line = 0;
    for (size_t i = 0; i < field.n; i++) {
        line = field.p[i] == '\n' ? 0 : line + 1;
        assert_true(line <= 79);
    }
    assert_true(e ? field.n == 0 : field.n > 100);
    dkim_clear(&m);
    sign_key_free(key);
    buf_wipe(&pem);
    buf_clear(&public);
    buf_clear(&field);
}

static void a_signature_covers_what_is_there_and_once_more(void **state)
{
    (void)state;
    struct buf names;
    buf_init(&names, 4096);
    names_of(SLICE("Received: x\r\nFROM: a@example.org\r\nTo: b\r\nto: c\r\nSubject: s\r\nX-A: b\r\n\r\nbody\r\n"),
        &names, ERR_OK);
    assert_true(slice_equal(buf_slice(&names),
        SLICE("from:from:reply-to:sender:to:to:to:cc:subject:subject:date:message-id:in-reply-to:references:"
              "mime-version:content-type:content-transfer-encoding")));
    buf_clear(&names);
}

static void what_is_too_large_is_not_signed(void **state)
{
    (void)state;
    struct buf header, names;
    buf_init(&names, 4096);
    buf_init(&header, 1 << 20);
    for (size_t i = 0; i <= DKIM_FIELDS_MAX; i++)
        buf_put_str(&header, "To: a\r\n");
    buf_put_str(&header, "\r\n");
    names_of(buf_slice(&header), &names, ERR_LIMIT);
    header.n = 0;
    while (header.n <= DKIM_HEADER_MAX)
        buf_put_str(&header, "X-A: something that fills the header and goes on for a while\r\n");
    buf_put_str(&header, "\r\n");
    names_of(buf_slice(&header), &names, ERR_TOO_BIG);
    assert_int_equal(names.n, 0);
    buf_clear(&header);
    buf_clear(&names);
}

static void keys_of_the_other_kind_are_refused(void **state)
{
    (void)state;
    struct buf pem, public;
    struct sign_key *key = NULL;
    enum sign_algorithm a;
    buf_init(&pem, SIGN_PEM_MAX);
    buf_init(&public, SIGN_PEM_MAX);
    assert_int_equal(sign_key_make(SIGN_RSA_SHA256, &pem, &public), ERR_OK);
    assert_int_equal(sign_key_open(SIGN_ED25519_SHA256, buf_slice(&pem), &key), ERR_SYNTAX);
    assert_int_equal(sign_key_open(SIGN_RSA_SHA256, SLICE("-----BEGIN PRIVATE KEY-----\nAAAA\n"), &key), ERR_SYNTAX);
    assert_null(key);
    assert_true(sign_algorithm_parse(SLICE("ed25519-sha256"), &a) && a == SIGN_ED25519_SHA256);
    assert_false(sign_algorithm_parse(SLICE("rsa-sha1"), &a));
    buf_wipe(&pem);
    buf_clear(&public);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_have_the_hashes_of_the_standards),
        cmocka_unit_test(bodies_are_relaxed),
        cmocka_unit_test(the_first_from_says_whose_it_is),
        cmocka_unit_test(a_signature_covers_what_is_there_and_once_more),
        cmocka_unit_test(what_is_too_large_is_not_signed),
        cmocka_unit_test(keys_of_the_other_kind_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
