/* smtp/path.h and sasl.h: any line is read or refused; slices lie inside the line; what is accepted as
 * ASCII has no address beyond it. */
#include "smtp/path.h"
#include "storage/sasl.h"

static void check_inside(struct slice all, struct slice part)
{
    ENSURE(part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n));
}

static void check_address(struct slice all, const struct address *a)
{
    check_inside(all, a->local);
    check_inside(all, a->domain);
}

static void check_sasl(struct slice mechanism, struct slice line)
{
    struct sasl x;
    if (sasl_init(&x, mechanism, true, NULL) != ERR_OK)
        return;
    enum sasl_step step = sasl_answer(&x, line);
    if (step == SASL_COMPLETE)
        ENSURE(x.user.n > 0 && x.password.n > 0);
    sasl_clear(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct smtp_line line = smtp_line_parse(text);
    struct smtp_mail_argument mail;
    struct smtp_rcpt_argument rcpt;
    check_inside(text, line.verb);
    check_inside(text, line.argument);
    ENSURE(slice_find_byte(line.verb, ' ') == line.verb.n);
    if (smtp_mail_parse(line.argument, &mail) == REPLY_OK) {
        check_address(text, &mail.sender);
        ENSURE(mail.is_null == (mail.sender.local.n == 0));
        ENSURE(mail.is_utf8 || (slice_is_ascii(mail.sender.local) && slice_is_ascii(mail.sender.domain)));
    }
    if (smtp_rcpt_parse(line.argument, false, &rcpt) == REPLY_OK) {
        check_address(text, &rcpt.recipient);
        ENSURE(rcpt.is_postmaster || rcpt.recipient.local.n > 0);
        ENSURE(slice_is_ascii(rcpt.recipient.local) && slice_is_ascii(rcpt.recipient.domain));
    }
    check_sasl(line.verb, line.argument);
    return 0;
}
