/* See data_reader.h. The places and what leads from one to the other (anything else: IN_LINE):
 *
 *     LINE_START --"."--> DOT --CR--> DOT_CR --LF--> the end
 *     IN_LINE, LINE_START --CR--> CR --LF--> LINE_START
 *
 * The dot at LINE_START is never given out: it is stuffing or the end. A CR is given out when it is
 * met, but for the one of DOT_CR, which belongs to the end or is a fault. */
#include "smtp/data_reader.h"

void data_reader_init(struct data_reader *r)
{
    *r = (struct data_reader){DATA_LINE_START, false};
}

static enum data_place place_after(struct data_reader *r, uint8_t c)
{
    if (c == '\r')
        return DATA_CR;
    if (c == '\n' || c == 0)
        r->is_faulty = true;
    return DATA_IN_LINE;
}

/* One byte where a line's inside is not: the slow way, a few bytes a line. */
static enum data_place place_next(struct data_reader *r, uint8_t c, bool *out_ended)
{
    switch (r->place) {
    case DATA_LINE_START:
        return c == '.' ? DATA_DOT : place_after(r, c);
    case DATA_DOT:
        return c == '\r' ? DATA_DOT_CR : place_after(r, c);
    case DATA_DOT_CR:
    case DATA_CR:
        if (c == '\n') {
            *out_ended = r->place == DATA_DOT_CR;
            return DATA_LINE_START;
        }
        r->is_faulty = true;
        return place_after(r, c);
    case DATA_IN_LINE:
        break;
    }
    return place_after(r, c);
}

/* Passes over the inside of a line: up to and with its CR, or to the end of the input. */
static size_t skip_line(struct data_reader *r, const uint8_t *p, size_t n)
{
    const uint8_t *cr = memchr(p, '\r', n);
    size_t inside = cr == NULL ? n : (size_t)(cr - p);
    if (memchr(p, '\n', inside) != NULL)
        r->is_faulty = true;
    if (cr == NULL)
        return n;
    r->place = DATA_CR;
    return inside + 1;
}

/* Goes on to the next byte that is not given out, or to the end of the input; NULs inside lines are
 * looked for by the caller, once a piece. Returns how many bytes are text. */
static size_t run_of_text(struct data_reader *r, const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && !r->is_faulty) {
        if (r->place == DATA_IN_LINE) {
            i += skip_line(r, p + i, n - i);
            continue;
        }
        if (r->place == DATA_LINE_START && p[i] == '.')
            break;
        bool ended = false; /* cannot be: DOT_CR is never met here */
        r->place = place_next(r, p[i], &ended);
        i++;
    }
    return i;
}

/* The bytes that are never given out: a dot at the start of a line, and what decides about it. */
static bool is_dot_byte(const struct data_reader *r, uint8_t c)
{
    return (r->place == DATA_LINE_START && c == '.') || (r->place == DATA_DOT && c == '\r') ||
           r->place == DATA_DOT_CR;
}

/* After a fault: looks for the end alone. */
static bool skip_to_end(struct data_reader *r, struct slice *input)
{
    bool ended = false;
    while (input->n > 0 && !ended) {
        if (r->place == DATA_IN_LINE) {
            const uint8_t *cr = memchr(input->p, '\r', input->n);
            *input = slice_from(*input, cr == NULL ? input->n : (size_t)(cr - input->p));
            if (input->n == 0)
                break;
        }
        r->place = place_next(r, input->p[0], &ended);
        *input = slice_from(*input, 1);
    }
    return ended;
}

/* False when a fault was met. */
static bool give_text(struct data_reader *r, struct slice *input, struct slice *out_piece)
{
    size_t n = run_of_text(r, input->p, input->n);
    struct slice piece = slice_sub(*input, 0, n);
    *input = slice_from(*input, n);
    if (memchr(piece.p, 0, n) != NULL)
        r->is_faulty = true;
    if (r->is_faulty)
        return false;
    *out_piece = piece;
    return true;
}

enum data_step data_reader_step(struct data_reader *r, struct slice *input, struct slice *out_piece)
{
    bool ended = false;
    while (input->n > 0 && !r->is_faulty) {
        if (!is_dot_byte(r, input->p[0])) {
            if (give_text(r, input, out_piece))
                return DATA_PIECE;
            continue;
        }
        r->place = place_next(r, input->p[0], &ended);
        *input = slice_from(*input, 1);
        if (ended)
            return DATA_END;
    }
    return input->n > 0 && skip_to_end(r, input) ? DATA_END : DATA_MORE;
}

/* Every LF has a CR before it, and every CR an LF behind it. */
bool data_reader_chunk(struct data_reader *r, struct slice piece)
{
    r->is_faulty = r->is_faulty || memchr(piece.p, 0, piece.n) != NULL;
    while (piece.n > 0 && !r->is_faulty) {
        size_t at = slice_find_byte(piece, '\n');
        struct slice inside = slice_sub(piece, 0, at);
        bool has_lf = at < piece.n;
        bool had_cr = r->place == DATA_CR;
        size_t cr = slice_find_byte(inside, '\r');
        bool ends_with_cr = inside.n > 0 && cr + 1 == inside.n;
        r->is_faulty = (had_cr && inside.n > 0) || (cr < inside.n && !ends_with_cr) ||
                       (has_lf && !ends_with_cr && !had_cr);
        r->place = has_lf ? DATA_LINE_START : ends_with_cr ? DATA_CR : DATA_IN_LINE;
        piece = slice_from(piece, has_lf ? at + 1 : at);
    }
    return !r->is_faulty;
}
