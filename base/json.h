/* Writing JSON (RFC 8259) into a buffer: commas and escapes are seen to, nesting is the caller's. Bytes
 * that are not UTF-8 become U+FFFD. Key NULL: an element of an array, or the outermost value.
 *
 *     struct json j = json_of(&out);
 *     json_object(&j, NULL); json_text(&j, "address", a); json_number(&j, "count", 2); json_end(&j);
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#define JSON_DEPTH_MAX 31

struct json {
    struct buf *out;
    unsigned depth;
    uint32_t has_items;   /* a bit per depth */
    uint32_t is_array;
};

struct json json_of(struct buf *out);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
/* Ends the innermost object or array. */
void json_end(struct json *j);
void json_text(struct json *j, const char *key, struct slice value);
void json_number(struct json *j, const char *key, int64_t value);
void json_unsigned(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
