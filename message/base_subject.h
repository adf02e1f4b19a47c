/* The base subject of RFC 5256 section 2.1: without "Re:", "Fwd:", "[list]" and "(fwd)". Pure. */
#ifndef MESSAGE_BASE_SUBJECT_H
#define MESSAGE_BASE_SUBJECT_H

#include "base/slice.h"

/* folded: a decoded subject after decode_fold(); the result lies in it. *out_is_reply: something that marks
 * a reply or a forward was taken off. */
struct slice base_subject(struct slice folded, bool *out_is_reply);

#endif
