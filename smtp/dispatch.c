/* The commands of SMTP and who may say them when.
 *
 *              EHLO HELO             MAIL            RCPT           DATA
 *     NEW ---------------> READY ----------> MAIL ----------> RCPT ------> DATA --.
 *      ^   ^                | ^  \            |                |                  |
 *      |   | TLS begins     | |   \ AUTH      |   RSET, EHLO   |     CRLF.CRLF    |
 *      |   '-- HANDSHAKE <--' |    v          v                v                  v
 *      |       (STARTTLS)     |   AUTH     READY            READY               READY
 *      |                      '---' the dialogue's end
 *
 * QUIT, 421 and a peer that is gone lead to CLOSING from everywhere. In AUTH a line is an answer, in
 * DATA there are no lines: neither comes here as a command. From RCPT a BDAT leads to BDAT (bytes of the
 * chunk), from there to CHUNKS, and after the last chunk to READY as the end of DATA does.
 *
 * To add a command: a row in the table, its function in a cmd_ file, a row in the matrix of
 * tests/system/transcripts/smtp. Refusals stand in refusal() in the order in which they are looked
 * for; the table says which of them a command can meet. */
#include "smtp/session.h"

enum {
    CMD_NO_ARGUMENT = 1 << 0,
    CMD_ARGUMENT = 1 << 1,      /* needed */
    CMD_HELLO_FIRST = 1 << 2,
    CMD_TLS_FIRST = 1 << 3,     /* on submission, unless the network may log in in clear */
    CMD_LOGIN_FIRST = 1 << 4,   /* on submission */
    CMD_SUBMISSION = 1 << 5,    /* not offered on the receiving port */
    CMD_NO_MAIL = 1 << 6,       /* not inside a transaction */
    CMD_MAIL_FIRST = 1 << 7,
    CMD_RCPT_FIRST = 1 << 8,
    CMD_NO_CHUNKS = 1 << 9,     /* not between the chunks of a letter */
    CMD_CHUNK = 1 << 10,        /* text follows, also when it is refused */
};

struct command {
    const char *verb;
    unsigned flags;
    enum smtp_step (*run)(struct smtp_session *s, struct slice argument); /* NULL: says `reply` */
    enum smtp_reply_name reply;
};

static enum smtp_step cmd_rset(struct smtp_session *s, struct slice argument)
{
    (void)argument;
    smtp_session_end_transaction(s);
    smtp_session_reply(s, REPLY_RESET);
    return STEP_DONE;
}

static enum smtp_step cmd_quit(struct smtp_session *s, struct slice argument)
{
    (void)argument;
    smtp_session_reply(s, REPLY_BYE);
    return STEP_CLOSE;
}

/* A browser that was talked into posting to us (RFC 5321 knows no such verbs): no second line. */
static enum smtp_step cmd_other_protocol(struct smtp_session *s, struct slice argument)
{
    (void)argument;
    smtp_session_reply(s, REPLY_OTHER_PROTOCOL);
    return STEP_CLOSE;
}

static const struct command commands[] = {
    {"MAIL", CMD_ARGUMENT | CMD_TLS_FIRST | CMD_HELLO_FIRST | CMD_LOGIN_FIRST | CMD_NO_MAIL,
        smtp_cmd_mail, 0},
    {"RCPT", CMD_ARGUMENT | CMD_TLS_FIRST | CMD_HELLO_FIRST | CMD_LOGIN_FIRST | CMD_MAIL_FIRST |
        CMD_NO_CHUNKS, smtp_cmd_rcpt, 0},
    {"DATA", CMD_NO_ARGUMENT | CMD_TLS_FIRST | CMD_HELLO_FIRST | CMD_LOGIN_FIRST | CMD_RCPT_FIRST |
        CMD_NO_CHUNKS, smtp_cmd_data, 0},
    {"BDAT", CMD_CHUNK | CMD_TLS_FIRST | CMD_HELLO_FIRST | CMD_LOGIN_FIRST | CMD_RCPT_FIRST, NULL, 0},
    {"EHLO", CMD_ARGUMENT, smtp_cmd_ehlo, 0},
    {"HELO", CMD_ARGUMENT, smtp_cmd_helo, 0},
    {"LHLO", 0, smtp_cmd_lhlo, 0},
    {"QUIT", CMD_NO_ARGUMENT, cmd_quit, 0},
    {"RSET", CMD_NO_ARGUMENT, cmd_rset, 0},
    {"NOOP", 0, NULL, REPLY_OK},
    {"STARTTLS", CMD_NO_ARGUMENT | CMD_NO_MAIL, smtp_cmd_starttls, 0},
    {"AUTH", CMD_SUBMISSION | CMD_ARGUMENT | CMD_TLS_FIRST | CMD_HELLO_FIRST | CMD_NO_MAIL,
        smtp_cmd_auth, 0},
    {"HELP", 0, NULL, REPLY_HELP},
    {"VRFY", CMD_ARGUMENT | CMD_TLS_FIRST | CMD_LOGIN_FIRST, NULL, REPLY_VERIFY},
    {"EXPN", 0, NULL, REPLY_NOT_IMPLEMENTED},
    {"ETRN", 0, NULL, REPLY_NOT_IMPLEMENTED},
    {"TURN", 0, NULL, REPLY_NOT_IMPLEMENTED},
    {"GET", 0, cmd_other_protocol, 0},
    {"POST", 0, cmd_other_protocol, 0},
    {"CONNECT", 0, cmd_other_protocol, 0},
};

static const struct command *find_command(struct slice verb)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (slice_equal_nocase(verb, slice_str(commands[i].verb)))
            return &commands[i];
    return NULL;
}

/* What privacy and login ask for; only on the submission ports. */
static enum smtp_reply_name submission_refusal(const struct smtp_session *s, unsigned flags)
{
    if (!smtp_session_is_submission(s))
        return flags & CMD_SUBMISSION ? REPLY_NOT_OFFERED : REPLY_OK;
    if ((flags & CMD_TLS_FIRST) && !smtp_session_is_private(s))
        return REPLY_TLS_FIRST;
    if ((flags & CMD_HELLO_FIRST) && s->state == SMTP_STATE_NEW)
        return REPLY_HELLO_FIRST;
    if ((flags & CMD_LOGIN_FIRST) && s->login_session == 0)
        return REPLY_LOGIN_FIRST;
    return REPLY_OK;
}

static enum smtp_reply_name order_refusal(const struct smtp_session *s, unsigned flags)
{
    bool in_chunks = s->state == SMTP_STATE_CHUNKS;
    bool has_rcpt = s->state == SMTP_STATE_RCPT || in_chunks;
    bool in_mail = s->state == SMTP_STATE_MAIL || has_rcpt;
    if ((flags & CMD_HELLO_FIRST) && s->state == SMTP_STATE_NEW)
        return REPLY_HELLO_FIRST;
    if ((flags & CMD_NO_MAIL) && in_mail)
        return REPLY_MAIL_OPEN;
    if ((flags & CMD_MAIL_FIRST) && !in_mail)
        return REPLY_MAIL_FIRST;
    if ((flags & CMD_RCPT_FIRST) && !has_rcpt)
        return in_mail ? REPLY_RCPT_FIRST : REPLY_MAIL_FIRST;
    if ((flags & CMD_NO_CHUNKS) && in_chunks)
        return REPLY_CHUNKS_OPEN;
    return REPLY_OK;
}

static enum smtp_reply_name argument_refusal(const struct smtp_line *line, unsigned flags)
{
    if ((flags & CMD_NO_ARGUMENT) && line->has_argument)
        return REPLY_NO_ARGUMENT;
    if ((flags & CMD_ARGUMENT) && line->argument.n == 0)
        return REPLY_NEEDS_ARGUMENT;
    return REPLY_OK;
}

static enum smtp_reply_name refusal(const struct smtp_session *s, const struct smtp_line *line,
    unsigned flags)
{
    enum smtp_reply_name name = submission_refusal(s, flags);
    if (name == REPLY_OK)
        name = order_refusal(s, flags);
    if (name == REPLY_OK)
        name = argument_refusal(line, flags);
    return name;
}

enum smtp_step smtp_dispatch(struct smtp_session *s, struct slice text)
{
    if (s->state == SMTP_STATE_AUTH)
        return smtp_auth_line(s, text);
    struct smtp_line line = smtp_line_parse(text);
    const struct command *c = find_command(line.verb);
    if (c == NULL) {
        smtp_session_reply(s, REPLY_UNKNOWN_COMMAND);
        return STEP_DONE;
    }
    enum smtp_reply_name why = refusal(s, &line, c->flags);
    if (c->flags & CMD_CHUNK)
        return smtp_cmd_bdat(s, line.argument, why);
    if (why != REPLY_OK) {
        smtp_session_reply(s, why);
        return STEP_DONE;
    }
    if (c->run != NULL)
        return c->run(s, line.argument);
    smtp_session_reply(s, c->reply);
    return STEP_DONE;
}
