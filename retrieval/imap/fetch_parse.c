/* FETCH's items (RFC 3501 section 9, fetch-att). */
#include "retrieval/imap/fetch.h"

static struct fetch_item *add(struct imap_cursor *c, struct fetch *w, enum fetch_kind kind)
{
    if (w->item_count == FETCH_ITEMS_MAX) {
        imap_fail(c, "there are too many items");
        w->item_count--; /* what follows is parsed into the last one and never used */
        fetch_section_clear(&w->items[w->item_count].section);
    }
    struct fetch_item *item = &w->items[w->item_count++];
    *item = (struct fetch_item){.kind = kind};
    w->has_flags |= kind == FETCH_FLAGS;
    w->has_uid |= kind == FETCH_UID;
    w->has_modseq |= kind == FETCH_MODSEQ;
    if (kind == FETCH_EMAILID)
        w->want |= MAIL_WANT_SUMMARY;
    if (kind == FETCH_PREVIEW)
        w->want |= MAIL_WANT_SUMMARY | MAIL_WANT_CONTENT; /* a damaged summary is made anew */
    if (kind == FETCH_ENVELOPE || kind == FETCH_BODY || kind == FETCH_BODYSTRUCTURE)
        w->want |= MAIL_WANT_SUMMARY;
    w->wants_parts |= kind == FETCH_BODY || kind == FETCH_BODYSTRUCTURE;
    return item;
}

static void add_section(struct imap_cursor *c, struct fetch *w, struct fetch_item *item)
{
    (void)c;
    w->want |= MAIL_WANT_CONTENT;
    if (!fetch_section_is_whole(&item->section))
        w->want |= MAIL_WANT_SUMMARY;
    w->wants_parts |= item->section.depth > 0;
    w->sets_seen |= item->sets_seen;
}

static void add_rfc822(struct imap_cursor *c, struct fetch *w, const char *label, enum section_text text,
    bool sets_seen)
{
    struct fetch_item *item = add(c, w, FETCH_SECTION);
    item->label = label;
    item->sets_seen = sets_seen;
    item->section.text = text;
    add_section(c, w, item);
}

static void add_body_section(struct imap_cursor *c, struct fetch *w, bool sets_seen)
{
    struct fetch_item *item = add(c, w, FETCH_SECTION);
    item->sets_seen = sets_seen;
    fetch_section_parse(c, &item->section);
    add_section(c, w, item);
}

/* "BINARY" [".PEEK" / ".SIZE"] "[" [section-part] "]" [partial] (RFC 3516 section 4.2) */
static void add_binary(struct imap_cursor *c, struct fetch *w, enum fetch_kind kind, bool sets_seen)
{
    struct fetch_item *item = add(c, w, kind);
    item->sets_seen = sets_seen;
    fetch_section_parse(c, &item->section);
    if (item->section.text != SECTION_ALL)
        imap_fail(c, "BINARY takes the number of a part");
    if (kind == FETCH_BINARY_SIZE && item->section.is_partial)
        imap_fail(c, "a size has no partial");
    add_section(c, w, item);
}

static bool parse_binary(struct imap_cursor *c, struct fetch *w)
{
    static const struct {
        const char *word;
        enum fetch_kind kind;
        bool sets_seen;
    } forms[] = {
        {"BINARY.PEEK[", FETCH_BINARY, false},
        {"BINARY.SIZE[", FETCH_BINARY_SIZE, false},
        {"BINARY[", FETCH_BINARY, true},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !imap_failed(c); i++)
        if (slice_starts_nocase(slice_from(c->text, c->at), slice_str(forms[i].word))) {
            c->at += strlen(forms[i].word) - 1;
            add_binary(c, w, forms[i].kind, forms[i].sets_seen);
            return true;
        }
    return false;
}

static bool parse_plain(struct imap_cursor *c, struct fetch *w)
{
    static const struct {
        const char *word;
        enum fetch_kind kind;
    } plain[] = {
        {"FLAGS", FETCH_FLAGS},
        {"UID", FETCH_UID},
        {"INTERNALDATE", FETCH_INTERNALDATE},
        {"RFC822.SIZE", FETCH_SIZE},
        {"ENVELOPE", FETCH_ENVELOPE},
        {"BODYSTRUCTURE", FETCH_BODYSTRUCTURE},
        {"MODSEQ", FETCH_MODSEQ},
        {"SAVEDATE", FETCH_SAVEDATE},
        {"EMAILID", FETCH_EMAILID},
        {"THREADID", FETCH_THREADID},
    };
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (imap_take_word(c, plain[i].word)) {
            add(c, w, plain[i].kind);
            return true;
        }
    return false;
}

static void parse_item(struct imap_cursor *c, struct fetch *w)
{
    if (parse_plain(c, w) || parse_binary(c, w))
        return;
    if (imap_take_word(c, "PREVIEW")) {
        add(c, w, FETCH_PREVIEW);
        if (slice_starts_nocase(slice_from(c->text, c->at), SLICE(" (LAZY)")))
            c->at += sizeof(" (LAZY)") - 1; /* ours are there already (RFC 8970 section 3.2) */
        return;
    }
    if (imap_take_word(c, "RFC822.HEADER")) {
        add_rfc822(c, w, "RFC822.HEADER", SECTION_HEADER, false);
    } else if (imap_take_word(c, "RFC822.TEXT")) {
        add_rfc822(c, w, "RFC822.TEXT", SECTION_TEXT, true);
    } else if (imap_take_word(c, "RFC822")) {
        add_rfc822(c, w, "RFC822", SECTION_ALL, true);
    } else if (slice_starts_nocase(slice_from(c->text, c->at), SLICE("BODY.PEEK[")) && !imap_failed(c)) {
        c->at += sizeof("BODY.PEEK") - 1;
        add_body_section(c, w, false);
    } else if (slice_starts_nocase(slice_from(c->text, c->at), SLICE("BODY[")) && !imap_failed(c)) {
        c->at += sizeof("BODY") - 1;
        add_body_section(c, w, true);
    } else if (imap_take_word(c, "BODY")) {
        add(c, w, FETCH_BODY);
    } else {
        imap_fail(c, "there is no such item");
    }
}

static bool parse_macro(struct imap_cursor *c, struct fetch *w)
{
    bool is_full = imap_take_word(c, "FULL");
    bool is_all = !is_full && imap_take_word(c, "ALL");
    if (!is_full && !is_all && !imap_take_word(c, "FAST"))
        return false;
    add(c, w, FETCH_FLAGS);
    add(c, w, FETCH_INTERNALDATE);
    add(c, w, FETCH_SIZE);
    if (is_all || is_full)
        add(c, w, FETCH_ENVELOPE);
    if (is_full)
        add(c, w, FETCH_BODY);
    return true;
}

/* fetch-modifiers: SP "(" fetch-modifier *(SP fetch-modifier) ")" */
static void parse_modifiers(struct imap_cursor *c, struct fetch *w)
{
    if (imap_failed(c) || !slice_starts(slice_from(c->text, c->at), SLICE(" (")))
        return;
    imap_space(c);
    imap_open(c);
    do {
        if (imap_take_word(c, "CHANGEDSINCE")) {
            imap_space(c);
            w->since = imap_number64(c);
            w->is_since = true;
        } else if (imap_take_word(c, "VANISHED")) {
            w->wants_vanished = true;
        } else if (imap_take_word(c, "PARTIAL")) {
            partial_range_parse(c, &w->partial);
        } else {
            imap_fail(c, "CHANGEDSINCE, PARTIAL or VANISHED was expected");
        }
    } while (imap_take(c, ' '));
    imap_close(c);
    if (w->is_since && !w->has_modseq)
        add(c, w, FETCH_MODSEQ);
}

static void parse_items(struct imap_cursor *c, struct fetch *w)
{
    if (parse_macro(c, w))
        return;
    if (!imap_take(c, '(')) {
        parse_item(c, w);
        return;
    }
    do
        parse_item(c, w);
    while (imap_take(c, ' '));
    imap_close(c);
}

/* fetch: "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att … ")")
 * [fetch-modifiers] */
void fetch_parse(struct imap_cursor *c, void *work)
{
    struct fetch *w = work;
    imap_space(c);
    sequence_set_parse(c, &w->set);
    imap_space(c);
    parse_items(c, w);
    parse_modifiers(c, w);
}

void fetch_clear(struct imap_session *s, void *work)
{
    struct fetch *w = work;
    (void)s;
    letter_source_clear(&w->source);
    if (w->handle)
        letter_handle_close(w->handle);
    for (size_t i = 0; i < w->item_count; i++)
        fetch_section_clear(&w->items[i].section);
    uid_set_clear(&w->set);
    uid_set_clear(&w->uids);
    uid_set_clear(&w->vanished);
    uid_set_clear(&w->gone);
    uid_set_clear(&w->unseen);
    buf_clear(&w->held);
    fetch_listing_clear(w);
}
