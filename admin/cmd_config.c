/* Settings: letterlock config … */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin/commands.h"
#include "storage/settings.h"

#define IMPORT_BYTES_MAX (256 * 1024)

const struct command cmd_config_get = {
    .name = "config get", .arguments = "NAME", .least = 1, .most = 1,
    .summary = "the value of one setting",
    .op = "config.get", .keys = {"name"},
};

/* The form is checked here too, only to say what it should have been; the store checks for itself. */
static int run_set(struct cli *c)
{
    const struct setting_info *info = setting_info_find(slice_str(c->arguments[0]));
    struct settings *scratch = settings_new();
    enum err e = settings_set(scratch, slice_str(c->arguments[0]), slice_str(c->arguments[1]));
    settings_free(scratch);
    if (e == ERR_NOT_FOUND || !info)
        return cli_fail(c, "there is no setting %s; letterlock config list shows all", c->arguments[0]);
    if (e)
        return cli_fail(c, "%s: \"%s\" is not %s%s", info->name, c->arguments[1],
            info->form == SETTING_CHOICE ? "one of: " : "", setting_form_text(info));
    return cli_run_plain(c);
}

const struct command cmd_config_set = {
    .name = "config set", .arguments = "NAME VALUE", .least = 2, .most = 2,
    .summary = "takes effect at once; numbers of processes at the next start",
    .op = "config.set", .keys = {"name", "value"}, .run = run_set,
};

const struct command cmd_config_list = {
    .name = "config list",
    .summary = "all settings and their values",
    .op = "config.list",
};

const struct command cmd_config_export = {
    .name = "config export",
    .summary = "all settings as text that config import reads",
    .op = "config.list",
};

static enum err read_all(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *room = buf_room(out, 4096);
        if (!room)
            return ERR_TOO_BIG;
        ssize_t n = read(fd, room, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            return ERR_OK;
        buf_grew(out, (size_t)n);
    }
}

/* "name = value"; empty lines and such that begin with # are passed over. */
static bool line_parse(struct slice line, struct slice *out_name, struct slice *out_value)
{
    *out_name = slice_trim(slice_cut(&line, '='));
    *out_value = slice_trim(line);
    return setting_info_find(*out_name) != NULL;
}

/* All lines are checked before the first is set. */
static int check_lines(const struct cli *c, struct slice text)
{
    struct settings *scratch = settings_new();
    int status = CLI_DONE;
    for (unsigned number = 1; text.n > 0 && status == CLI_DONE; number++) {
        struct slice name, value, line = slice_trim(slice_cut(&text, '\n'));
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (slice_find_byte(line, '=') == line.n || !line_parse(line, &name, &value))
            status = cli_fail(c, "line %u: there is no such setting", number);
        else if (settings_set(scratch, name, value) != ERR_OK)
            status = cli_fail(c, "line %u: %.*s is %s", number, SLICE_FMT(name),
                setting_form_text(setting_info_find(name)));
    }
    settings_free(scratch);
    return status;
}

/* In one request, so all or none. */
static int set_lines(struct cli *c, struct slice text)
{
    struct admin_request r = {.op = SLICE("config.set")};
    struct admin_reply reply;
    while (text.n > 0) {
        struct slice name, value, line = slice_trim(slice_cut(&text, '\n'));
        if (line.n == 0 || line.p[0] == '#' || !line_parse(line, &name, &value))
            continue;
        if (r.count + 2 > ADMIN_PAIRS_MAX)
            return cli_fail(c, "more than %d settings at once", ADMIN_PAIRS_MAX / 2);
        admin_request_add(&r, "name", name);
        admin_request_add(&r, "value", slice_of(value.p ? value.p : (const uint8_t *)"", value.n));
    }
    if (r.count == 0)
        return cli_fail(c, "there is no setting in it");
    return cli_ask(c, &r, &reply) ? cli_print(c, &reply) : CLI_FAILED;
}

static int run_import(struct cli *c)
{
    bool is_file = c->argument_count == 1 && strcmp(c->arguments[0], "-") != 0;
    int fd = is_file ? open(c->arguments[0], O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    struct buf text;
    if (fd < 0)
        return cli_fail(c, "%s: %s", c->arguments[0], strerror(errno));
    buf_init(&text, IMPORT_BYTES_MAX);
    enum err e = read_all(fd, &text);
    int status = e ? cli_fail(c, "the settings cannot be read: %s", err_text(e))
                   : check_lines(c, buf_slice(&text));
    if (status == CLI_DONE)
        status = set_lines(c, buf_slice(&text));
    buf_clear(&text);
    if (is_file)
        close(fd);
    return status;
}

const struct command cmd_config_import = {
    .name = "config import", .arguments = "[FILE]", .least = 0, .most = 1,
    .summary = "settings from FILE or stdin, a \"name = value\" line each",
    .details = "All lines are checked before the first one is set.",
    .run = run_import,
};
