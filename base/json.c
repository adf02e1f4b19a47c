/* The JSON writer; see json.h. */
#include "base/json.h"

struct json json_of(struct buf *out)
{
    return (struct json){.out = out};
}

/* Bytes of the UTF-8 character at the front of s; 0 when it is none. */
static size_t character_bytes(struct slice s)
{
    for (size_t n = 1; n <= 4 && n <= s.n; n++)
        if (slice_is_utf8(slice_sub(s, 0, n)))
            return n;
    return 0;
}

static void put_string(struct buf *out, struct slice s)
{
    buf_put_byte(out, '"');
    while (s.n) {
        size_t n = character_bytes(s);
        uint8_t c = s.p[0];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else if (n == 0)
            buf_put_str(out, "\\ufffd");
        else
            buf_put(out, slice_sub(s, 0, n));
        s = slice_from(s, n ? n : 1);
    }
    buf_put_byte(out, '"');
}

static void begin_value(struct json *j, const char *key)
{
    uint32_t bit = 1U << j->depth;
    if (j->has_items & bit)
        buf_put_str(j->out, ",");
    j->has_items |= bit;
    if (!key)
        return;
    put_string(j->out, slice_str(key));
    buf_put_byte(j->out, ':');
}

static void begin_nest(struct json *j, const char *key, bool is_array)
{
    begin_value(j, key);
    ENSURE(j->depth < JSON_DEPTH_MAX);
    j->depth++;
    uint32_t bit = 1U << j->depth;
    j->has_items &= ~bit;
    j->is_array = is_array ? j->is_array | bit : j->is_array & ~bit;
    buf_put_byte(j->out, is_array ? '[' : '{');
}

void json_object(struct json *j, const char *key)
{
    begin_nest(j, key, false);
}

void json_array(struct json *j, const char *key)
{
    begin_nest(j, key, true);
}

void json_end(struct json *j)
{
    ENSURE(j->depth > 0);
    buf_put_byte(j->out, j->is_array & 1U << j->depth ? ']' : '}');
    j->depth--;
}

void json_text(struct json *j, const char *key, struct slice value)
{
    begin_value(j, key);
    put_string(j->out, value);
}

void json_number(struct json *j, const char *key, int64_t value)
{
    begin_value(j, key);
    buf_printf(j->out, "%lld", (long long)value);
}

void json_unsigned(struct json *j, const char *key, uint64_t value)
{
    begin_value(j, key);
    buf_put_u64(j->out, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    begin_value(j, key);
    buf_put_str(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
    begin_value(j, key);
    buf_put_str(j->out, "null");
}
