/* Words for the search index: runs of letters and digits (Unicode categories L, N, M) of folded text
 * (message/decode.h: decode_fold); characters of Chinese and Japanese, which write no blanks, as
 * overlapping pairs. Pure; linear.
 *
 * What the index relies on: a needle that is one run occurs in a text exactly when it occurs within one of
 * the text's tokens; any other needle can only occur in a text when each of its pieces does. */
#ifndef MESSAGE_TOKENS_H
#define MESSAGE_TOKENS_H

#include "base/slice.h"

#define TOKEN_BYTES_MAX 255
#define NEEDLE_PIECES_MAX 16

typedef void (*token_fn)(void *ctx, struct slice token);
/* Calls `on` for every token, repeated ones too; valid in the call. False: a run was longer than
 * TOKEN_BYTES_MAX and was left out. */
bool tokens_split(struct slice folded, token_fn on, void *ctx);

/* What a folded needle asks of a token set. */
struct token_needle {
    struct slice pieces[NEEDLE_PIECES_MAX]; /* borrowed from the needle; further pieces are dropped */
    size_t n;                               /* 0: it has no letter or digit, or one piece is too long */
    bool is_exact;                          /* a token that holds the piece is an answer, not a hint */
};
void token_needle_read(struct slice folded, struct token_needle *out);

#endif
