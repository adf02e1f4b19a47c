/* See reply.h. */
#include "smtp/reply.h"

static const struct smtp_reply replies[REPLY_COUNT] = {
    [REPLY_OK] = {250, "2.0.0", "OK"},
    [REPLY_RESET] = {250, "2.0.0", "Reset"},
    [REPLY_BYE] = {221, "2.0.0", "Good bye"},
    [REPLY_HELP] = {214, "2.0.0",
        "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT (RFC 5321)"},
    [REPLY_VERIFY] = {252, "2.5.2", "Addresses are not verified; send to it and see"},
    [REPLY_SENDER_OK] = {250, "2.1.0", "Sender OK"},
    [REPLY_RECIPIENT_OK] = {250, "2.1.5", "Recipient OK"},
    [REPLY_SEND_TEXT] = {354, NULL, "Send the text, end with CRLF . CRLF"},
    [REPLY_STORED] = {250, "2.0.0", "Stored as"},
    [REPLY_CHUNK_TAKEN] = {250, "2.0.0", "Chunk taken:"},
    [REPLY_TLS_READY] = {220, "2.0.0", "Begin TLS"},
    [REPLY_LOGGED_IN] = {235, "2.7.0", "Logged in"},

    [REPLY_STOPPING] = {421, "4.3.2", "The server is stopping, come again in a moment"},
    [REPLY_TIMEOUT] = {421, "4.4.2", "Too slow, closing the connection"},
    [REPLY_TOO_MANY_ERRORS] = {421, "4.7.0", "Too many errors, closing the connection"},
    [REPLY_TOO_MANY_CONNECTIONS] = {421, "4.3.2", "Too many connections, come again later"},
    [REPLY_TOO_MANY_FROM_NETWORK] = {421, "4.7.0",
        "Too many connections from your network, come again later"},
    [REPLY_TOO_MANY_OF_NETWORK] = {421, "4.7.0",
        "Your network has connected too often within ten minutes, come again later"},
    [REPLY_NETWORK_ERRORS] = {421, "4.7.0", "Too many errors from your network, come again later"},
    [REPLY_IDLE_COMMANDS] = {421, "4.7.0", "Too many commands that lead nowhere, closing the connection"},
    [REPLY_STORE_GONE] = {451, "4.3.0", "Storage is being restarted, come again later"},
    [REPLY_TRY_LATER] = {451, "4.3.0", "Something failed here, come again later"},
    [REPLY_QUOTA] = {452, "4.2.2", "The mailbox is full"},
    [REPLY_DISK_FULL] = {452, "4.3.1", "No room on the server, come again later"},
    [REPLY_TOO_MANY_RECIPIENTS] = {452, "4.5.3",
        "Too many recipients, send to the others in another transaction"},
    [REPLY_TLS_UNAVAILABLE] = {454, "4.7.0", "TLS is not available now"},
    [REPLY_LOGIN_UNAVAILABLE] = {454, "4.7.0", "Login is not possible now, come again later"},
    [REPLY_LOGIN_SLOW_DOWN] = {454, "4.7.0", "Too many login attempts, come again later"},

    [REPLY_UNKNOWN_COMMAND] = {500, "5.5.1", "Unknown command"},
    [REPLY_BAD_LINE_END] = {500, "5.5.2", "A line ends with CR LF and has no CR, LF or NUL inside"},
    [REPLY_LINE_TOO_LONG] = {500, "5.5.2", "The line is too long"},
    [REPLY_AUTH_LINE_TOO_LONG] = {500, "5.5.6", "The login line is too long"},
    [REPLY_NOT_IMPLEMENTED] = {502, "5.5.1", "This command is not implemented"},
    [REPLY_NOT_OFFERED] = {502, "5.5.1",
        "No login on this port; to send mail use port 465, or 587 with STARTTLS"},
    [REPLY_EARLY_TALKER] = {554, "5.5.1", "You spoke before the greeting"},
    [REPLY_EARLY_PIPELINING] = {554, "5.5.0", "You went on before the answer that must be awaited"},
    [REPLY_OTHER_PROTOCOL] = {554, "5.5.1", "This is a mail server"},
    [REPLY_NO_ARGUMENT] = {501, "5.5.4", "This command has no argument"},
    [REPLY_NEEDS_ARGUMENT] = {501, "5.5.4", "This command needs an argument"},
    [REPLY_BAD_HELLO] = {501, "5.5.4", "Say your own host name, of at most 255 printable characters"},
    [REPLY_HELLO_FIRST] = {503, "5.5.1", "Say EHLO first"},
    [REPLY_MAIL_FIRST] = {503, "5.5.1", "MAIL comes first"},
    [REPLY_RCPT_FIRST] = {503, "5.5.1", "A recipient that is accepted comes first"},
    [REPLY_MAIL_OPEN] = {503, "5.5.1", "Not inside a mail transaction"},
    [REPLY_CHUNKS_OPEN] = {503, "5.5.1", "After a chunk only BDAT or RSET goes on"},
    [REPLY_BDAT_SYNTAX] = {501, "5.5.4", "BDAT is followed by a size and perhaps LAST; closing the connection"},
    [REPLY_TLS_FIRST] = {530, "5.7.0", "Say STARTTLS first"},
    [REPLY_TLS_ALREADY] = {503, "5.5.1", "TLS is on already"},
    [REPLY_LOGIN_FIRST] = {530, "5.7.0", "Log in first (AUTH)"},
    [REPLY_LOGIN_ALREADY] = {503, "5.5.1", "You are logged in already"},

    [REPLY_LOGIN_BAD] = {535, "5.7.8", "Address or password is wrong"},
    [REPLY_LOGIN_SCOPE] = {535, "5.7.8", "This password is not one for sending mail"},
    [REPLY_LOGIN_CANCELLED] = {501, "5.7.0", "Login cancelled"},
    [REPLY_LOGIN_SYNTAX] = {501, "5.5.2", "This is not what the login mechanism sends, in base64"},
    [REPLY_LOGIN_MECHANISM] = {504, "5.5.4", "This login mechanism is not offered"},

    [REPLY_SENDER_SYNTAX] = {501, "5.1.7", "Sender must look like MAIL FROM:<user@example.org>"},
    [REPLY_RECIPIENT_SYNTAX] = {501, "5.1.3", "Recipient must look like RCPT TO:<user@example.org>"},
    [REPLY_PARAMETER_SYNTAX] = {501, "5.5.4", "A parameter is malformed or given twice"},
    [REPLY_PARAMETER_UNKNOWN] = {555, "5.5.4", "A parameter is not known here"},
    [REPLY_NEEDS_SMTPUTF8] = {553, "5.6.7", "An address beyond ASCII needs MAIL with SMTPUTF8"},
    [REPLY_TOO_BIG_DECLARED] = {552, "5.3.4", "The letter is larger than is taken here"},
    [REPLY_SENDER_NOT_YOURS] = {553, "5.7.1", "This sender address is not one of your account's"},
    [REPLY_NO_RELAY] = {550, "5.7.1", "Relay access denied: no mail for this domain here"},
    [REPLY_NO_SUCH_MAILBOX] = {550, "5.1.1", "No such address here"},
    [REPLY_MAILBOX_DISABLED] = {550, "5.2.1", "This mailbox is disabled"},

    [REPLY_TEXT_FAULTY] = {550, "5.6.11",
        "The letter has a CR or LF that stands alone, or a NUL; lines must end with CR LF"},
    [REPLY_TOO_BIG] = {552, "5.3.4", "The letter is larger than is taken here"},
    [REPLY_MAIL_LOOP] = {554, "5.4.6", "The letter has passed too many servers: a mail loop"},
    [REPLY_HEADER_TOO_BIG] = {552, "5.3.4", "The header of the letter is too large"},
    [REPLY_FROM_TWICE] = {550, "5.6.0", "A letter has one From field, with few addresses"},
    [REPLY_FROM_NOT_YOURS] = {550, "5.7.1", "An address in From or Sender is not one of your account's"},
    [REPLY_REFUSED] = {554, "5.3.0", "The letter cannot be stored"},
};

const struct smtp_reply *smtp_reply_get(enum smtp_reply_name name)
{
    ENSURE(name < REPLY_COUNT && replies[name].text != NULL);
    return &replies[name];
}

void smtp_reply_put(struct buf *out, enum smtp_reply_name name, struct slice detail)
{
    const struct smtp_reply *r = smtp_reply_get(name);
    buf_put_u64(out, r->code);
    buf_put_byte(out, ' ');
    if (r->enhanced != NULL) {
        buf_put_str(out, r->enhanced);
        buf_put_byte(out, ' ');
    }
    buf_put_str(out, r->text);
    if (detail.n > 0) {
        buf_put_byte(out, ' ');
        buf_put(out, detail);
    }
    buf_put_str(out, "\r\n");
}

enum smtp_reply_name smtp_reply_of_error(enum err e)
{
    switch (e) {
    case ERR_QUOTA:
        return REPLY_QUOTA;
    case ERR_DISK_FULL:
        return REPLY_DISK_FULL;
    case ERR_STORE_GONE:
        return REPLY_STORE_GONE;
    case ERR_DENIED:
        return REPLY_NO_RELAY;
    case ERR_NOT_FOUND:
        return REPLY_NO_SUCH_MAILBOX;
    case ERR_DISABLED:
        return REPLY_MAILBOX_DISABLED;
    case ERR_DAMAGED: /* ours to repair: the sender keeps the letter meanwhile */
        return REPLY_TRY_LATER;
    default:
        return err_is_temporary(e) ? REPLY_TRY_LATER : REPLY_REFUSED;
    }
}
