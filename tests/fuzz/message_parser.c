/* message/parser.h: however the letter is cut, the record is the same; all extents lie in the letter
 * and in their parents; the record reads back and is written again byte for byte. The first two bytes
 * choose the cuts. */
#include "message/parser.h"

static void record_of(struct message_parser *p, struct slice letter, uint32_t random, size_t step,
    struct buf *out)
{
    message_parser_reset(p);
    while (letter.n) {
        random = random * 1103515245u + 12345u;
        size_t n = step ? 1 + (random >> 16) % step : letter.n;
        message_parser_feed(p, slice_sub(letter, 0, n));
        letter = slice_from(letter, n);
    }
    ENSURE(summary_encode(message_parser_finish(p), out) == ERR_OK);
}

static void check_extents(const struct summary *s, size_t size)
{
    ENSURE(s->size == size && s->part_count >= 1 && s->part_count <= MIME_PARTS_MAX);
    for (uint32_t i = 0; i < s->part_count; i++) {
        const struct summary_part *part = &s->parts[i];
        const struct summary_part *parent = &s->parts[part->parent];
        ENSURE(part->header_offset <= part->body_offset);
        ENSURE(part->body_offset + part->body_size <= size);
        ENSURE(part->body_lines <= part->body_size);
        ENSURE(i == 0 || part->header_offset >= parent->body_offset);
        ENSURE(i == 0 ||
            part->body_offset + part->body_size <= parent->body_offset + parent->body_size);
        ENSURE(part->end > i && part->end <= s->part_count && part->depth < MIME_DEPTH_MAX);
    }
    ENSURE(s->preview.n <= SUMMARY_PREVIEW_MAX && (s->preview.n == 0 || slice_is_utf8(s->preview)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    uint32_t random = (uint32_t)p[0] << 8 | p[1];
    struct slice letter = slice_of(p + 2, n - 2);
    struct message_parser *parser = message_parser_new();
    struct buf whole, other;
    buf_init(&whole, SUMMARY_BYTES_MAX);
    buf_init(&other, SUMMARY_BYTES_MAX);
    record_of(parser, letter, random, 1, &other);
    record_of(parser, letter, random, 0, &whole);
    ENSURE(slice_equal(buf_slice(&whole), buf_slice(&other)));
    check_extents(message_parser_finish(parser), letter.n);
    buf_reset(&other);
    record_of(parser, letter, random, 1 + p[0] % 90u, &other);
    ENSURE(slice_equal(buf_slice(&whole), buf_slice(&other)));
    struct summary s;
    ENSURE(summary_decode(buf_slice(&whole), &s) == ERR_OK);
    check_extents(&s, letter.n);
    buf_reset(&other);
    ENSURE(summary_encode(&s, &other) == ERR_OK);
    ENSURE(slice_equal(buf_slice(&whole), buf_slice(&other)));
    summary_clear(&s);
    message_parser_free(parser);
    buf_clear(&whole);
    buf_clear(&other);
    return 0;
}
