/* Addresses as SMTP writes them; see address.h.
 *
 *     Mailbox       = Local-part "@" ( Domain / address-literal )         RFC 5321 section 4.1.2
 *     Local-part    = Dot-string / Quoted-string
 *     Dot-string    = Atom *("."  Atom)
 *     Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE
 *     Domain        = sub-domain *("." sub-domain)
 *     atext, qtext and sub-domain take UTF-8 besides                      RFC 6531 section 3.3 */
#include "message/address.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <unicase.h>

#define LABEL_MAX 63
#define CANONICAL_LOCAL_MAX (4 * ADDRESS_LOCAL_MAX)

static bool is_atext(uint8_t c)
{
    return ascii_is_alnum(c) || c >= 0x80 || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Bytes of a Dot-string at the beginning; 0 when there is none. */
static size_t dot_string(struct slice s)
{
    size_t n = 0;
    bool after_dot = true;
    for (; n < s.n; n++) {
        if (s.p[n] == '.' && after_dot)
            return 0;
        if (s.p[n] != '.' && !is_atext(s.p[n]))
            break;
        after_dot = s.p[n] == '.';
    }
    return after_dot ? 0 : n;
}

/* Bytes of a Quoted-string with its quotes; 0 when there is none. */
static size_t quoted_string(struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"')
            return i + 1;
        if (c == '\\') {
            i++;
            if (i == s.n || s.p[i] < 0x20 || s.p[i] > 0x7e)
                return 0;
        } else if (c < 0x20 || c == 0x7f) {
            return 0;
        }
    }
    return 0;
}

static bool is_label(struct slice s)
{
    if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] < 0x80)
            return false;
    return true;
}

static bool is_domain(struct slice s)
{
    if (s.n == 0 || s.n > ADDRESS_DOMAIN_MAX || s.p[s.n - 1] == '.')
        return false;
    while (s.n)
        if (!is_label(slice_cut(&s, '.')))
            return false;
    return true;
}

/* "[" ( IPv4 / "IPv6:" IPv6 / tag ":" dcontent ) "]"; of the third kind none is registered. */
static bool is_literal(struct slice s)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t binary[16];
    if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    s = slice_sub(s, 1, s.n - 2);
    bool is_six = slice_starts_nocase(s, SLICE("IPv6:"));
    if (is_six)
        s = slice_from(s, 5);
    if (s.n >= sizeof text || slice_find_byte(s, '\0') < s.n)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(is_six ? AF_INET6 : AF_INET, text, binary) == 1;
}

/* The addr-spec at the beginning as far as `end` bytes; sets *out, judged whole. */
static enum err parse_spec(struct slice text, struct address *out)
{
    struct address a = {0};
    a.is_quoted = text.n && text.p[0] == '"';
    size_t n = a.is_quoted ? quoted_string(text) : dot_string(text);
    if (n == 0 || n >= text.n || text.p[n] != '@')
        return ERR_SYNTAX;
    a.local = slice_sub(text, 0, n);
    a.domain = slice_from(text, n + 1);
    a.is_literal = a.domain.n && a.domain.p[0] == '[';
    if (a.local.n > ADDRESS_LOCAL_MAX || a.domain.n > ADDRESS_DOMAIN_MAX)
        return ERR_TOO_BIG;
    if (a.is_literal ? !is_literal(a.domain) : !is_domain(a.domain))
        return ERR_SYNTAX;
    a.needs_utf8 = !slice_is_ascii(text);
    if (a.needs_utf8 && !slice_is_utf8(text))
        return ERR_SYNTAX;
    *out = a;
    return ERR_OK;
}

enum err address_parse(struct slice text, struct address *out)
{
    if (text.n > ADDRESS_MAX)
        return ERR_TOO_BIG;
    return parse_spec(text, out);
}

/* Position of the ">" that ends the path; quoted strings are stepped over. SIZE_MAX when none. */
static size_t path_end(struct slice s)
{
    bool quoted = false;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '\\' && quoted)
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == '>' && !quoted)
            return i;
    }
    return SIZE_MAX;
}

/* A-d-l ":" at the beginning: "@" Domain *("," "@" Domain) ":". Bytes with the colon; 0 when wrong. */
static size_t source_route(struct slice s)
{
    size_t end = slice_find_byte(s, ':');
    if (end == s.n)
        return 0;
    struct slice hops = slice_sub(s, 0, end);
    while (hops.n) {
        struct slice hop = slice_cut(&hops, ',');
        if (hop.n < 2 || hop.p[0] != '@' || !is_domain(slice_from(hop, 1)))
            return 0;
    }
    return end + 1;
}

enum err address_parse_path(struct slice text, struct address *out, struct slice *out_rest)
{
    if (text.n == 0 || text.p[0] != '<')
        return ERR_SYNTAX;
    size_t end = path_end(text);
    if (end == SIZE_MAX)
        return ERR_SYNTAX;
    struct slice inner = slice_sub(text, 1, end - 1);
    struct address a = {0};
    if (inner.n && inner.p[0] == '@') {
        size_t n = source_route(inner);
        if (n == 0)
            return ERR_SYNTAX;
        inner = slice_from(inner, n);
        if (inner.n == 0)
            return ERR_SYNTAX;
    }
    if (inner.n) {
        enum err e = address_parse(inner, &a);
        if (e != ERR_OK)
            return e;
    }
    *out = a;
    *out_rest = slice_from(text, end + 1);
    return ERR_OK;
}

/* Lower-case letters, digits and hyphens, and no label that IDNA would look into. */
static bool is_plain_domain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '.' || c == '-'))
            return false;
        if (c == '-' && i > 0 && s.p[i - 1] == '-')
            return false;
    }
    return true;
}

enum err domain_canonical(struct slice domain, struct buf *out)
{
    if (domain.n && domain.p[domain.n - 1] == '.')
        domain.n--;
    if (domain.n > ADDRESS_DOMAIN_MAX)
        return ERR_TOO_BIG;
    if (!is_domain(domain))
        return ERR_SYNTAX;
    if (is_plain_domain(domain)) {
        buf_put(out, domain);
        return buf_error(out);
    }
    uint8_t text[ADDRESS_DOMAIN_MAX + 1];
    for (size_t i = 0; i < domain.n; i++)
        text[i] = ascii_lower(domain.p[i]);
    text[domain.n] = 0;
    if (is_plain_domain(slice_of(text, domain.n))) {
        buf_put_bytes(out, text, domain.n);
        return buf_error(out);
    }
    if (!slice_is_utf8(domain))
        return ERR_SYNTAX;
    char *ascii = NULL;
    if (idn2_to_ascii_8z((const char *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
        IDN2_OK)
        return ERR_SYNTAX;
    struct slice result = slice_str(ascii);
    bool is_good = is_domain(result) && slice_is_ascii(result);
    if (is_good)
        for (size_t i = 0; i < result.n; i++)
            buf_put_byte(out, ascii_lower(result.p[i]));
    idn2_free(ascii);
    return is_good ? buf_error(out) : ERR_SYNTAX;
}

/* The local part's characters: without quotes and escapes when quoted. */
static struct slice local_bytes(const struct address *a, uint8_t out[ADDRESS_LOCAL_MAX])
{
    if (!a->is_quoted)
        return a->local;
    size_t n = 0;
    for (size_t i = 1; i + 1 < a->local.n; i++) {
        if (a->local.p[i] == '\\')
            i++;
        out[n++] = a->local.p[i];
    }
    return slice_of(out, n);
}

/* Lower case: ASCII by itself, else Unicode case folding and NFC. False when it grows too long. */
static bool fold_local(struct slice in, struct buf *out)
{
    if (slice_is_ascii(in)) {
        for (size_t i = 0; i < in.n; i++)
            buf_put_byte(out, ascii_lower(in.p[i]));
        return buf_ok(out);
    }
    size_t n = 0;
    uint8_t *folded = u8_casefold(in.p, in.n, NULL, UNINORM_NFC, NULL, &n);
    if (!folded)
        return false;
    buf_put_bytes(out, folded, n);
    free(folded);
    return buf_ok(out);
}

/* Quoted again when it is no Dot-string. */
static void put_local(struct slice local, struct buf *out)
{
    if (local.n && dot_string(local) == local.n) {
        buf_put(out, local);
        return;
    }
    buf_put_byte(out, '"');
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"' || local.p[i] == '\\')
            buf_put_byte(out, '\\');
        buf_put_byte(out, local.p[i]);
    }
    buf_put_byte(out, '"');
}

/* "[127.0.0.1]", "[IPv6:2001:db8::1]" as inet_ntop writes it. */
static enum err literal_canonical(struct slice literal, struct buf *out)
{
    char text[INET6_ADDRSTRLEN] = {0};
    uint8_t binary[16];
    if (!is_literal(literal))
        return ERR_SYNTAX;
    struct slice inner = slice_sub(literal, 1, literal.n - 2);
    if (!slice_starts_nocase(inner, SLICE("IPv6:"))) {
        buf_put(out, literal);
        return buf_error(out);
    }
    inner = slice_from(inner, 5);
    memcpy(text, inner.p, inner.n);
    if (inet_pton(AF_INET6, text, binary) != 1 || !inet_ntop(AF_INET6, binary, text, sizeof text))
        return ERR_SYNTAX;
    buf_put_str(out, "[ipv6:");
    buf_put_str(out, text);
    buf_put_byte(out, ']');
    return buf_error(out);
}

enum err address_canonical(const struct address *a, struct buf *out)
{
    uint8_t bytes[ADDRESS_LOCAL_MAX];
    struct buf local, whole;
    buf_init(&local, CANONICAL_LOCAL_MAX);
    buf_init(&whole, ADDRESS_MAX);
    enum err e = ERR_SYNTAX;
    if (a->local.n > ADDRESS_LOCAL_MAX || !fold_local(local_bytes(a, bytes), &local))
        goto out;
    put_local(buf_slice(&local), &whole);
    if (whole.n > ADDRESS_LOCAL_MAX) {
        e = ERR_TOO_BIG;
        goto out;
    }
    buf_put_byte(&whole, '@');
    e = a->is_literal ? literal_canonical(a->domain, &whole) : domain_canonical(a->domain, &whole);
    if (e == ERR_OK) {
        buf_put(out, buf_slice(&whole));
        e = buf_error(out);
    }
out:
    buf_clear(&local);
    buf_clear(&whole);
    return e;
}

bool address_split_detail(struct slice canonical, struct buf *out_base, struct slice *out_detail)
{
    size_t at = canonical.n;
    while (at > 0 && canonical.p[at - 1] != '@')
        at--;
    if (at < 2 || canonical.p[0] == '"')
        return false;
    struct slice local = slice_sub(canonical, 0, at - 1);
    size_t plus = slice_find_byte(local, '+');
    if (plus == 0 || plus == local.n || local.p[plus - 1] == '.')
        return false;
    buf_put(out_base, slice_sub(local, 0, plus));
    buf_put(out_base, slice_from(canonical, at - 1));
    *out_detail = slice_from(local, plus + 1);
    return true;
}
