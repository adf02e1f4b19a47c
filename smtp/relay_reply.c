/* See relay_reply.h. */
#include "smtp/relay_reply.h"

#include <stdio.h>

void relay_reply_init(struct relay_reply *r)
{
    *r = (struct relay_reply){0};
    buf_init(&r->text, RELAY_REPLY_TEXT_MAX);
}

void relay_reply_clear(struct relay_reply *r)
{
    buf_clear(&r->text);
}

void relay_reply_begin(struct relay_reply *r)
{
    r->code = r->lines = r->capabilities = 0;
    r->size_max = 0;
    r->host[0] = '\0';
    buf_reset(&r->text);
}

static void take_auth(struct relay_reply *r, struct slice words)
{
    while (words.n > 0) {
        struct slice word = slice_cut(&words, ' ');
        if (slice_equal_nocase(word, SLICE("PLAIN")))
            r->capabilities |= RELAY_CAN_AUTH_PLAIN;
        if (slice_equal_nocase(word, SLICE("LOGIN")))
            r->capabilities |= RELAY_CAN_AUTH_LOGIN;
    }
}

static void take_capability(struct relay_reply *r, struct slice line)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {
        {"PIPELINING", RELAY_CAN_PIPELINE}, {"8BITMIME", RELAY_CAN_8BIT}, {"SMTPUTF8", RELAY_CAN_UTF8},
        {"SIZE", RELAY_CAN_SIZE}, {"STARTTLS", RELAY_CAN_STARTTLS}, {"DSN", RELAY_CAN_DSN},
        {"CHUNKING", RELAY_CAN_CHUNKING},
    };
    struct slice rest = slice_trim(line);
    struct slice word = slice_cut(&rest, ' ');
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_equal_nocase(word, slice_str(known[i].name)))
            r->capabilities |= known[i].bit;
    if (slice_equal_nocase(word, SLICE("SIZE")) && !slice_to_u64(slice_trim(rest), UINT64_MAX, &r->size_max))
        r->size_max = 0;
    if (slice_equal_nocase(word, SLICE("AUTH")))
        take_auth(r, rest);
}

/* What a peer says goes into reports and rows: one line of printable text. */
static void put_words(struct buf *out, struct slice line)
{
    bool is_utf8 = slice_is_utf8(line);
    for (size_t i = 0; i < line.n && out->n < RELAY_REPLY_TEXT_MAX; i++) {
        uint8_t c = line.p[i];
        bool is_fine = c >= ' ' && c != 0x7f && (c < 0x80 || is_utf8);
        buf_put_byte(out, is_fine ? c : '?');
    }
    /* Cut within a character: the whole of it goes. */
    while (out->n > 0 && !slice_is_utf8(buf_slice(out)))
        out->n--;
}

static void take_host(struct relay_reply *r, struct slice words)
{
    struct slice word = slice_sub(words, 0, slice_find_byte(words, ' '));
    if (word.n < sizeof r->host && slice_find_byte(word, 0) == word.n) {
        memcpy(r->host, word.p, word.n);
        r->host[word.n] = '\0';
    }
}

enum err relay_reply_take(struct relay_reply *r, struct slice line)
{
    uint64_t code;
    bool is_last = line.n == 3 || (line.n > 3 && line.p[3] == ' ');
    if (line.n < 3 || !slice_to_u64(slice_sub(line, 0, 3), 599, &code) || code < 200 ||
        (!is_last && line.p[3] != '-') || r->lines == RELAY_REPLY_LINES_MAX ||
        (r->lines > 0 && code != r->code))
        return ERR_SYNTAX;
    struct slice words = slice_from(line, 4);
    if (r->lines == 0) {
        r->code = (unsigned)code;
        take_host(r, words);
        put_words(&r->text, slice_sub(line, 0, 3));
    } else {
        take_capability(r, words);
    }
    r->lines++;
    if (words.n > 0 && r->text.n < RELAY_REPLY_TEXT_MAX)
        buf_put_byte(&r->text, ' ');
    put_words(&r->text, words);
    return is_last ? ERR_OK : ERR_AGAIN;
}

/* class "." subject "." detail, each of one to three digits (RFC 3463 section 2). */
static size_t status_length(struct slice s)
{
    size_t i = 0;
    for (unsigned part = 0; part < 3; part++) {
        size_t digits = 0;
        while (i < s.n && ascii_is_digit(s.p[i]) && digits < 4) {
            i++;
            digits++;
        }
        if (digits == 0 || digits > 3)
            return 0;
        if (part < 2 && (i >= s.n || s.p[i++] != '.'))
            return 0;
    }
    return i == s.n || s.p[i] == ' ' ? i : 0;
}

void relay_reply_status(unsigned code, struct slice text, struct buf *out)
{
    struct slice words = slice_from(text, 4);
    size_t n = status_length(words);
    if (n > 0 && code >= 200 && words.p[0] == '0' + code / 100)
        buf_put(out, slice_sub(words, 0, n));
    else
        buf_printf(out, "%u.0.0", code >= 500 ? 5 : code >= 400 ? 4 : 2);
}
