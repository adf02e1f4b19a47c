/* See search_return.h. */
#include "retrieval/imap/search_return.h"

bool search_return_parse(struct imap_cursor *c, unsigned *out_returns, struct partial_range *partial)
{
    unsigned returns = 0;
    if (!imap_take_word(c, "RETURN"))
        return false;
    imap_space(c);
    imap_open(c);
    while (imap_peek(c) != ')' && !imap_failed(c)) {
        if (imap_take_word(c, "MIN"))
            returns |= SEARCH_RETURN_MIN;
        else if (imap_take_word(c, "MAX"))
            returns |= SEARCH_RETURN_MAX;
        else if (imap_take_word(c, "ALL"))
            returns |= SEARCH_RETURN_ALL;
        else if (imap_take_word(c, "COUNT"))
            returns |= SEARCH_RETURN_COUNT;
        else if (imap_take_word(c, "SAVE"))
            returns |= SEARCH_RETURN_SAVE;
        else if (partial && imap_take_word(c, "PARTIAL")) {
            returns |= SEARCH_RETURN_PARTIAL;
            partial_range_parse(c, partial);
        } else
            imap_fail(c, "MIN, MAX, ALL, COUNT or SAVE was expected");
        imap_take(c, ' ');
    }
    if (returns & SEARCH_RETURN_PARTIAL && returns & SEARCH_RETURN_ALL)
        imap_fail(c, "ALL and PARTIAL exclude each other");
    imap_close(c);
    imap_space(c);
    *out_returns = returns ? returns : SEARCH_RETURN_ALL;
    return true;
}

void search_put_tag(struct imap_session *s)
{
    buf_put_byte(&s->out, '"');
    for (size_t i = 0; i < s->tag.n; i++) {
        if (s->tag.p[i] == '\\')
            buf_put_byte(&s->out, '\\');
        buf_put_byte(&s->out, s->tag.p[i]);
    }
    buf_put_byte(&s->out, '"');
}

void search_return_head(struct imap_session *s)
{
    buf_put_str(&s->out, "* ESEARCH (TAG ");
    search_put_tag(s);
    buf_put_str(&s->out, s->by_uid ? ") UID" : ")");
}
