/* What a session says: the output buffer, completions, BYE. See session.h. */
#include "base/clock.h"
#include "base/log.h"
#include "retrieval/imap/session_parts.h"

void imap_flush(struct imap_session *s)
{
    if (!buf_ok(&s->out)) { /* more than one step may say: our own mistake, and the client's loss */
        log_event(LOG_ERROR, "imap-output-overflow", LF_X("session", s->base.id));
        s->is_closing = true;
        stream_finish(s->stream);
        buf_clear(&s->out);
        return;
    }
    if (s->out.n == 0)
        return;
    s->sent_bytes += s->out.n;
    stream_write(s->stream, buf_slice(&s->out));
    buf_reset(&s->out);
}

bool imap_put_fetch_head(struct imap_session *s, uint32_t number, uint32_t uid)
{
    buf_put_str(&s->out, "* ");
    buf_put_u64(&s->out, s->is_uid_only ? uid : number);
    buf_put_str(&s->out, s->is_uid_only ? " UIDFETCH (" : " FETCH (");
    return s->is_uid_only;
}

size_t imap_room(struct imap_session *s)
{
    size_t room = stream_output_room(s->stream);
    return room > s->out.n ? room - s->out.n : 0;
}

void imap_slice_begin(struct imap_session *s)
{
    s->slice_started_us = clock_mono_us();
}

bool imap_slice_is_over(const struct imap_session *s)
{
    return clock_mono_us() - s->slice_started_us > IMAP_SLICE_US;
}

static void complete(struct imap_session *s, const char *status, const char *format, va_list args)
{
    char text[512];
    int n = vsnprintf(text, sizeof(text), format, args);
    ENSURE(n >= 0 && (size_t)n < sizeof(text));
    buf_reset(&s->completion);
    buf_put_str(&s->completion, status);
    buf_put_str(&s->completion, text);
}

void imap_ok(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complete(s, "OK ", format, args);
    va_end(args);
    s->bad_count = 0;
}

void imap_no(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complete(s, "NO ", format, args);
    va_end(args);
}

void imap_bad(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complete(s, "BAD ", format, args);
    va_end(args);
    s->bad_count++;
}

void imap_no_err(struct imap_session *s, enum err e, const char *what)
{
    static const struct {
        enum err e;
        const char *code;
    } codes[] = {
        {ERR_NOT_FOUND, "[NONEXISTENT] "},
        {ERR_EXISTS, "[ALREADYEXISTS] "},
        {ERR_QUOTA, "[OVERQUOTA] "},
        {ERR_DISK_FULL, "[UNAVAILABLE] "},
        {ERR_TOO_BIG, "[TOOBIG] "},
        {ERR_LIMIT, "[LIMIT] "},
        {ERR_DENIED, "[NOPERM] "},
        {ERR_BUSY, "[INUSE] "},
        {ERR_DAMAGED, "[SERVERBUG] "},
        {ERR_KEY_MISSING, "[UNAVAILABLE] "},
        {ERR_STORE_GONE, "[UNAVAILABLE] "},
        {ERR_SYNTAX, "[CANNOT] "},
        {ERR_NOT_EMPTY, "[HASCHILDREN] "},
    };
    const char *code = err_is_temporary(e) ? "[UNAVAILABLE] " : "";
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].e == e)
            code = codes[i].code;
    imap_no(s, "%s%s failed: %s", code, what, err_text(e));
}

void imap_bye(struct imap_session *s, const char *text)
{
    buf_put_str(&s->out, "* BYE ");
    buf_put_str(&s->out, text);
    buf_put_str(&s->out, "\r\n");
    imap_flush(s);
    if (!s->is_closing) {
        s->is_closing = true;
        stream_finish(s->stream);
    }
}

void imap_say_completion(struct imap_session *s, struct slice tag)
{
    if (tag.n)
        buf_put(&s->out, tag);
    else
        buf_put_byte(&s->out, '*');
    buf_put_byte(&s->out, ' ');
    buf_put(&s->out, buf_slice(&s->completion));
    buf_put_str(&s->out, "\r\n");
    buf_clear(&s->completion);
    imap_flush(s);
    if (s->bad_count >= IMAP_BAD_MAX)
        imap_bye(s, "Too many commands that make no sense");
}

void imap_say_own_completion(struct imap_session *s)
{
    if (s->completion.n)
        imap_say_completion(s, s->tag);
}
