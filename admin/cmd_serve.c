/* letterlock serve: from the command line to the supervisor. Everything that needs rights is done here,
 * in this order: folder, lock, key, sockets; then the rights are dropped. */
#include <stdio.h>
#include <time.h>

#include "admin/commands.h"
#include "admin/database_files.h"
#include "admin/link.h"
#include "admin/supervisor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

static const struct cli_option options[] = {
    {"listen", "NAME=ADDR:PORT", "listen there, instead of the default set; may be repeated", NULL, false},
    {0},
};

#define LOCK_RETRY_MS 20

static int explain_lock(const struct cli *c, enum err e, pid_t holder)
{
    if (e == ERR_BUSY)
        return cli_fail(c, "process %d serves from %s already", (int)holder, c->folder);
    return cli_fail(c, "%s cannot be locked: %s", c->folder, err_text(e));
}

static int explain_bind(const struct cli *c, enum err e, const struct listen_spec *failed)
{
    if (e == ERR_DENIED)
        return cli_fail(c,
            "%s: ports below 1024 need root or CAP_NET_BIND_SERVICE; or choose others with --listen",
            failed->address);
    if (e == ERR_BUSY)
        return cli_fail(c, "%s (%s): another program listens there", failed->address, failed->name);
    if (e == ERR_SYNTAX)
        return cli_fail(c, "%s (%s): not an address; write 127.0.0.1:25, [::1]:25 or *:25",
            failed->address, failed->name);
    return cli_fail(c, "cannot listen on %s (%s): %s", failed->address, failed->name, err_text(e));
}

static int explain_key(const struct cli *c, enum err e)
{
    if (e == ERR_NOT_FOUND)
        return cli_fail(c, "server.key is missing beside the databases: bring it back from a backup");
    return cli_fail(c, "server.key cannot be used: %s", err_text(e));
}

static int explain_databases(const struct cli *c, enum err e, const char *missing)
{
    if (missing)
        return cli_fail(c, "%s is missing beside the other databases: bring it back from a backup", missing);
    return cli_fail(c, "the databases in %s cannot be used: %s", c->folder, err_text(e));
}

static int serve_with_keys(struct cli *c, struct data_folder *folder, struct server_keys *keys)
{
    struct listen_set listeners = c->listeners;
    const struct listen_spec *failed = NULL;
    struct supervisor *s = NULL;
    const char *missing = NULL;
    enum err e = database_files_make(folder, &missing);
    if (e)
        return explain_databases(c, e, missing);
    e = server_keys_load(folder, keys);
    if (e)
        return explain_key(c, e);
    e = listen_set_bind(&listeners, &failed);
    if (e)
        return explain_bind(c, e, failed);
    int status = CLI_FAILED;
    e = data_folder_drop_rights(folder);
    enum err local = e ? e : listen_set_bind_local(&listeners, folder);
    if (local)
        log_event(LOG_WARNING, "no-local-socket", LF("reason", err_text(local)), LF("meaning", "letterlock send does not work"));
    if (e) {
        cli_fail(c, "cannot become the owner of %s: %s", folder->path, err_text(e));
    } else {
        struct supervisor_config config = {.folder = folder, .keys = keys, .listeners = &listeners};
        e = supervisor_new(&config, &s);
        status = e ? cli_fail(c, "cannot start: %s", err_text(e)) : supervisor_serve(s);
        supervisor_free(s);
    }
    listen_set_close(&listeners);
    return status;
}

/* A command holds the folder for a moment; another server for good. */
static enum err lock_folder(struct data_folder *folder, pid_t *out_holder)
{
    uint64_t end = clock_mono_ms() + DATA_FOLDER_PATIENCE_MS;
    for (;;) {
        enum err e = data_folder_lock(folder, out_holder);
        if (e != ERR_BUSY || link_server_answers(folder) || clock_mono_ms() >= end)
            return e;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_MS * 1000000L}, NULL);
    }
}

static int run(struct cli *c)
{
    struct data_folder folder;
    pid_t holder = 0;
    log_init("supervisor", LOG_INFO);
    if (c->listeners.count == 0)
        listen_set_default(&c->listeners);
    enum err e = data_folder_open(c->folder, false, &folder);
    if (e == ERR_NOT_FOUND)
        return cli_fail(c, "nothing is set up in %s yet; begin with: letterlock setup", c->folder);
    if (e == ERR_DENIED)
        return cli_fail(c, "%s must belong to you and be closed to others (mode 0700)", c->folder);
    if (e)
        return cli_fail(c, "%s: %s", c->folder, err_text(e));
    int status = CLI_FAILED;
    e = lock_folder(&folder, &holder);
    struct server_keys *keys = e ? NULL : secret_new(sizeof *keys);
    if (e)
        status = explain_lock(c, e, holder);
    else if (!keys)
        status = cli_fail(c, "no memory for keys");
    else
        status = serve_with_keys(c, &folder, keys);
    secret_free(keys, sizeof *keys);
    data_folder_close(&folder);
    return status;
}

const struct command cmd_serve = {
    .name = "serve",
    .summary = "run; prints \"ready\" when everything accepts",
    .details = "NAME is one of smtp submission submissions submission-alt imap imaps pop3 pop3s. Port 0\n"
               "takes a free one and prints it. SIGTERM and SIGINT end it in good order.",
    .options = options, .run = run,
};
