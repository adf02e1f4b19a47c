/* Flags and keywords by name; see keywords.h. */
#include "retrieval/imap/keywords.h"

static const struct {
    uint64_t bit;
    const char *name;
} fixed[] = {
    {FLAG_ANSWERED, "\\Answered"},
    {FLAG_FLAGGED, "\\Flagged"},
    {FLAG_DELETED, "\\Deleted"},
    {FLAG_SEEN, "\\Seen"},
    {FLAG_DRAFT, "\\Draft"},
    {FLAG_JUNK, "$Junk"},
    {FLAG_NOTJUNK, "$NotJunk"},
    {FLAG_FORWARDED, "$Forwarded"},
    {FLAG_MDNSENT, "$MDNSent"},
    {FLAG_PHISHING, "$Phishing"},
    {FLAG_IMPORTANT, "$Important"},
};

static void set_name(struct imap_shared *shared, unsigned bit, struct slice name)
{
    free(shared->names[bit]);
    shared->names[bit] = mem_strdup(name);
    shared->known |= 1ULL << bit;
}

static void read_names(struct retrieval *r)
{
    struct keyword_info *infos = NULL;
    size_t n = 0;
    if (reader_keywords(r->reader, r->account, &infos, &n) != ERR_OK)
        return; /* the next look tries again */
    for (size_t i = 0; i < n; i++)
        if (infos[i].bit >= FLAG_KEYWORD_FIRST && infos[i].bit <= FLAG_KEYWORD_LAST && infos[i].name[0])
            set_name(r->imap, infos[i].bit, slice_str(infos[i].name));
    free(infos);
}

struct imap_shared *imap_shared_get(struct retrieval *r)
{
    if (!r->imap) {
        r->imap = mem_new(sizeof(*r->imap));
        for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
            set_name(r->imap, (unsigned)__builtin_ctzll(fixed[i].bit), slice_str(fixed[i].name));
        read_names(r);
    }
    return r->imap;
}

void imap_shared_free(struct retrieval *r)
{
    if (!r->imap)
        return;
    for (size_t i = 0; i < 64; i++)
        free(r->imap->names[i]);
    free(r->imap);
    r->imap = NULL;
}

void imap_keywords_refresh(struct retrieval *r, uint64_t flags)
{
    if (flags & ~imap_shared_get(r)->known)
        read_names(r);
}

uint64_t imap_keyword_bit(struct retrieval *r, struct slice name)
{
    struct imap_shared *shared = imap_shared_get(r);
    for (unsigned bit = 0; bit < 64; bit++)
        if (shared->names[bit] && slice_equal_nocase(slice_str(shared->names[bit]), name))
            return 1ULL << bit;
    return 0;
}

void imap_put_flags(struct retrieval *r, uint64_t flags, bool is_recent, struct buf *out)
{
    const struct imap_shared *shared = imap_shared_get(r);
    buf_put_byte(out, '(');
    flags &= shared->known;
    bool is_first = true;
    for (; flags; flags &= flags - 1) {
        if (!is_first)
            buf_put_byte(out, ' ');
        is_first = false;
        buf_put_str(out, shared->names[__builtin_ctzll(flags)]);
    }
    if (is_recent)
        buf_put_str(out, is_first ? "\\Recent" : " \\Recent");
    buf_put_byte(out, ')');
}

void imap_put_flags_line(struct imap_session *s)
{
    struct imap_shared *shared = imap_shared_get(s->base.retrieval);
    buf_put_str(&s->out, "* FLAGS ");
    imap_put_flags(s->base.retrieval, shared->known, false, &s->out);
    buf_put_str(&s->out, "\r\n");
    if (s->selected)
        s->selected->announced_keywords = shared->known;
}

void imap_announce_keywords(struct imap_session *s, uint64_t flags)
{
    if (!s->selected || !(flags & ~s->selected->announced_keywords))
        return;
    imap_keywords_refresh(s->base.retrieval, flags);
    if (imap_shared_get(s->base.retrieval)->known != s->selected->announced_keywords)
        imap_put_flags_line(s);
}

enum imap_step imap_keywords_resolve(struct imap_session *s, const struct imap_flags *f, size_t *at,
    uint64_t *bits, bool *out_failed)
{
    struct retrieval *r = s->base.retrieval;
    *out_failed = false;
    if (s->reply.has_come) { /* of the keyword at *at */
        if (s->reply.err != ERR_OK || s->reply.value > FLAG_KEYWORD_LAST) {
            imap_no_err(s, s->reply.err == ERR_OK ? ERR_INTERNAL : s->reply.err, "making the keyword");
            *out_failed = true;
            return IMAP_STEP_DONE;
        }
        *bits |= 1ULL << s->reply.value;
        imap_keywords_refresh(r, *bits);
        imap_reply_reset(s);
        (*at)++;
    }
    for (; *at < f->keyword_count; (*at)++) {
        uint64_t bit = imap_keyword_bit(r, f->keywords[*at]);
        if (!bit) {
            s->request = store_keyword(r->store, s->base.id, r->keys, f->keywords[*at], imap_on_reply, s);
            return IMAP_STEP_WAIT;
        }
        *bits |= bit;
    }
    return IMAP_STEP_DONE;
}
