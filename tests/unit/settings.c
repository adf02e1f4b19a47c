/* Settings: values of every form at and beyond their limits, networks, and the record that roles get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "storage/settings.h"

static enum err set(struct settings *s, const char *name, const char *value)
{
    return settings_set(s, slice_str(name), slice_str(value));
}

static void every_default_is_valid_and_names_are_in_order(void **state)
{
    (void)state;
    struct settings *s = settings_new();
    for (size_t i = 0; i < setting_info_count; i++) {
        const struct setting_info *info = &setting_infos[i];
        assert_true(slice_equal(settings_text(s, info->name), slice_str(info->preset)));
        assert_true(settings_is_preset(s, info->name));
        assert_true(strlen(info->help) > 10);
        assert_non_null(setting_form_text(info));
        if (i > 0)
            assert_true(strcmp(setting_infos[i - 1].name, info->name) < 0);
    }
    assert_int_equal(settings_number(s, "smtp.max-size"), 50 << 20);
    assert_true(settings_has_network(s, "smtp.unlimited-networks", "127.0.0.1"));
    assert_false(settings_has_network(s, "login.cleartext", "127.0.0.1"));
    settings_free(s);
}

static void values_of_the_wrong_form_are_refused_and_change_nothing(void **state)
{
    static const struct {
        const char *name, *value;
        enum err expected;
    } cases[] = {
        {"smtp.max-size", "1M", ERR_OK},
        {"smtp.max-size", "1m", ERR_OK},
        {"smtp.max-size", "2147483648", ERR_OK},
        {"smtp.max-size", "2147483649", ERR_SYNTAX},
        {"smtp.max-size", "1023", ERR_SYNTAX},
        {"smtp.max-size", "99999999999999999999G", ERR_SYNTAX},
        {"smtp.max-size", "18446744073709551615G", ERR_SYNTAX},
        {"smtp.max-size", "", ERR_SYNTAX},
        {"smtp.max-size", "M", ERR_SYNTAX},
        {"smtp.max-size", "-1M", ERR_SYNTAX},
        {"smtp.max-size", "1MM", ERR_SYNTAX},
        {"smtp.max-errors", "20", ERR_OK},
        {"smtp.max-errors", "0", ERR_SYNTAX},
        {"smtp.max-errors", "1K", ERR_SYNTAX},
        {"expunged.keep", "2h", ERR_OK},
        {"expunged.keep", "8d", ERR_SYNTAX},
        {"hostname", "mail.example.org", ERR_OK},
        {"hostname", "", ERR_OK},
        {"hostname", "mail.example.org.", ERR_SYNTAX},
        {"hostname", "-mail.example.org", ERR_SYNTAX},
        {"hostname", "mail..example", ERR_SYNTAX},
        {"hostname", "mail example", ERR_SYNTAX},
        {"log.level", "debug", ERR_OK},
        {"log.level", "loud", ERR_SYNTAX},
        {"log.level", "", ERR_SYNTAX},
        {"login.cleartext", "10.0.0.0/8  ::1", ERR_OK},
        {"login.cleartext", "10.0.0.0/33", ERR_SYNTAX},
        {"login.cleartext", "::1/129", ERR_SYNTAX},
        {"login.cleartext", "10.0.0/8", ERR_SYNTAX},
        {"login.cleartext", "localhost", ERR_SYNTAX},
        {"login.cleartext", "10.0.0.0/", ERR_SYNTAX},
        {"no.such", "1", ERR_NOT_FOUND},
        {"smtp.max-siz", "1M", ERR_NOT_FOUND},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings *s = settings_new();
        assert_int_equal(set(s, cases[i].name, cases[i].value), cases[i].expected);
        if (cases[i].expected == ERR_SYNTAX)
            assert_true(settings_is_preset(s, cases[i].name));
        settings_free(s);
    }
}

static void a_value_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    (void)state;
    struct settings *s = settings_new();
    char text[SETTING_VALUE_MAX + 1];
    memset(text, ' ', sizeof text);
    assert_int_equal(settings_set(s, SLICE("login.cleartext"), slice_of(text, SETTING_VALUE_MAX)), ERR_OK);
    assert_int_equal(settings_set(s, SLICE("login.cleartext"), slice_of(text, sizeof text)), ERR_SYNTAX);
    settings_free(s);
}

static void an_address_is_found_in_its_networks_only(void **state)
{
    static const struct {
        const char *list, *address;
        bool expected;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1/128 127.0.0.0/8", "127.0.0.9", true},
        {"", "127.0.0.1", false},
        {"127.0.0.0/8", "", false},
        {"127.0.0.0/8", "127.0.0.1 ", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings *s = settings_new();
        assert_int_equal(set(s, "login.cleartext", cases[i].list), ERR_OK);
        assert_int_equal(settings_has_network(s, "login.cleartext", cases[i].address), cases[i].expected);
        settings_free(s);
    }
}

static void the_record_carries_all_and_resets_the_rest(void **state)
{
    (void)state;
    struct settings *a = settings_new(), *b = settings_new();
    struct buf record;
    buf_init(&record, 4096);
    assert_int_equal(set(a, "smtp.max-size", "3M"), ERR_OK);
    assert_int_equal(set(a, "hostname", "mail.example.org"), ERR_OK);
    assert_int_equal(set(b, "smtp.max-errors", "7"), ERR_OK);
    settings_encode(a, &record);
    assert_int_equal(settings_decode(buf_slice(&record), b), ERR_OK);
    assert_int_equal(settings_number(b, "smtp.max-size"), 3 << 20);
    assert_int_equal(settings_number(b, "smtp.max-errors"), 20);
    assert_true(slice_equal(settings_text(b, "hostname"), SLICE("mail.example.org")));
    for (size_t cut = 0; cut < record.n; cut++)
        assert_int_equal(settings_decode(slice_of(record.p, cut), b), ERR_SYNTAX);
    buf_clear(&record);
    settings_free(a);
    settings_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_valid_and_names_are_in_order),
        cmocka_unit_test(values_of_the_wrong_form_are_refused_and_change_nothing),
        cmocka_unit_test(a_value_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(an_address_is_found_in_its_networks_only),
        cmocka_unit_test(the_record_carries_all_and_resets_the_rest),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
