/* The options of sendmail, and the way of one letter; see send.h. */
#include "admin/send.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int misused(const char *what)
{
    fprintf(stderr, "sendmail: %s\n"
        "usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-bs] [RECIPIENT...] < letter\n", what);
    return EX_USAGE;
}

bool send_add_recipient(struct send_options *o, struct slice address)
{
    if (o->recipient_count == SEND_RECIPIENTS_MAX)
        return false;
    o->recipients = mem_resize(o->recipients, (o->recipient_count + 1) * sizeof *o->recipients);
    o->recipients[o->recipient_count++] = mem_strdup(address);
    return true;
}

void send_options_clear(struct send_options *o)
{
    for (size_t i = 0; i < o->recipient_count; i++)
        free(o->recipients[i]);
    free(o->recipients);
    *o = (struct send_options){0};
}

static bool add_argument(struct send_options *o, const char *text)
{
    struct slice rest = slice_str(text);
    while (rest.n > 0) {
        struct slice one = slice_trim(slice_cut(&rest, ','));
        if (one.n >= 2 && one.p[0] == '<' && one.p[one.n - 1] == '>')
            one = slice_sub(one, 1, one.n - 2);
        if (one.n > 0 && !send_add_recipient(o, one))
            return false;
    }
    return true;
}

/* -oX, -bX and flags without a value. True: known. */
static bool flag_parse(struct send_options *o, const char *word)
{
    static const char *const ignored[] = {"-bm", "-G", "-v", "-n", "-m", "-U", "-odb", "-odi", "-odq", "-oem", "-oee",
        "-oep", "-oew", "-om", "-em", "-ee", "-ep", "-eq", "-ew", "-n"};
    if (strcmp(word, "-i") == 0 || strcmp(word, "-oi") == 0)
        o->ignores_dots = true;
    else if (strcmp(word, "-t") == 0)
        o->takes_from_header = true;
    else if (strcmp(word, "-ti") == 0 || strcmp(word, "-it") == 0)
        o->takes_from_header = o->ignores_dots = true;
    else if (strcmp(word, "-bs") == 0)
        o->speaks_smtp = true;
    else
        for (size_t i = 0;; i++) {
            if (i == sizeof ignored / sizeof ignored[0])
                return false;
            if (strcmp(word, ignored[i]) == 0)
                break;
        }
    return true;
}

/* -f, -r, -F and those whose value is of no use here. 0: none of them; else how many words it took;
 * SIZE_MAX: the value is missing. */
static size_t value_parse(struct send_options *o, const char *word, const char *next)
{
    if (!word[1] || !strchr("frFBNRVOXhpCqo", word[1]) || (word[1] == 'o' && word[2]))
        return 0;
    if (word[1] == 'q' || word[1] == 'o')
        return 1; /* -q, -q1h; -o with nothing behind it */
    const char *value = word[2] ? word + 2 : next;
    if (!value)
        return SIZE_MAX;
    if (word[1] == 'f' || word[1] == 'r')
        o->sender = value;
    if (word[1] == 'F')
        o->full_name = value;
    return word[2] ? 1 : 2;
}

int send_parse(int argc, char *const *argv, struct send_options *out)
{
    struct send_options o = {0};
    bool only_recipients = false;
    int status = EX_OK;
    for (int i = 0; i < argc && status == EX_OK;) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (only_recipients || word[0] != '-' || !word[1]) {
            if (!add_argument(&o, word))
                status = misused("too many recipients");
            i++;
        } else if (strcmp(word, "--") == 0) {
            only_recipients = true;
            i++;
        } else if (flag_parse(&o, word)) {
            i++;
        } else {
            size_t took = value_parse(&o, word, next);
            if (took == 0 || took == SIZE_MAX)
                status = misused(took ? "an option lacks its value" : "there is no such option here");
            i += took == 2 ? 2 : 1;
        }
    }
    if (status == EX_OK && !o.speaks_smtp && !o.takes_from_header && o.recipient_count == 0)
        status = misused("to whom? Name recipients, or take those of the header with -t");
    if (status == EX_OK)
        *out = o;
    else
        send_options_clear(&o);
    return status;
}

/* ---- one letter ---- */

/* A line that is a dot alone ends it, but for -i. */
static void stop_at_dot(struct buf *raw)
{
    struct slice rest = buf_slice(raw);
    size_t at = 0;
    while (rest.n > 0) {
        size_t end = slice_find_byte(rest, '\n');
        struct slice line = slice_sub(rest, 0, end);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (slice_equal(line, SLICE("."))) {
            raw->n = at;
            return;
        }
        at += end < rest.n ? end + 1 : end;
        rest = slice_from(rest, end + 1);
    }
}

static int read_letter(const struct send_options *o, struct buf *raw)
{
    for (;;) {
        uint8_t *room = buf_room(raw, 65536);
        ssize_t n = room ? read(STDIN_FILENO, room, 65536) : -1;
        if (n < 0 && room && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(stderr, "sendmail: the letter %s\n", room ? strerror(errno) : "is too large");
            return room ? EX_IOERR : EX_DATAERR;
        }
        if (n == 0)
            break;
        buf_grew(raw, (size_t)n);
    }
    if (!o->ignores_dots)
        stop_at_dot(raw);
    return EX_OK;
}

void send_qualify(const char *address, const char *host, struct buf *out)
{
    buf_put_str(out, address);
    if (*address && !strchr(address, '@'))
        buf_printf(out, "@%s", host);
}

static void put_sender(const struct send_options *o, const char *host, struct buf *out)
{
    const struct passwd *user = getpwuid(getuid());
    const char *sender = o->sender;
    char number[32];
    snprintf(number, sizeof number, "uid%u", (unsigned)getuid());
    if (!sender)
        sender = user ? user->pw_name : number;
    if (strcmp(sender, "<>") == 0)
        sender = "";
    send_qualify(sender, host, out);
    buf_put_byte(out, 0);
}

static int hand_over(struct send_options *o, struct slice raw)
{
    struct send_link *l;
    struct buf sender, letter;
    int status = send_link_open(o->socket, &l);
    if (status != EX_OK)
        return status;
    buf_init(&sender, 1024);
    buf_init(&letter, SEND_LETTER_MAX);
    put_sender(o, send_link_host(l), &sender);
    status = buf_ok(&sender) ? send_letter(o, (const char *)sender.p, send_link_host(l), raw, &letter) : EX_USAGE;
    if (status == EX_OK && o->recipient_count == 0)
        status = misused("the header names no recipients");
    if (status == EX_OK)
        status = send_link_letter(l, (const char *)sender.p, o->recipients, o->recipient_count, buf_slice(&letter));
    buf_clear(&sender);
    buf_clear(&letter);
    send_link_close(l);
    return status;
}

int send_run(struct send_options *o)
{
    struct buf raw;
    if (o->speaks_smtp)
        return send_link_splice(o->socket);
    buf_init(&raw, SEND_LETTER_MAX);
    int status = read_letter(o, &raw);
    if (status == EX_OK)
        status = hand_over(o, buf_slice(&raw));
    buf_clear(&raw);
    return status;
}
