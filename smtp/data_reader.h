/* The text of a letter as it stands behind DATA (RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2): finds the
 * end, takes the stuffed dots away and finds what may not be there.
 *
 * Only CRLF ends a line and only CRLF "." CRLF ends the text, wherever the input is cut. A bare CR, a
 * bare LF and NUL are faults: from there on nothing is given out, and the reader goes on to the real
 * end, so that what follows is never taken for commands. Lines may be of any length. Pure, no
 * allocation. Used by cmd_data.c. */
#ifndef SMTP_DATA_READER_H
#define SMTP_DATA_READER_H

#include "base/err.h"
#include "base/slice.h"

/* Where in a line the last byte taken stands. */
enum data_place { DATA_LINE_START, DATA_IN_LINE, DATA_CR, DATA_DOT, DATA_DOT_CR };

struct data_reader {
    enum data_place place;
    bool is_faulty; /* a bare CR, a bare LF or NUL was met */
};

enum data_step { DATA_PIECE, DATA_MORE, DATA_END };

void data_reader_init(struct data_reader *r);
/* Takes bytes off *input. DATA_PIECE: *out_piece is text of the letter, a part of the input; call
 * again. DATA_MORE: the input is used up. DATA_END: the text has ended, and *input begins behind it;
 * the reader is not to be called again before data_reader_init(). */
/* Text of a BDAT chunk: no dots, no end; the same faults. False: there is one. */
bool data_reader_chunk(struct data_reader *r, struct slice piece) MUST_CHECK;
enum data_step data_reader_step(struct data_reader *r, struct slice *input, struct slice *out_piece);

#endif
