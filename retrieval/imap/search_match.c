/* Whether one letter answers a SEARCH program: from its row and the index, else by opening it; see
 * search_program.h. */
#include "message/decode.h"
#include "message/header.h"
#include "retrieval/imap/search_program.h"
#include "retrieval/imap/search_text.h"

#define DAY_SECONDS 86400

static int64_t day_of(int64_t seconds)
{
    int64_t day = seconds / DAY_SECONDS;
    return seconds % DAY_SECONDS < 0 ? day - 1 : day;
}

static bool match_row(const struct search_key *k, const struct search_letter *l)
{
    const struct mail_row *row = &l->source->row;
    int64_t day = day_of(row->internal_date);
    int64_t wanted = day_of((int64_t)k->number);
    int64_t limit = l->now - (int64_t)(k->number < INT32_MAX ? k->number : INT32_MAX);
    bool recent = row->uid >= l->recent_from;
    switch (k->kind) {
    case SEARCH_ALL:
        return true;
    case SEARCH_FLAG:
    case SEARCH_KEYWORD:
        return (row->flags & k->number) != 0;
    case SEARCH_UNFLAG:
    case SEARCH_UNKEYWORD:
        return (row->flags & k->number) == 0;
    case SEARCH_RECENT:
        return recent;
    case SEARCH_OLD:
        return !recent;
    case SEARCH_NEW:
        return recent && !(row->flags & FLAG_SEEN);
    case SEARCH_BEFORE:
        return day < wanted;
    case SEARCH_ON:
        return day == wanted;
    case SEARCH_SINCE:
        return day >= wanted;
    case SEARCH_LARGER:
        return row->size > k->number;
    case SEARCH_SMALLER:
        return row->size < k->number;
    case SEARCH_OLDER:
        return row->internal_date <= limit;
    case SEARCH_YOUNGER:
        return row->internal_date >= limit;
    case SEARCH_MODSEQ:
        return row->modseq >= k->number;
    case SEARCH_SAVEDBEFORE:
        return day_of(row->saved_date) < wanted;
    case SEARCH_SAVEDON:
        return day_of(row->saved_date) == wanted;
    case SEARCH_SAVEDSINCE:
        return day_of(row->saved_date) >= wanted;
    case SEARCH_UIDS:
        return uid_set_has(&k->set, row->uid);
    case SEARCH_NUMBERS:
        return uid_set_has(&k->set, l->number);
    default:
        return false;
    }
}

/* The day that the Date field names, in its own zone ("disregarding time and timezone"). */
static enum err match_sent(const struct search_key *k, const struct search_letter *l, bool *out)
{
    int64_t sent;
    int zone;
    enum err e = letter_source_summary(l->source, true);
    *out = false;
    if (e)
        return e;
    const struct summary *s = l->source->summary;
    if (s->envelope_count == 0 || !decode_date(s->envelopes[0].fields[SUMMARY_DATE], &sent, &zone))
        return ERR_OK;
    int64_t day = day_of(sent + (int64_t)zone * 60);
    int64_t wanted = day_of((int64_t)k->number);
    *out = k->kind == SEARCH_SENTBEFORE ? day < wanted : k->kind == SEARCH_SENTON ? day == wanted : day >= wanted;
    return ERR_OK;
}

static enum err match_email_id(const struct search_key *k, const struct search_letter *l, bool *out)
{
    uint8_t uid[LETTER_UID_BYTES];
    struct buf name;
    enum err e = letter_source_uid(l->source, uid);
    *out = false;
    if (e)
        return e;
    buf_init(&name, 64);
    buf_put_byte(&name, 'M');
    for (size_t i = 0; i < sizeof(uid); i++)
        buf_printf(&name, "%02x", uid[i]);
    *out = slice_equal(buf_slice(&name), k->name);
    buf_clear(&name);
    return ERR_OK;
}

static enum err match_header(const struct search_key *k, const struct search_letter *l, bool *out)
{
    struct buf header;
    struct header_field field;
    buf_init(&header, SEARCH_HEADER_MAX + LETTER_READ_STEP);
    enum err e = search_read_header(l->source, &header);
    struct slice rest = buf_slice(&header);
    *out = false;
    while (!e && !*out && header_next(&rest, &field))
        if (slice_equal_nocase(field.name, k->name))
            *out = k->needle.n == 0 || search_header_value(field.value, buf_slice(&k->needle));
    buf_wipe(&header);
    return e;
}

static enum err match(const struct search_program *p, size_t index, const struct search_letter *l, bool *out);

static enum err match_list(const struct search_program *p, size_t index, const struct search_letter *l, bool *out)
{
    bool is_or = p->keys[index].kind == SEARCH_OR;
    *out = !is_or;
    for (size_t i = index + 1; i < p->keys[index].end; i = p->keys[i].end) {
        enum err e = match(p, i, l, out);
        if (e || *out == is_or)
            return e;
    }
    return ERR_OK;
}

static enum err match(const struct search_program *p, size_t index, const struct search_letter *l, bool *out)
{
    const struct search_key *k = &p->keys[index];
    enum err e = ERR_OK;
    switch (k->kind) {
    case SEARCH_AND:
    case SEARCH_OR:
        return match_list(p, index, l, out);
    case SEARCH_NOT:
        e = match(p, index + 1, l, out);
        *out = !*out;
        return e;
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
        return match_sent(k, l, out);
    case SEARCH_EMAILID:
        return match_email_id(k, l, out);
    case SEARCH_HEADER:
        return match_header(k, l, out);
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return search_letter_text(l->source, k->kind == SEARCH_TEXT, buf_slice(&k->needle), out);
    default:
        *out = match_row(k, l);
        return ERR_OK;
    }
}

enum err search_program_match(const struct search_program *p, const struct search_letter *l, bool *out_match)
{
    *out_match = false;
    return match(p, 0, l, out_match);
}

/* --- without opening it --- */

static uint8_t fields_of(const struct search_key *k)
{
    switch (k->kind) {
    case SEARCH_HEADER:
        return search_field_of(k->name);
    case SEARCH_BODY:
        return SEARCH_IN_BODY;
    case SEARCH_TEXT:
        return SEARCH_IN_HEADER | SEARCH_IN_BODY;
    default:
        return 0;
    }
}

static void ask(struct search_key *k, struct search_index *index)
{
    struct token_needle needle;
    uint8_t fields = fields_of(k);
    unsigned question = 0;
    token_needle_read(buf_slice(&k->needle), &needle);
    k->question_count = 0;
    for (size_t i = 0; fields && i < needle.n; i++)
        if (search_index_ask(index, needle.pieces[i], fields, &question))
            k->questions[k->question_count++] = (uint8_t)question;
    /* Of other fields the index knows only that the header holds the word somewhere. */
    k->is_exact = needle.is_exact && !(k->kind == SEARCH_HEADER && fields == SEARCH_IN_HEADER);
}

bool search_program_ask(struct search_program *p, struct search_index *index)
{
    bool any = false;
    for (size_t i = 0; i < p->n; i++) {
        ask(&p->keys[i], index);
        any |= p->keys[i].question_count > 0;
    }
    return any;
}

void search_program_unask(struct search_program *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->keys[i].question_count = 0;
}

static enum search_truth guess_text(const struct search_key *k, const struct search_letter *l)
{
    size_t doc;
    if (!k->question_count || !l->index || !search_index_find(l->index, l->source->row.letter, &doc))
        return SEARCH_MUST_OPEN;
    for (size_t i = 0; i < k->question_count; i++)
        if (!search_index_answer(l->index, k->questions[i], doc))
            return SEARCH_NO;
    return k->is_exact ? SEARCH_YES : SEARCH_MUST_OPEN;
}

static enum search_truth guess(const struct search_program *p, size_t index, const struct search_letter *l);

static enum search_truth guess_list(const struct search_program *p, size_t index, const struct search_letter *l)
{
    bool is_or = p->keys[index].kind == SEARCH_OR;
    enum search_truth decisive = is_or ? SEARCH_YES : SEARCH_NO;
    enum search_truth result = is_or ? SEARCH_NO : SEARCH_YES;
    for (size_t i = index + 1; i < p->keys[index].end; i = p->keys[i].end) {
        enum search_truth t = guess(p, i, l);
        if (t == decisive)
            return t;
        if (t == SEARCH_MUST_OPEN)
            result = t;
    }
    return result;
}

static enum search_truth guess(const struct search_program *p, size_t index, const struct search_letter *l)
{
    const struct search_key *k = &p->keys[index];
    enum search_truth t;
    switch (k->kind) {
    case SEARCH_AND:
    case SEARCH_OR:
        return guess_list(p, index, l);
    case SEARCH_NOT:
        t = guess(p, index + 1, l);
        return t == SEARCH_MUST_OPEN ? t : t == SEARCH_YES ? SEARCH_NO : SEARCH_YES;
    case SEARCH_SENTBEFORE:
    case SEARCH_SENTON:
    case SEARCH_SENTSINCE:
    case SEARCH_EMAILID:
        return SEARCH_MUST_OPEN;
    case SEARCH_HEADER:
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return guess_text(k, l);
    default:
        return match_row(k, l) ? SEARCH_YES : SEARCH_NO;
    }
}

enum search_truth search_program_guess(const struct search_program *p, const struct search_letter *l)
{
    return guess(p, 0, l);
}
