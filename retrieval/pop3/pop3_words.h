/* What POP3 says alike before and after the login (retrieval/door_pop3.c, pop3_commands.c). */
#ifndef RETRIEVAL_POP3_WORDS_H
#define RETRIEVAL_POP3_WORDS_H

#include "base/slice.h"

/* Capabilities of both states (RFC 2449, RFC 3206, RFC 6856), each with CRLF. EXPIRE NEVER: nothing is
 * deleted by itself. LOGIN-DELAY 0: who polls often costs little. */
#define POP3_CAPABILITIES "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\n" \
    "LOGIN-DELAY 0\r\nUTF8 USER\r\nLANG\r\n"

/* The whole answer to LANG (RFC 6856 section 3); NULL: a language that is not spoken here. */
const char *pop3_lang(struct slice argument);

#endif
