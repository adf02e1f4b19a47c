/* Base64, base32 and hexadecimal. Decoders are strict and bounded by the buffer they write to. */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buf.h"

/* RFC 4648 section 4, with padding, no line breaks. */
void base64_put(struct buf *out, struct slice data);
/* Whole canonical base64 text only (as SASL wants it: RFC 4954 section 4). ERR_SYNTAX or
 * ERR_TOO_BIG; out is appended to. */
enum err base64_get(struct slice text, struct buf *out) MUST_CHECK;
void hex_put(struct buf *out, struct slice data);
enum err hex_get(struct slice text, struct buf *out) MUST_CHECK;
/* RFC 4648 section 6 alphabet in lower case, without padding. */
void base32_put(struct buf *out, struct slice data);
/* Either case; '-' and ' ' are skipped, so that grouped app passwords can be typed as shown. */
enum err base32_get(struct slice text, struct buf *out) MUST_CHECK;

#endif
