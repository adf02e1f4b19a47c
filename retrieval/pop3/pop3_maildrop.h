/* Which mailbox POP3 shows an account, and where its DELE puts letters: the settings pop3.mailboxes and
 * pop3.file-away. Pure. */
#ifndef RETRIEVAL_POP3_MAILDROP_H
#define RETRIEVAL_POP3_MAILDROP_H

#include "storage/reader.h"
#include "storage/settings.h"

struct pop3_maildrop {
    uint64_t mailbox;
    uint32_t uidvalidity;
    uint64_t archive;      /* 0: DELE deletes */
};

/* ERR_NOT_FOUND: the mailbox that the setting names is not there, or no archive. */
enum err pop3_maildrop_find(const struct settings *s, struct slice address, const struct mailbox_info *boxes,
    size_t n, struct pop3_maildrop *out) MUST_CHECK;

#endif
