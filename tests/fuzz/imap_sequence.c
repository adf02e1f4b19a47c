/* retrieval/imap/sequence_set.h and view.h: a set is refused or resolves to ranges that are ascending and
 * apart, which print to a set that reads back the same; a view answers it with UIDs that it holds. */
#include "retrieval/imap/view.h"

#define STAR 1000

static bool parse(struct slice text, struct uid_set *out)
{
    struct buf scratch;
    struct imap_cursor c;
    buf_init(&scratch, text.n + 1);
    imap_cursor_init(&c, text, &scratch);
    sequence_set_parse(&c, out);
    imap_end(&c);
    buf_clear(&scratch);
    return !imap_failed(&c);
}

static void check_order(const struct uid_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        ENSURE(set->ranges[i].first >= 1 && set->ranges[i].first <= set->ranges[i].last);
        ENSURE(i == 0 || (uint64_t)set->ranges[i - 1].last + 1 < set->ranges[i].first);
    }
}

static void check_reads_back(const struct uid_set *set)
{
    struct buf text;
    struct uid_set again = {0};
    if (set->n == 0)
        return;
    buf_init(&text, 32 * set->n);
    uid_set_put(set, &text);
    ENSURE(parse(buf_slice(&text), &again));
    sequence_set_resolve(&again, STAR);
    ENSURE(again.n == set->n && memcmp(again.ranges, set->ranges, set->n * sizeof *set->ranges) == 0);
    uid_set_clear(&again);
    buf_clear(&text);
}

static void check_view(const struct uid_set *set)
{
    static const struct uid_range runs[] = {{1, 5}, {7, 7}, {100, 900}, {STAR, STAR}};
    struct view v = {0};
    struct uid_set uids = {0};
    view_load(&v, runs, sizeof runs / sizeof runs[0]);
    view_select_uids(&v, set, &uids);
    check_order(&uids);
    for (size_t i = 0; i < uids.n; i++)
        ENSURE(view_number(&v, uids.ranges[i].first) && view_number(&v, uids.ranges[i].last) &&
            uid_set_has(set, uids.ranges[i].first));
    uint32_t before = view_count(&v);
    view_remove(&v, &uids);
    ENSURE(view_count(&v) + uid_set_count(&uids) == before);
    uid_set_clear(&uids);
    view_clear(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uid_set set = {0};
    if (size <= IMAP_COMMAND_MAX && parse(slice_of(data, size), &set)) {
        sequence_set_resolve(&set, STAR);
        check_order(&set);
        check_reads_back(&set);
        check_view(&set);
    }
    uid_set_clear(&set);
    return 0;
}
