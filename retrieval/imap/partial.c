/* See partial.h. */
#include "retrieval/imap/partial.h"

/* partial-range: nz-number ":" nz-number / MINUS nz-number ":" MINUS nz-number; either may be the larger one */
void partial_range_parse(struct imap_cursor *c, struct partial_range *out)
{
    if (out->is_asked)
        imap_fail(c, "one PARTIAL is enough");
    imap_space(c);
    size_t begin = c->at;
    out->is_asked = true;
    out->is_from_end = imap_take(c, '-');
    uint32_t a = imap_number(c);
    if (!imap_take(c, ':') || imap_take(c, '-') != out->is_from_end)
        imap_fail(c, "a range as 1:10 or -1:-10 was expected");
    uint32_t b = imap_number(c);
    if (a == 0 || b == 0)
        imap_fail(c, "places are counted from 1");
    out->first = a < b ? a : b;
    out->last = a < b ? b : a;
    out->text = slice_sub(c->text, begin, c->at - begin);
}

void partial_range_pick(const struct partial_range *p, const struct uid_set *from, struct uid_set *out)
{
    uint64_t all = uid_set_count(from);
    uint64_t first = p->first, last = p->last < all ? p->last : all;
    if (first > all)
        return;
    if (p->is_from_end) {
        uint64_t swapped = all - last + 1;
        last = all - first + 1;
        first = swapped;
    }
    uint64_t place = 1; /* of the range's first number */
    for (size_t i = 0; i < from->n && place <= last; i++) {
        const struct uid_range *r = &from->ranges[i];
        uint64_t n = (uint64_t)r->last - r->first + 1;
        uint64_t begin = first > place ? first - place : 0;
        uint64_t end = last - place < n - 1 ? last - place : n - 1;
        if (begin <= end)
            uid_set_add(out, (uint32_t)(r->first + begin), (uint32_t)(r->first + end));
        place += n;
    }
}
