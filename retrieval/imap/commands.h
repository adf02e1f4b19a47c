/* The table of commands, and the little that is shared by how they parse. */
#ifndef RETRIEVAL_IMAP_COMMANDS_H
#define RETRIEVAL_IMAP_COMMANDS_H

#include "retrieval/imap/session.h"

/* "CAPABILITY …": what this account's clients are told after the login (capabilities.c). */
void imap_put_capabilities(struct imap_session *s);
/* Whether the setting imap.without takes it away from this account. */
bool imap_is_off(const struct imap_session *s, const char *capability);
bool imap_command_is_off(const struct imap_session *s, const struct imap_command *command);

/* NULL: no such command. */
const struct imap_command *imap_command_find(struct slice name);
/* For tests: all of them. */
const struct imap_command *imap_command_at(size_t i);

/* Drops the APPENDs that are still on their way (cmd_append.c). */
void imap_append_forget(struct imap_session *s);

/* Each family's commands, defined in cmd_*.c. */
extern const struct imap_command imap_cmd_uidbatches;
extern const struct imap_command imap_cmd_append, imap_cmd_replace;
extern const struct imap_command imap_cmd_capability, imap_cmd_noop, imap_cmd_check, imap_cmd_logout,
    imap_cmd_id, imap_cmd_enable, imap_cmd_namespace, imap_cmd_language, imap_cmd_compress, imap_cmd_idle;
extern const struct imap_command imap_cmd_copy, imap_cmd_move;
extern const struct imap_command imap_cmd_close, imap_cmd_unselect, imap_cmd_expunge;
extern const struct imap_command imap_cmd_fetch;
extern const struct imap_command imap_cmd_list, imap_cmd_lsub, imap_cmd_status;
extern const struct imap_command imap_cmd_create, imap_cmd_delete, imap_cmd_rename, imap_cmd_subscribe,
    imap_cmd_unsubscribe;
extern const struct imap_command imap_cmd_getquota, imap_cmd_getquotaroot;
extern const struct imap_command imap_cmd_search, imap_cmd_sort, imap_cmd_thread;
extern const struct imap_command imap_cmd_select, imap_cmd_examine;
extern const struct imap_command imap_cmd_store;

#endif
