/* Fields of the headers that the parser reads: the letter's own, those of parts, and those of letters
 * within the letter. Only the fields that the summary speaks of are gathered; of a field that may
 * stand once (RFC 5322 section 3.6) the first is kept, address fields that come again are added. */
#include "message/parser_state.h"

struct field_name {
    struct slice name; /* lower case */
    enum parser_field field;
};

static const struct field_name FIELD_NAMES[] = {
    {{(const uint8_t *)"to", 2}, FIELD_TO},
    {{(const uint8_t *)"cc", 2}, FIELD_CC},
    {{(const uint8_t *)"bcc", 3}, FIELD_BCC},
    {{(const uint8_t *)"from", 4}, FIELD_FROM},
    {{(const uint8_t *)"date", 4}, FIELD_DATE},
    {{(const uint8_t *)"sender", 6}, FIELD_SENDER},
    {{(const uint8_t *)"subject", 7}, FIELD_SUBJECT},
    {{(const uint8_t *)"list-id", 7}, FIELD_LIST_ID},
    {{(const uint8_t *)"reply-to", 8}, FIELD_REPLY_TO},
    {{(const uint8_t *)"received", 8}, FIELD_RECEIVED},
    {{(const uint8_t *)"message-id", 10}, FIELD_MESSAGE_ID},
    {{(const uint8_t *)"references", 10}, FIELD_REFERENCES},
    {{(const uint8_t *)"content-id", 10}, FIELD_ID},
    {{(const uint8_t *)"in-reply-to", 11}, FIELD_IN_REPLY_TO},
    {{(const uint8_t *)"content-md5", 11}, FIELD_MD5},
    {{(const uint8_t *)"content-type", 12}, FIELD_TYPE},
    {{(const uint8_t *)"content-language", 16}, FIELD_LANGUAGE},
    {{(const uint8_t *)"content-location", 16}, FIELD_LOCATION},
    {{(const uint8_t *)"content-description", 19}, FIELD_DESCRIPTION},
    {{(const uint8_t *)"content-disposition", 19}, FIELD_DISPOSITION},
    {{(const uint8_t *)"content-transfer-encoding", 25}, FIELD_ENCODING},
};

static enum parser_field field_find(struct slice name)
{
    for (size_t i = 0; i < sizeof FIELD_NAMES / sizeof *FIELD_NAMES; i++) {
        const struct field_name *f = &FIELD_NAMES[i];
        if (f->name.n == name.n && f->name.p[0] == (name.p[0] | 0x20) &&
            slice_equal_nocase(f->name, name))
            return f->field;
    }
    return FIELD_NONE;
}

/* Whether the field matters in the header that is being read. */
static bool field_is_wanted(const struct message_parser *p, enum parser_field field)
{
    if (field == FIELD_LIST_ID || field == FIELD_RECEIVED)
        return p->in_root_header;
    return field >= FIELD_TYPE || (field != FIELD_NONE && p->has_envelope);
}

static void append(struct message_parser *p, struct slice run)
{
    if (run.n && run.p[run.n - 1] == '\n')
        run.n--;
    size_t room = FIELD_WORK_MAX - p->work.n;
    if (run.n > room) {
        run.n = room;
        p->field_cut = true;
        p->s.is_truncated = true;
    }
    buf_put(&p->work, run);
}

static bool is_empty_line(struct slice head)
{
    return (head.n == 1 && head.p[0] == '\n') ||
        (head.n == 2 && head.p[0] == '\r' && head.p[1] == '\n');
}

/* The field's name at the line's beginning: printable ASCII as far as the colon, blanks before the
 * colon are borne (RFC 5322 section 4.5). Position of the colon, or 0. */
static size_t name_end(struct slice head, struct slice *out_name)
{
    size_t colon = slice_find_byte(head, ':');
    if (colon == head.n)
        return 0;
    struct slice name = slice_sub(head, 0, colon);
    while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
        name.n--;
    *out_name = name;
    return name.n ? colon : 0;
}

void parser_header_line(struct message_parser *p, struct slice head)
{
    if (head.p[0] == ' ' || head.p[0] == '\t') {
        p->field_line_from = p->work.n;
        if (p->field != FIELD_NONE)
            append(p, head);
        return;
    }
    parser_field_finish(p);
    if (is_empty_line(head)) {
        parser_header_end(p, p->offset);
        return;
    }
    struct slice name = SLICE_EMPTY;
    size_t colon = name_end(head, &name);
    enum parser_field field = colon ? field_find(name) : FIELD_NONE;
    if (!field_is_wanted(p, field))
        return;
    p->field = field;
    p->field_cut = false;
    p->field_line_from = 0;
    buf_reset(&p->work);
    append(p, slice_from(head, colon + 1));
}

void parser_header_more(struct message_parser *p, struct slice run)
{
    if (p->field != FIELD_NONE)
        append(p, run);
}

/* The carriage return of a line end comes off here, so that it does not matter whether it came in
 * one piece with its line feed. */
void parser_header_line_end(struct message_parser *p)
{
    if (p->field != FIELD_NONE && !p->field_cut && p->work.n > p->field_line_from &&
        p->work.p[p->work.n - 1] == '\r')
        p->work.n--;
}

/* The gathered value without blanks at its ends, and without NUL and stray CR in it: no user of the
 * summary could write them down. */
static struct slice work_value(struct message_parser *p)
{
    struct slice all = buf_slice(&p->work);
    if (slice_find_byte(all, '\0') < all.n || slice_find_byte(all, '\r') < all.n) {
        size_t n = 0;
        for (size_t i = 0; i < all.n; i++)
            if (p->work.p[i] != '\0' && p->work.p[i] != '\r')
                p->work.p[n++] = p->work.p[i];
        p->work.n = n;
    }
    return slice_trim(buf_slice(&p->work));
}

static size_t string_ceiling(const struct message_parser *p)
{
    return p->in_root_header ? COST_TOP_MAX : COST_STRINGS_MAX;
}

static struct summary_part *current_part(struct message_parser *p)
{
    return &p->s.parts[p->frames[p->frame_n - 1].part];
}

static void take_text(struct message_parser *p, struct slice value)
{
    struct summary_envelope *e = &p->s.envelopes[p->envelope];
    enum summary_field field = (enum summary_field)(p->field - FIELD_DATE);
    if (e->has_field[field])
        return;
    e->has_field[field] = true;
    e->fields[field] = parser_keep(p, value, SUMMARY_FIELD_MAX, string_ceiling(p));
}

struct list_reader {
    struct message_parser *p;
    enum summary_list list;
    bool in_group;
};

/* Puts the address behind the last of its list; lists that stand behind it move. */
static void list_insert(struct message_parser *p, enum summary_list list, struct summary_address a)
{
    struct summary_envelope *e = &p->s.envelopes[p->envelope];
    struct summary *s = &p->s;
    s->addresses = parser_grow(s->addresses, s->address_count, &p->address_cap, sizeof a);
    size_t at = (size_t)e->list_first[list] + e->list_count[list];
    memmove(&s->addresses[at + 1], &s->addresses[at], (s->address_count - at) * sizeof a);
    s->addresses[at] = a;
    s->address_count++;
    e->list_count[list]++;
    for (size_t i = 0; i < SUMMARY_LISTS; i++)
        if (i != list && e->has_list[i] && e->list_first[i] >= at)
            e->list_first[i]++;
}

static bool on_address(void *ctx, const struct summary_address *a)
{
    struct list_reader *r = ctx;
    struct message_parser *p = r->p;
    bool is_end = a->kind == SUMMARY_GROUP_END;
    if (is_end && !r->in_group)
        return true;
    if (!is_end && p->s.envelopes[p->envelope].list_count[r->list] >= SUMMARY_ADDRESSES_MAX) {
        p->s.is_truncated = true;
        return false;
    }
    size_t ceiling = string_ceiling(p);
    size_t n = COST_ADDRESS + a->name.n + a->route.n + a->mailbox.n + a->host.n;
    if (!is_end && !parser_spend(p, n + 4 * COST_STRING, ceiling))
        return false;
    r->in_group = a->kind == SUMMARY_GROUP_START || (r->in_group && !is_end);
    p->cost -= is_end ? 0 : n - COST_ADDRESS + 4 * COST_STRING;
    struct summary_address copy = {.kind = a->kind};
    copy.name = parser_keep(p, a->name, SUMMARY_FIELD_MAX, ceiling);
    copy.route = parser_keep(p, a->route, SUMMARY_FIELD_MAX, ceiling);
    copy.mailbox = parser_keep(p, a->mailbox, SUMMARY_FIELD_MAX, ceiling);
    copy.host = parser_keep(p, a->host, SUMMARY_FIELD_MAX, ceiling);
    list_insert(p, r->list, copy);
    return true;
}

static void take_list(struct message_parser *p, struct slice value)
{
    struct list_reader reader = {.p = p, .list = (enum summary_list)(p->field - FIELD_FROM)};
    struct summary_envelope *e = &p->s.envelopes[p->envelope];
    if (!e->has_list[reader.list]) {
        e->has_list[reader.list] = true;
        e->list_first[reader.list] = (uint16_t)p->s.address_count;
    }
    if (e->list_count[reader.list] < SUMMARY_ADDRESSES_MAX)
        address_list_read(value, on_address, &reader);
    else if (value.n)
        p->s.is_truncated = true;
}

struct param_reader {
    struct message_parser *p;
    struct summary_part *part;
    bool is_disposition;
};

static void take_boundary(struct message_parser *p, struct slice value)
{
    struct parser_frame *frame = &p->frames[p->frame_n - 1];
    while (value.n && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t'))
        value.n--;
    if (frame->boundary_n || value.n > BOUNDARY_MAX)
        return;
    frame->boundary_n = value.n;
    if (value.n)
        memcpy(frame->boundary, value.p, value.n);
}

static void on_param(void *ctx, struct slice name, struct slice value)
{
    struct param_reader *r = ctx;
    struct message_parser *p = r->p;
    struct summary *s = &p->s;
    if (!r->is_disposition && slice_equal_nocase(name, SLICE("boundary")))
        take_boundary(p, value);
    if (name.n + 2 * COST_STRING > COST_STRINGS_MAX - COST_TOP_MAX ||
        !parser_spend(p, name.n + 2 * COST_STRING, string_ceiling(p)))
        return;
    p->cost -= name.n + 2 * COST_STRING;
    s->params = parser_grow(s->params, s->param_count, &p->param_cap, sizeof *s->params);
    struct summary_param *param = &s->params[s->param_count];
    param->name = parser_keep(p, name, SUMMARY_FIELD_MAX, string_ceiling(p));
    param->value = parser_keep(p, value, SUMMARY_FIELD_MAX, string_ceiling(p));
    p->cost += COST_STRING; /* an empty value counts too */
    uint16_t *count =
        r->is_disposition ? &r->part->disposition_param_count : &r->part->param_count;
    uint16_t *first =
        r->is_disposition ? &r->part->disposition_param_first : &r->part->param_first;
    if (*count == 0)
        *first = (uint16_t)s->param_count;
    (*count)++;
    s->param_count++;
}

/* Types may use the space of parts: a part whose type is lost is worse than a lost file name. */
static struct slice keep_lower(struct message_parser *p, struct slice s)
{
    uint8_t lower[64];
    s.n = s.n < sizeof lower ? s.n : sizeof lower;
    for (size_t i = 0; i < s.n; i++)
        lower[i] = ascii_lower(s.p[i]);
    return parser_keep(p, slice_of(lower, s.n), sizeof lower, COST_PARTS_MAX);
}

/* RFC 2045 section 5.1. A value that is none gives the default type (section 5.2), its parameters
 * are kept: a charset is still worth knowing. */
static void take_type(struct message_parser *p, struct slice value)
{
    struct summary_part *part = current_part(p);
    if (part->type.n)
        return;
    struct slice type = params_token(&value, '/');
    if (type.n && value.n && value.p[0] == '/') {
        value = slice_from(value, 1);
        struct slice subtype = params_token(&value, '/');
        if (summary_common_type(type, subtype, &part->type, &part->subtype)) {
            /* costs the record nothing */
        } else if (subtype.n) {
            part->type = keep_lower(p, type);
            part->subtype = keep_lower(p, subtype);
        }
    }
    if (part->type.n == 0 || part->subtype.n == 0) {
        part->type = SLICE("text");
        part->subtype = SLICE("plain");
    }
    struct param_reader reader = {.p = p, .part = part};
    params_read(value, on_param, &reader);
}

/* RFC 2183 section 2. */
static void take_disposition(struct message_parser *p, struct slice value)
{
    struct summary_part *part = current_part(p);
    if (part->disposition.n)
        return;
    struct slice token = params_token(&value, ';');
    if (token.n == 0)
        return;
    part->disposition = parser_keep(p, token, SUMMARY_FIELD_MAX, string_ceiling(p));
    struct param_reader reader = {.p = p, .part = part, .is_disposition = true};
    params_read(value, on_param, &reader);
}

static void take_once(struct message_parser *p, struct slice *place, struct slice value)
{
    if (place->n == 0)
        *place = parser_keep(p, value, SUMMARY_FIELD_MAX, string_ceiling(p));
}

static void take_content(struct message_parser *p, struct slice value)
{
    struct summary_part *part = current_part(p);
    switch (p->field) {
    case FIELD_TYPE:
        take_type(p, value);
        break;
    case FIELD_DISPOSITION:
        take_disposition(p, value);
        break;
    case FIELD_ENCODING:
        take_once(p, &part->encoding, params_token(&value, ';'));
        break;
    case FIELD_ID:
        take_once(p, &part->id, value);
        break;
    case FIELD_DESCRIPTION:
        take_once(p, &part->description, value);
        break;
    case FIELD_MD5:
        take_once(p, &part->md5, value);
        break;
    case FIELD_LANGUAGE:
        take_once(p, &part->language, value);
        break;
    default:
        take_once(p, &part->location, value);
    }
}

void parser_field_finish(struct message_parser *p)
{
    if (p->field == FIELD_NONE)
        return;
    struct slice value = work_value(p);
    if (p->field <= FIELD_BCC)
        take_list(p, value);
    else if (p->field <= FIELD_REFERENCES)
        take_text(p, value);
    else if (p->field == FIELD_LIST_ID)
        take_once(p, &p->s.list_id, value);
    else if (p->field == FIELD_RECEIVED)
        p->s.received_count++;
    else
        take_content(p, value);
    p->field = FIELD_NONE;
}
