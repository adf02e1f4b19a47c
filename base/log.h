/* One line an event, logfmt, escaped and bounded (LOG_LINE_MAX), to stderr or to the journal.
 *
 * Never give it a subject, a body, a password, a token or a key. Values of peers may be given: they
 * are escaped so that a line stays one line. The layer that decides logs, once.
 *
 *     log_event(LOG_INFO, "accepted", LF_X("session", id), LF("from", "10.0.0.1"));
 *     -> level=info role=smtp event=accepted session=1f2e from=10.0.0.1
 *
 * On a terminal or a file each line begins with the UTC time; under systemd with <priority>. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

#define LOG_LINE_MAX 4096

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log_field {
    const char *key;
    struct slice text;
    uint64_t number;
    enum { LOG_FIELD_TEXT, LOG_FIELD_DECIMAL, LOG_FIELD_HEX } kind;
};

#define LF(k, nul_ended) ((struct log_field){.key = (k), .text = slice_str(nul_ended)})
#define LF_S(k, slice_) ((struct log_field){.key = (k), .text = (slice_)})
#define LF_U(k, u64) ((struct log_field){.key = (k), .number = (u64), .kind = LOG_FIELD_DECIMAL})
#define LF_X(k, u64) ((struct log_field){.key = (k), .number = (u64), .kind = LOG_FIELD_HEX})

/* role: a literal that stays valid. */
void log_init(const char *role, enum log_level least);
void log_set_level(enum log_level least);

#define log_event(level, event, ...) \
    log_fields(level, event, (const struct log_field[]){__VA_ARGS__}, \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n);

#endif
