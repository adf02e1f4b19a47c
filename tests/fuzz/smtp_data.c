/* smtp/data_reader.h. The first two bytes say where to cut; the rest is text. Any cut gives the same end,
 * the same verdict and, when the text is fine, the same letter; what came in is the letter stuffed
 * again; pieces lie inside the input. */
#include "base/buf.h"
#include "smtp/data_reader.h"

#define TEXT_MAX (64 * 1024)

struct outcome {
    struct buf text;
    size_t taken;
    bool has_ended;
    bool is_faulty;
};

static void read_all(struct slice all, size_t step_bytes, struct outcome *out)
{
    struct data_reader r;
    size_t at = 0;
    data_reader_init(&r);
    buf_init(&out->text, TEXT_MAX);
    out->has_ended = false;
    while (at < all.n && !out->has_ended) {
        struct slice input = slice_sub(all, at, step_bytes);
        size_t end = at + input.n;
        struct slice piece;
        enum data_step step;
        while ((step = data_reader_step(&r, &input, &piece)) == DATA_PIECE) {
            ENSURE(piece.n > 0 && piece.p >= all.p + at && piece.p + piece.n <= all.p + end);
            buf_put(&out->text, piece);
        }
        out->has_ended = step == DATA_END;
        ENSURE(out->has_ended || input.n == 0);
        at = end - input.n;
    }
    out->taken = at;
    out->is_faulty = r.is_faulty;
}

/* RFC 5321 section 4.5.2, the sender's side. */
static void stuff(struct slice text, struct buf *out)
{
    bool at_start = true;
    for (size_t i = 0; i < text.n; i++) {
        if (at_start && text.p[i] == '.')
            buf_put_byte(out, '.');
        buf_put_byte(out, text.p[i]);
        at_start = text.p[i] == '\n';
    }
    buf_put_str(out, ".\r\n");
}

/* Where the end must be: the first CRLF.CRLF, counting the line end before the text. */
static size_t place_of_end(struct slice all)
{
    if (slice_starts(all, SLICE(".\r\n")))
        return 3;
    size_t at = slice_find(all, SLICE("\r\n.\r\n"));
    return at == SIZE_MAX ? SIZE_MAX : at + 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > TEXT_MAX / 2)
        return 0;
    struct slice all = slice_of(data + 2, size - 2);
    struct outcome whole;
    struct outcome cut;
    struct buf again;
    read_all(all, all.n, &whole);
    read_all(all, 1 + (size_t)(data[0] | data[1] << 8) % 300, &cut);
    ENSURE(whole.has_ended == cut.has_ended && whole.taken == cut.taken);
    ENSURE(whole.is_faulty == cut.is_faulty);
    ENSURE(whole.has_ended == (place_of_end(all) != SIZE_MAX));
    ENSURE(!whole.has_ended || whole.taken == place_of_end(all));
    if (!whole.is_faulty)
        ENSURE(slice_equal(buf_slice(&whole.text), buf_slice(&cut.text)));
    if (!whole.is_faulty && whole.has_ended) {
        struct outcome back;
        buf_init(&again, TEXT_MAX);
        stuff(buf_slice(&whole.text), &again);
        read_all(buf_slice(&again), again.n, &back);
        ENSURE(back.has_ended && !back.is_faulty && back.taken == again.n);
        ENSURE(slice_equal(buf_slice(&back.text), buf_slice(&whole.text)));
        buf_clear(&back.text);
        buf_clear(&again);
    }
    buf_clear(&whole.text);
    buf_clear(&cut.text);
    return 0;
}
