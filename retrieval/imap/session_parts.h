/* Between the files of the session itself: session.c (running, events), session_input.c (reading) and
 * session_output.c. Commands use session.h alone. */
#ifndef RETRIEVAL_IMAP_SESSION_PARTS_H
#define RETRIEVAL_IMAP_SESSION_PARTS_H

#include "retrieval/imap/session.h"

/* Takes one piece of input; false when more must come first. */
bool imap_read_piece(struct imap_session *s);
/* What was gathered of a command. */
void imap_forget_command(struct imap_session *s);
/* The command that ran, its work, and what was gathered of it. */
void imap_end_command(struct imap_session *s);
/* The completion under the command's own tag, if one was set. */
void imap_say_own_completion(struct imap_session *s);

#endif
