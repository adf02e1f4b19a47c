/* Fields of a header block in memory; see header.h. */
#include "message/header.h"

/* The line with its line end. */
static struct slice first_line(struct slice s)
{
    return slice_sub(s, 0, slice_find_byte(s, '\n') + 1);
}

static struct slice without_line_end(struct slice s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

bool header_next(struct slice *rest, struct header_field *out)
{
    struct slice whole = first_line(*rest);
    if (without_line_end(whole).n == 0 && (whole.n == 0 || whole.p[whole.n - 1] == '\n'))
        return false;
    while (whole.n < rest->n && is_blank(rest->p[whole.n]))
        whole.n += first_line(slice_from(*rest, whole.n)).n;
    *rest = slice_from(*rest, whole.n);
    struct slice line = without_line_end(first_line(whole));
    size_t colon = slice_find_byte(line, ':');
    struct slice name = slice_sub(line, 0, colon);
    while (name.n && is_blank(name.p[name.n - 1]))
        name.n--;
    *out = (struct header_field){.whole = whole, .value = without_line_end(whole)};
    if (colon == line.n || name.n == 0 || is_blank(line.p[0]))
        return true;
    out->name = name;
    struct slice value = slice_from(without_line_end(whole), colon + 1);
    while (value.n && is_blank(value.p[0]))
        value = slice_from(value, 1);
    out->value = value;
    return true;
}

void header_unfold(struct slice value, struct buf *out)
{
    while (value.n) {
        size_t lf = slice_find_byte(value, '\n');
        bool is_fold = lf + 1 < value.n && is_blank(value.p[lf + 1]);
        if (!is_fold) {
            buf_put(out, slice_sub(value, 0, lf + 1));
            value = slice_from(value, lf + 1);
            continue;
        }
        size_t n = lf && value.p[lf - 1] == '\r' ? lf - 1 : lf;
        buf_put(out, slice_sub(value, 0, n));
        value = slice_from(value, lf + 1);
    }
}

static bool is_among(struct slice name, const struct slice *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

void header_select(struct slice header, const struct slice *names, size_t n, bool keep, struct buf *out)
{
    struct header_field field;
    while (header_next(&header, &field))
        if (is_among(field.name, names, n) == keep)
            buf_put(out, field.whole);
    buf_put(out, first_line(header));
}
