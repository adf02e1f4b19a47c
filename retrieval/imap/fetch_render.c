/* What FETCH says of a letter from its summary; see fetch_render.h. */
#include "retrieval/imap/fetch_render.h"

#include "retrieval/imap/response.h"

struct render {
    const struct summary *m;
    bool extended;
    bool has_utf8;
    struct buf *out;
};

static void put_nil(struct render *r)
{
    buf_put_str(r->out, "NIL");
}

static void put_string(struct render *r, struct slice s)
{
    imap_put_string(r->out, s, r->has_utf8);
}

/* NIL when empty. */
static void put_nstring(struct render *r, struct slice s)
{
    imap_put_nstring(r->out, s.n > 0, s, r->has_utf8);
}

static void put_space(struct render *r)
{
    buf_put_byte(r->out, ' ');
}

/* --- ENVELOPE --- */

/* "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")". NIL as host means a group, so that a
 * missing host is an empty string. */
static void put_address(struct render *r, const struct summary_address *a)
{
    buf_put_byte(r->out, '(');
    put_nstring(r, a->kind == SUMMARY_MAILBOX ? a->name : SLICE_EMPTY);
    put_space(r);
    put_nstring(r, a->route);
    put_space(r);
    if (a->kind == SUMMARY_GROUP_END)
        put_nil(r);
    else
        put_string(r, a->mailbox);
    put_space(r);
    if (a->kind == SUMMARY_MAILBOX)
        put_string(r, a->host);
    else
        put_nil(r);
    buf_put_byte(r->out, ')');
}

static void put_list(struct render *r, const struct summary_envelope *e, enum summary_list list)
{
    if (e->list_count[list] == 0) {
        put_nil(r);
        return;
    }
    buf_put_byte(r->out, '(');
    for (size_t i = 0; i < e->list_count[list]; i++)
        put_address(r, &r->m->addresses[e->list_first[list] + i]);
    buf_put_byte(r->out, ')');
}

static void put_field(struct render *r, const struct summary_envelope *e, enum summary_field field)
{
    imap_put_nstring(r->out, e->has_field[field], e->fields[field], r->has_utf8);
}

static void put_envelope(struct render *r, size_t index)
{
    if (index >= r->m->envelope_count) {
        buf_put_str(r->out, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        return;
    }
    const struct summary_envelope *e = &r->m->envelopes[index];
    /* Absent or empty Sender and Reply-To are those of From (RFC 3501 section 7.4.2). */
    enum summary_list sender = e->list_count[SUMMARY_SENDER] ? SUMMARY_SENDER : SUMMARY_FROM;
    enum summary_list reply_to = e->list_count[SUMMARY_REPLY_TO] ? SUMMARY_REPLY_TO : SUMMARY_FROM;
    const enum summary_list lists[] = {SUMMARY_FROM, sender, reply_to, SUMMARY_TO, SUMMARY_CC, SUMMARY_BCC};
    buf_put_byte(r->out, '(');
    put_field(r, e, SUMMARY_DATE);
    put_space(r);
    put_field(r, e, SUMMARY_SUBJECT);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        put_space(r);
        put_list(r, e, lists[i]);
    }
    put_space(r);
    put_field(r, e, SUMMARY_IN_REPLY_TO);
    put_space(r);
    put_field(r, e, SUMMARY_MESSAGE_ID);
    buf_put_byte(r->out, ')');
}

void fetch_put_envelope(const struct summary *m, size_t envelope, bool has_utf8, struct buf *out)
{
    struct render r = {.m = m, .has_utf8 = has_utf8, .out = out};
    put_envelope(&r, envelope);
}

/* --- BODY and BODYSTRUCTURE --- */

static void put_body(struct render *r, size_t part);

/* RFC 2231 section 4: name*="utf-8''%c3%a4", as the client would find it in the header; the summary
 * holds such values decoded. */
static void put_encoded_param(struct render *r, const struct summary_param *p)
{
    static const char hex[] = "0123456789ABCDEF";
    struct buf name;
    struct buf value;
    buf_init(&name, p->name.n + 2);
    buf_init(&value, 3 * p->value.n + 16);
    buf_put(&name, p->name);
    buf_put_byte(&name, '*');
    buf_put_str(&value, "utf-8''");
    for (size_t i = 0; i < p->value.n; i++) {
        uint8_t b = p->value.p[i];
        if (ascii_is_alnum(b) || b == '.' || b == '-' || b == '_') {
            buf_put_byte(&value, b);
            continue;
        }
        buf_put_byte(&value, '%');
        buf_put_byte(&value, (uint8_t)hex[b >> 4]);
        buf_put_byte(&value, (uint8_t)hex[b & 15]);
    }
    put_string(r, buf_slice(&name));
    put_space(r);
    put_string(r, buf_slice(&value));
    buf_clear(&name);
    buf_clear(&value);
}

/* Beyond ASCII as it is for who enabled UTF-8, and where it is no UTF-8 (a literal then). */
static void put_param(struct render *r, const struct summary_param *p)
{
    if (!r->has_utf8 && !slice_is_ascii(p->value) && slice_is_utf8(p->value)) {
        put_encoded_param(r, p);
        return;
    }
    put_string(r, p->name);
    put_space(r);
    put_string(r, p->value);
}

/* body-fld-param: "(" string SP string *(SP string SP string) ")" / nil */
static void put_params(struct render *r, size_t first, size_t count)
{
    if (count == 0) {
        put_nil(r);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        buf_put_byte(r->out, i == 0 ? '(' : ' ');
        put_param(r, &r->m->params[first + i]);
    }
    buf_put_byte(r->out, ')');
}

/* body-fld-lang: nstring / "(" string *(SP string) ")" */
static void put_language(struct render *r, struct slice value)
{
    if (slice_find_byte(value, ',') == value.n) {
        put_nstring(r, slice_trim(value));
        return;
    }
    size_t n = 0;
    while (value.n) {
        struct slice one = slice_trim(slice_cut(&value, ','));
        if (one.n == 0)
            continue;
        buf_put_byte(r->out, n++ == 0 ? '(' : ' ');
        put_string(r, one);
    }
    if (n == 0)
        put_nil(r);
    else
        buf_put_byte(r->out, ')');
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void put_extension(struct render *r, const struct summary_part *p)
{
    put_space(r);
    if (p->disposition.n == 0) {
        put_nil(r);
    } else {
        buf_put_byte(r->out, '(');
        put_string(r, p->disposition);
        put_space(r);
        put_params(r, p->disposition_param_first, p->disposition_param_count);
        buf_put_byte(r->out, ')');
    }
    put_space(r);
    put_language(r, p->language);
    put_space(r);
    put_nstring(r, p->location);
}

static void put_multipart(struct render *r, size_t index)
{
    const struct summary_part *p = &r->m->parts[index];
    size_t children = 0;
    for (size_t i = index + 1; i < p->end; i = r->m->parts[i].end, children++)
        put_body(r, i);
    if (children == 0) /* the grammar wants one */
        buf_put_str(r->out, "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0)");
    put_space(r);
    put_string(r, p->subtype);
    if (r->extended) {
        put_space(r);
        put_params(r, p->param_first, p->param_count);
        put_extension(r, p);
    }
}

/* SP body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets */
static void put_basic_fields(struct render *r, const struct summary_part *p)
{
    put_space(r);
    put_params(r, p->param_first, p->param_count);
    put_space(r);
    put_nstring(r, p->id);
    put_space(r);
    put_nstring(r, p->description);
    put_space(r);
    put_string(r, p->encoding.n ? p->encoding : SLICE("7BIT"));
    put_space(r);
    buf_put_u64(r->out, p->body_size);
}

static void put_single(struct render *r, size_t index)
{
    const struct summary_part *p = &r->m->parts[index];
    bool has_letter = p->is_message && index + 1 < p->end;
    bool is_message_type = slice_equal_nocase(p->type, SLICE("message")) &&
        (slice_equal_nocase(p->subtype, SLICE("rfc822")) || slice_equal_nocase(p->subtype, SLICE("global")));
    if (is_message_type && !has_letter) { /* beyond our limits: the grammar wants its inside */
        buf_put_str(r->out, "\"application\" \"octet-stream\"");
    } else {
        put_string(r, p->type);
        put_space(r);
        put_string(r, p->subtype);
    }
    put_basic_fields(r, p);
    if (has_letter) {
        put_space(r);
        put_envelope(r, p->envelope);
        put_space(r);
        put_body(r, index + 1);
    }
    if (has_letter || slice_equal_nocase(p->type, SLICE("text"))) {
        put_space(r);
        buf_put_u64(r->out, p->body_lines);
    }
    if (r->extended) {
        put_space(r);
        put_nstring(r, p->md5);
        put_extension(r, p);
    }
}

/* Recursion is bounded by MIME_DEPTH_MAX, which the parser and summary_decode() hold. */
static void put_body(struct render *r, size_t part)
{
    buf_put_byte(r->out, '(');
    if (slice_equal_nocase(r->m->parts[part].type, SLICE("multipart")))
        put_multipart(r, part);
    else
        put_single(r, part);
    buf_put_byte(r->out, ')');
}

void fetch_put_structure(const struct summary *m, bool extended, bool has_utf8, struct buf *out)
{
    struct render r = {.m = m, .extended = extended, .has_utf8 = has_utf8, .out = out};
    if (m->part_count == 0)
        buf_put_str(out, "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0)");
    else
        put_body(&r, 0);
}
