/* Help, made from the descriptors. */
#include "admin/cli.h"

#define NEAR_MAX 3 /* letters that a mistyped name may differ by */
#define NAME_MAX_BYTES 40

static void print_option(const char *name, const char *value, const char *help)
{
    char head[64];
    snprintf(head, sizeof head, "--%s%s%s", name, value ? " " : "", value ? value : "");
    printf("  %-28s %s\n", head, help);
}

static void print_details(const struct command *m)
{
    printf("letterlock %s%s%s\n\n%s\n", m->name, m->arguments ? " " : "",
        m->arguments ? m->arguments : "", m->summary);
    if (m->details)
        printf("\n%s\n", m->details);
    printf("\n");
    for (size_t i = 0; m->options && m->options[i].name; i++)
        print_option(m->options[i].name, m->options[i].value, m->options[i].help);
    if (m->secrets[0].key)
        print_option("password-stdin", NULL, m->secrets[1].key
                ? "read them from stdin, a line each, instead of asking"
                : "read it from stdin, one line, instead of asking");
    if (m->confirm)
        print_option("yes", NULL, "do not ask before doing it");
    print_option("data", "DIR", "the data folder");
    print_option("json", NULL, "answer in JSON");
}

static void print_line(const struct command *m)
{
    char head[64];
    snprintf(head, sizeof head, "%s%s%s", m->name, m->arguments ? " " : "",
        m->arguments ? m->arguments : "");
    printf("  %-36s %s\n", head, m->summary);
}

void help_overview(void)
{
    printf("Letterlock " LETTERLOCK_VERSION ": a mail server that keeps every letter sealed.\n\n"
           "letterlock [--data DIR] [--json] COMMAND\n\n");
    for (size_t i = 0; i < cli_command_count; i++)
        print_line(cli_commands[i]);
    printf("\nEvery command has --help. The data folder is --data, else $LETTERLOCK_DATA, else\n"
           "/var/lib/letterlock for root, else $XDG_DATA_HOME/letterlock. While a server runs,\n"
           "commands go through it.\n");
}

bool help_of(const char *name)
{
    struct slice wanted = slice_str(name);
    bool is_any = false;
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice n = slice_str(cli_commands[i]->name);
        if (slice_equal(n, wanted)) {
            print_details(cli_commands[i]);
            return true;
        }
        if (slice_starts(n, wanted) && n.p[wanted.n] == ' ') {
            print_line(cli_commands[i]);
            is_any = true;
        }
    }
    return is_any;
}

/* Levenshtein's distance, names cut to NAME_MAX_BYTES. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[NAME_MAX_BYTES + 1];
    a = slice_sub(a, 0, NAME_MAX_BYTES);
    b = slice_sub(b, 0, NAME_MAX_BYTES);
    for (size_t k = 0; k <= b.n; k++)
        row[k] = k;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            size_t best = diagonal + (a.p[i - 1] != b.p[k - 1]);
            diagonal = row[k];
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            row[k] = best;
        }
    }
    return row[b.n];
}

/* Of a name of one word also the first words of the commands are looked at. */
const char *help_nearest(const char *name)
{
    struct slice wanted = slice_str(name);
    const char *found = NULL;
    size_t least = NEAR_MAX + 1;
    bool is_one_word = slice_find_byte(wanted, ' ') == wanted.n;
    for (size_t i = 0; i < cli_command_count; i++) {
        struct slice n = slice_str(cli_commands[i]->name);
        struct slice rest = n;
        size_t d = distance(wanted, n);
        size_t of_word = is_one_word ? distance(wanted, slice_cut(&rest, ' ')) : d;
        d = of_word < d ? of_word : d;
        if (d < least && d < wanted.n) {
            least = d;
            found = cli_commands[i]->name;
        }
    }
    return found;
}
