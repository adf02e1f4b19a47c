/* letterlock send, and the name sendmail. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/send.h"

/* $LETTERLOCK_SOCKET, else the data folder's when it may be used, else the one for everybody. */
static const char *socket_find(const char *folder, char path[PATH_MAX])
{
    const char *given = getenv("LETTERLOCK_SOCKET");
    if (given && *given)
        return given;
    int n = folder ? snprintf(path, PATH_MAX, "%s/%s", folder, SEND_SOCKET) : -1;
    if (n > 0 && n < PATH_MAX && access(path, W_OK) == 0)
        return path;
    return SEND_SOCKET_PUBLIC;
}

static int send_with(const char *folder, int argc, char *const *argv)
{
    char path[PATH_MAX];
    struct send_options o;
    int status = send_parse(argc, argv, &o);
    if (status != EX_OK)
        return status;
    o.socket = socket_find(folder, path);
    status = send_run(&o);
    send_options_clear(&o);
    return status;
}

bool sendmail_is_name(const char *program)
{
    const char *slash = strrchr(program, '/');
    return strcmp(slash ? slash + 1 : program, "sendmail") == 0;
}

int sendmail_main(int argc, char **argv)
{
    char *folder = data_folder_default();
    int status = send_with(folder, argc - 1, argv + 1);
    free(folder);
    return status;
}

static int run(struct cli *c)
{
    char *arguments[CLI_ARGUMENTS_MAX];
    for (size_t i = 0; i < c->argument_count; i++)
        arguments[i] = mem_strdup(slice_str(c->arguments[i]));
    int status = send_with(c->folder, (int)c->argument_count, arguments);
    for (size_t i = 0; i < c->argument_count; i++)
        free(arguments[i]);
    return status == EX_USAGE ? CLI_MISUSED : status;
}

const struct command cmd_send = {
    .name = "send", .arguments = "[-t] [-i] [-f SENDER] [-F NAME] [-bs] [RECIPIENT...]", .least = 0,
    .most = CLI_ARGUMENTS_MAX,
    .summary = "a letter from standard input to addresses of this server",
    .details = "Does what sendmail does, and is it when it is started under that name (a link is enough):\n"
               "-t takes the recipients from the header and removes Bcc, -i (or -oi) lets a line with a single dot\n"
               "stand, -f is the sender, -F the sender's name, -bs speaks SMTP on standard input and output. Other\n"
               "options of sendmail are borne. From, Date and Message-ID are added where they are missing. It exits as\n"
               "sysexits.h says. Every user of the machine may use it when the server has a folder /run/letterlock,\n"
               "else the owner of the data folder.",
    .run = run,
};
