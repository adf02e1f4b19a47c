/* See path.h. */
#include "smtp/path.h"

#include "smtp/limits.h"

struct smtp_line smtp_line_parse(struct slice line)
{
    struct smtp_line out = {0};
    while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
        line.n--;
    size_t blank = slice_find_byte(line, ' ');
    out.verb = slice_sub(line, 0, blank);
    out.has_argument = blank < line.n;
    if (out.has_argument)
        out.argument = slice_from(line, blank + 1);
    return out;
}

bool smtp_hello_is_sane(struct slice argument)
{
    if (argument.n == 0 || argument.n > SMTP_HELLO_NAME_MAX)
        return false;
    for (size_t i = 0; i < argument.n; i++)
        if (argument.p[i] <= ' ' || argument.p[i] == 0x7f)
            return false;
    return true;
}

/* "FROM:" or "TO:", then blanks, which RFC 5321 section 3.3 forbids and many senders write. */
static bool cut_prefix(struct slice *s, struct slice prefix)
{
    if (!slice_starts_nocase(*s, prefix))
        return false;
    *s = slice_from(*s, prefix.n);
    while (s->n > 0 && s->p[0] == ' ')
        *s = slice_from(*s, 1);
    return true;
}

/* RFC 5321 section 4.1.2: esmtp-param = esmtp-keyword ["=" esmtp-value]; values in UTF-8 by RFC 6531
 * section 3.3. */
struct parameter {
    struct slice keyword;
    struct slice value;
    bool has_value;
};

static bool keyword_is_sane(struct slice k)
{
    if (k.n == 0 || !ascii_is_alnum(k.p[0]))
        return false;
    for (size_t i = 1; i < k.n; i++)
        if (!ascii_is_alnum(k.p[i]) && k.p[i] != '-')
            return false;
    return true;
}

static bool value_is_sane(struct slice v)
{
    if (v.n == 0)
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= ' ' || v.p[i] == '=' || v.p[i] == 0x7f)
            return false;
    return true;
}

/* Takes one off *rest, which begins with a blank. False when it is malformed. */
static bool next_parameter(struct slice *rest, struct parameter *out)
{
    while (rest->n > 0 && rest->p[0] == ' ')
        *rest = slice_from(*rest, 1);
    struct slice word = slice_sub(*rest, 0, slice_find_byte(*rest, ' '));
    *rest = slice_from(*rest, word.n);
    size_t equals = slice_find_byte(word, '=');
    out->keyword = slice_sub(word, 0, equals);
    out->has_value = equals < word.n;
    out->value = slice_from(word, out->has_value ? equals + 1 : equals);
    return keyword_is_sane(out->keyword) && (!out->has_value || value_is_sane(out->value));
}

/* RFC 1870 section 4: 1*20DIGIT. Twenty digits may be more than 64 bits: then it is too big, not
 * malformed. */
static bool parse_size(struct slice v, uint64_t *out)
{
    if (v.n == 0 || v.n > 20)
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (!ascii_is_digit(v.p[i]))
            return false;
    if (!slice_to_u64(v, UINT64_MAX, out))
        *out = UINT64_MAX;
    return true;
}

enum { SEEN_SIZE = 1, SEEN_BODY = 2, SEEN_UTF8 = 4, SEEN_AUTH = 8 };

static enum smtp_reply_name take_body(struct slice value, struct smtp_mail_argument *out)
{
    if (slice_equal_nocase(value, SLICE("8BITMIME"))) {
        out->is_8bit = true;
        return REPLY_OK;
    }
    return slice_equal_nocase(value, SLICE("7BIT")) ? REPLY_OK : REPLY_PARAMETER_UNKNOWN;
}

static enum smtp_reply_name take_mail_parameter(const struct parameter *p, unsigned *seen,
    struct smtp_mail_argument *out)
{
    unsigned bit;
    bool is_fine;
    enum smtp_reply_name name = REPLY_OK;
    if (slice_equal_nocase(p->keyword, SLICE("SIZE"))) {
        bit = SEEN_SIZE;
        is_fine = out->has_size = parse_size(p->value, &out->size_bytes);
    } else if (slice_equal_nocase(p->keyword, SLICE("BODY"))) {
        bit = SEEN_BODY;
        is_fine = p->has_value;
        name = take_body(p->value, out);
    } else if (slice_equal_nocase(p->keyword, SLICE("SMTPUTF8"))) {
        bit = SEEN_UTF8;
        is_fine = out->is_utf8 = !p->has_value;
    } else if (slice_equal_nocase(p->keyword, SLICE("AUTH"))) {
        /* RFC 4954 section 5: who submitted it elsewhere. Nobody is trusted to say so; it is dropped. */
        bit = SEEN_AUTH;
        is_fine = p->has_value;
    } else {
        return REPLY_PARAMETER_UNKNOWN;
    }
    if (!is_fine || (*seen & bit) != 0)
        return REPLY_PARAMETER_SYNTAX;
    *seen |= bit;
    return name;
}

static enum smtp_reply_name parse_mail_parameters(struct slice rest, struct smtp_mail_argument *out)
{
    unsigned seen = 0;
    for (size_t n = 0; rest.n > 0; n++) {
        struct parameter p;
        if (n >= SMTP_PARAMETERS_MAX || !next_parameter(&rest, &p))
            return REPLY_PARAMETER_SYNTAX;
        enum smtp_reply_name name = take_mail_parameter(&p, &seen, out);
        if (name != REPLY_OK)
            return name;
    }
    return REPLY_OK;
}

/* Whether what follows the path begins as parameters do. */
static bool rest_is_sane(struct slice rest)
{
    return rest.n == 0 || rest.p[0] == ' ';
}

enum smtp_reply_name smtp_mail_parse(struct slice argument, struct smtp_mail_argument *out)
{
    struct smtp_mail_argument a = {0};
    struct slice rest;
    if (!cut_prefix(&argument, SLICE("FROM:")) ||
        address_parse_path(argument, &a.sender, &rest) != ERR_OK || !rest_is_sane(rest))
        return REPLY_SENDER_SYNTAX;
    a.is_null = a.sender.local.n == 0;
    enum smtp_reply_name name = parse_mail_parameters(rest, &a);
    if (name != REPLY_OK)
        return name;
    if (a.sender.needs_utf8 && !a.is_utf8)
        return REPLY_NEEDS_SMTPUTF8;
    *out = a;
    return REPLY_OK;
}

/* No parameter of RCPT is offered: any that is well-formed is unknown. */
static enum smtp_reply_name parse_rcpt_parameters(struct slice rest)
{
    struct parameter p;
    if (rest.n == 0)
        return REPLY_OK;
    return next_parameter(&rest, &p) ? REPLY_PARAMETER_UNKNOWN : REPLY_PARAMETER_SYNTAX;
}

enum smtp_reply_name smtp_rcpt_parse(struct slice argument, bool utf8_allowed,
    struct smtp_rcpt_argument *out)
{
    struct smtp_rcpt_argument a = {0};
    struct slice rest;
    if (!cut_prefix(&argument, SLICE("TO:")))
        return REPLY_RECIPIENT_SYNTAX;
    a.is_postmaster = slice_starts_nocase(argument, SLICE("<postmaster>"));
    if (a.is_postmaster)
        rest = slice_from(argument, SLICE("<postmaster>").n);
    else if (address_parse_path(argument, &a.recipient, &rest) != ERR_OK || a.recipient.local.n == 0)
        return REPLY_RECIPIENT_SYNTAX;
    if (!rest_is_sane(rest))
        return REPLY_RECIPIENT_SYNTAX;
    enum smtp_reply_name name = parse_rcpt_parameters(rest);
    if (name != REPLY_OK)
        return name;
    if (a.recipient.needs_utf8 && !utf8_allowed)
        return REPLY_NEEDS_SMTPUTF8;
    *out = a;
    return REPLY_OK;
}
