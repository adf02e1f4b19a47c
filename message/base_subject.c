/* See base_subject.h. Steps are numbered as in RFC 5256 section 2.1; step 1 is decode_fold(). */
#include "message/base_subject.h"

static struct slice trim(struct slice s)
{
    while (s.n && s.p[0] == ' ')
        s = slice_from(s, 1);
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* Step 2: *subj-trailer = "(fwd)" / WSP */
static struct slice cut_trailers(struct slice s, bool *is_reply)
{
    const struct slice fwd = SLICE("(fwd)");
    s = trim(s);
    while (s.n >= fwd.n && slice_equal(slice_from(s, s.n - fwd.n), fwd)) {
        s.n -= fwd.n;
        s = trim(s);
        *is_reply = true;
    }
    return s;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP: how many bytes, or 0. */
static size_t blob_length(struct slice s)
{
    if (s.n == 0 || s.p[0] != '[')
        return 0;
    size_t i = 1;
    while (i < s.n && s.p[i] != '[' && s.p[i] != ']')
        i++;
    if (i == s.n || s.p[i] != ']')
        return 0;
    i++;
    while (i < s.n && s.p[i] == ' ')
        i++;
    return i;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":": how many bytes, or 0. */
static size_t refwd_length(struct slice s)
{
    size_t n = slice_starts(s, SLICE("re")) ? 2 : slice_starts(s, SLICE("fwd")) ? 3 :
        slice_starts(s, SLICE("fw")) ? 2 : 0;
    if (n == 0)
        return 0;
    while (n < s.n && s.p[n] == ' ')
        n++;
    n += blob_length(slice_from(s, n));
    return n < s.n && s.p[n] == ':' ? n + 1 : 0;
}

/* Step 3: *subj-blob subj-refwd, once; false when there is none. */
static bool cut_leader(struct slice *s)
{
    struct slice rest = *s;
    for (size_t n; (n = blob_length(rest)) > 0;)
        rest = slice_from(rest, n);
    size_t n = refwd_length(rest);
    if (n)
        *s = trim(slice_from(rest, n));
    return n > 0;
}

/* Steps 3 to 5. */
static struct slice cut_leaders(struct slice s, bool *is_reply)
{
    for (;;) {
        if (cut_leader(&s)) {
            *is_reply = true;
            continue;
        }
        size_t n = blob_length(s);
        if (n == 0 || n == s.n) /* step 4: not when nothing would be left */
            return s;
        s = slice_from(s, n);
    }
}

struct slice base_subject(struct slice folded, bool *out_is_reply)
{
    const struct slice head = SLICE("[fwd:");
    *out_is_reply = false;
    struct slice s = folded;
    for (;;) {
        s = cut_leaders(cut_trailers(s, out_is_reply), out_is_reply);
        if (!slice_starts(s, head) || s.p[s.n - 1] != ']') /* step 6 */
            return s;
        s = slice_sub(s, head.n, s.n - head.n - 1);
        *out_is_reply = true;
    }
}
