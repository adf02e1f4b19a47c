/* Sealing: what is sealed opens, and nothing else does: each field that binds a seal to its place is
 * changed, each byte flipped, and frames that lie about their size are fed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/secret.h"
#include "message/summary.h"
#include "storage/seal.h"
#include "storage/seal_internal.h"

#define BIG (1024 * 1024)

static int setup(void **state)
{
    (void)state;
    return secret_init() == ERR_OK ? 0 : -1;
}

static void fill_text(struct buf *b, size_t n)
{
    for (size_t i = 0; b->n < n; i++)
        buf_printf(b, "line %zu of a letter about %zu things\r\n", i, i * 7919 % 1000);
    b->n = n;
}

static void assert_opens(const struct letter_keys *k, uint32_t number, bool is_last,
    const struct buf *sealed, const struct buf *text)
{
    struct buf out;
    buf_init(&out, BIG);
    buf_put_str(&out, "before");
    assert_int_equal(chunk_open(k, number, is_last, buf_slice(sealed), &out), ERR_OK);
    assert_int_equal(out.n, 6 + text->n);
    if (text->n)
        assert_memory_equal(out.p + 6, text->p, text->n);
    buf_clear(&out);
}

static void chunks_of_every_size_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, CHUNK_TEXT_BYTES - 1, CHUNK_TEXT_BYTES};
    static const uint32_t numbers[] = {0, 1, 255, 256, CHUNK_COUNT_MAX, CHUNK_PREFIX};
    struct letter_keys k;
    letter_keys_generate(&k);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < 12; j++) {
            struct buf text;
            struct buf sealed;
            buf_init(&text, BIG);
            buf_init(&sealed, BIG);
            if (j % 2)
                fill_text(&text, sizes[i]);
            else if (buf_room(&text, sizes[i]))
                random_bytes(text.p, text.n = sizes[i]);
            assert_int_equal(chunk_seal(&k, numbers[j / 2], j % 3 == 0, buf_slice(&text), &sealed),
                ERR_OK);
            assert_true(sealed.n <= text.n + SEAL_OVERHEAD_MAX);
            if (j % 2 && sizes[i] >= 4096)
                assert_true(sealed.n < text.n / 2);
            assert_opens(&k, numbers[j / 2], j % 3 == 0, &sealed, &text);
            buf_clear(&text);
            buf_clear(&sealed);
        }
    }
}

static void a_chunk_over_the_limit_is_refused_and_a_full_buffer_says_so(void **state)
{
    (void)state;
    struct letter_keys k;
    struct buf text;
    struct buf sealed;
    letter_keys_generate(&k);
    buf_init(&text, BIG);
    buf_init(&sealed, 100);
    fill_text(&text, CHUNK_TEXT_BYTES + 1);
    assert_int_equal(chunk_seal(&k, 0, true, buf_slice(&text), &sealed), ERR_TOO_BIG);
    assert_int_equal(sealed.n, 0);
    assert_int_equal(chunk_seal(&k, 0, true, slice_of(text.p, 60), &sealed), ERR_OK);
    assert_int_equal(chunk_seal(&k, 0, true, slice_of(text.p, 60), &sealed), ERR_TOO_BIG);
    assert_int_equal(sealed.n, 78);
    buf_clear(&text);
    buf_clear(&sealed);
}

static void a_chunk_opens_only_in_its_place(void **state)
{
    (void)state;
    struct letter_keys k;
    struct letter_keys other_key;
    struct letter_keys other_uid;
    struct buf text;
    struct buf sealed;
    struct buf out;
    letter_keys_generate(&k);
    letter_keys_generate(&other_key);
    memcpy(other_key.uid, k.uid, sizeof k.uid);
    other_uid = k;
    other_uid.uid[15] ^= 1;
    buf_init(&text, BIG);
    buf_init(&sealed, BIG);
    buf_init(&out, BIG);
    fill_text(&text, 3000);
    assert_int_equal(chunk_seal(&k, 7, false, buf_slice(&text), &sealed), ERR_OK);
    struct slice s = buf_slice(&sealed);
    assert_int_equal(chunk_open(&other_key, 7, false, s, &out), ERR_DAMAGED);
    assert_int_equal(chunk_open(&other_uid, 7, false, s, &out), ERR_DAMAGED);
    assert_int_equal(chunk_open(&k, 8, false, s, &out), ERR_DAMAGED);
    assert_int_equal(chunk_open(&k, CHUNK_PREFIX, false, s, &out), ERR_DAMAGED);
    assert_int_equal(chunk_open(&k, 7, true, s, &out), ERR_DAMAGED);
    assert_int_equal(summary_open(&k, s, &out), ERR_DAMAGED);
    assert_int_equal(out.n, 0);
    assert_int_equal(chunk_open(&k, 7, false, s, &out), ERR_OK);
    buf_clear(&text);
    buf_clear(&sealed);
    buf_clear(&out);
}

typedef enum err (*open_fn)(const void *ctx, struct slice sealed, struct buf *out);

/* Every byte flipped in two ways, and every shorter length. */
static void assert_no_damage_passes(open_fn open, const void *ctx, struct buf *sealed)
{
    static const uint8_t flips[] = {0x01, 0x80};
    struct buf out;
    buf_init(&out, BIG);
    for (size_t i = 0; i < sealed->n; i++) {
        for (size_t f = 0; f < sizeof flips; f++) {
            sealed->p[i] ^= flips[f];
            assert_int_equal(open(ctx, buf_slice(sealed), &out), ERR_DAMAGED);
            sealed->p[i] ^= flips[f];
        }
        assert_int_equal(open(ctx, slice_of(sealed->p, i), &out), ERR_DAMAGED);
    }
    assert_int_equal(out.n, 0);
    buf_put_byte(sealed, 0);
    assert_int_equal(open(ctx, buf_slice(sealed), &out), ERR_DAMAGED);
    sealed->n--;
    assert_int_equal(open(ctx, buf_slice(sealed), &out), ERR_OK);
    buf_clear(&out);
}

static enum err open_as_chunk(const void *ctx, struct slice sealed, struct buf *out)
{
    return chunk_open(ctx, 3, true, sealed, out);
}

static enum err open_as_summary(const void *ctx, struct slice sealed, struct buf *out)
{
    return summary_open(ctx, sealed, out);
}

static enum err open_as_blob(const void *ctx, struct slice sealed, struct buf *out)
{
    const struct letter_keys *k = ctx;
    return seal_blob_open(k->summary, SLICE("here"), sealed, out);
}

static enum err open_as_owner_prefix(const void *ctx, struct slice sealed, struct buf *out)
{
    return owner_prefix_open(ctx, 42, sealed, out);
}

static enum err open_as_name(const void *ctx, struct slice sealed, struct buf *out)
{
    return name_open(ctx, SEAL_NAME_MAILBOX, sealed, out);
}

static void every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    struct letter_keys k;
    struct vault_keys v;
    struct buf text;
    struct buf sealed;
    letter_keys_generate(&k);
    vault_keys_generate(&v, 9);
    buf_init(&text, BIG);
    buf_init(&sealed, BIG);
    fill_text(&text, 700);
    assert_int_equal(chunk_seal(&k, 3, true, buf_slice(&text), &sealed), ERR_OK);
    assert_no_damage_passes(open_as_chunk, &k, &sealed);
    buf_reset(&sealed);
    assert_int_equal(chunk_seal(&k, 3, true, SLICE("short"), &sealed), ERR_OK);
    assert_no_damage_passes(open_as_chunk, &k, &sealed);
    buf_reset(&sealed);
    assert_int_equal(summary_seal(&k, buf_slice(&text), &sealed), ERR_OK);
    assert_no_damage_passes(open_as_summary, &k, &sealed);
    buf_reset(&sealed);
    assert_int_equal(seal_blob(k.summary, SLICE("here"), SLICE("text"), &sealed), ERR_OK);
    assert_no_damage_passes(open_as_blob, &k, &sealed);
    buf_reset(&sealed);
    assert_int_equal(owner_prefix_seal(&k, 42, SLICE("Delivered-To: a@b\r\n"), &sealed), ERR_OK);
    assert_no_damage_passes(open_as_owner_prefix, &k, &sealed);
    buf_reset(&sealed);
    assert_int_equal(name_seal(&v, SEAL_NAME_MAILBOX, SLICE("Work"), &sealed), ERR_OK);
    assert_no_damage_passes(open_as_name, &v, &sealed);
    buf_clear(&text);
    buf_clear(&sealed);
}

/* Seals bytes as if they were zstd's, with the real key and place. */
static void seal_frame(const struct letter_keys *k, struct slice frame, struct buf *out)
{
    struct associated ad = {.n = 0};
    uint8_t nonce[NONCE_BYTES] = {0};
    associated_put(&ad, SLICE("chunk"));
    associated_put(&ad, slice_of(k->uid, sizeof k->uid));
    associated_put_le(&ad, 0, 4);
    associated_put_le(&ad, 1, 1);
    associated_put_le(&ad, ENVELOPE_ZSTD, 1);
    uint8_t *room = buf_room(out, 2 + frame.n + TAG_BYTES);
    assert_non_null(room);
    room[0] = SEAL_XCHACHA20POLY1305;
    room[1] = ENVELOPE_ZSTD;
    aead_seal(k->content, nonce, slice_of(ad.p, ad.n), frame, room + 2);
    buf_grew(out, 2 + frame.n + TAG_BYTES);
}

static enum err open_frame(const struct letter_keys *k, struct slice frame, size_t *out_n)
{
    struct buf sealed;
    struct buf out;
    buf_init(&sealed, BIG);
    buf_init(&out, BIG);
    seal_frame(k, frame, &sealed);
    enum err e = chunk_open(k, 0, true, buf_slice(&sealed), &out);
    *out_n = out.n;
    assert_true(out.cap <= CHUNK_TEXT_BYTES + CHUNK_TEXT_BYTES / 2 + 64);
    buf_clear(&sealed);
    buf_clear(&out);
    return e;
}

static void frames_that_lie_about_their_size_are_damage(void **state)
{
    (void)state;
    struct letter_keys k;
    size_t n;
    static uint8_t zeros[8 * BIG];
    static uint8_t frame[BIG];
    letter_keys_generate(&k);
    /* A bomb: eight megabytes of zeros in some hundred bytes. */
    size_t made = ZSTD_compress(frame, sizeof frame, zeros, sizeof zeros, 1);
    assert_false(ZSTD_isError(made));
    assert_int_equal(open_frame(&k, slice_of(frame, made), &n), ERR_DAMAGED);
    /* One byte over the limit, and exactly the limit. */
    made = ZSTD_compress(frame, sizeof frame, zeros, CHUNK_TEXT_BYTES + 1, 1);
    assert_int_equal(open_frame(&k, slice_of(frame, made), &n), ERR_DAMAGED);
    made = ZSTD_compress(frame, sizeof frame, zeros, CHUNK_TEXT_BYTES, 1);
    assert_int_equal(open_frame(&k, slice_of(frame, made), &n), ERR_OK);
    assert_int_equal(n, CHUNK_TEXT_BYTES);
    /* Two frames behind each other: the first one's size is not the whole. */
    memmove(frame + made, frame, made);
    assert_int_equal(open_frame(&k, slice_of(frame, 2 * made), &n), ERR_DAMAGED);
    /* Cut off, no frame at all, nothing at all. */
    assert_int_equal(open_frame(&k, slice_of(frame, made - 1), &n), ERR_DAMAGED);
    assert_int_equal(open_frame(&k, SLICE("no frame of zstd, surely"), &n), ERR_DAMAGED);
    assert_int_equal(open_frame(&k, SLICE_EMPTY, &n), ERR_DAMAGED);
    /* Without a content size, as streams have it. */
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    made = ZSTD_compress2(c, frame, sizeof frame, zeros, 1000);
    ZSTD_freeCCtx(c);
    assert_int_equal(open_frame(&k, slice_of(frame, made), &n), ERR_DAMAGED);
}

static void summaries_take_a_new_nonce_each_time_and_keep_their_limit(void **state)
{
    (void)state;
    struct letter_keys k;
    struct letter_keys other;
    struct buf text;
    struct buf a;
    struct buf b;
    letter_keys_generate(&k);
    other = k;
    other.uid[0] ^= 1;
    buf_init(&text, BIG);
    buf_init(&a, BIG);
    buf_init(&b, BIG);
    fill_text(&text, SUMMARY_BYTES_MAX);
    assert_int_equal(summary_seal(&k, buf_slice(&text), &a), ERR_OK);
    assert_int_equal(summary_seal(&k, buf_slice(&text), &b), ERR_OK);
    assert_int_equal(a.n, b.n);
    assert_memory_not_equal(a.p, b.p, 2 + NONCE_BYTES);
    assert_memory_not_equal(a.p + 26, b.p + 26, 64);
    buf_reset(&b);
    assert_int_equal(summary_open(&other, buf_slice(&a), &b), ERR_DAMAGED);
    assert_int_equal(chunk_open(&k, 0, true, buf_slice(&a), &b), ERR_DAMAGED);
    assert_int_equal(summary_open(&k, buf_slice(&a), &b), ERR_OK);
    assert_true(slice_equal(buf_slice(&b), buf_slice(&text)));
    buf_put_byte(&text, 'x');
    assert_int_equal(summary_seal(&k, buf_slice(&text), &a), ERR_TOO_BIG);
    buf_clear(&text);
    buf_clear(&a);
    buf_clear(&b);
}

static void a_blob_and_an_owner_prefix_are_bound_to_their_place(void **state)
{
    (void)state;
    struct letter_keys k;
    struct letter_keys other;
    struct buf sealed;
    struct buf out;
    static uint8_t long_text[OWNER_PREFIX_MAX + 1];
    letter_keys_generate(&k);
    other = k;
    other.uid[3] ^= 4;
    buf_init(&sealed, BIG);
    buf_init(&out, BIG);
    assert_int_equal(seal_blob(k.summary, SLICE("here"), SLICE_EMPTY, &sealed), ERR_OK);
    assert_int_equal(seal_blob_open(k.summary, SLICE("there"), buf_slice(&sealed), &out),
        ERR_DAMAGED);
    assert_int_equal(seal_blob_open(k.content, SLICE("here"), buf_slice(&sealed), &out), ERR_DAMAGED);
    assert_int_equal(seal_blob_open(k.summary, SLICE("here"), buf_slice(&sealed), &out), ERR_OK);
    assert_int_equal(out.n, 0);
    buf_reset(&sealed);
    assert_int_equal(owner_prefix_seal(&k, 5, SLICE("Delivered-To: x@y\r\n"), &sealed), ERR_OK);
    assert_int_equal(owner_prefix_open(&k, 6, buf_slice(&sealed), &out), ERR_DAMAGED);
    assert_int_equal(owner_prefix_open(&other, 5, buf_slice(&sealed), &out), ERR_DAMAGED);
    assert_int_equal(owner_prefix_open(&k, 5, buf_slice(&sealed), &out), ERR_OK);
    assert_true(slice_equal(buf_slice(&out), SLICE("Delivered-To: x@y\r\n")));
    assert_int_equal(owner_prefix_seal(&k, 5, slice_of(long_text, sizeof long_text), &sealed),
        ERR_TOO_BIG);
    buf_clear(&sealed);
    buf_clear(&out);
}

struct wrap_case {
    struct vault_keys v;
    struct vault_public pub;
    struct seal_epoch epoch;
    struct letter_keys k;
    uint8_t wrap[WRAP_BYTES];
};

static void wrap_case_make(struct wrap_case *c, bool with_epoch)
{
    vault_keys_generate(&c->v, 77);
    c->pub = (struct vault_public){.vault = 77, .generation = c->v.generation};
    memcpy(c->pub.public_key, c->v.public_key, SEAL_KEY_BYTES);
    assert_int_equal(seal_epoch_begin(&c->epoch, &c->pub, 1000, 600000), ERR_OK);
    assert_int_equal(c->epoch.until_ms, 601000);
    letter_keys_generate(&c->k);
    if (with_epoch)
        wrap_for_epoch(&c->epoch, &c->k, c->wrap);
    else
        wrap_for_vault(&c->v, &c->k, c->wrap);
}

static enum err wrap_case_open(struct wrap_case *c, bool with_epoch)
{
    struct letter_keys out;
    enum err e = wrap_open(&c->v, with_epoch ? c->epoch.public_key : NULL, c->k.uid,
        slice_of(c->wrap, sizeof c->wrap), &out);
    if (!e)
        assert_memory_equal(&out, &c->k, sizeof out);
    return e;
}

static void check_wrap(bool with_epoch)
{
    struct wrap_case c;
    wrap_case_make(&c, with_epoch);
    assert_int_equal(wrap_case_open(&c, with_epoch), ERR_OK);
    assert_int_equal(wrap_case_open(&c, !with_epoch), ERR_DAMAGED);
    for (size_t i = 0; i < sizeof c.wrap; i++) {
        c.wrap[i] ^= 0x10;
        assert_int_equal(wrap_case_open(&c, with_epoch), ERR_DAMAGED);
        c.wrap[i] ^= 0x10;
    }
    c.v.vault++;
    assert_int_equal(wrap_case_open(&c, with_epoch), ERR_DAMAGED);
    c.v.vault--;
    c.v.generation++;
    assert_int_equal(wrap_case_open(&c, with_epoch), ERR_DAMAGED);
    c.v.generation--;
    c.k.uid[8] ^= 1;
    assert_int_equal(wrap_case_open(&c, with_epoch), ERR_DAMAGED);
    c.k.uid[8] ^= 1;
    uint8_t *used = with_epoch ? c.v.secret_key : c.v.symmetric_key;
    used[4] ^= 1;
    assert_int_equal(wrap_case_open(&c, with_epoch), ERR_DAMAGED);
    used[4] ^= 1;
    assert_int_equal(wrap_case_open(&c, with_epoch), ERR_OK);
    struct letter_keys out;
    assert_int_equal(wrap_open(&c.v, with_epoch ? c.epoch.public_key : NULL, c.k.uid,
                         slice_of(c.wrap, sizeof c.wrap - 1), &out),
        ERR_DAMAGED);
}

static void an_adopted_wrap_opens_for_its_vault_letter_and_generation_alone(void **state)
{
    (void)state;
    check_wrap(false);
}

static void an_epochs_wrap_opens_for_its_vault_letter_and_generation_alone(void **state)
{
    (void)state;
    check_wrap(true);
}

static void a_wrap_does_not_open_under_another_epoch(void **state)
{
    (void)state;
    struct wrap_case c = {0};
    struct seal_epoch other;
    struct letter_keys out;
    uint8_t agreed[SEAL_KEY_BYTES];
    struct slice wrap = slice_of(c.wrap, sizeof c.wrap);
    wrap_case_make(&c, true);
    assert_int_equal(seal_epoch_begin(&other, &c.pub, 0, 1), ERR_OK);
    assert_memory_not_equal(other.agreed_key, c.epoch.agreed_key, SEAL_KEY_BYTES);
    assert_int_equal(wrap_open(&c.v, other.public_key, c.k.uid, wrap, &out), ERR_DAMAGED);
    assert_int_equal(seal_epoch_agree(&c.v, c.epoch.public_key, agreed), ERR_OK);
    assert_memory_equal(agreed, c.epoch.agreed_key, SEAL_KEY_BYTES);
    /* The right key beside the wrong public half: the associated data notices. */
    assert_int_equal(wrap_open_summary(&c.v, other.public_key, agreed, c.k.uid, wrap, &out),
        ERR_DAMAGED);
    assert_int_equal(wrap_open_summary(&c.v, c.epoch.public_key, agreed, c.k.uid, wrap, &out), ERR_OK);
    assert_memory_equal(out.summary, c.k.summary, SEAL_KEY_BYTES);
    letter_keys_complete(&out);
    assert_memory_equal(&out, &c.k, sizeof out);
}

static void points_of_low_order_are_refused(void **state)
{
    (void)state;
    struct vault_public pub = {.vault = 1, .generation = 1};
    struct seal_epoch epoch;
    struct vault_keys v;
    uint8_t agreed[SEAL_KEY_BYTES];
    vault_keys_generate(&v, 1);
    for (uint8_t first = 0; first < 2; first++) {
        pub.public_key[0] = first;
        assert_int_equal(seal_epoch_begin(&epoch, &pub, 0, 1), ERR_DAMAGED);
        assert_int_equal(seal_epoch_agree(&v, pub.public_key, agreed), ERR_DAMAGED);
    }
}

static void a_vaults_public_key_is_compared_with_its_secret_one(void **state)
{
    (void)state;
    struct vault_keys v;
    struct vault_keys w;
    vault_keys_generate(&v, 1);
    vault_keys_generate(&w, 1);
    assert_int_equal(v.generation, 1);
    assert_true(vault_keys_match(&v, v.public_key));
    assert_false(vault_keys_match(&v, w.public_key));
    v.public_key[0] ^= 1;
    assert_false(vault_keys_match(&v, v.public_key));
}

static void names_come_back_padded_and_hash_by_kind_and_vault(void **state)
{
    (void)state;
    struct vault_keys v;
    struct vault_keys w;
    struct buf a;
    struct buf out;
    static uint8_t longest[SEAL_NAME_MAX + 1];
    memset(longest, 'n', sizeof longest);
    vault_keys_generate(&v, 1);
    vault_keys_generate(&w, 1);
    buf_init(&a, BIG);
    buf_init(&out, BIG);
    for (size_t n = 0; n <= SEAL_NAME_MAX; n++) {
        buf_reset(&a);
        buf_reset(&out);
        assert_int_equal(name_seal(&v, SEAL_NAME_MAILBOX, slice_of(longest, n), &a), ERR_OK);
        assert_int_equal((a.n - 41) % SEAL_NAME_PAD, 0);
        assert_int_equal(name_open(&v, SEAL_NAME_KEYWORD, buf_slice(&a), &out), ERR_DAMAGED);
        assert_int_equal(name_open(&w, SEAL_NAME_MAILBOX, buf_slice(&a), &out), ERR_DAMAGED);
        assert_int_equal(name_open(&v, SEAL_NAME_MAILBOX, buf_slice(&a), &out), ERR_OK);
        assert_true(slice_equal(buf_slice(&out), slice_of(longest, n)));
    }
    assert_int_equal(name_seal(&v, SEAL_NAME_MAILBOX, slice_of(longest, sizeof longest), &a),
        ERR_TOO_BIG);
    uint8_t h[4][NAME_HASH_BYTES];
    name_hash(&v, SEAL_NAME_MAILBOX, SLICE("Work"), h[0]);
    name_hash(&v, SEAL_NAME_MAILBOX, SLICE("Work"), h[1]);
    assert_memory_equal(h[0], h[1], NAME_HASH_BYTES);
    name_hash(&v, SEAL_NAME_KEYWORD, SLICE("Work"), h[1]);
    name_hash(&w, SEAL_NAME_MAILBOX, SLICE("Work"), h[2]);
    name_hash(&v, SEAL_NAME_MAILBOX, SLICE("work"), h[3]);
    for (size_t i = 1; i < 4; i++)
        assert_memory_not_equal(h[0], h[i], NAME_HASH_BYTES);
    buf_clear(&a);
    buf_clear(&out);
}

static void the_subkeys_of_a_letter_differ_and_are_its_own(void **state)
{
    (void)state;
    struct letter_keys k;
    struct letter_keys again;
    letter_keys_generate(&k);
    letter_keys_from(&again, k.uid, k.key);
    assert_memory_equal(&k, &again, sizeof k);
    assert_memory_not_equal(k.content, k.summary, SEAL_KEY_BYTES);
    assert_memory_not_equal(k.content, k.search, SEAL_KEY_BYTES);
    assert_memory_not_equal(k.key, k.content, SEAL_KEY_BYTES);
    letter_keys_generate(&again);
    assert_memory_not_equal(k.key, again.key, SEAL_KEY_BYTES);
    assert_memory_not_equal(k.uid, again.uid, LETTER_UID_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_of_every_size_come_back),
        cmocka_unit_test(a_chunk_over_the_limit_is_refused_and_a_full_buffer_says_so),
        cmocka_unit_test(a_chunk_opens_only_in_its_place),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(frames_that_lie_about_their_size_are_damage),
        cmocka_unit_test(summaries_take_a_new_nonce_each_time_and_keep_their_limit),
        cmocka_unit_test(a_blob_and_an_owner_prefix_are_bound_to_their_place),
        cmocka_unit_test(an_adopted_wrap_opens_for_its_vault_letter_and_generation_alone),
        cmocka_unit_test(an_epochs_wrap_opens_for_its_vault_letter_and_generation_alone),
        cmocka_unit_test(a_wrap_does_not_open_under_another_epoch),
        cmocka_unit_test(points_of_low_order_are_refused),
        cmocka_unit_test(a_vaults_public_key_is_compared_with_its_secret_one),
        cmocka_unit_test(names_come_back_padded_and_hash_by_kind_and_vault),
        cmocka_unit_test(the_subkeys_of_a_letter_differ_and_are_its_own),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, NULL);
}
