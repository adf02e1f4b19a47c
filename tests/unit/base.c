/* base/: buffers that know their maximum, codecs, the cursor that never reads outside, the map of ids,
 * log lines that stay lines, and the arena of secrets. (Slices have slice.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/idmap.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/wire.h"

static bool holds(const struct buf *b, const char *text)
{
    return slice_equal(buf_slice(b), slice_str(text));
}

static void a_buffer_stops_at_its_maximum_and_says_so(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_put_str(&b, "abc");
    assert_true(buf_ok(&b));
    buf_put_str(&b, "def");
    assert_int_equal(buf_error(&b), ERR_TOO_BIG);
    assert_true(holds(&b, "abc"));
    buf_put_byte(&b, 'x'); /* sticky: it would fit */
    assert_true(holds(&b, "abc"));
    assert_null(buf_room(&b, SIZE_MAX));
    buf_reset(&b);
    buf_put_str(&b, "abcde");
    assert_true(buf_ok(&b) && holds(&b, "abcde"));
    buf_consume(&b, 2);
    assert_true(holds(&b, "cde"));
    buf_clear(&b);
    assert_int_equal(b.max, 5);
}

static void numbers_and_formats_are_written_whole(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_put_u64(&b, 0);
    buf_put_byte(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    assert_true(holds(&b, "0 18446744073709551615"));
    buf_reset(&b);
    buf_printf(&b, "%0600d", 7);
    assert_int_equal(b.n, 600);
    assert_int_equal(b.p[599], '7');
    buf_printf(&b, "%0600d", 7);
    assert_false(buf_ok(&b));
    assert_int_equal(b.n, 600);
    buf_clear(&b);
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"}, {"Zm9vYmFy", "foobar"}};
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", " Zm9v",
        "====", "Zm-v", "Zg=a"};
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        buf_reset(&b);
        assert_int_equal(base64_get(slice_str(pairs[i][0]), &b), ERR_OK);
        assert_true(holds(&b, pairs[i][1]));
        buf_reset(&b);
        base64_put(&b, slice_str(pairs[i][1]));
        assert_true(holds(&b, pairs[i][0]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_reset(&b);
        assert_int_equal(base64_get(slice_str(bad[i]), &b), ERR_SYNTAX);
    }
    buf_clear(&b);
    buf_init(&b, 2);
    assert_int_equal(base64_get(SLICE("Zm9v"), &b), ERR_TOO_BIG);
    buf_clear(&b);
}

static void hex_and_base32_read_back_what_they_wrote(void **state)
{
    (void)state;
    uint8_t bytes[40];
    struct buf text, back;
    buf_init(&text, 200);
    buf_init(&back, 200);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct slice data = slice_of(bytes, n);
        buf_reset(&text);
        buf_reset(&back);
        hex_put(&text, data);
        assert_int_equal(hex_get(buf_slice(&text), &back), ERR_OK);
        assert_true(slice_equal(buf_slice(&back), data));
        buf_reset(&text);
        buf_reset(&back);
        base32_put(&text, data);
        assert_int_equal(base32_get(buf_slice(&text), &back), ERR_OK);
        assert_true(slice_equal(buf_slice(&back), data));
    }
    buf_reset(&back);
    assert_int_equal(base32_get(SLICE("MZ-xw 6"), &back), ERR_OK);
    assert_true(holds(&back, "foo"));
    assert_int_equal(base32_get(SLICE("1"), &back), ERR_SYNTAX);
    assert_int_equal(hex_get(SLICE("abc"), &back), ERR_SYNTAX);
    assert_int_equal(hex_get(SLICE("zz"), &back), ERR_SYNTAX);
    buf_clear(&text);
    buf_clear(&back);
}

static void a_cursor_fails_once_and_for_good(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    wire_put_u8(&b, 1);
    wire_put_u16(&b, 0x0203);
    wire_put_u32(&b, 0x04050607);
    wire_put_u64(&b, UINT64_MAX);
    wire_put_bytes(&b, SLICE("abc"));
    wire_put_short(&b, SLICE("de"));
    wire_put_varint(&b, 127);
    wire_put_varint(&b, 128);
    wire_put_varint(&b, UINT64_MAX);
    for (size_t n = 0; n <= b.n; n++) {
        struct wire w = wire_of(slice_sub(buf_slice(&b), 0, n));
        bool right = wire_u8(&w) == 1;
        right &= wire_u16(&w) == 0x0203;
        right &= wire_u32(&w) == 0x04050607;
        right &= wire_u64(&w) == UINT64_MAX;
        right &= slice_equal(wire_bytes(&w), SLICE("abc"));
        right &= slice_equal(wire_short(&w), SLICE("de"));
        right &= wire_varint(&w) == 127;
        right &= wire_varint(&w) == 128;
        right &= wire_varint(&w) == UINT64_MAX;
        assert_int_equal(wire_done(&w), n == b.n);
        assert_int_equal(right, n == b.n);
        assert_int_equal(wire_u8(&w), 0);
        assert_true(w.failed && wire_at_end(&w) && !wire_done(&w));
    }
    struct wire long_one = wire_of(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
    assert_int_equal(wire_varint(&long_one), 0);
    assert_true(long_one.failed);
    struct wire huge = wire_of(SLICE("\xff\xff\xff\xff" "abc"));
    assert_int_equal(wire_bytes(&huge).n, 0);
    assert_true(huge.failed);
    buf_clear(&b);
}

static void count_entry(void *ctx, uint64_t id, void *value)
{
    (void)value;
    *(uint64_t *)ctx += id;
}

static void ids_are_found_until_they_are_removed(void **state)
{
    (void)state;
    struct idmap m = {0};
    int things[2];
    assert_null(idmap_find(&m, 1));
    assert_null(idmap_remove(&m, 1));
    for (uint64_t round = 0; round < 50; round++) {
        for (uint64_t i = 1; i <= 300; i++)
            idmap_put(&m, round * 1000 + i, &things[i % 2]);
        for (uint64_t i = 1; i <= 300; i++)
            assert_ptr_equal(idmap_find(&m, round * 1000 + i), &things[i % 2]);
        idmap_put(&m, round * 1000 + 1, &things[0]);
        assert_ptr_equal(idmap_find(&m, round * 1000 + 1), &things[0]);
        uint64_t sum = 0;
        idmap_each(&m, count_entry, &sum);
        assert_true(sum == 300 * round * 1000 + 300 * 301 / 2);
        for (uint64_t i = 1; i <= 300; i++)
            assert_non_null(idmap_remove(&m, round * 1000 + i));
        assert_null(idmap_find(&m, round * 1000 + 7));
        assert_int_equal(m.count, 0);
    }
    assert_true(m.cap < 4096); /* the graves of the removed are cleared away */
    idmap_clear(&m);
}

/* What one event looks like on stderr. */
static void logged(struct slice value, char *out, size_t out_max)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_event(LOG_ERROR, "test", LF_S("value", value), LF_U("n", 7), LF_X("id", 0xab));
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], out, out_max - 1);
    close(ends[0]);
    assert_true(n > 0);
    out[n] = '\0';
}

static void a_logged_value_never_makes_a_second_line(void **state)
{
    (void)state;
    static char line[2 * LOG_LINE_MAX];
    log_init("unit", LOG_INFO);
    logged(SLICE("a\r\nlevel=error forged=1\x1b[2J\"\\"), line, sizeof line);
    assert_non_null(strstr(line, "event=test"));
    assert_non_null(strstr(line, "n=7"));
    assert_non_null(strstr(line, "id=ab"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_null(strchr(line, '\r'));
    assert_null(strchr(line, '\x1b'));
    static uint8_t large[3 * LOG_LINE_MAX];
    memset(large, 'x', sizeof large);
    logged(slice_of(large, sizeof large), line, sizeof line);
    assert_true(strlen(line) <= LOG_LINE_MAX + 1);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void secrets_are_zeroed_counted_and_bounded(void **state)
{
    (void)state;
    static const uint8_t zero[100];
    assert_int_equal(secret_init(), ERR_OK);
    size_t before = secret_used_bytes();
    uint8_t *a = secret_new(100);
    uint8_t *b = secret_new(1);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(b >= a + 100 || a >= b + 1);
    assert_true(secret_equal(a, zero, 100));
    memset(a, 0xaa, 100);
    assert_false(secret_equal(a, zero, 100));
    assert_true(secret_used_bytes() > before);
    secret_free(a, 100);
    uint8_t *again = secret_new(100);
    assert_non_null(again);
    assert_true(secret_equal(again, zero, 100));
    secret_free(again, 100);
    secret_free(b, 1);
    secret_free(NULL, 5);
    assert_true(secret_used_bytes() == before);
    assert_null(secret_new(SECRET_ARENA_BYTES + 1));
    void *all[SECRET_ARENA_BYTES / SECRET_GRAIN_BYTES + 1];
    size_t n = 0;
    while (n < sizeof all / sizeof *all && (all[n] = secret_new(SECRET_GRAIN_BYTES)) != NULL)
        n++;
    assert_true(n > 0 && n < sizeof all / sizeof *all);
    while (n > 0)
        secret_free(all[--n], SECRET_GRAIN_BYTES);
    assert_true(secret_used_bytes() == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_stops_at_its_maximum_and_says_so),
        cmocka_unit_test(numbers_and_formats_are_written_whole),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(hex_and_base32_read_back_what_they_wrote),
        cmocka_unit_test(a_cursor_fails_once_and_for_good),
        cmocka_unit_test(ids_are_found_until_they_are_removed),
        cmocka_unit_test(a_logged_value_never_makes_a_second_line),
        cmocka_unit_test(secrets_are_zeroed_counted_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
