/* UID runs; see view.h. */
#include "retrieval/imap/view.h"

void view_clear(struct view *v)
{
    free(v->runs);
    *v = (struct view){0};
}

static uint32_t run_size(const struct view_run *r)
{
    return r->last - r->first + 1;
}

uint32_t view_count(const struct view *v)
{
    return v->n ? v->runs[v->n - 1].before + run_size(&v->runs[v->n - 1]) : 0;
}

uint32_t view_last_uid(const struct view *v)
{
    return v->n ? v->runs[v->n - 1].last : 0;
}

static void add_run(struct view *v, uint32_t first, uint32_t last)
{
    if (v->n && v->runs[v->n - 1].last + 1 == first) {
        v->runs[v->n - 1].last = last;
        return;
    }
    uint32_t before = view_count(v);
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap + v->cap / 2 + 1 : 4;
        v->runs = mem_resize(v->runs, v->cap * sizeof(*v->runs));
    }
    v->runs[v->n++] = (struct view_run){first, last, before};
}

void view_load(struct view *v, const struct uid_range *ranges, size_t n)
{
    v->n = 0;
    for (size_t i = 0; i < n; i++)
        add_run(v, ranges[i].first, ranges[i].last);
}

void view_add(struct view *v, uint32_t uid)
{
    ENSURE(uid > view_last_uid(v));
    add_run(v, uid, uid);
}

/* The first run that ends at or behind uid; v->n when there is none. */
static size_t find_by_uid(const struct view *v, uint32_t uid)
{
    size_t low = 0;
    size_t high = v->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->runs[middle].last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The run that holds a message number, which must be in the view. */
static size_t find_by_number(const struct view *v, uint32_t number)
{
    size_t low = 0;
    size_t high = v->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (v->runs[middle].before < number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint32_t view_uid(const struct view *v, uint32_t number)
{
    ENSURE(number >= 1 && number <= view_count(v));
    const struct view_run *r = &v->runs[find_by_number(v, number)];
    return r->first + (number - r->before - 1);
}

uint32_t view_number(const struct view *v, uint32_t uid)
{
    size_t i = find_by_uid(v, uid);
    if (i == v->n || v->runs[i].first > uid)
        return 0;
    return v->runs[i].before + (uid - v->runs[i].first) + 1;
}

uint32_t view_next(const struct view *v, uint32_t uid)
{
    size_t i = find_by_uid(v, uid);
    if (i == v->n)
        return 0;
    return v->runs[i].first > uid ? v->runs[i].first : uid;
}

uint32_t view_count_from(const struct view *v, uint32_t uid)
{
    uint32_t next = view_next(v, uid);
    return next ? view_count(v) - view_number(v, next) + 1 : 0;
}

void view_remove(struct view *v, const struct uid_set *gone)
{
    if (gone->n == 0)
        return;
    struct view old = *v;
    *v = (struct view){0};
    size_t g = 0;
    for (size_t i = 0; i < old.n; i++) {
        uint64_t first = old.runs[i].first;
        uint64_t last = old.runs[i].last;
        while (g < gone->n && gone->ranges[g].last < first)
            g++;
        size_t k = g;
        for (; k < gone->n && gone->ranges[k].first <= last; k++) {
            if (gone->ranges[k].first > first)
                add_run(v, (uint32_t)first, gone->ranges[k].first - 1);
            first = (uint64_t)gone->ranges[k].last + 1;
        }
        if (first <= last)
            add_run(v, (uint32_t)first, (uint32_t)last);
        g = k > g ? k - 1 : g; /* the last one may reach into the next run */
    }
    view_clear(&old);
}

void view_select_uids(const struct view *v, const struct uid_set *uids, struct uid_set *out)
{
    for (size_t s = 0; s < uids->n; s++) {
        struct uid_range want = uids->ranges[s];
        for (size_t i = find_by_uid(v, want.first); i < v->n && v->runs[i].first <= want.last; i++) {
            uint32_t first = v->runs[i].first > want.first ? v->runs[i].first : want.first;
            uint32_t last = v->runs[i].last < want.last ? v->runs[i].last : want.last;
            uid_set_add(out, first, last);
        }
    }
}

static void select_number_range(const struct view *v, struct uid_range want, struct uid_set *out)
{
    for (size_t i = find_by_number(v, want.first); i < v->n && v->runs[i].before < want.last; i++) {
        const struct view_run *r = &v->runs[i];
        uint32_t from = want.first > r->before + 1 ? want.first - r->before - 1 : 0;
        uint32_t to = want.last - r->before < run_size(r) ? want.last - r->before : run_size(r);
        uid_set_add(out, r->first + from, r->first + to - 1);
    }
}

bool view_select_numbers(const struct view *v, const struct uid_set *numbers, struct uid_set *out)
{
    uint32_t count = view_count(v);
    for (size_t s = 0; s < numbers->n; s++) {
        if (numbers->ranges[s].last > count)
            return false;
        select_number_range(v, numbers->ranges[s], out);
    }
    return true;
}
