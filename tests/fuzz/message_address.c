/* message/address.h: slices lie in the text; the canonical form parses, and its canonical form is
 * itself; a path and the bare address agree; cutting the detail leaves an address. */
#include "message/address.h"

static void check_canonical(const struct address *a)
{
    struct buf once, twice, base;
    buf_init(&once, ADDRESS_MAX);
    buf_init(&twice, ADDRESS_MAX);
    buf_init(&base, ADDRESS_MAX);
    if (address_canonical(a, &once) == ERR_OK) {
        struct address b;
        struct slice detail;
        ENSURE(address_parse(buf_slice(&once), &b) == ERR_OK);
        ENSURE(address_canonical(&b, &twice) == ERR_OK);
        ENSURE(slice_equal(buf_slice(&once), buf_slice(&twice)));
        if (address_split_detail(buf_slice(&once), &base, &detail))
            ENSURE(address_parse(buf_slice(&base), &b) == ERR_OK);
    }
    buf_clear(&once);
    buf_clear(&twice);
    buf_clear(&base);
}

static void check_domain(struct slice text)
{
    struct buf once, twice;
    buf_init(&once, ADDRESS_DOMAIN_MAX);
    buf_init(&twice, ADDRESS_DOMAIN_MAX);
    if (domain_canonical(text, &once) == ERR_OK) {
        ENSURE(domain_canonical(buf_slice(&once), &twice) == ERR_OK);
        ENSURE(slice_equal(buf_slice(&once), buf_slice(&twice)));
        ENSURE(slice_is_ascii(buf_slice(&once)));
    }
    buf_clear(&once);
    buf_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct slice text = slice_of(p, n);
    struct slice rest;
    struct address a;
    check_domain(text);
    if (address_parse(text, &a) == ERR_OK) {
        ENSURE(a.local.p == p && a.local.n + 1 + a.domain.n == n && a.domain.p == p + a.local.n + 1);
        ENSURE(a.local.n <= ADDRESS_LOCAL_MAX && a.domain.n <= ADDRESS_DOMAIN_MAX);
        check_canonical(&a);
    }
    if (address_parse_path(text, &a, &rest) == ERR_OK) {
        struct address b;
        ENSURE(rest.p + rest.n == p + n);
        if (a.local.n) {
            struct slice whole = slice_of(a.local.p, a.local.n + 1 + a.domain.n);
            ENSURE(address_parse(whole, &b) == ERR_OK);
        }
    }
    return 0;
}
