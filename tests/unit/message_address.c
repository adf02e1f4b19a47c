/* message/address.h: single addresses and SMTP paths, strictly; the canonical form; and the 440 cases
 * of the isemail collection ($LETTERLOCK_TEST_DATA), with every deviation named. */
#include "message_help.h"

#include "message/address.h"

static void assert_parse(const char *text, enum err expected)
{
    struct address a;
    enum err e = address_parse(slice_str(text), &a);
    if (e != expected)
        print_message("# %s: %s\n", text, err_text(e));
    assert_int_equal(e, expected);
}

static void an_addr_spec_is_judged_by_the_grammar_of_smtp(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b", "jane.doe@example.org", "\"a b\"@c", "\"\"@c",
        "a%b!c@d.example", "\"a@b\"@c", "\"a\\\"b\"@c", "x@[192.0.2.1]", "x@[IPv6:2001:db8::1]",
        "j\xc3\xb6rg@\xc3\xbc.example", "a+b@c", "=?x?=@c", "a@1.2.3.4", "a@xn--bcher-kva.example"};
    static const char *const bad[] = {"", "a", "@", "a@", "@b", "a@b.", "a@.b", "a@b..c", ".a@b",
        "a.@b", "a..b@c", "a b@c", " a@b", "a@b ", "a@b>", "<a@b>", "a@-b", "a@b-", "a@b_c", "a@b@c",
        "\"a@b", "\"a\"b@c", "a\"b\"@c", "\"a\nb\"@c", "a\r@b", "a@[1.2.3]", "a@[1.2.3.4", "a@[]",
        "a@[IPv6:1.2.3.4]", "a@[x:y]", "a@[1.2.3.4]x", "\x80@b", "a@\xff", "a(c)@b", "a@b(c)", "a,b@c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_parse(good[i], ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_parse(bad[i], ERR_SYNTAX);
    struct address a;
    assert_int_equal(address_parse(SLICE("a@b\0"), &a), ERR_SYNTAX);
    assert_int_equal(address_parse(SLICE("\0@b"), &a), ERR_SYNTAX);
}

static void limits_of_rfc_5321_hold(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    for (size_t n = 63; n <= 66; n++) {
        buf_reset(&b);
        for (size_t i = 0; i < n; i++)
            buf_put_byte(&b, 'a');
        buf_put_str(&b, "@b");
        struct address a;
        assert_int_equal(address_parse(buf_slice(&b), &a), n <= 64 ? ERR_OK : ERR_TOO_BIG);
        buf_reset(&b);
        buf_put_str(&b, "a@");
        for (size_t i = 0; i < n; i++)
            buf_put_byte(&b, 'b');
        assert_int_equal(address_parse(buf_slice(&b), &a), n <= 63 ? ERR_OK : ERR_SYNTAX);
    }
    for (size_t n = 126; n <= 129; n++) {
        buf_reset(&b);
        buf_put_str(&b, "a@b");
        for (size_t i = 0; i < n; i++)
            buf_put_str(&b, ".b");
        struct address a;
        assert_int_equal(address_parse(buf_slice(&b), &a), n <= 127 ? ERR_OK : ERR_TOO_BIG);
    }
    buf_clear(&b);
}

static void slices_say_what_was_written(void **state)
{
    (void)state;
    struct address a;
    assert_int_equal(address_parse(SLICE("\"a @ b\"@[192.0.2.1]"), &a), ERR_OK);
    assert_true(slice_equal(a.local, SLICE("\"a @ b\"")));
    assert_true(slice_equal(a.domain, SLICE("[192.0.2.1]")));
    assert_true(a.is_quoted && a.is_literal && !a.needs_utf8);
    assert_int_equal(address_parse(SLICE("\xc3\xb6@b"), &a), ERR_OK);
    assert_true(!a.is_quoted && !a.is_literal && a.needs_utf8);
}

static void a_path_is_an_address_in_angle_brackets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err e;
        const char *local, *domain, *rest;
    } cases[] = {
        {"<a@b> SIZE=1", ERR_OK, "a", "b", " SIZE=1"},
        {"<>", ERR_OK, "", "", ""},
        {"<> X=y", ERR_OK, "", "", " X=y"},
        {"<@a,@b.c:d@e>", ERR_OK, "d", "e", ""},
        {"<\"a>b\"@c> x", ERR_OK, "\"a>b\"", "c", " x"},
        {"<\"a\\\">b\"@c>", ERR_OK, "\"a\\\">b\"", "c", ""},
        {"<a@b", ERR_SYNTAX, "", "", ""},
        {"a@b>", ERR_SYNTAX, "", "", ""},
        {"<@a:>", ERR_SYNTAX, "", "", ""},
        {"<@a b@c>", ERR_SYNTAX, "", "", ""},
        {"<@:b@c>", ERR_SYNTAX, "", "", ""},
        {"< a@b>", ERR_SYNTAX, "", "", ""},
        {"<postmaster>", ERR_SYNTAX, "", "", ""},
        {"", ERR_SYNTAX, "", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address a;
        struct slice rest;
        assert_int_equal(address_parse_path(slice_str(cases[i].text), &a, &rest), cases[i].e);
        if (cases[i].e != ERR_OK)
            continue;
        assert_true(slice_equal(a.local, slice_str(cases[i].local)));
        assert_true(slice_equal(a.domain, slice_str(cases[i].domain)));
        assert_true(slice_equal(rest, slice_str(cases[i].rest)));
    }
}

static void the_canonical_form_is_the_same_for_the_same_mailbox(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Jane.Doe@Example.ORG", "jane.doe@example.org"},
        {"\"jane\"@example.org", "jane@example.org"},
        {"\"j\\a\\ne\"@example.org", "jane@example.org"},
        {"\"a b\"@c", "\"a b\"@c"},
        {"\"A\\\"\\b\"@c", "\"a\\\"b\"@c"},
        {"\"\"@c", "\"\"@c"},
        {"\"a..b\"@c", "\"a..b\"@c"},
        {"a@B\xc3\x9c" "CHER.example", "a@xn--bcher-kva.example"},
        {"a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"},
        {"J\xc3\x96RG@x", "j\xc3\xb6rg@x"},
        {"jo\xcc\x88rg@x", "j\xc3\xb6rg@x"},
        {"stra\xc3\x9f" "e@stra\xc3\x9f" "e.example", "strasse@xn--strae-oqa.example"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"a@[IPv6:2001:DB8:0:0::1]", "a@[ipv6:2001:db8::1]"},
    };
    struct buf out, again;
    buf_init(&out, ADDRESS_MAX);
    buf_init(&again, ADDRESS_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address a;
        buf_reset(&out);
        buf_reset(&again);
        assert_int_equal(address_parse(slice_str(cases[i][0]), &a), ERR_OK);
        assert_int_equal(address_canonical(&a, &out), ERR_OK);
        assert_int_equal(address_parse(buf_slice(&out), &a), ERR_OK);
        assert_int_equal(address_canonical(&a, &again), ERR_OK);
        assert_true(slice_equal(buf_slice(&out), buf_slice(&again)));
        help_is(&out, cases[i][1]);
    }
    buf_clear(&out);
    buf_clear(&again);
}

static void a_domain_is_told_in_a_labels(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        enum err e;
        const char *canonical;
    } cases[] = {
        {"Example.Org.", ERR_OK, "example.org"},
        {"b\xc3\xbc" "cher.example", ERR_OK, "xn--bcher-kva.example"},
        {"faß.de", ERR_OK, "xn--fa-hia.de"},
        {"", ERR_SYNTAX, ""},
        {".", ERR_SYNTAX, ""},
        {"a..b", ERR_SYNTAX, ""},
        {"a_b", ERR_SYNTAX, ""},
        {"-a", ERR_SYNTAX, ""},
        {"xn--\xc3\xbc", ERR_SYNTAX, ""},
        {"\xff", ERR_SYNTAX, ""},
    };
    struct buf out;
    buf_init(&out, ADDRESS_DOMAIN_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_reset(&out);
        assert_int_equal(domain_canonical(slice_str(cases[i].domain), &out), cases[i].e);
        if (cases[i].e == ERR_OK)
            help_is(&out, cases[i].canonical);
    }
    buf_clear(&out);
}

static void detail_is_cut_off_at_the_first_plus(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"jane+shop@x", "jane@x", "shop"},
        {"jane+a+b@x", "jane@x", "a+b"}, {"jane+@x", "jane@x", ""}, {"jane@x+y", NULL, NULL},
        {"+jane@x", NULL, NULL}, {"jane.+a@x", NULL, NULL}, {"\"a+b c\"@x", NULL, NULL}, {"jane", NULL, NULL}};
    struct buf base;
    buf_init(&base, ADDRESS_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice detail;
        bool has = address_split_detail(slice_str(cases[i][0]), &base, &detail);
        assert_int_equal(has, cases[i][1] != NULL);
        if (!has)
            continue;
        assert_true(slice_equal(detail, slice_str(cases[i][2])));
        help_is(&base, cases[i][1]);
    }
    buf_clear(&base);
}

/* Addresses on which we differ from the collection, and why. */
static const struct {
    const char *address;
    const char *why;
} DEVIATIONS[] = {
#define LONG_LABEL "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghikl"
    {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghiklm@" LONG_LABEL "." LONG_LABEL
     ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij",
        "each side has its own limit; a path of 256 in all (section 4.5.3.1.3) is a least one"},
    {"a@" LONG_LABEL "." LONG_LABEL "." LONG_LABEL
     ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefg.hij",
        "the same"},
    {"123456789012345678901234567890123456789012345678901234567890@"
     "12345678901234567890123456789012345678901234567890123456789."
     "12345678901234567890123456789012345678901234567890123456789."
     "12345678901234567890123456789012345678901234567890123456789.12345.iana.org",
        "the same"},
    {"test@[IPv6:1111:2222:3333:4444:5555:6666::8888]",
        "\"::\" for one group is deprecated (RFC 5952), and every system reads it"},
};

/* The text of <tag> within s, entities undone and symbols for controls turned into controls. */
static bool xml_text(struct slice s, const char *tag, struct buf *out)
{
    char open[32];
    snprintf(open, sizeof open, "<%s>", tag);
    size_t at = slice_find(s, slice_str(open));
    if (at == SIZE_MAX)
        return false;
    s = slice_from(s, at + strlen(open));
    static const char *const entities[][2] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"},
        {"&quot;", "\""}, {"&apos;", "'"}};
    while (s.n && s.p[0] != '<') {
        size_t i = 0;
        while (i < 5 && !slice_starts(s, slice_str(entities[i][0])))
            i++;
        if (i < 5) {
            buf_put_str(out, entities[i][1]);
            s = slice_from(s, strlen(entities[i][0]));
        } else if (slice_starts(s, SLICE("&#x24"))) {
            uint8_t pair[3] = {s.p[5], s.p[6], 0};
            buf_put_byte(out, (uint8_t)strtoul((char *)pair, NULL, 16));
            s = slice_from(s, slice_find_byte(s, ';') + 1);
        } else if (slice_starts(s, SLICE("&#xA9;"))) {
            buf_put_str(out, "\xc2\xa9");
            s = slice_from(s, 6);
        } else {
            buf_put_byte(out, s.p[0]);
            s = slice_from(s, 1);
        }
    }
    return true;
}

static bool is_deviation(struct slice address)
{
    for (size_t i = 0; i < sizeof DEVIATIONS / sizeof *DEVIATIONS; i++)
        if (slice_equal(slice_str(DEVIATIONS[i].address), address))
            return true;
    return false;
}

/* Valid for SMTP are the categories VALID, DNSWARN and RFC5321; the others are comments, folding and
 * obsolete forms, which an envelope may not hold, and errors. */
static bool is_smtp_category(struct slice category)
{
    return slice_equal(category, SLICE("ISEMAIL_VALID_CATEGORY")) ||
        slice_equal(category, SLICE("ISEMAIL_DNSWARN")) ||
        slice_equal(category, SLICE("ISEMAIL_RFC5321"));
}

static size_t check_collection(struct slice xml, size_t *wrong)
{
    struct buf address, category;
    size_t count = 0;
    buf_init(&address, 4096);
    buf_init(&category, 4096);
    size_t at;
    while ((at = slice_find(xml, SLICE("<test id="))) != SIZE_MAX) {
        xml = slice_from(xml, at + 1);
        struct slice test = slice_sub(xml, 0, slice_find(xml, SLICE("</test>")));
        buf_reset(&address);
        buf_reset(&category);
        xml_text(test, "address", &address);
        assert_true(xml_text(test, "category", &category));
        struct address a;
        bool is_good = address_parse(buf_slice(&address), &a) == ERR_OK;
        bool differs = is_good != is_smtp_category(buf_slice(&category));
        if (differs != is_deviation(buf_slice(&address))) {
            print_message("# %.*s: %s but %.*s\n", SLICE_FMT(buf_slice(&address)),
                is_good ? "good" : "bad", SLICE_FMT(buf_slice(&category)));
            ++*wrong;
        }
        count++;
    }
    buf_clear(&address);
    buf_clear(&category);
    return count;
}

static void the_isemail_collection_is_judged_as_it_says(void **state)
{
    (void)state;
    const char *folder = getenv("LETTERLOCK_TEST_DATA");
    static const char *const files[] = {"tests.xml", "tests-original.xml"};
    size_t count = 0, wrong = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/address-isemail/test/%s", folder ? folder : "/work/shared/data",
            files[i]);
        FILE *f = fopen(path, "rb");
        if (!f)
            continue;
        struct buf xml;
        buf_init(&xml, 1024 * 1024);
        uint8_t chunk[4096];
        size_t n;
        while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
            buf_put_bytes(&xml, chunk, n);
        fclose(f);
        count += check_collection(buf_slice(&xml), &wrong);
        buf_clear(&xml);
    }
    if (count == 0) {
        print_message("# the isemail collection is not there: skipped\n");
        skip();
    }
    print_message("# %zu cases\n", count);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_addr_spec_is_judged_by_the_grammar_of_smtp),
        cmocka_unit_test(limits_of_rfc_5321_hold),
        cmocka_unit_test(slices_say_what_was_written),
        cmocka_unit_test(a_path_is_an_address_in_angle_brackets),
        cmocka_unit_test(the_canonical_form_is_the_same_for_the_same_mailbox),
        cmocka_unit_test(a_domain_is_told_in_a_labels),
        cmocka_unit_test(detail_is_cut_off_at_the_first_plus),
        cmocka_unit_test(the_isemail_collection_is_judged_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
