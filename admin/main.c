/* One binary: with `--role NAME` it is a role, started by the supervisor; else it is the command line,
 * of which `serve` is the supervisor. */
#include <fcntl.h>
#include <unistd.h>

#include "admin/cli.h"
#include "retrieval/door_role.h"
#include "retrieval/retrieval_role.h"
#include "smtp/relay_role.h"
#include "smtp/smtp_role.h"
#include "storage/auth_role.h"
#include "storage/store_role.h"

static const struct role_ops *const roles[] = {
    &store_role_ops,
    &auth_role_ops,
    &hash_role_ops,
    &smtp_role_ops,
    &door_role_ops,
    &retrieval_role_ops,
    &relay_role_ops,
};

static const struct role_ops *role_find(const char *name)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(role_name(roles[i]->role), name) == 0)
            return roles[i];
    return NULL;
}

/* Started with stdin, stdout or stderr closed, the first files that are opened would become them, and the log
 * be written into those. */
static bool has_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int main(int argc, char **argv)
{
    if (!has_standard_descriptors())
        return CLI_FAILED;
    if (argc == 3 && strcmp(argv[1], "--role") == 0) {
        const struct role_ops *ops = role_find(argv[2]);
        return ops ? role_main(ops) : CLI_MISUSED;
    }
    return cli_main(argc, argv);
}
