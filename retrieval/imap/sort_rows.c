/* Gathering what SORT and THREAD compare; see sort_rows.h. */
#include "retrieval/imap/sort_rows.h"

#include "message/base_subject.h"
#include "message/decode.h"

void sort_rows_init(struct sort_rows *r)
{
    *r = (struct sort_rows){0};
    buf_init(&r->arena, SORT_ARENA_MAX);
    buf_put_byte(&r->arena, 0); /* place 0: the empty text */
}

void sort_rows_clear(struct sort_rows *r)
{
    buf_wipe(&r->arena);
    free(r->rows);
    *r = (struct sort_rows){0};
}

struct slice sort_rows_text(const struct sort_rows *r, const struct sort_row *row, enum sort_text text)
{
    const uint8_t *at = r->arena.p + row->texts[text];
    return slice_of(at + 1, at[0]);
}

static uint32_t keep(struct sort_rows *r, struct slice s)
{
    if (s.n == 0)
        return 0;
    size_t n = s.n < SORT_TEXT_MAX ? s.n : SORT_TEXT_MAX;
    size_t at = r->arena.n;
    buf_put_byte(&r->arena, (uint8_t)n);
    buf_put_bytes(&r->arena, s.p, n);
    return buf_ok(&r->arena) ? (uint32_t)at : 0;
}

/* Decoded and folded, appended to out. */
static void fold_header(struct slice value, struct buf *out)
{
    struct buf text;
    buf_init(&text, 4 * value.n + 64);
    decode_header(value, &text);
    decode_fold(buf_slice(&text), out);
    buf_clear(&text);
}

static const struct summary_address *first_address(const struct summary *s, enum summary_list list)
{
    if (s->envelope_count == 0 || !s->envelopes[0].has_list[list] || s->envelopes[0].list_count[list] == 0 ||
        s->envelopes[0].list_first[list] >= s->address_count)
        return NULL;
    return &s->addresses[s->envelopes[0].list_first[list]];
}

/* RFC 5256 section 3: the local part. RFC 5957 section 3: the display name, else the whole address. */
static uint32_t address_text(struct sort_rows *r, const struct summary *s, enum summary_list list, bool display)
{
    const struct summary_address *a = first_address(s, list);
    struct buf folded;
    if (!a)
        return 0;
    buf_init(&folded, 16 * SUMMARY_FIELD_MAX);
    if (!display) {
        fold_header(a->mailbox, &folded);
    } else if (a->name.n) {
        fold_header(a->name, &folded);
    } else {
        fold_header(a->mailbox, &folded);
        if (a->host.n)
            buf_put_byte(&folded, '@');
        fold_header(a->host, &folded);
    }
    uint32_t at = keep(r, buf_slice(&folded));
    buf_clear(&folded);
    return at;
}

static uint32_t subject_text(struct sort_rows *r, const struct summary *s, bool *out_is_reply)
{
    struct buf folded;
    if (s->envelope_count == 0)
        return 0;
    buf_init(&folded, 16 * SUMMARY_FIELD_MAX);
    fold_header(s->envelopes[0].fields[SUMMARY_SUBJECT], &folded);
    uint32_t at = keep(r, base_subject(buf_slice(&folded), out_is_reply));
    buf_clear(&folded);
    return at;
}

static void take_texts(struct sort_rows *r, const struct summary *s, unsigned texts, struct sort_row *row)
{
    static const struct {
        enum sort_text text;
        enum summary_list list;
        bool display;
    } addresses[] = {{SORT_CC, SUMMARY_CC, false}, {SORT_FROM, SUMMARY_FROM, false}, {SORT_TO, SUMMARY_TO, false},
        {SORT_DISPLAY_FROM, SUMMARY_FROM, true}, {SORT_DISPLAY_TO, SUMMARY_TO, true}};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        if (texts & 1u << addresses[i].text)
            row->texts[addresses[i].text] = address_text(r, s, addresses[i].list, addresses[i].display);
    if (texts & 1u << SORT_SUBJECT)
        row->texts[SORT_SUBJECT] = subject_text(r, s, &row->is_reply);
}

enum err sort_rows_add(struct sort_rows *r, struct letter_source *l, uint32_t number, unsigned texts, bool want_sent)
{
    struct sort_row row = {.uid = l->row.uid, .number = number, .arrival = l->row.internal_date,
        .sent = l->row.internal_date, .size = l->row.size};
    if (texts || want_sent) {
        enum err e = letter_source_summary(l, true);
        if (e)
            return e;
        if (l->summary->sent != INT64_MIN)
            row.sent = l->summary->sent;
        take_texts(r, l->summary, texts, &row);
    }
    if (!buf_ok(&r->arena))
        return ERR_LIMIT;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->rows = mem_resize(r->rows, r->cap * sizeof *r->rows);
    }
    r->rows[r->n++] = row;
    return ERR_OK;
}
