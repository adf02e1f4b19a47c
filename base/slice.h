/* Borrowed bytes: a pointer and a length, never NUL-ended, never owned.
 *
 * A function that returns a slice says how long it is valid. Comparisons "nocase" fold ASCII only,
 * as the mail protocols ask for; anything beyond ASCII is base/unicode's matter. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/banned.h"

struct slice {
    const uint8_t *p;
    size_t n;
};

#define SLICE_EMPTY ((struct slice){NULL, 0})
/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define SLICE_FMT(s) (int)(s).n, (const char *)(s).p

struct slice slice_of(const void *p, size_t n);
struct slice slice_str(const char *nul_ended);
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_nocase(struct slice a, struct slice b);
/* Less than, equal or greater than zero, as memcmp and then by length. */
int slice_compare(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_nocase(struct slice s, struct slice prefix);
bool slice_ends_nocase(struct slice s, struct slice suffix);
/* Bytes from `from` on, `n` at most; both are cut to what there is. */
struct slice slice_sub(struct slice s, size_t from, size_t n);
struct slice slice_from(struct slice s, size_t from);
/* Without SP and HTAB (and CR LF) at both ends. */
struct slice slice_trim(struct slice s);
/* Position of the first byte c, or s.n. */
size_t slice_find_byte(struct slice s, uint8_t c);
/* Position of the first occurrence, or SIZE_MAX. */
size_t slice_find(struct slice s, struct slice needle);
/* ASCII folding only. Position of the first occurrence, or SIZE_MAX. Linear for short needles. */
size_t slice_find_nocase(struct slice s, struct slice needle);
bool slice_is_ascii(struct slice s);
/* Well-formed UTF-8 (RFC 3629), without NUL. */
bool slice_is_utf8(struct slice s);
/* A whole decimal number of digits only, without sign; false if empty, not digits, or beyond max. */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *out_value);
/* Cuts the part before the first byte c off *s and returns it; *s goes on behind c. When c does not
 * occur, all of *s is returned and *s is empty. */
struct slice slice_cut(struct slice *s, uint8_t c);

uint8_t ascii_lower(uint8_t c);
uint8_t ascii_upper(uint8_t c);
bool ascii_is_alpha(uint8_t c);
bool ascii_is_digit(uint8_t c);
bool ascii_is_alnum(uint8_t c);

#endif
