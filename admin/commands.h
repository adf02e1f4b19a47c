/* All commands, each in the cmd_ file of its family. */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H

#include "admin/cli.h"

/* cmd_send.c: the whole program under the name sendmail. */
bool sendmail_is_name(const char *program);
int sendmail_main(int argc, char **argv);

extern const struct command cmd_alias_add, cmd_alias_list, cmd_alias_remove;
extern const struct command cmd_app_password_add, cmd_app_password_list, cmd_app_password_revoke;
extern const struct command cmd_doctor;
extern const struct command cmd_backup, cmd_restore;
extern const struct command cmd_cert_set, cmd_cert_show;
extern const struct command cmd_config_export, cmd_config_get, cmd_config_import, cmd_config_list,
    cmd_config_set;
extern const struct command cmd_dkim_activate, cmd_dkim_rotate, cmd_dkim_show;
/* New keys that sign the domain's letters. False: the reason is printed. */
bool dkim_make_keys(struct cli *c, struct slice domain);
/* dkim.list of a domain. */
bool dkim_records(struct cli *c, struct slice domain, struct admin_reply *out);
extern const struct command cmd_dns;
extern const struct command cmd_domain_add, cmd_domain_list, cmd_domain_remove;
extern const struct command cmd_export, cmd_help, cmd_send, cmd_import, cmd_serve, cmd_setup, cmd_status, cmd_verify,
    cmd_version;
extern const struct command cmd_queue_drop, cmd_queue_hold, cmd_queue_list, cmd_queue_release, cmd_queue_retry,
    cmd_queue_show;
extern const struct command cmd_relay_check;
extern const struct command cmd_route_add, cmd_route_list, cmd_route_remove;
extern const struct command cmd_unblock, cmd_why_blocked;
extern const struct command cmd_user_add, cmd_user_disable, cmd_user_enable, cmd_user_list,
    cmd_user_password, cmd_user_recover, cmd_user_remove, cmd_user_show;

#endif
