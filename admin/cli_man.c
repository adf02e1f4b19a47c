/* The manual page and the completions of bash, zsh and fish, printed from the descriptors. The build
 * runs `help --format man` and its like and installs what comes. */
#include "admin/cli.h"

/* ---- the manual page ---- */

/* Text for roff: backslashes, dashes, and dots or quotes at the start of a line. */
static void man_text(const char *text)
{
    bool is_start = true;
    for (; *text; text++) {
        if (is_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        is_start = *text == '\n';
    }
}

static void man_option(const char *name, const char *value, const char *help)
{
    printf(".TP\n.B \\-\\-");
    man_text(name);
    if (value) {
        printf(" \\fI");
        man_text(value);
        printf("\\fR");
    }
    printf("\n");
    man_text(help);
    printf("\n");
}

static void man_command(const struct command *m)
{
    printf(".SS ");
    man_text(m->name);
    printf("\n.B letterlock ");
    man_text(m->name);
    if (m->arguments) {
        printf(" \\fI");
        man_text(m->arguments);
        printf("\\fR");
    }
    printf("\n.PP\n");
    man_text(m->summary);
    printf(".\n");
    if (m->details) {
        printf(".PP\n");
        man_text(m->details);
        printf("\n");
    }
    for (size_t i = 0; m->options && m->options[i].name; i++)
        man_option(m->options[i].name, m->options[i].value, m->options[i].help);
    if (m->secrets[0].key)
        man_option("password-stdin", NULL, "read passwords from standard input, a line each");
    if (m->confirm)
        man_option("yes", NULL, "do not ask before doing it");
}

static void print_man(void)
{
    printf(".TH LETTERLOCK 1 \"\" \"Letterlock " LETTERLOCK_VERSION "\" \"Letterlock\"\n"
           ".SH NAME\nletterlock \\- a mail server that keeps every letter sealed\n"
           ".SH SYNOPSIS\n.B letterlock\n[\\-\\-data \\fIDIR\\fR] [\\-\\-json] \\fICOMMAND\\fR ...\n"
           ".SH DESCRIPTION\nOne binary receives letters, takes them from its owners' clients, keeps them "
           "sealed and serves\nthem over IMAP and POP3. While a server runs, commands go through it.\n"
           ".SH OPTIONS OF EVERY COMMAND\n");
    man_option("data", "DIR", "the data folder");
    man_option("json", NULL, "answer in JSON");
    man_option("help", NULL, "explain the command");
    printf(".SH COMMANDS\n");
    for (size_t i = 0; i < cli_command_count; i++)
        man_command(cli_commands[i]);
    printf(".SH ENVIRONMENT\n.TP\n.B LETTERLOCK_DATA\nThe data folder, where \\-\\-data is not given; "
           "without either it is /var/lib/letterlock for root,\nelse $XDG_DATA_HOME/letterlock.\n"
           ".SH EXIT STATUS\n0: done. 1: failed, with the reason on standard error. 2: used wrongly.\n");
}

/* ---- completions ---- */

static struct slice first_word(const struct command *m)
{
    struct slice rest = slice_str(m->name);
    return slice_cut(&rest, ' ');
}

static struct slice second_word(const struct command *m)
{
    struct slice rest = slice_str(m->name);
    slice_cut(&rest, ' ');
    return rest;
}

static bool is_first_of_family(size_t i)
{
    return i == 0 || !slice_equal(first_word(cli_commands[i]), first_word(cli_commands[i - 1]));
}

static void put_options(const struct command *m)
{
    for (size_t i = 0; m->options && m->options[i].name; i++)
        printf("--%s ", m->options[i].name);
    if (m->secrets[0].key)
        printf("--password-stdin ");
    if (m->confirm)
        printf("--yes ");
    printf("--data --json --help");
}

static void put_families(void)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (is_first_of_family(i))
            printf("%s%.*s", i ? " " : "", SLICE_FMT(first_word(cli_commands[i])));
}

static void print_bash(void)
{
    printf("# bash completion for letterlock, made from its own descriptions\n_letterlock()\n{\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} words=() i\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n            --data) ((i++)) ;;\n            -*) ;;\n"
           "            *) words+=(\"${COMP_WORDS[i]}\") ;;\n        esac\n    done\n"
           "    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --data ]]; then\n"
           "        COMPREPLY=($(compgen -d -- \"$word\"))\n        return\n    fi\n"
           "    local choices=\n    case \"${words[0]} ${words[1]}\" in\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice second = second_word(cli_commands[i]);
        printf("        \"%.*s \"%s%.*s%s) choices='", SLICE_FMT(first_word(cli_commands[i])),
            second.n ? "\"" : "", SLICE_FMT(second), second.n ? "\"" : "*");
        put_options(cli_commands[i]);
        printf("' ;;\n");
    }
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice first = first_word(cli_commands[i]);
        if (!is_first_of_family(i) || !second_word(cli_commands[i]).n)
            continue;
        printf("        \"%.*s \"*) choices='", SLICE_FMT(first));
        for (size_t k = i; k < cli_command_count && slice_equal(first, first_word(cli_commands[k])); k++)
            printf("%.*s ", SLICE_FMT(second_word(cli_commands[k])));
        printf("--help' ;;\n");
    }
    printf("        *) choices='");
    put_families();
    printf(" --data --json --help' ;;\n    esac\n"
           "    COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n}\n"
           "complete -o default -F _letterlock letterlock\n");
}

/* Text within single quotes of a shell; zsh's colons are its own. */
static void put_quoted(const char *text, bool is_zsh)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (is_zsh && strchr(":[]", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_option(const char *name, const char *value, const char *help)
{
    printf(" '--%s[", name);
    put_quoted(help, true);
    printf("]");
    if (value) {
        printf(":");
        put_quoted(value, true);
        printf(":_files");
    }
    printf("'");
}

static void zsh_command(const struct command *m)
{
    struct slice second = second_word(m);
    printf("    '%.*s %.*s')\n        _arguments", SLICE_FMT(first_word(m)), SLICE_FMT(second));
    for (size_t i = 0; m->options && m->options[i].name; i++)
        zsh_option(m->options[i].name, m->options[i].value, m->options[i].help);
    if (m->secrets[0].key)
        zsh_option("password-stdin", NULL, "read passwords from stdin");
    if (m->confirm)
        zsh_option("yes", NULL, "do not ask before doing it");
    printf(" '--data[the data folder]:folder:_files -/' '--json[answer in JSON]'"
           " '--help[explain the command]' '*:argument:_files' ;;\n");
}

static void zsh_choices(struct slice family)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice second = second_word(cli_commands[i]);
        if (!slice_equal(first_word(cli_commands[i]), family))
            continue;
        printf(" '%.*s:", SLICE_FMT(second));
        put_quoted(cli_commands[i]->summary, true);
        printf("'");
    }
}

static void print_zsh(void)
{
    printf("#compdef letterlock\n# made from letterlock's own descriptions\nlocal -a choices\n"
           "if (( CURRENT == 2 )); then\n    choices=(");
    for (size_t i = 0; i < cli_command_count; i++) {
        if (!is_first_of_family(i))
            continue;
        printf(" '%.*s:", SLICE_FMT(first_word(cli_commands[i])));
        put_quoted(second_word(cli_commands[i]).n ? "several commands" : cli_commands[i]->summary, true);
        printf("'");
    }
    printf(")\n    _describe command choices\n    return\nfi\nif (( CURRENT == 3 )); then\n"
           "    case $words[2] in\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        if (!is_first_of_family(i) || !second_word(cli_commands[i]).n)
            continue;
        printf("    %.*s) choices=(", SLICE_FMT(first_word(cli_commands[i])));
        zsh_choices(first_word(cli_commands[i]));
        printf(") ; _describe command choices ; return ;;\n");
    }
    printf("    esac\nfi\nlocal name=\"$words[2] $words[3]\"\ncase $words[2] in\n");
    for (size_t i = 0; i < cli_command_count; i++)
        if (!second_word(cli_commands[i]).n)
            printf("    %s) name='%s ' ;;\n", cli_commands[i]->name, cli_commands[i]->name);
    printf("esac\ncase $name in\n");
    for (size_t i = 0; i < cli_command_count; i++)
        zsh_command(cli_commands[i]);
    printf("esac\n");
}

static void fish_option(const struct command *m, const char *name, const char *value, const char *help)
{
    struct slice second = second_word(m);
    printf("complete -c letterlock -n '__fish_seen_subcommand_from %.*s", SLICE_FMT(first_word(m)));
    if (second.n)
        printf("; and __fish_seen_subcommand_from %.*s", SLICE_FMT(second));
    printf("' -l %s%s -d '", name, value ? " -r" : "");
    put_quoted(help, false);
    printf("'\n");
}

static void fish_command(const struct command *m)
{
    struct slice second = second_word(m);
    if (second.n)
        printf("complete -c letterlock -f -n '__fish_seen_subcommand_from %.*s' -a '%.*s' -d '",
            SLICE_FMT(first_word(m)), SLICE_FMT(second));
    else
        printf("complete -c letterlock -f -n __fish_use_subcommand -a '%s' -d '", m->name);
    put_quoted(m->summary, false);
    printf("'\n");
    for (size_t i = 0; m->options && m->options[i].name; i++)
        fish_option(m, m->options[i].name, m->options[i].value, m->options[i].help);
    if (m->secrets[0].key)
        fish_option(m, "password-stdin", NULL, "read passwords from stdin");
    if (m->confirm)
        fish_option(m, "yes", NULL, "do not ask before doing it");
}

static void print_fish(void)
{
    printf("# fish completion for letterlock, made from its own descriptions\n"
           "complete -c letterlock -l data -r -d 'the data folder'\n"
           "complete -c letterlock -l json -d 'answer in JSON'\n"
           "complete -c letterlock -l help -d 'explain the command'\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice first = first_word(cli_commands[i]);
        if (is_first_of_family(i) && second_word(cli_commands[i]).n)
            printf("complete -c letterlock -f -n __fish_use_subcommand -a '%.*s'\n", SLICE_FMT(first));
        fish_command(cli_commands[i]);
    }
}

bool help_format(const char *format)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } formats[] = {{"man", print_man}, {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(format, formats[i].name) == 0) {
            formats[i].print();
            return true;
        }
    }
    return false;
}
