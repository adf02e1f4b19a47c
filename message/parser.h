/* A push parser for RFC 5322 and MIME (RFC 2045-2049, 2231, 6532).
 *
 * Feed the letter in pieces, however cut; the result is the same for every cut. It never fails: it
 * describes what it could read of broken mail. CPU is linear in the bytes, memory is bounded by
 * MESSAGE_PARSER_MEMORY_MAX whatever comes. No I/O, no clock. Both CRLF and bare LF end lines.
 *
 * Called by smtp (as DATA arrives), by retrieval (APPEND, and re-parsing of a stale summary) and by
 * import. */
#ifndef MESSAGE_PARSER_H
#define MESSAGE_PARSER_H

#include "message/summary.h"

#define MESSAGE_PARSER_MEMORY_MAX (256 * 1024)

struct message_parser;

struct message_parser *message_parser_new(void);
void message_parser_free(struct message_parser *p);
void message_parser_feed(struct message_parser *p, struct slice piece);
/* No more bytes will come. Returns the summary, which lives until the parser is freed or reset. */
const struct summary *message_parser_finish(struct message_parser *p);
void message_parser_reset(struct message_parser *p);

#endif
