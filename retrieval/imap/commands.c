/* The table of commands; see commands.h.
 *
 *     AUTHENTICATED --SELECT/EXAMINE--> SELECTED --CLOSE/UNSELECT, a failed SELECT--> AUTHENTICATED
 *          any --LOGOUT--> LOGOUT
 */
#include "retrieval/imap/commands.h"

static const struct imap_command *const table[] = {
    &imap_cmd_append,
    &imap_cmd_capability,
    &imap_cmd_check,
    &imap_cmd_close,
    &imap_cmd_compress,
    &imap_cmd_copy,
    &imap_cmd_create,
    &imap_cmd_delete,
    &imap_cmd_enable,
    &imap_cmd_examine,
    &imap_cmd_expunge,
    &imap_cmd_fetch,
    &imap_cmd_getquota,
    &imap_cmd_getquotaroot,
    &imap_cmd_id,
    &imap_cmd_idle,
    &imap_cmd_language,
    &imap_cmd_list,
    &imap_cmd_logout,
    &imap_cmd_lsub,
    &imap_cmd_move,
    &imap_cmd_namespace,
    &imap_cmd_noop,
    &imap_cmd_rename,
    &imap_cmd_replace,
    &imap_cmd_search,
    &imap_cmd_select,
    &imap_cmd_sort,
    &imap_cmd_status,
    &imap_cmd_store,
    &imap_cmd_subscribe,
    &imap_cmd_thread,
    &imap_cmd_uidbatches,
    &imap_cmd_unselect,
    &imap_cmd_unsubscribe,
};

const struct imap_command *imap_command_at(size_t i)
{
    return i < sizeof(table) / sizeof(table[0]) ? table[i] : NULL;
}

const struct imap_command *imap_command_find(struct slice name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (slice_equal_nocase(name, slice_str(table[i]->name)))
            return table[i];
    return NULL;
}
