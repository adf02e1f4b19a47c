/* message/tokens.h: tokens lie in the text, one after the other, within the limit; every piece of the text
 * that is a needle by itself is found within a token; bases of subjects lie in the subject. */
#include "message/base_subject.h"
#include "message/tokens.h"

#include "base/buf.h"
#include "base/err.h"

struct seen {
    struct slice text;
    const uint8_t *at;
    struct slice piece;
    bool has_piece;
};

static void on_token(void *ctx, struct slice token)
{
    struct seen *s = ctx;
    ENSURE(token.n > 0 && token.n <= TOKEN_BYTES_MAX);
    ENSURE(token.p >= s->text.p && token.p + token.n <= s->text.p + s->text.n);
    ENSURE(token.p >= s->at);
    s->at = token.p;
    s->has_piece |= s->piece.n && slice_find(token, s->piece) != SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    struct seen s = {.text = slice_of(p + 2, n - 2)};
    s.at = s.text.p;
    struct token_needle needle;
    /* Any stretch of valid UTF-8 that begins and ends at characters. */
    struct slice part = slice_sub(s.text, p[0], p[1]);
    bool is_whole = slice_is_utf8(s.text) && slice_is_utf8(part);
    token_needle_read(part, &needle);
    if (is_whole && needle.is_exact)
        s.piece = needle.pieces[0];
    bool all = tokens_split(s.text, on_token, &s);
    ENSURE(!all || s.piece.n == 0 || s.has_piece);
    bool is_reply;
    struct slice base = base_subject(s.text, &is_reply);
    ENSURE(base.n == 0 || (base.p >= s.text.p && base.p + base.n <= s.text.p + s.text.n));
    return 0;
}
