/* The list of commands, in the order in which help shows them. */
#include "admin/commands.h"

const struct command *const cli_commands[] = {
    &cmd_setup, &cmd_serve, &cmd_status, &cmd_doctor,
    &cmd_user_add, &cmd_user_list, &cmd_user_show, &cmd_user_password, &cmd_user_recover,
    &cmd_user_disable, &cmd_user_enable, &cmd_user_remove,
    &cmd_app_password_add, &cmd_app_password_list, &cmd_app_password_revoke,
    &cmd_domain_add, &cmd_domain_list, &cmd_domain_remove,
    &cmd_dkim_rotate, &cmd_dkim_activate, &cmd_dkim_show, &cmd_dns,
    &cmd_alias_add, &cmd_alias_list, &cmd_alias_remove,
    &cmd_route_add, &cmd_route_list, &cmd_route_remove, &cmd_relay_check,
    &cmd_queue_list, &cmd_queue_show, &cmd_queue_retry, &cmd_queue_hold, &cmd_queue_release, &cmd_queue_drop,
    &cmd_config_get, &cmd_config_set, &cmd_config_list, &cmd_config_export, &cmd_config_import,
    &cmd_cert_set, &cmd_cert_show,
    &cmd_why_blocked, &cmd_unblock,
    &cmd_send, &cmd_import, &cmd_export,
    &cmd_backup, &cmd_restore, &cmd_verify, &cmd_version, &cmd_help,
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];
