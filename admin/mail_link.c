/* The IMAP session of import, export and verify; see mail_link.h. */
#include "admin/mail_link.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "message/decode.h"

#define READ_BYTES 65536

struct mail_link {
    int fd;
    struct buf in;
    struct buf out;             /* a command being put together */
    uint64_t sent;              /* commands so far: the tags */
    uint64_t done;              /* APPENDs answered: tags below sent and from done on fly */
    uint64_t numbers[MAIL_APPEND_SLOTS];
    mail_append_fn append_fn;
    void *append_ctx;
    char refusal[512];
};

/* ---- the session ---- */

static int ask_session(struct cli *c, const char *address, const char *password)
{
    struct admin_request r = {.op = SLICE("session.open")};
    struct admin_reply reply;
    admin_request_add(&r, "address", slice_str(address));
    admin_request_add(&r, "password", slice_str(password));
    if (!cli_ask(c, &r, &reply))
        return CLI_FAILED;
    if (reply.err)
        return cli_fail(c, "%s: %.*s", address, SLICE_FMT(reply.text));
    return CLI_DONE;
}

/* The greeting ("login OK …") is taken like the answer to a command. */
static enum err take_line(struct mail_link *l, struct slice *out, size_t *out_n);

static int greet(struct cli *c, struct mail_link *l)
{
    struct slice line;
    size_t n;
    if (l->fd < 0 || take_line(l, &line, &n) != ERR_OK)
        return cli_fail(c, "the account's process gave no greeting");
    buf_consume(&l->in, n);
    return CLI_DONE;
}

int mail_link_open(struct cli *c, const char *address, struct mail_link **out)
{
    char *secrets[CLI_SECRETS_MAX];
    for (size_t i = 0; i < CLI_SECRETS_MAX; i++) {
        secrets[i] = secret_new(CLI_SECRET_BYTES_MAX);
        ENSURE(secrets[i] != NULL);
    }
    int status = secret_read(c, c->command->secrets, secrets);
    if (status == CLI_DONE)
        status = ask_session(c, address, secrets[0]);
    for (size_t i = 0; i < CLI_SECRETS_MAX; i++)
        secret_free(secrets[i], CLI_SECRET_BYTES_MAX);
    if (status != CLI_DONE)
        return status;
    struct mail_link *l = mem_new(sizeof *l);
    l->fd = link_take_fd(c->link);
    buf_init(&l->in, MAIL_LETTER_MAX);
    buf_init(&l->out, 64 * 1024);
    status = greet(c, l);
    if (status == CLI_DONE)
        *out = l;
    else
        mail_link_close(l);
    return status;
}

void mail_link_close(struct mail_link *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    buf_wipe(&l->in);
    buf_wipe(&l->out);
    free(l);
}

const char *mail_refusal(const struct mail_link *l)
{
    return l->refusal;
}

/* ---- bytes ---- */

static enum err wait_for(struct mail_link *l, short events, short *out)
{
    struct pollfd p = {.fd = l->fd, .events = events};
    int n;
    do {
        n = poll(&p, 1, MAIL_PATIENCE_MS);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return ERR_IO;
    *out = p.revents;
    return n == 0 ? ERR_TIMEOUT : ERR_OK;
}

static enum err receive(struct mail_link *l)
{
    uint8_t *room = buf_room(&l->in, READ_BYTES);
    if (!room)
        return ERR_TOO_BIG;
    ssize_t n = read(l->fd, room, READ_BYTES);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
    buf_grew(&l->in, (size_t)n);
    return n == 0 ? ERR_CLOSED : ERR_OK;
}

/* Waits until something came. */
static enum err receive_more(struct mail_link *l)
{
    short got;
    enum err e = ERR_AGAIN;
    while (e == ERR_AGAIN) {
        e = wait_for(l, POLLIN, &got);
        if (e == ERR_OK)
            e = receive(l);
    }
    return e;
}

static enum err take_answers(struct mail_link *l);

/* While the peer does not take bytes, its answers are taken: else both sides would wait. */
static enum err send_all(struct mail_link *l, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(l->fd, bytes.p, bytes.n);
        if (n > 0) {
            bytes = slice_from(bytes, (size_t)n);
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return ERR_CLOSED;
        short got;
        enum err e = wait_for(l, POLLIN | POLLOUT, &got);
        if (e == ERR_OK && got & POLLIN) {
            e = receive(l);
            if (e == ERR_OK)
                e = take_answers(l);
        }
        if (e && e != ERR_AGAIN)
            return e;
    }
    return ERR_OK;
}

/* ---- lines ---- */

/* {n} at the end of a line: how many bytes follow. */
static bool literal_of(struct slice line, uint64_t *out)
{
    size_t open = line.n;
    if (line.n < 3 || line.p[line.n - 1] != '}')
        return false;
    while (open > 0 && line.p[open - 1] != '{')
        open--;
    return open > 0 && slice_to_u64(slice_sub(line, open, line.n - 1 - open), MAIL_LETTER_MAX, out);
}

/* A whole line with its literals at the start of l->in, without its line end; *out_n is what to consume.
 * ERR_AGAIN: not yet. */
static enum err whole_line(const struct mail_link *l, struct slice *out, size_t *out_n)
{
    struct slice in = buf_slice(&l->in);
    size_t at = 0;
    for (;;) {
        uint64_t literal;
        struct slice rest = slice_from(in, at);
        size_t end = slice_find_byte(rest, '\n');
        if (end == rest.n)
            return ERR_AGAIN;
        size_t n = end > 0 && rest.p[end - 1] == '\r' ? end - 1 : end;
        if (!literal_of(slice_sub(rest, 0, n), &literal)) {
            *out = slice_sub(in, 0, at + n);
            *out_n = at + end + 1;
            return ERR_OK;
        }
        at += end + 1 + (size_t)literal;
        if (at > in.n)
            return ERR_AGAIN;
    }
}

static enum err take_line(struct mail_link *l, struct slice *out, size_t *out_n)
{
    enum err e;
    while ((e = whole_line(l, out, out_n)) == ERR_AGAIN) {
        e = receive_more(l);
        if (e)
            return e;
    }
    return e;
}

/* "t17 OK …": its number and what is behind. False: not tagged. */
static bool tagged(struct slice line, uint64_t *out_tag, struct slice *out_text)
{
    struct slice rest = line;
    struct slice tag = slice_cut(&rest, ' ');
    *out_text = rest;
    return tag.n > 1 && tag.p[0] == 't' && slice_to_u64(slice_from(tag, 1), UINT64_MAX, out_tag);
}

static struct slice why_of(struct slice text)
{
    return slice_starts(text, SLICE("OK")) ? SLICE_EMPTY : text;
}

/* ---- commands ---- */

enum err mail_command(struct mail_link *l, struct slice command, mail_line_fn fn, void *ctx)
{
    enum err e = mail_append_finish(l);
    uint64_t tag = ++l->sent;
    l->done = l->sent;
    buf_reset(&l->out);
    buf_printf(&l->out, "t%llu ", (unsigned long long)tag);
    buf_put(&l->out, command);
    buf_put_str(&l->out, "\r\n");
    if (e == ERR_OK)
        e = buf_error(&l->out);
    if (e == ERR_OK)
        e = send_all(l, buf_slice(&l->out));
    while (e == ERR_OK) {
        struct slice line, text;
        uint64_t got;
        size_t n;
        e = take_line(l, &line, &n);
        if (e)
            break;
        bool is_end = tagged(line, &got, &text) && got == tag;
        if (is_end) {
            struct slice why = why_of(text);
            snprintf(l->refusal, sizeof l->refusal, "%.*s", (int)why.n, why.n ? (const char *)why.p : "");
            e = why.n ? ERR_DENIED : ERR_OK;
        } else if (fn) {
            fn(ctx, line);
        }
        buf_consume(&l->in, n);
        if (is_end)
            break;
    }
    return e;
}

/* ---- appending ---- */

/* Gives what has come of answers to APPENDs to the caller. */
static enum err take_answers(struct mail_link *l)
{
    struct slice line, text;
    uint64_t tag;
    size_t n;
    enum err e;
    while ((e = whole_line(l, &line, &n)) == ERR_OK) {
        if (tagged(line, &tag, &text) && tag > 0 && tag <= l->sent && l->append_fn) {
            l->done++;
            l->append_fn(l->append_ctx, l->numbers[tag % MAIL_APPEND_SLOTS], why_of(text));
        }
        buf_consume(&l->in, n);
    }
    return e == ERR_AGAIN ? ERR_OK : e;
}

static enum err wait_below(struct mail_link *l, uint64_t flying)
{
    enum err e = take_answers(l);
    while (e == ERR_OK && l->sent - l->done > flying) {
        e = receive_more(l);
        if (e == ERR_OK)
            e = take_answers(l);
    }
    return e;
}

static void put_date(struct buf *out, int64_t date)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)date;
    struct tm tm;
    if (date == INT64_MIN || !gmtime_r(&t, &tm))
        return;
    int year = tm.tm_year + 1900;
    if (year < 1 || year > 9999)
        return;
    buf_printf(out, "\"%2d-%.3s-%04d %02d:%02d:%02d +0000\" ", tm.tm_mday, months + 3 * tm.tm_mon, year,
        tm.tm_hour, tm.tm_min, tm.tm_sec);
}

enum err mail_append_room(struct mail_link *l, mail_append_fn fn, void *ctx)
{
    l->append_fn = fn;
    l->append_ctx = ctx;
    return wait_below(l, MAIL_APPENDS_MAX - 1);
}

enum err mail_append(struct mail_link *l, const struct mail_append *a, mail_append_fn fn, void *ctx)
{
    enum err e = mail_append_room(l, fn, ctx);
    uint64_t tag = ++l->sent;
    l->numbers[tag % MAIL_APPEND_SLOTS] = a->number;
    buf_reset(&l->out);
    buf_printf(&l->out, "t%llu APPEND ", (unsigned long long)tag);
    mail_put_name(&l->out, a->mailbox);
    buf_printf(&l->out, " (%.*s) ", SLICE_FMT(a->flags));
    put_date(&l->out, a->date);
    buf_printf(&l->out, "{%zu+}\r\n", a->letter.n);
    if (e == ERR_OK)
        e = buf_error(&l->out);
    if (e == ERR_OK)
        e = send_all(l, buf_slice(&l->out));
    if (e == ERR_OK)
        e = send_all(l, a->letter);
    return e ? e : send_all(l, SLICE("\r\n"));
}

enum err mail_append_finish(struct mail_link *l)
{
    return wait_below(l, 0);
}

/* ---- names and items ---- */

void mail_put_name(struct buf *out, struct slice name)
{
    struct buf coded;
    buf_init(&coded, 16 * 1024);
    utf7_imap_put(name, &coded);
    buf_put_byte(out, '"');
    for (size_t i = 0; i < coded.n; i++) {
        if (coded.p[i] == '"' || coded.p[i] == '\\')
            buf_put_byte(out, '\\');
        buf_put_byte(out, coded.p[i]);
    }
    buf_put_byte(out, '"');
    buf_clear(&coded);
}

/* Length of the quoted string at the start, quotes included. */
static size_t quoted_length(struct slice s)
{
    size_t i = 1;
    while (i < s.n && s.p[i] != '"')
        i += s.p[i] == '\\' ? 2 : 1;
    return i < s.n ? i + 1 : s.n;
}

/* The literal at the start: its bytes; *out_n is what it takes in all. */
static struct slice literal_at(struct slice s, size_t *out_n)
{
    uint64_t n;
    size_t end = slice_find_byte(s, '\n');
    size_t line = end > 0 && end < s.n && s.p[end - 1] == '\r' ? end - 1 : end;
    if (end == s.n || !literal_of(slice_sub(s, 0, line), &n)) {
        *out_n = s.n;
        return SLICE_EMPTY;
    }
    struct slice bytes = slice_sub(s, end + 1, (size_t)n);
    *out_n = end + 1 + bytes.n;
    return bytes;
}

static size_t list_length(struct slice s)
{
    size_t depth = 0, i = 0;
    while (i < s.n) {
        size_t n = 1;
        if (s.p[i] == '"')
            n = quoted_length(slice_from(s, i));
        else if (s.p[i] == '{')
            (void)literal_at(slice_from(s, i), &n);
        depth += s.p[i] == '(';
        depth -= s.p[i] == ')';
        i += n;
        if (depth == 0)
            break;
    }
    return i;
}

static size_t atom_length(struct slice s)
{
    size_t i = 0;
    bool in_brackets = false;
    while (i < s.n && (in_brackets || (s.p[i] != ' ' && s.p[i] != ')' && s.p[i] != '('))) {
        in_brackets = s.p[i] == '[' || (in_brackets && s.p[i] != ']');
        i++;
    }
    return i ? i : 1;
}

bool mail_next_item(struct slice *rest, struct slice *out)
{
    while (rest->n > 0 && rest->p[0] == ' ')
        *rest = slice_from(*rest, 1);
    if (rest->n == 0)
        return false;
    size_t n;
    if (rest->p[0] == '"') {
        n = quoted_length(*rest);
        *out = slice_sub(*rest, 1, n >= 2 ? n - 2 : 0);
    } else if (rest->p[0] == '{') {
        *out = literal_at(*rest, &n);
    } else {
        n = rest->p[0] == '(' ? list_length(*rest) : atom_length(*rest);
        *out = slice_sub(*rest, 0, n);
    }
    *rest = slice_from(*rest, n);
    return true;
}

bool mail_fetch_items(struct slice line, struct slice *out_items)
{
    struct slice rest = line;
    struct slice star = slice_cut(&rest, ' ');
    (void)slice_cut(&rest, ' ');
    struct slice word = slice_cut(&rest, ' ');
    if (!slice_equal(star, SLICE("*")) || !slice_equal_nocase(word, SLICE("FETCH")) || rest.n < 2)
        return false;
    *out_items = slice_sub(rest, 1, rest.n - 2);
    return true;
}

struct slice mail_item(struct slice items, const char *name)
{
    struct slice key, value, wanted = slice_str(name);
    bool is_body = slice_starts(wanted, SLICE("BODY["));
    while (mail_next_item(&items, &key) && mail_next_item(&items, &value))
        if (is_body ? slice_starts_nocase(key, wanted) : slice_equal_nocase(key, wanted))
            return value;
    return SLICE_EMPTY;
}

/* ---- LIST ---- */

struct listing {
    char **list;
    size_t n;
};

/* * LIST (flags) "/" name */
static void on_list(void *ctx, struct slice line)
{
    struct listing *g = ctx;
    struct slice flags, delimiter, name;
    if (!slice_starts_nocase(line, SLICE("* LIST ")))
        return;
    struct slice rest = slice_from(line, 7);
    if (!mail_next_item(&rest, &flags) || !mail_next_item(&rest, &delimiter) || !mail_next_item(&rest, &name) ||
        slice_find_nocase(flags, SLICE("\\Noselect")) != SIZE_MAX)
        return;
    struct buf utf8;
    buf_init(&utf8, 64 * 1024);
    if (utf7_imap_get(name, &utf8) != ERR_OK) {
        buf_reset(&utf8);
        buf_put(&utf8, name);
    }
    g->list = mem_resize(g->list, (g->n + 1) * sizeof *g->list);
    g->list[g->n++] = mem_strdup(buf_slice(&utf8));
    buf_clear(&utf8);
}

enum err mail_list(struct mail_link *l, char ***out, size_t *out_n)
{
    struct listing g = {0};
    enum err e = mail_command(l, SLICE("LIST \"\" *"), on_list, &g);
    if (e) {
        mail_list_free(g.list, g.n);
        return e;
    }
    *out = g.list;
    *out_n = g.n;
    return ERR_OK;
}

void mail_list_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}
