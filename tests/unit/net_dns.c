/* Answers of the DNS: read as they are, cut at every byte, and with every byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/dns.h"

/* "a.example" MX 10 mx.a.example, 5 b.example (by a pointer), and an A record that is not asked for. */
static const uint8_t mx_answer[] = {0, 1, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0,
    1, 'a', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 15, 0, 1,
    0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 7, 0, 10, 2, 'M', 'x', 0xc0, 12,
    0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 6, 0, 5, 1, 'b', 0xc0, 14,
    0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};

static void an_answer_is_read(void **state)
{
    struct dns_answer a = {0};
    (void)state;
    dns_packet_read(slice_of(mx_answer, sizeof mx_answer), DNS_MX, &a);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.records[0].preference, 10);
    assert_string_equal(a.records[0].text, "mx.a.example");
    assert_string_equal(a.records[1].text, "b.example");
    dns_packet_read(slice_of(mx_answer, sizeof mx_answer), DNS_A, &a);
    assert_int_equal(a.count, 1);
    assert_string_equal(a.records[0].text, "192.0.2.1");
}

static void a_name_that_is_not_there(void **state)
{
    uint8_t packet[27];
    struct dns_answer a = {0};
    (void)state;
    memcpy(packet, mx_answer, sizeof packet);
    packet[3] = 0x83;
    packet[7] = 0;
    dns_packet_read(slice_of(packet, sizeof packet), DNS_MX, &a);
    assert_int_equal(a.err, ERR_NOT_FOUND);
    packet[3] = 0x82;
    dns_packet_read(slice_of(packet, sizeof packet), DNS_MX, &a);
    assert_int_equal(a.err, ERR_IO);
}

static void a_cut_answer_harms_nothing(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof mx_answer; cut++) {
        struct dns_answer a = {0};
        uint8_t *copy = mem_new(cut + 1);
        memcpy(copy, mx_answer, cut);
        dns_packet_read(slice_of(copy, cut), DNS_MX, &a);
        assert_true(a.count <= 2);
        if (cut < 46)
            assert_int_not_equal(a.err, ERR_OK);
        free(copy);
    }
}

static void a_changed_answer_harms_nothing(void **state)
{
    uint8_t packet[sizeof mx_answer];
    (void)state;
    for (size_t at = 0; at < sizeof packet; at++) {
        for (unsigned value = 0; value < 256; value++) {
            struct dns_answer a = {0};
            memcpy(packet, mx_answer, sizeof packet);
            packet[at] = (uint8_t)value;
            dns_packet_read(slice_of(packet, sizeof packet), DNS_MX, &a);
            assert_true(a.count <= 3);
            for (size_t i = 0; i < a.count; i++)
                assert_true(strlen(a.records[i].text) <= DNS_NAME_MAX);
        }
    }
}

static void names_that_chase_their_tail_end(void **state)
{
    static const uint8_t packet[] = {0, 1, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0,
        0, 0, 15, 0, 1, 0, 0, 0, 60, 0, 4, 0, 10, 0xc0, 25};
    struct dns_answer a = {0};
    (void)state;
    dns_packet_read(slice_of(packet, sizeof packet), DNS_MX, &a);
    assert_int_equal(a.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(a_name_that_is_not_there),
        cmocka_unit_test(a_cut_answer_harms_nothing),
        cmocka_unit_test(a_changed_answer_harms_nothing),
        cmocka_unit_test(names_that_chase_their_tail_end),
    };
    return cmocka_run_group_tests_name("net_dns", tests, NULL, NULL);
}
