/* Sets of numbers as ranges; see sequence_set.h. */
#include "retrieval/imap/sequence_set.h"

void uid_set_clear(struct uid_set *s)
{
    free(s->ranges);
    *s = (struct uid_set){0};
}

static void append(struct uid_set *s, uint32_t first, uint32_t last)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->ranges = mem_resize(s->ranges, s->cap * sizeof(*s->ranges));
    }
    s->ranges[s->n++] = (struct uid_range){first, last};
}

void uid_set_add(struct uid_set *s, uint32_t first, uint32_t last)
{
    struct uid_range *end = s->n ? &s->ranges[s->n - 1] : NULL;
    if (end && first >= end->first && (uint64_t)first <= (uint64_t)end->last + 1) {
        if (last > end->last)
            end->last = last;
        return;
    }
    append(s, first, last);
}

bool uid_set_has(const struct uid_set *s, uint32_t uid)
{
    size_t low = 0;
    size_t high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ranges[middle].last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n && s->ranges[low].first <= uid;
}

uint64_t uid_set_count(const struct uid_set *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->n; i++)
        count += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
    return count;
}

void uid_set_put(const struct uid_set *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0)
            buf_put_byte(out, ',');
        buf_put_u64(out, s->ranges[i].first);
        if (s->ranges[i].last != s->ranges[i].first) {
            buf_put_byte(out, ':');
            buf_put_u64(out, s->ranges[i].last);
        }
    }
}

static int compare_ranges(const void *a, const void *b)
{
    const struct uid_range *x = a;
    const struct uid_range *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

void uid_set_normalise(struct uid_set *s)
{
    if (s->n < 2)
        return;
    qsort(s->ranges, s->n, sizeof(*s->ranges), compare_ranges);
    size_t n = s->n;
    s->n = 0;
    for (size_t i = 0; i < n; i++) /* writes never overtake the reading */
        uid_set_add(s, s->ranges[i].first, s->ranges[i].last);
}

void uid_set_remove(struct uid_set *s, const struct uid_set *gone)
{
    struct uid_set left = {0};
    size_t g = 0;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t first = s->ranges[i].first;
        uint64_t last = s->ranges[i].last;
        while (g < gone->n && gone->ranges[g].last < first)
            g++;
        for (size_t k = g; k < gone->n && gone->ranges[k].first <= last; k++) {
            if (gone->ranges[k].first > first)
                append(&left, (uint32_t)first, gone->ranges[k].first - 1);
            first = (uint64_t)gone->ranges[k].last + 1;
        }
        if (first <= last)
            append(&left, (uint32_t)first, (uint32_t)last);
    }
    uid_set_clear(s);
    *s = left;
}

void uid_set_intersect(const struct uid_set *a, const struct uid_set *b, struct uid_set *out)
{
    for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
        const struct uid_range *x = &a->ranges[i];
        const struct uid_range *y = &b->ranges[k];
        uint32_t first = x->first > y->first ? x->first : y->first;
        uint32_t last = x->last < y->last ? x->last : y->last;
        if (first <= last)
            uid_set_add(out, first, last);
        if (x->last < y->last)
            i++;
        else
            k++;
    }
}

/* seq-number: nz-number / "*" */
static uint32_t number(struct imap_cursor *c)
{
    if (imap_take(c, '*'))
        return SEQUENCE_STAR;
    uint32_t n = imap_number(c);
    if (n == 0)
        imap_fail(c, "a message number or UID is 1 or more");
    return n;
}

void sequence_set_parse(struct imap_cursor *c, struct uid_set *out)
{
    if (imap_take(c, '$')) {
        out->is_saved = true;
        return;
    }
    do {
        uint32_t first = number(c);
        uint32_t last = imap_take(c, ':') ? number(c) : first;
        if (out->n == SEQUENCE_RANGES_MAX)
            imap_fail(c, "there are too many ranges in the set");
        if (!imap_failed(c))
            append(out, first, last);
    } while (imap_take(c, ','));
}

void sequence_set_resolve(struct uid_set *s, uint32_t star)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct uid_range r = s->ranges[i];
        if (r.first == SEQUENCE_STAR)
            r.first = star;
        if (r.last == SEQUENCE_STAR)
            r.last = star;
        if (r.first == 0 || r.last == 0)
            continue; /* "*" in an empty mailbox */
        if (r.first > r.last)
            r = (struct uid_range){r.last, r.first};
        s->ranges[kept++] = r;
    }
    s->n = kept;
    uid_set_normalise(s);
}
