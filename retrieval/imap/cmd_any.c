/* Commands for any state: CAPABILITY, NOOP, CHECK, LOGOUT, ID (RFC 2971), ENABLE (RFC 5161),
 * NAMESPACE (RFC 2342). */
#include "retrieval/imap/commands.h"

#define STATES_ANY (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define ID_FIELDS_MAX 30 /* RFC 2971 section 3.3 */

static void parse_nothing(struct imap_cursor *c, void *work)
{
    (void)c;
    (void)work;
}

static enum imap_step capability(struct imap_session *s, void *work)
{
    (void)work;
    buf_put_str(&s->out, "* CAPABILITY ");
    buf_put_str(&s->out, imap_capabilities);
    buf_put_str(&s->out, "\r\n");
    imap_ok(s, "CAPABILITY completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_capability = {
    .name = "CAPABILITY",
    .states = STATES_ANY,
    .parse = parse_nothing,
    .step = capability,
};

static enum imap_step noop(struct imap_session *s, void *work)
{
    (void)work;
    imap_ok(s, "%s completed", s->run->name);
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_noop = {
    .name = "NOOP",
    .states = STATES_ANY,
    .flags = IMAP_CMD_SYNC,
    .parse = parse_nothing,
    .step = noop,
};

const struct imap_command imap_cmd_check = {
    .name = "CHECK",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_SYNC,
    .parse = parse_nothing,
    .step = noop,
};

static enum imap_step logout(struct imap_session *s, void *work)
{
    (void)work;
    buf_put_str(&s->out, "* BYE Until next time\r\n");
    imap_ok(s, "LOGOUT completed");
    imap_unselect(s);
    s->state = IMAP_STATE_LOGOUT;
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_logout = {
    .name = "LOGOUT",
    .states = STATES_ANY,
    .parse = parse_nothing,
    .step = logout,
};

/* id: "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil) */
static void parse_id(struct imap_cursor *c, void *work)
{
    (void)work;
    imap_space(c);
    if (imap_take_word(c, "NIL"))
        return;
    imap_open(c);
    for (int n = 0; !imap_failed(c) && imap_peek(c) != ')'; n++) {
        if (n > 0)
            imap_space(c);
        if (n == ID_FIELDS_MAX)
            imap_fail(c, "there are too many fields");
        imap_string(c);
        imap_space(c);
        if (!imap_take_word(c, "NIL"))
            imap_string(c);
    }
    imap_close(c);
}

static enum imap_step id(struct imap_session *s, void *work)
{
    (void)work;
    buf_put_str(&s->out, "* ID (\"name\" \"Letterlock\")\r\n");
    imap_ok(s, "ID completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_id = {
    .name = "ID",
    .states = STATES_ANY,
    .parse = parse_id,
    .step = id,
};

struct enable {
    bool has_utf8;
};

/* enable: "ENABLE" 1*(SP capability); what we do not know is passed over. */
static void parse_enable(struct imap_cursor *c, void *work)
{
    struct enable *e = work;
    do {
        imap_space(c);
        if (slice_equal_nocase(imap_atom(c), SLICE("UTF8=ACCEPT")))
            e->has_utf8 = true;
    } while (imap_peek(c) == ' ');
}

static enum imap_step enable(struct imap_session *s, void *work)
{
    const struct enable *e = work;
    bool is_new = e->has_utf8 && !s->has_utf8;
    s->has_utf8 |= e->has_utf8;
    buf_put_str(&s->out, is_new ? "* ENABLED UTF8=ACCEPT\r\n" : "* ENABLED\r\n");
    imap_ok(s, "ENABLE completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_enable = {
    .name = "ENABLE",
    .states = STATES_ANY, /* RFC 5161 wants it before SELECT; clients send it later too */
    .work_size = sizeof(struct enable),
    .parse = parse_enable,
    .step = enable,
};

static enum imap_step namespace(struct imap_session *s, void *work)
{
    (void)work;
    buf_put_str(&s->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    imap_ok(s, "NAMESPACE completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_namespace = {
    .name = "NAMESPACE",
    .states = STATES_ANY,
    .parse = parse_nothing,
    .step = namespace,
};
