/* Cutting folded text into tokens; see tokens.h. */
#include "message/tokens.h"

#include <unictype.h>
#include <unistr.h>

enum class { CLASS_NONE, CLASS_WORD, CLASS_PAIR };

/* Han, Hiragana and Katakana. */
static bool is_pair_character(ucs4_t c)
{
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
        (c >= 0x20000 && c <= 0x3ffff);
}

static enum class class_beyond_ascii(struct slice s, size_t *out_n)
{
    ucs4_t c;
    int n = u8_mbtouc(&c, s.p, s.n);
    *out_n = n > 0 ? (size_t)n : 1;
    if (c == 0xfffd || !uc_is_general_category_withtable(c,
            UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_M))
        return CLASS_NONE;
    return is_pair_character(c) ? CLASS_PAIR : CLASS_WORD;
}

static enum class class_of(struct slice s, size_t *out_n)
{
    if (s.p[0] >= 0x80)
        return class_beyond_ascii(s, out_n);
    *out_n = 1;
    return ascii_is_alnum(s.p[0]) ? CLASS_WORD : CLASS_NONE;
}

/* The characters of one class from *at on; *at goes behind them. */
static struct slice take_run(struct slice s, size_t *at, enum class *out_class)
{
    size_t from = *at;
    size_t n;
    enum class class = class_of(slice_from(s, from), &n);
    *at += n;
    while (*at < s.n && class_of(slice_from(s, *at), &n) == class)
        *at += n;
    *out_class = class;
    return slice_sub(s, from, *at - from);
}

static size_t character_bytes(uint8_t first)
{
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0x80 ? 2 : 1;
}

static void pairs(struct slice run, token_fn on, void *ctx)
{
    size_t first = character_bytes(run.p[0]);
    if (run.n <= first)
        on(ctx, run);
    while (first < run.n) {
        size_t second = character_bytes(run.p[first]);
        on(ctx, slice_sub(run, 0, first + second));
        run = slice_from(run, first);
        first = second;
    }
}

bool tokens_split(struct slice folded, token_fn on, void *ctx)
{
    bool all = true;
    for (size_t at = 0; at < folded.n;) {
        enum class class;
        struct slice run = take_run(folded, &at, &class);
        if (class == CLASS_PAIR)
            pairs(run, on, ctx);
        else if (class == CLASS_WORD && run.n <= TOKEN_BYTES_MAX)
            on(ctx, run);
        else if (class == CLASS_WORD)
            all = false;
    }
    return all;
}

static void on_piece(void *ctx, struct slice piece)
{
    struct token_needle *needle = ctx;
    if (needle->n < NEEDLE_PIECES_MAX)
        needle->pieces[needle->n++] = piece;
}

void token_needle_read(struct slice folded, struct token_needle *out)
{
    *out = (struct token_needle){.n = 0};
    if (!tokens_split(folded, on_piece, out))
        out->n = 0;
    out->is_exact = out->n == 1 && out->pieces[0].n == folded.n;
}
