/* What clients are told after the login, and what an administrator took away from single accounts.
 *
 *     imap.without = account "=" capability *(" " capability) *(";" …)      account: an address, or "*" */
#include "retrieval/imap/commands.h"

static const char all[] = "IMAP4rev2 IMAP4rev1 LITERAL+ ID IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN "
    "SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES "
    "SPECIAL-USE CREATE-SPECIAL-USE ENABLE ESEARCH LIST-EXTENDED LIST-STATUS STATUS=SIZE WITHIN UTF8=ACCEPT CONDSTORE "
    "QRESYNC SEARCHRES OBJECTID BINARY COMPRESS=DEFLATE SAVEDATE PREVIEW APPENDLIMIT QUOTA QUOTA=RES-STORAGE INPROGRESS "
    "MULTIAPPEND REPLACE PARTIAL UIDONLY UIDBATCHES LANGUAGE";

static bool has_word(struct slice words, struct slice word)
{
    while (words.n > 0)
        if (slice_equal_nocase(slice_cut(&words, ' '), word))
            return true;
    return false;
}

bool imap_is_off(const struct imap_session *s, const char *capability)
{
    struct slice list = settings_text(s->base.retrieval->settings, "imap.without");
    while (list.n > 0) {
        struct slice words = slice_trim(slice_cut(&list, ';'));
        struct slice account = slice_trim(slice_cut(&words, '='));
        bool is_ours = slice_equal(account, SLICE("*")) || slice_equal_nocase(account, slice_str(s->address));
        if (is_ours && has_word(words, slice_str(capability)))
            return true;
    }
    return false;
}

/* The commands that are a capability by themselves; the others stay, unnamed. */
bool imap_command_is_off(const struct imap_session *s, const struct imap_command *command)
{
    if (command == &imap_cmd_compress)
        return imap_is_off(s, "COMPRESS=DEFLATE");
    return has_word(slice_str(all), slice_str(command->name)) && imap_is_off(s, command->name);
}

void imap_put_capabilities(struct imap_session *s)
{
    struct slice left = slice_str(all);
    buf_put_str(&s->out, "CAPABILITY");
    while (left.n > 0) {
        char word[64];
        struct slice next = slice_cut(&left, ' ');
        (void)snprintf(word, sizeof word, "%.*s", SLICE_FMT(next));
        if (!imap_is_off(s, word))
            buf_printf(&s->out, " %s", word);
    }
}
