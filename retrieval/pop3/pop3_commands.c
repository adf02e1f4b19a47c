/* The commands of the TRANSACTION state (RFC 1939 sections 5 and 7, RFC 2449 CAPA); one table. */
#include "base/log.h"
#include "retrieval/pop3/pop3_session.h"
#include "retrieval/pop3/pop3_words.h"

/* The message of a number that is neither deleted nor beyond the maildrop; says why not. */
static struct pop3_mail *mail_of(struct pop3_session *s, struct slice argument)
{
    uint64_t n = 0;
    if (!slice_to_u64(argument, UINT32_MAX, &n) || n == 0 || n > s->count) {
        pop3_bad(s, "there is no such message");
        return NULL;
    }
    struct pop3_mail *m = &s->mails[n - 1];
    if (m->is_deleted) {
        pop3_bad(s, "this message is marked as deleted");
        return NULL;
    }
    return m;
}

static void run_capa(struct pop3_session *s, struct slice argument)
{
    (void)argument;
    pop3_say(s, "+OK capabilities\r\n" POP3_CAPABILITIES "USER\r\nSASL PLAIN LOGIN\r\nIMPLEMENTATION Letterlock\r\n"
        ".\r\n");
}

static void run_stat(struct pop3_session *s, struct slice argument)
{
    uint64_t bytes = 0;
    size_t n = 0;
    (void)argument;
    for (size_t i = 0; i < s->count; i++) {
        bytes += s->mails[i].is_deleted ? 0 : s->mails[i].size;
        n += !s->mails[i].is_deleted;
    }
    pop3_say(s, "+OK %zu %llu\r\n", n, (unsigned long long)bytes);
}

static void put_listing(struct pop3_session *s, const char *before, const struct pop3_mail *m)
{
    size_t number = (size_t)(m - s->mails) + 1;
    if (s->is_uidl)
        pop3_say(s, "%s%zu %u.%u\r\n", before, number, s->uidvalidity, m->uid);
    else
        pop3_say(s, "%s%zu %llu\r\n", before, number, (unsigned long long)m->size);
}

void pop3_list_more(struct pop3_session *s)
{
    while (s->list_at < s->count) {
        const struct pop3_mail *m = &s->mails[s->list_at];
        if (!m->is_deleted) {
            if (stream_output_room(s->stream) == 0)
                return;
            put_listing(s, "", m);
        }
        s->list_at++;
    }
    pop3_say(s, ".\r\n");
    pop3_ready(s);
}

static void list(struct pop3_session *s, struct slice argument, bool is_uidl)
{
    s->is_uidl = is_uidl;
    if (argument.n) {
        const struct pop3_mail *m = mail_of(s, argument);
        if (m)
            put_listing(s, "+OK ", m);
        return;
    }
    pop3_say(s, "+OK\r\n");
    s->list_at = 0;
    s->state = POP3_LISTING;
    pop3_list_more(s);
}

static void run_list(struct pop3_session *s, struct slice argument)
{
    list(s, argument, false);
}

static void run_uidl(struct pop3_session *s, struct slice argument)
{
    list(s, argument, true);
}

static void close_letter(struct pop3_session *s)
{
    letter_handle_close(s->letter);
    s->letter = NULL;
}

/* A letter whose middle cannot be read has been half sent: an end mark would make it look whole. */
static void break_off(struct pop3_session *s, enum err e)
{
    log_event(LOG_ERROR, "letter-not-read", LF_X("session", s->base.id), LF("err", err_text(e)));
    close_letter(s);
    pop3_end(s);
}

void pop3_send_more(struct pop3_session *s)
{
    struct buf piece;
    struct buf out;
    enum err e = ERR_OK;
    bool is_done = false;
    buf_init(&piece, POP3_OUTPUT_STEP);
    buf_init(&out, 2 * POP3_OUTPUT_STEP + 16);
    while (!e && !is_done && stream_output_room(s->stream) > 0) {
        buf_reset(&piece);
        buf_reset(&out);
        e = letter_handle_read(s->letter, s->at, POP3_OUTPUT_STEP, &piece);
        s->at += piece.n;
        pop3_stuff_feed(&s->stuff, buf_slice(&piece), &out);
        is_done = !e && (piece.n == 0 || s->stuff.is_enough);
        if (is_done)
            pop3_stuff_end(&s->stuff, &out);
        stream_write(s->stream, buf_slice(&out));
    }
    buf_wipe(&piece);
    buf_wipe(&out);
    if (e == ERR_AGAIN) {
        retrieval_session_again(&s->base);
    } else if (e) {
        break_off(s, e);
    } else if (is_done) {
        close_letter(s);
        pop3_ready(s);
    }
}

/* The first piece is read before "+OK", so that a damaged letter is refused and not broken off. */
static void send_letter(struct pop3_session *s, const struct pop3_mail *m)
{
    struct buf first;
    buf_init(&first, POP3_OUTPUT_STEP);
    enum err e = letter_handle_open(s->base.retrieval->reader, s->mailbox, m->uid, &s->letter);
    if (e)
        s->letter = NULL;
    else
        e = letter_handle_read(s->letter, 0, POP3_OUTPUT_STEP, &first);
    if (e && s->letter)
        close_letter(s);
    buf_wipe(&first);
    if (e == ERR_NOT_FOUND) {
        pop3_bad(s, "this message was deleted by another session");
    } else if (e == ERR_AGAIN) {
        pop3_bad(s, "[SYS/TEMP] this message cannot be read just now");
    } else if (e) {
        pop3_bad(s, "[SYS/PERM] this message is damaged");
    } else {
        pop3_say(s, "+OK %llu octets\r\n", (unsigned long long)m->size);
        s->at = 0;
        s->state = POP3_SENDING;
        pop3_send_more(s);
    }
}

static void run_retr(struct pop3_session *s, struct slice argument)
{
    const struct pop3_mail *m = mail_of(s, argument);
    pop3_stuff_all(&s->stuff);
    if (m)
        send_letter(s, m);
}

static void run_top(struct pop3_session *s, struct slice argument)
{
    uint64_t lines = 0;
    struct slice count = argument;
    struct slice number = slice_cut(&count, ' ');
    if (!slice_to_u64(count, UINT32_MAX, &lines)) {
        pop3_bad(s, "TOP takes a message and a number of lines");
        return;
    }
    const struct pop3_mail *m = mail_of(s, number);
    pop3_stuff_top(&s->stuff, lines);
    if (m)
        send_letter(s, m);
}

static void run_dele(struct pop3_session *s, struct slice argument)
{
    struct pop3_mail *m = mail_of(s, argument);
    if (!m)
        return;
    m->is_deleted = true;
    pop3_say(s, "+OK marked as deleted\r\n");
}

static void run_rset(struct pop3_session *s, struct slice argument)
{
    (void)argument;
    for (size_t i = 0; i < s->count; i++)
        s->mails[i].is_deleted = false;
    pop3_say(s, "+OK nothing is marked\r\n");
}

static void run_noop(struct pop3_session *s, struct slice argument)
{
    (void)argument;
    pop3_say(s, "+OK\r\n");
}

static void run_lang(struct pop3_session *s, struct slice argument)
{
    const char *answer = pop3_lang(argument);
    if (answer)
        pop3_say(s, "%s", answer);
    else
        pop3_bad(s, "this language is not spoken here");
}

static void run_quit(struct pop3_session *s, struct slice argument)
{
    (void)argument;
    s->update_at = 0;
    pop3_update(s);
}

void pop3_run(struct pop3_session *s, struct slice line)
{
    static const struct {
        const char *name;
        void (*run)(struct pop3_session *s, struct slice argument);
        bool needs_argument;
    } commands[] = {
        {"CAPA", run_capa, false},
        {"DELE", run_dele, true},
        {"LANG", run_lang, false},
        {"LIST", run_list, false},
        {"NOOP", run_noop, false},
        {"QUIT", run_quit, false},
        {"RETR", run_retr, true},
        {"RSET", run_rset, false},
        {"STAT", run_stat, false},
        {"TOP", run_top, true},
        {"UIDL", run_uidl, false},
    };
    struct slice argument = line;
    struct slice name = slice_cut(&argument, ' ');
    argument = slice_trim(argument);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!slice_equal_nocase(name, slice_str(commands[i].name)))
            continue;
        if (commands[i].needs_argument && argument.n == 0)
            pop3_bad(s, "this command needs the number of a message");
        else
            commands[i].run(s, argument);
        return;
    }
    pop3_bad(s, "this command is not known");
}
