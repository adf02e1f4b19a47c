/* See pop3_maildrop.h.
 *
 *     pop3.mailboxes = account "=" path *(";" account "=" path)      path: components parted by "/"
 *     pop3.file-away = account *(" " account) / "*" */
#include "retrieval/pop3/pop3_maildrop.h"

/* The path that the setting gives an account; empty: INBOX. */
static struct slice path_of(struct slice list, struct slice address)
{
    while (list.n > 0) {
        struct slice path = slice_trim(slice_cut(&list, ';'));
        struct slice account = slice_trim(slice_cut(&path, '='));
        if (slice_equal_nocase(account, address))
            return slice_trim(path);
    }
    return SLICE_EMPTY;
}

static bool has_word(struct slice list, struct slice address)
{
    while (list.n > 0) {
        struct slice word = slice_cut(&list, ' ');
        if (slice_equal(word, SLICE("*")) || slice_equal_nocase(word, address))
            return true;
    }
    return false;
}

static const struct mailbox_info *find_child(const struct mailbox_info *boxes, size_t n, uint64_t parent,
    struct slice name)
{
    bool is_inbox = parent == 0 && slice_equal_nocase(name, SLICE("INBOX"));
    for (size_t i = 0; i < n; i++) {
        if (is_inbox && boxes[i].special_use == SPECIAL_INBOX)
            return &boxes[i];
        if (boxes[i].parent == parent && slice_equal(slice_str(boxes[i].name), name))
            return &boxes[i];
    }
    return NULL;
}

static const struct mailbox_info *find_path(const struct mailbox_info *boxes, size_t n, struct slice path)
{
    const struct mailbox_info *at = NULL;
    while (path.n > 0) {
        at = find_child(boxes, n, at ? at->id : 0, slice_cut(&path, '/'));
        if (!at)
            return NULL;
    }
    return at && !at->is_noselect ? at : NULL;
}

static const struct mailbox_info *find_archive(const struct mailbox_info *boxes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (boxes[i].special_use == SPECIAL_ARCHIVE)
            return &boxes[i];
    return NULL;
}

enum err pop3_maildrop_find(const struct settings *s, struct slice address, const struct mailbox_info *boxes,
    size_t n, struct pop3_maildrop *out)
{
    struct slice path = path_of(settings_text(s, "pop3.mailboxes"), address);
    const struct mailbox_info *shown = find_path(boxes, n, path.n ? path : SLICE("INBOX"));
    const struct mailbox_info *archive = NULL;
    if (!shown)
        return ERR_NOT_FOUND;
    if (has_word(settings_text(s, "pop3.file-away"), address)) {
        archive = find_archive(boxes, n);
        if (!archive)
            return ERR_NOT_FOUND;
    }
    *out = (struct pop3_maildrop){shown->id, shown->uidvalidity, archive && archive != shown ? archive->id : 0};
    return ERR_OK;
}
