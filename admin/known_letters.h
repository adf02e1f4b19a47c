/* What a mailbox holds already, so that an import that is repeated, or goes on after it was interrupted,
 * makes no doubles. A letter is known by its size and its fields Message-ID, Date, From and Subject, byte
 * for byte; as often as it is there, so often it is passed over. */
#ifndef ADMIN_KNOWN_LETTERS_H
#define ADMIN_KNOWN_LETTERS_H

#include "base/idmap.h"
#include "admin/mail_link.h"

struct known_letters {
    struct idmap counts; /* key -> struct known */
};

/* Reads the mailbox, which need not exist. */
enum err known_letters_read(struct known_letters *k, struct mail_link *l, struct slice mailbox) MUST_CHECK;
/* A letter (lines ended by LF or CRLF) as the server would store it. True: one of its like is there, and
 * is counted off. */
bool known_letters_take(struct known_letters *k, struct slice letter);
void known_letters_clear(struct known_letters *k);

#endif
