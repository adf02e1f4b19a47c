/* See dkim.h. Canonical forms: RFC 6376 sections 3.4.2 and 3.4.4. */
#include "smtp/dkim.h"

#include "base/codec.h"
#include "message/address.h"
#include "message/header.h"

#define LINE_WIDTH 72

static const char *const signed_names[] = {
    "from", "reply-to", "sender", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding",
};
#define SIGNED_NAMES (sizeof signed_names / sizeof signed_names[0])

/* ---- the body ---- */

static void hash_held(struct dkim_message *m)
{
    sha256_put(&m->body, slice_of(m->held, m->held_n));
    m->held_n = 0;
}

static void hash_byte(struct dkim_message *m, uint8_t byte)
{
    if (m->held_n == sizeof m->held)
        hash_held(m);
    m->held[m->held_n++] = byte;
}

static void hash_line_end(struct dkim_message *m)
{
    hash_byte(m, '\r');
    hash_byte(m, '\n');
}

static void body_line_end(struct dkim_message *m)
{
    if (m->is_in_line)
        hash_line_end(m);
    else
        m->empty_lines++;
    m->is_in_line = m->has_blank = false;
}

static void body_byte(struct dkim_message *m, uint8_t byte)
{
    if (byte == ' ' || byte == '\t') {
        m->has_blank = true;
        return;
    }
    for (; m->empty_lines > 0; m->empty_lines--)
        hash_line_end(m);
    if (m->has_blank)
        hash_byte(m, ' ');
    m->has_blank = false;
    m->is_in_line = true;
    hash_byte(m, byte);
}

static void put_body(struct dkim_message *m, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t byte = text.p[i];
        if (m->has_cr || byte == '\n') {
            bool is_pair = m->has_cr && byte == '\n';
            m->has_cr = false;
            body_line_end(m);
            if (is_pair || byte == '\n')
                continue;
        }
        if (byte == '\r')
            m->has_cr = true;
        else
            body_byte(m, byte);
    }
}

/* ---- the header ---- */

/* Where the empty line ends; 0: it has not come. `from`: up to there it was looked for. */
static size_t header_end(struct slice text, size_t from)
{
    for (size_t i = from; i < text.n; i++) {
        if (text.p[i] != '\n')
            continue;
        if (i == 0 || text.p[i - 1] == '\n' || (i == 1 && text.p[0] == '\r') ||
            (i > 1 && text.p[i - 1] == '\r' && text.p[i - 2] == '\n'))
            return i + 1;
    }
    return 0;
}

void dkim_begin(struct dkim_message *m)
{
    *m = (struct dkim_message){0};
    buf_init(&m->header, DKIM_HEADER_MAX);
    sha256_begin(&m->body);
}

void dkim_put(struct dkim_message *m, struct slice text)
{
    if (!m->is_in_body && buf_ok(&m->header)) {
        size_t before = m->header.n;
        buf_put(&m->header, text);
        size_t end = buf_ok(&m->header) ? header_end(buf_slice(&m->header), before) : 0;
        if (end == 0)
            return;
        m->is_in_body = true;
        m->header.n = end;
        text = slice_from(text, end - before);
    }
    put_body(m, text);
}

enum err dkim_end(struct dkim_message *m)
{
    if (m->has_cr)
        body_line_end(m);
    if (m->is_in_line)
        hash_line_end(m);
    hash_held(m);
    sha256_end(&m->body, m->body_hash);
    return buf_error(&m->header);
}

void dkim_clear(struct dkim_message *m)
{
    buf_clear(&m->header);
}

/* ---- whose it is ---- */

/* Behind the first "@" that stands neither in quotes nor in a comment. */
static struct slice first_domain(struct slice text)
{
    unsigned depth = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '\\' && (is_quoted || depth > 0)) {
            i++;
        } else if (c == '"' && depth == 0) {
            is_quoted = !is_quoted;
        } else if (!is_quoted && c == '(') {
            depth++;
        } else if (!is_quoted && c == ')' && depth > 0) {
            depth--;
        } else if (!is_quoted && depth == 0 && c == '@') {
            size_t end = i + 1;
            while (end < text.n && text.p[end] > ' ' && !strchr(">,;()<\"", text.p[end]))
                end++;
            return slice_sub(text, i + 1, end - i - 1);
        }
    }
    return SLICE_EMPTY;
}

enum err dkim_from_domain(const struct dkim_message *m, struct buf *out)
{
    struct slice rest = buf_slice(&m->header), domain = SLICE_EMPTY;
    struct header_field f;
    unsigned count = 0;
    while (header_next(&rest, &f)) {
        if (!slice_equal_nocase(f.name, SLICE("From")))
            continue;
        count++;
        domain = first_domain(f.value);
    }
    return count == 1 && domain.n > 0 && domain_canonical(domain, out) == ERR_OK ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- signing ---- */

struct chosen {
    struct slice names[DKIM_FIELDS_MAX + SIGNED_NAMES]; /* in the order of h= */
    struct slice wholes[DKIM_FIELDS_MAX];               /* in the order of signing */
    size_t name_count, whole_count;
};

/* Fields of the name, the lowest first (section 5.4.2), then one that is not there (section 8.15). */
static enum err choose(struct slice header, struct slice name, struct chosen *out)
{
    struct slice rest = header;
    struct header_field f;
    size_t first = out->whole_count;
    while (header_next(&rest, &f)) {
        if (!slice_equal_nocase(f.name, name))
            continue;
        if (out->whole_count == DKIM_FIELDS_MAX)
            return ERR_LIMIT;
        out->wholes[out->whole_count++] = f.whole;
        out->names[out->name_count++] = name;
    }
    out->names[out->name_count++] = name;
    for (size_t low = first, high = out->whole_count; low + 1 < high; low++, high--) {
        struct slice t = out->wholes[low];
        out->wholes[low] = out->wholes[high - 1];
        out->wholes[high - 1] = t;
    }
    return ERR_OK;
}

/* The relaxed form without the last line's end. */
static void canonical_field(struct slice whole, struct sha256 *out)
{
    size_t colon = slice_find_byte(whole, ':');
    size_t name_end = colon;
    bool has_blank = false, has_begun = false;
    while (name_end > 0 && (whole.p[name_end - 1] == ' ' || whole.p[name_end - 1] == '\t'))
        name_end--;
    for (size_t i = 0; i < name_end; i++) {
        uint8_t c = whole.p[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        sha256_put(out, slice_of(&c, 1));
    }
    sha256_put(out, SLICE(":"));
    for (size_t i = colon + 1; i < whole.n; i++) {
        uint8_t c = whole.p[i];
        if (c == '\r' || c == '\n')
            continue;
        if (c == ' ' || c == '\t') {
            has_blank = true;
            continue;
        }
        if (has_blank && has_begun)
            sha256_put(out, SLICE(" "));
        has_blank = false;
        has_begun = true;
        sha256_put(out, slice_of(&whole.p[i], 1));
    }
}

/* h= with folds between the names. */
static void put_names(const struct chosen *c, struct buf *out)
{
    size_t width = 4;
    buf_put_str(out, "\th=");
    for (size_t i = 0; i < c->name_count; i++) {
        if (width + c->names[i].n > LINE_WIDTH) {
            buf_put_str(out, "\r\n\t ");
            width = 2;
        }
        buf_put(out, c->names[i]);
        buf_put_str(out, i + 1 < c->name_count ? ":" : ";\r\n");
        width += c->names[i].n + 1;
    }
}

static void put_folded(struct slice text, struct buf *out)
{
    for (; text.n > LINE_WIDTH; text = slice_from(text, LINE_WIDTH)) {
        buf_put(out, slice_sub(text, 0, LINE_WIDTH));
        buf_put_str(out, "\r\n\t ");
    }
    buf_put(out, text);
}

/* The field up to "b=". */
static void put_tags(const struct dkim_message *m, const struct dkim_signer *s, const struct chosen *c,
    struct buf *out)
{
    buf_printf(out, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed; d=%.*s;\r\n\ts=%.*s; t=%lld;\r\n",
        sign_algorithm_name(s->algorithm), SLICE_FMT(s->domain), SLICE_FMT(s->selector), (long long)s->now);
    put_names(c, out);
    buf_put_str(out, "\tbh=");
    base64_put(out, slice_of(m->body_hash, sizeof m->body_hash));
    buf_put_str(out, ";\r\n\tb=");
}

static enum err put_signature(const struct chosen *c, const struct dkim_signer *s, struct slice tags,
    struct buf *out)
{
    struct sha256 h;
    uint8_t hash[HASH_BYTES];
    struct buf signature, text;
    sha256_begin(&h);
    for (size_t i = 0; i < c->whole_count; i++) {
        canonical_field(c->wholes[i], &h);
        sha256_put(&h, SLICE("\r\n"));
    }
    canonical_field(tags, &h);
    sha256_end(&h, hash);
    buf_init(&signature, SIGN_BYTES_MAX);
    buf_init(&text, 2 * SIGN_BYTES_MAX);
    enum err e = sign_key_sign(s->key, hash, &signature);
    if (!e) {
        base64_put(&text, buf_slice(&signature));
        put_folded(buf_slice(&text), out);
        buf_put_str(out, "\r\n");
    }
    buf_clear(&signature);
    buf_clear(&text);
    return e ? e : buf_error(out);
}

enum err dkim_sign(const struct dkim_message *m, const struct dkim_signer *s, struct buf *out)
{
    struct chosen *c = mem_new(sizeof *c);
    struct buf tags;
    enum err e = ERR_OK;
    buf_init(&tags, DKIM_SIGNATURE_MAX);
    for (size_t i = 0; i < SIGNED_NAMES && !e; i++)
        e = choose(buf_slice(&m->header), slice_str(signed_names[i]), c);
    if (!e) {
        put_tags(m, s, c, &tags);
        e = buf_error(&tags);
    }
    if (!e) {
        struct slice text = buf_slice(&tags);
        size_t before = out->n;
        buf_put(out, text);
        e = put_signature(c, s, text, out);
        if (e)
            out->n = before;
    }
    buf_clear(&tags);
    free(c);
    return e;
}
