/* RFC 5322 section 3.4 address lists with the obsolete forms of section 4.4, for ENVELOPE. Reads
 * what real mail holds and never fails; the strict reader of single addresses is address.c.
 *
 *     address-list = (address *("," address)) ; address = mailbox / group
 *     mailbox = [phrase] "<" [route ":"] addr-spec ">" / addr-spec ; group = phrase ":" [list] ";"
 *
 * Quotes come off, comments are dropped (the last one is the name of a bare address), words of a
 * name are joined with one blank. A word without "@" is a mailbox without host. */
#include "message/parser_state.h"

#define NAME_MAX_BYTES 1024

/* Bytes gathered from several words; what is beyond the maximum is dropped. */
struct text {
    size_t n;
    uint8_t bytes[NAME_MAX_BYTES];
};

struct list {
    struct slice rest;
    struct text words;   /* the phrase, or the local part before "@" */
    struct text raw;     /* the same without blanks between words: a local part */
    struct text comment; /* inside of the last comment */
    struct text mailbox, host, route;
    bool in_group;
    bool is_stopped;
    address_list_fn on;
    void *ctx;
};

static void add(struct text *t, struct slice s)
{
    if (s.n > NAME_MAX_BYTES - t->n)
        s.n = NAME_MAX_BYTES - t->n;
    if (s.n)
        memcpy(t->bytes + t->n, s.p, s.n);
    t->n += s.n;
}

static struct slice text_slice(const struct text *t)
{
    return slice_of(t->bytes, t->n);
}

static void skip(struct list *l, size_t n)
{
    l->rest = slice_from(l->rest, n);
}

/* From the opening byte to the matching closing one, with escapes undone; comments nest. */
static void read_enclosed(struct list *l, uint8_t close, struct text *out)
{
    struct slice s = l->rest;
    size_t depth = 1;
    size_t i = 1;
    size_t from = 1;
    for (; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '\\') {
            add(out, slice_sub(s, from, i - from));
            from = ++i;
        } else if (c == close && --depth == 0) {
            break;
        } else if (c == '(' && close == ')') {
            depth++;
        }
    }
    if (i > s.n)
        i = s.n;
    if (from < i)
        add(out, slice_sub(s, from, i - from));
    skip(l, i + 1);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_cfws(struct list *l)
{
    while (l->rest.n) {
        if (is_blank(l->rest.p[0])) {
            skip(l, 1);
        } else if (l->rest.p[0] == '(') {
            l->comment.n = 0;
            read_enclosed(l, ')', &l->comment);
        } else {
            return;
        }
    }
}

/* Bytes that end an atom. Dots are taken into it: "J. Doe" is a phrase in real mail. */
static const bool IS_SPECIAL[256] = {
    [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['('] = true, ['<'] = true,
    ['>'] = true, ['@'] = true, [','] = true, [';'] = true, [':'] = true, ['"'] = true};

static struct slice read_atom(struct list *l)
{
    size_t n = 0;
    while (n < l->rest.n && !IS_SPECIAL[l->rest.p[n]])
        n++;
    struct slice atom = slice_sub(l->rest, 0, n);
    skip(l, n);
    return atom;
}

/* One word of a phrase or local part. */
static void read_word(struct list *l)
{
    size_t from = l->words.n;
    if (from)
        add(&l->words, SLICE(" "));
    size_t start = l->words.n;
    if (l->rest.p[0] == '"')
        read_enclosed(l, '"', &l->words);
    else
        add(&l->words, read_atom(l));
    add(&l->raw, slice_from(text_slice(&l->words), start));
    if (l->words.n == start)
        l->words.n = from;
}

/* domain = dot-atom / domain-literal, blanks and comments inside dropped. */
static void read_host(struct list *l, struct text *out)
{
    for (;;) {
        skip_cfws(l);
        if (l->rest.n == 0)
            return;
        if (l->rest.p[0] == '[') {
            size_t n = slice_find_byte(l->rest, ']');
            add(out, slice_sub(l->rest, 0, n + 1));
            skip(l, n + 1);
            continue;
        }
        struct slice atom = read_atom(l);
        if (atom.n == 0)
            return;
        add(out, atom);
    }
}

/* obs-route = "@" domain *("," "@" domain) ":" */
static void read_route(struct list *l)
{
    while (l->rest.n && (l->rest.p[0] == '@' || l->rest.p[0] == ',')) {
        add(&l->route, slice_sub(l->rest, 0, 1));
        skip(l, 1);
        read_host(l, &l->route);
    }
    if (l->rest.n && l->rest.p[0] == ':')
        skip(l, 1);
}

/* Behind "<": route, local part, host, as far as ">"; what is before ">" else is dropped. */
static void read_angle(struct list *l)
{
    skip(l, 1);
    skip_cfws(l);
    if (l->rest.n && l->rest.p[0] == '@')
        read_route(l);
    for (;;) {
        skip_cfws(l);
        if (l->rest.n == 0 || l->rest.p[0] == '>' || l->rest.p[0] == '@')
            break;
        if (l->rest.p[0] == '"') {
            read_enclosed(l, '"', &l->mailbox);
            continue;
        }
        struct slice atom = read_atom(l);
        if (atom.n == 0) {
            add(&l->mailbox, slice_sub(l->rest, 0, 1));
            skip(l, 1);
            continue;
        }
        add(&l->mailbox, atom);
    }
    if (l->rest.n && l->rest.p[0] == '@') {
        skip(l, 1);
        read_host(l, &l->host);
    }
    skip(l, slice_find_byte(l->rest, '>') + 1);
}

static void emit(struct list *l, enum summary_address_kind kind, struct slice name)
{
    struct summary_address a = {.kind = kind, .name = name, .route = text_slice(&l->route),
        .mailbox = text_slice(&l->mailbox), .host = text_slice(&l->host)};
    if (!l->is_stopped && !l->on(l->ctx, &a))
        l->is_stopped = true;
}

static void emit_group_end(struct list *l)
{
    if (!l->in_group)
        return;
    l->in_group = false;
    struct summary_address end = {.kind = SUMMARY_GROUP_END};
    l->on(l->ctx, &end);
}

static void emit_group_start(struct list *l)
{
    emit_group_end(l);
    l->mailbox.n = l->host.n = l->route.n = 0;
    add(&l->mailbox, text_slice(&l->words));
    emit(l, SUMMARY_GROUP_START, SLICE_EMPTY);
    l->in_group = !l->is_stopped;
}

/* The mailbox that ends here: with an angle address, a bare one, or words without host. */
static void emit_mailbox(struct list *l, bool had_angle)
{
    struct slice comment = slice_trim(text_slice(&l->comment));
    if (had_angle) {
        struct slice name = l->words.n ? text_slice(&l->words) : comment;
        if (l->mailbox.n || l->host.n || name.n)
            emit(l, SUMMARY_MAILBOX, name);
        return;
    }
    if (l->mailbox.n == 0 && l->host.n == 0) {
        if (l->words.n == 0)
            return;
        add(&l->mailbox, text_slice(&l->words));
    }
    emit(l, SUMMARY_MAILBOX, comment);
}

/* One mailbox, or the beginning or end of a group. */
static void read_address(struct list *l)
{
    bool had_angle = false;
    l->words.n = l->raw.n = l->comment.n = 0;
    l->mailbox.n = l->host.n = l->route.n = 0;
    for (;;) {
        skip_cfws(l);
        uint8_t c = l->rest.n ? l->rest.p[0] : ',';
        if (c == ',' || c == ';') {
            emit_mailbox(l, had_angle);
            if (c == ';')
                emit_group_end(l);
            skip(l, 1);
            return;
        }
        if (c == '<' && !had_angle) {
            l->mailbox.n = l->host.n = 0;
            read_angle(l);
            had_angle = true;
        } else if (c == '@' && !had_angle && l->host.n == 0) {
            skip(l, 1);
            add(&l->mailbox, text_slice(&l->raw));
            read_host(l, &l->host);
        } else if (c == ':' && !had_angle && l->host.n == 0) {
            skip(l, 1);
            emit_group_start(l);
            return;
        } else if (c == '<' || c == '>' || c == '@' || c == ':') {
            skip(l, 1);
        } else if (had_angle || l->host.n) {
            struct slice dropped = read_atom(l);
            skip(l, dropped.n == 0);
        } else {
            read_word(l);
        }
    }
}

void address_list_read(struct slice value, address_list_fn on, void *ctx)
{
    struct list l;
    l.rest = value;
    l.in_group = l.is_stopped = false;
    l.on = on;
    l.ctx = ctx;
    while (l.rest.n && !l.is_stopped)
        read_address(&l);
    emit_group_end(&l);
}
