/* The command line: every command is a constant descriptor, from which parsing, the request to the
 * roles, and all help are made. To add one: a descriptor in a cmd_ file, and its name in cli_table.c.
 *
 * A descriptor without run() asks `op` with what `keys`, options and passwords give, and prints the
 * answer. All exit 0 (done), 1 (failed, with the reason on stderr) or 2 (used wrongly). */
#ifndef ADMIN_CLI_H
#define ADMIN_CLI_H

#include "admin/link.h"
#include "admin/listen_set.h"

#define CLI_OPTIONS_MAX 10
#define CLI_ARGUMENTS_MAX 60
#define CLI_SECRETS_MAX 2
#define CLI_SECRET_BYTES_MAX 512

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_MISUSED = 2 };

struct cli_option {
    const char *name;   /* without the dashes */
    const char *value;  /* what its value is called in help; NULL: it takes none */
    const char *help;
    const char *key;    /* goes into the request under this name; NULL: run() looks at it */
    bool is_needed;
};

/* Something that nobody may see: read from stdin, a line each, with --password-stdin, else asked for on
 * the terminal. */
struct cli_secret {
    const char *key;
    const char *prompt;
    bool is_new;        /* asked for twice */
    /* With fewer lines on stdin than secrets, the leading optional ones are left out; on a terminal an
     * empty answer leaves it out. */
    bool is_optional;
};

struct cli;

struct command {
    const char *name;              /* "user add" */
    const char *arguments;         /* "ADDRESS TARGET…"; NULL: none */
    const char *summary;           /* one line */
    const char *details;           /* more of help; may be NULL */
    unsigned least, most;          /* how many arguments */
    const char *op;                /* of admin_ops.h; NULL: run() */
    const char *keys[3];           /* of the arguments; the last one takes all that are left */
    const struct cli_option *options; /* ended by one without a name; may be NULL */
    struct cli_secret secrets[CLI_SECRETS_MAX];
    const char *confirm;           /* what --yes agrees to; NULL: nothing needs it */
    bool makes_folder;
    int (*run)(struct cli *c);
};

struct cli {
    const struct command *command;
    const char *folder;            /* --data, or the default */
    char *default_folder;          /* owned */
    bool is_json;
    bool is_yes;
    bool has_password_stdin;
    const char *values[CLI_OPTIONS_MAX]; /* of command->options; "" for those that take none */
    const char *arguments[CLI_ARGUMENTS_MAX];
    size_t argument_count;
    struct listen_set listeners;   /* of --listen, which may be repeated */
    struct link *link;             /* owned; opened by the first question */
};

extern const struct command *const cli_commands[];
extern const size_t cli_command_count;

int cli_main(int argc, char **argv);

/* ---- for cmd_ files ---- */

/* The value of an option; NULL: not given. */
const char *cli_value(const struct cli *c, const char *option);
/* Asks the roles. False: no answer, and the reason is printed. */
bool cli_ask(struct cli *c, const struct admin_request *r, struct admin_reply *out);
/* Prints an answer as the user wants it; the exit status. */
int cli_print(const struct cli *c, const struct admin_reply *r);
/* "letterlock: …" on stderr; with --json an object on stdout too. Returns CLI_FAILED. */
int cli_fail(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for wrong use; returns CLI_MISUSED. */
int cli_misused(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The descriptor's way: request from arguments, options and secrets, question, answer. */
int cli_run_plain(struct cli *c);

/* cli_help.c */
void help_overview(void);
/* Of all commands whose name is that or begins with it. False: there is none. */
bool help_of(const char *name);
/* The command that a mistyped one was perhaps meant to be; NULL: none is near. */
const char *help_nearest(const char *name);

/* cli_man.c: the manual page ("man") or the completion of a shell ("bash", "zsh", "fish"). False: no such
 * format. */
bool help_format(const char *format);

/* cli_secret.c */
bool secret_is_terminal(void);
/* Reads the secrets of the command, in order, into values (locked memory, CLI_SECRET_BYTES_MAX each, NUL-ended; "" for one
 * that was left out). CLI_DONE, or the exit status after saying what is wrong. */
int secret_read(const struct cli *c, const struct cli_secret *wanted, char *values[CLI_SECRETS_MAX]);
/* A line from the terminal that may be seen; preset may be NULL. False: end of input. */
bool terminal_ask(const char *prompt, const char *preset, struct buf *out);

#endif
