/* Parsing SEARCH programs; see search_program.h. Matching is search_match.c's matter. */
#include "retrieval/imap/search_program.h"

#include "message/decode.h"

/* What follows the name of a key. */
enum argument { TAKES_NOTHING, TAKES_DATE, TAKES_NUMBER, TAKES_TEXT, TAKES_KEYWORD, TAKES_HEADER, TAKES_SET,
    TAKES_KEY, TAKES_TWO_KEYS, TAKES_MODSEQ, TAKES_ID };

struct key_name {
    const char *name;
    enum search_kind kind;
    enum argument argument;
    uint64_t number;
    const char *header;
};

static const struct key_name names[] = {
    {"ALL", SEARCH_ALL, TAKES_NOTHING, 0, NULL},
    {"ANSWERED", SEARCH_FLAG, TAKES_NOTHING, FLAG_ANSWERED, NULL},
    {"BCC", SEARCH_HEADER, TAKES_TEXT, 0, "Bcc"},
    {"BEFORE", SEARCH_BEFORE, TAKES_DATE, 0, NULL},
    {"BODY", SEARCH_BODY, TAKES_TEXT, 0, NULL},
    {"CC", SEARCH_HEADER, TAKES_TEXT, 0, "Cc"},
    {"DELETED", SEARCH_FLAG, TAKES_NOTHING, FLAG_DELETED, NULL},
    {"DRAFT", SEARCH_FLAG, TAKES_NOTHING, FLAG_DRAFT, NULL},
    {"EMAILID", SEARCH_EMAILID, TAKES_ID, 0, NULL},
    {"FLAGGED", SEARCH_FLAG, TAKES_NOTHING, FLAG_FLAGGED, NULL},
    {"FROM", SEARCH_HEADER, TAKES_TEXT, 0, "From"},
    {"HEADER", SEARCH_HEADER, TAKES_HEADER, 0, NULL},
    {"KEYWORD", SEARCH_KEYWORD, TAKES_KEYWORD, 0, NULL},
    {"LARGER", SEARCH_LARGER, TAKES_NUMBER, 0, NULL},
    {"MODSEQ", SEARCH_MODSEQ, TAKES_MODSEQ, 0, NULL},
    {"NEW", SEARCH_NEW, TAKES_NOTHING, 0, NULL},
    {"NOT", SEARCH_NOT, TAKES_KEY, 0, NULL},
    {"OLD", SEARCH_OLD, TAKES_NOTHING, 0, NULL},
    {"OLDER", SEARCH_OLDER, TAKES_NUMBER, 0, NULL},
    {"ON", SEARCH_ON, TAKES_DATE, 0, NULL},
    {"OR", SEARCH_OR, TAKES_TWO_KEYS, 0, NULL},
    {"RECENT", SEARCH_RECENT, TAKES_NOTHING, 0, NULL},
    {"SAVEDATESUPPORTED", SEARCH_ALL, TAKES_NOTHING, 0, NULL},
    {"SAVEDBEFORE", SEARCH_SAVEDBEFORE, TAKES_DATE, 0, NULL},
    {"SAVEDON", SEARCH_SAVEDON, TAKES_DATE, 0, NULL},
    {"SAVEDSINCE", SEARCH_SAVEDSINCE, TAKES_DATE, 0, NULL},
    {"SEEN", SEARCH_FLAG, TAKES_NOTHING, FLAG_SEEN, NULL},
    {"SENTBEFORE", SEARCH_SENTBEFORE, TAKES_DATE, 0, NULL},
    {"SENTON", SEARCH_SENTON, TAKES_DATE, 0, NULL},
    {"SENTSINCE", SEARCH_SENTSINCE, TAKES_DATE, 0, NULL},
    {"SINCE", SEARCH_SINCE, TAKES_DATE, 0, NULL},
    {"SMALLER", SEARCH_SMALLER, TAKES_NUMBER, 0, NULL},
    {"SUBJECT", SEARCH_HEADER, TAKES_TEXT, 0, "Subject"},
    {"TEXT", SEARCH_TEXT, TAKES_TEXT, 0, NULL},
    {"THREADID", SEARCH_NONE, TAKES_ID, 0, NULL},
    {"TO", SEARCH_HEADER, TAKES_TEXT, 0, "To"},
    {"UID", SEARCH_UIDS, TAKES_SET, 0, NULL},
    {"UNANSWERED", SEARCH_UNFLAG, TAKES_NOTHING, FLAG_ANSWERED, NULL},
    {"UNDELETED", SEARCH_UNFLAG, TAKES_NOTHING, FLAG_DELETED, NULL},
    {"UNDRAFT", SEARCH_UNFLAG, TAKES_NOTHING, FLAG_DRAFT, NULL},
    {"UNFLAGGED", SEARCH_UNFLAG, TAKES_NOTHING, FLAG_FLAGGED, NULL},
    {"UNKEYWORD", SEARCH_UNKEYWORD, TAKES_KEYWORD, 0, NULL},
    {"UNSEEN", SEARCH_UNFLAG, TAKES_NOTHING, FLAG_SEEN, NULL},
    {"YOUNGER", SEARCH_YOUNGER, TAKES_NUMBER, 0, NULL},
};

struct parser {
    struct imap_cursor *c;
    struct search_program *p;
    struct slice charset;
};

static void parse_key(struct parser *x, unsigned depth);

/* NULL when there are too many. */
static struct search_key *new_key(struct parser *x, enum search_kind kind)
{
    if (x->p->n == SEARCH_KEYS_MAX) {
        imap_fail(x->c, "the search has too many keys");
        return NULL;
    }
    struct search_key *k = &x->p->keys[x->p->n++];
    *k = (struct search_key){.kind = kind, .end = (uint16_t)x->p->n};
    buf_init(&k->needle, 16 * SEARCH_NEEDLE_MAX);
    return k;
}

static void take_needle(struct parser *x, struct search_key *k)
{
    struct slice text = imap_astring(x->c);
    struct buf utf8;
    if (text.n > SEARCH_NEEDLE_MAX) {
        imap_fail(x->c, "what is searched for is too long");
        return;
    }
    buf_init(&utf8, 4 * SEARCH_NEEDLE_MAX);
    if (x->charset.n)
        decode_charset(x->charset, text, &utf8);
    else
        buf_put(&utf8, text);
    decode_fold(buf_slice(&utf8), &k->needle);
    buf_wipe(&utf8);
}

static void parse_list(struct parser *x, unsigned depth)
{
    do
        parse_key(x, depth);
    while (imap_take(x->c, ' ') && !imap_failed(x->c));
}

/* "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer (RFC 7162 section 3.1.5). The entry is
 * passed over: our mod-sequences belong to the letter. */
static void take_modseq(struct parser *x, struct search_key *k)
{
    if (imap_peek(x->c) == '"') {
        (void)imap_string(x->c);
        imap_space(x->c);
        if (!imap_take_word(x->c, "ALL") && !imap_take_word(x->c, "PRIV") && !imap_take_word(x->c, "SHARED"))
            imap_fail(x->c, "all, priv or shared was expected");
        imap_space(x->c);
    }
    k->number = imap_number64(x->c);
    x->p->has_modseq = true;
}

static void take_argument(struct parser *x, const struct key_name *n, struct search_key *k, unsigned depth)
{
    if (n->argument != TAKES_NOTHING)
        imap_space(x->c);
    switch (n->argument) {
    case TAKES_NOTHING:
        break;
    case TAKES_DATE:
        k->number = (uint64_t)imap_date(x->c);
        break;
    case TAKES_NUMBER:
        k->number = imap_number64(x->c);
        break;
    case TAKES_HEADER:
        k->name = imap_astring(x->c);
        imap_space(x->c);
        take_needle(x, k);
        break;
    case TAKES_TEXT:
        k->name = n->header ? slice_str(n->header) : SLICE_EMPTY;
        take_needle(x, k);
        break;
    case TAKES_KEYWORD:
        k->name = imap_atom(x->c);
        break;
    case TAKES_MODSEQ:
        take_modseq(x, k);
        break;
    case TAKES_ID:
        k->name = imap_atom(x->c);
        break;
    case TAKES_SET:
        sequence_set_parse(x->c, &k->set);
        break;
    case TAKES_TWO_KEYS:
        parse_key(x, depth + 1);
        imap_space(x->c);
        parse_key(x, depth + 1);
        break;
    case TAKES_KEY:
        parse_key(x, depth + 1);
        break;
    }
}

static const struct key_name *find_name(struct slice name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal_nocase(name, slice_str(names[i].name)))
            return &names[i];
    return NULL;
}

static unsigned want_of(enum search_kind kind)
{
    switch (kind) {
    case SEARCH_HEADER:
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return MAIL_WANT_SUMMARY | MAIL_WANT_CONTENT;
    case SEARCH_EMAILID:
        return MAIL_WANT_SUMMARY;
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
        return MAIL_WANT_SUMMARY | MAIL_WANT_CONTENT; /* a damaged summary is made anew from the content */
    default:
        return MAIL_WANT_ROW;
    }
}

/* search-key: a name with its argument, a sequence set, or a list in parentheses. */
static void parse_key(struct parser *x, unsigned depth)
{
    int next = imap_peek(x->c);
    size_t index = x->p->n;
    if (depth > SEARCH_DEPTH_MAX)
        imap_fail(x->c, "the search is nested too deeply");
    if (imap_failed(x->c))
        return;
    if (next == '(') {
        imap_open(x->c);
        if (new_key(x, SEARCH_AND))
            parse_list(x, depth + 1);
        imap_close(x->c);
    } else if (next == '*' || next == '$' || (next >= '0' && next <= '9')) {
        struct search_key *k = new_key(x, SEARCH_NUMBERS);
        if (k)
            sequence_set_parse(x->c, &k->set);
    } else {
        const struct key_name *n = find_name(imap_atom(x->c));
        struct search_key *k = n ? new_key(x, n->kind) : NULL;
        if (!n)
            imap_fail(x->c, "there is no such search key");
        if (!k)
            return;
        k->number = n->number;
        x->p->want |= want_of(n->kind);
        take_argument(x, n, k, depth);
    }
    if (index < x->p->n)
        x->p->keys[index].end = (uint16_t)x->p->n;
}

static bool charset_is_known(struct slice charset)
{
    return charset.n == 0 || slice_equal_nocase(charset, SLICE("UTF-8")) ||
        slice_equal_nocase(charset, SLICE("US-ASCII")) || slice_equal_nocase(charset, SLICE("ISO-8859-1")) ||
        slice_equal_nocase(charset, SLICE("ISO-8859-15")) || slice_equal_nocase(charset, SLICE("WINDOWS-1252"));
}

void search_program_parse(struct imap_cursor *c, struct slice charset, struct search_program *out)
{
    struct parser x = {c, out, charset};
    *out = (struct search_program){.bad_charset = !charset_is_known(charset)};
    out->keys = mem_new(SEARCH_KEYS_MAX * sizeof *out->keys);
    if (!new_key(&x, SEARCH_AND))
        return;
    parse_list(&x, 0);
    out->keys[0].end = (uint16_t)out->n;
    imap_end(c);
}

void search_program_clear(struct search_program *p)
{
    for (size_t i = 0; i < p->n; i++) {
        buf_wipe(&p->keys[i].needle);
        uid_set_clear(&p->keys[i].set);
    }
    free(p->keys);
    *p = (struct search_program){0};
}
