/* message/summary.h: any bytes are refused or make a summary whose strings lie in them, whose extents
 * lie in the letter, and which is written to a record that reads back the same. */
#include "message/summary.h"

static void inside(struct slice s, struct slice record)
{
    ENSURE(s.n == 0 || (s.p >= record.p && s.p + s.n <= record.p + record.n));
}

static void check_part(const struct summary *s, uint32_t i)
{
    const struct summary_part *part = &s->parts[i];
    ENSURE(part->body_offset <= s->size && part->body_size <= s->size - part->body_offset);
    ENSURE(part->end > i && part->end <= s->part_count && part->envelope < s->envelope_count);
    ENSURE(i == 0 || part->parent < i);
    ENSURE((size_t)part->param_first + part->param_count <= s->param_count);
    ENSURE((size_t)part->disposition_param_first + part->disposition_param_count <= s->param_count);
}

static void check(const struct summary *s, struct slice record)
{
    inside(s->preview, record);
    inside(s->list_id, record);
    for (size_t i = 0; i < s->address_count; i++)
        inside(s->addresses[i].mailbox, record);
    for (size_t i = 0; i < s->param_count; i++)
        inside(s->params[i].value, record);
    for (uint32_t i = 0; i < s->part_count; i++)
        check_part(s, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct slice record = slice_of(p, n);
    struct summary s, again;
    if (summary_decode_envelope(record, &s) == ERR_OK) {
        check(&s, record);
        summary_clear(&s);
    }
    if (summary_decode(record, &s) != ERR_OK)
        return 0;
    check(&s, record);
    struct buf first, second;
    buf_init(&first, 2 * SUMMARY_BYTES_MAX);
    buf_init(&second, 2 * SUMMARY_BYTES_MAX);
    ENSURE(summary_encode(&s, &first) == ERR_OK);
    if (first.n <= SUMMARY_BYTES_MAX) {
        ENSURE(summary_decode(buf_slice(&first), &again) == ERR_OK);
        ENSURE(summary_encode(&again, &second) == ERR_OK);
        ENSURE(slice_equal(buf_slice(&first), buf_slice(&second)));
        summary_clear(&again);
    }
    summary_clear(&s);
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
