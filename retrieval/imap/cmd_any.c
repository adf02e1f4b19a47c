/* Commands for any state: CAPABILITY, NOOP, CHECK, LOGOUT, ID (RFC 2971), ENABLE (RFC 5161),
 * NAMESPACE (RFC 2342), LANGUAGE (RFC 5255), COMPRESS (RFC 4978). */
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
    buf_put_str(&s->out, "* ");
    imap_put_capabilities(s);
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
    bool utf8;
    bool condstore;
    bool qresync;
    bool rev2;
    bool uid_only;
};

/* enable: "ENABLE" 1*(SP capability); what we do not know is passed over. */
static void parse_enable(struct imap_cursor *c, void *work)
{
    struct enable *e = work;
    do {
        imap_space(c);
        struct slice word = imap_atom(c);
        e->utf8 |= slice_equal_nocase(word, SLICE("UTF8=ACCEPT"));
        e->condstore |= slice_equal_nocase(word, SLICE("CONDSTORE"));
        e->qresync |= slice_equal_nocase(word, SLICE("QRESYNC"));
        e->rev2 |= slice_equal_nocase(word, SLICE("IMAP4REV2"));
        e->uid_only |= slice_equal_nocase(word, SLICE("UIDONLY"));
    } while (imap_peek(c) == ' ');
}

static enum imap_step enable(struct imap_session *s, void *work)
{
    struct enable *e = work;
    e->utf8 &= !imap_is_off(s, "UTF8=ACCEPT");
    e->condstore &= !imap_is_off(s, "CONDSTORE");
    e->qresync &= !imap_is_off(s, "QRESYNC");
    e->rev2 &= !imap_is_off(s, "IMAP4rev2");
    e->uid_only &= !imap_is_off(s, "UIDONLY");
    buf_put_str(&s->out, "* ENABLED");
    if (e->utf8)
        buf_put_str(&s->out, " UTF8=ACCEPT");
    if (e->condstore || e->qresync)
        buf_put_str(&s->out, " CONDSTORE");
    if (e->qresync)
        buf_put_str(&s->out, " QRESYNC");
    if (e->rev2)
        buf_put_str(&s->out, " IMAP4rev2");
    if (e->uid_only)
        buf_put_str(&s->out, " UIDONLY");
    buf_put_str(&s->out, "\r\n");
    s->has_utf8 |= e->utf8 || e->rev2;
    s->has_qresync |= e->qresync;
    s->is_uid_only |= e->uid_only;
    s->has_rev2 |= e->rev2;
    if (e->rev2 && s->selected)
        s->selected->recent_from = UINT32_MAX;
    if (e->condstore || e->qresync)
        imap_enable_condstore(s);
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

/* compress: "COMPRESS" SP "DEFLATE" */
static void parse_compress(struct imap_cursor *c, void *work)
{
    (void)work;
    imap_space(c);
    if (!imap_take_word(c, "DEFLATE"))
        imap_fail(c, "DEFLATE is the one algorithm here");
}

static enum imap_step compress(struct imap_session *s, void *work)
{
    (void)work;
    if (s->has_deflate) {
        imap_no(s, "[COMPRESSIONACTIVE] DEFLATE is active already");
    } else if (stream_input(s->stream).n) { /* RFC 4978 section 3: the client waits for the answer */
        imap_bad(s, "Nothing may follow COMPRESS before its answer");
    } else {
        s->starts_deflate = true;
        imap_ok(s, "DEFLATE begins");
    }
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_compress = {
    .name = "COMPRESS",
    .states = STATES_ANY,
    .parse = parse_compress,
    .step = compress,
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

struct language {
    bool is_asked;
    bool is_english;
};

/* language-cmd: "LANGUAGE" *(SP lang-range-quoted); the first one that we have counts, and that is English. */
static void parse_language(struct imap_cursor *c, void *work)
{
    struct language *w = work;
    while (imap_peek(c) == ' ') {
        imap_space(c);
        struct slice range = imap_astring(c);
        struct slice tag = slice_cut(&range, '-');
        w->is_asked = true;
        w->is_english |= slice_equal_nocase(tag, SLICE("en")) || slice_equal_nocase(tag, SLICE("default")) ||
            (slice_equal_nocase(tag, SLICE("i")) && slice_equal_nocase(range, SLICE("default"))) ||
            slice_equal(tag, SLICE("*"));
    }
}

static enum imap_step language(struct imap_session *s, void *work)
{
    const struct language *w = work;
    if (w->is_asked && !w->is_english) {
        imap_no(s, "Only English is spoken here");
        return IMAP_STEP_DONE;
    }
    buf_put_str(&s->out, "* LANGUAGE (EN)\r\n");
    imap_ok(s, "LANGUAGE completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_language = {
    .name = "LANGUAGE",
    .states = STATES_ANY,
    .work_size = sizeof(struct language),
    .parse = parse_language,
    .step = language,
};
