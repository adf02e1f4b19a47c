/* The table of settings and their values; see settings.h. To add one: a row in the table, in the order
 * of the names, and a word in the README of the folder that uses it. */
#include "storage/settings.h"

#include "base/wire.h"
#include "storage/network.h"

#define SETTINGS_RECORD_MAX (48 * 1024)

/* clang-format off */
const struct setting_info setting_infos[] = {
    {"account.quota", SETTING_SIZE, "0", "Bytes that a new account may hold; 0 is no limit.", 0, 0, NULL},
    {"dns.servers", SETTING_TEXT, "",
        "Name servers to ask, for example \"192.0.2.53 ::1@5353\"; none: from the root, with validation. Taken at the"
        " start.", 0, 0, NULL},
    {"domain", SETTING_HOST, "", "The main domain of this server.", 0, 0, NULL},
    {"door.max-connections", SETTING_NUMBER, "20000",
        "IMAP and POP3 connections that may be open at one time.", 1, 1000000, NULL},
    {"door.processes", SETTING_NUMBER, "1", "Processes that take IMAP and POP3 connections.", 1, 8, NULL},
    {"expunged.keep", SETTING_SECONDS, "3600",
        "How long an expunged letter can still be read by sessions that see it.", 0, 604800, NULL},
    {"hash.processes", SETTING_NUMBER, "1", "Processes that check main passwords.", 1, 2, NULL},
    {"hostname", SETTING_HOST, "", "The name under which this server greets.", 0, 0, NULL},
    {"imap.append-max", SETTING_SIZE, "50M", "The largest letter that IMAP APPEND takes.", 1024,
        1ULL << 31, NULL},
    {"imap.progress-every", SETTING_SECONDS, "10",
        "How often a long SEARCH, SORT or THREAD says how far it is.", 0, 86400, NULL},
    {"imap.search-index", SETTING_BOOL, "yes",
        "Keep a sealed index of words and use it; no: every search opens the letters.", 0, 0, NULL},
    {"imap.without", SETTING_TEXT, "",
        "IMAP capabilities to keep from an account's clients: ADDRESS=NAME NAME, parted by semicolons; * for all.", 0, 0,
        NULL},
    {"log.level", SETTING_CHOICE, "info", "The least important events that are logged.", 0, 0,
        "error warning info debug"},
    {"login.cleartext", SETTING_NETWORKS, "",
        "Networks from which passwords are taken without TLS; for a webmail on the same machine.", 0, 0,
        NULL},
    {"login.scram", SETTING_CHOICE, "auto",
        "Whether SCRAM-SHA-256, which takes app passwords only, is offered; auto: once there is one.", 0, 0,
        "auto yes no"},
    {"login.trusted", SETTING_NETWORKS, "127.0.0.0/8 ::1/128",
        "Networks that failed logins are not held against; a webmail's, which stands for everybody.", 0, 0,
        NULL},
    {"pop3.file-away", SETTING_TEXT, "",
        "Accounts whose POP3 DELE moves letters to the archive, parted by blanks; * for all.", 0, 0, NULL},
    {"pop3.mailboxes", SETTING_TEXT, "",
        "Mailboxes that POP3 shows in place of INBOX: ADDRESS=MAILBOX, parted by semicolons.", 0, 0, NULL},
    {"proxy.listeners", SETTING_TEXT, "smtp submission submissions submission-alt imap imaps pop3 pop3s",
        "Listeners at which the networks of proxy.networks speak the PROXY protocol, parted by blanks.", 0, 0, NULL},
    {"proxy.networks", SETTING_NETWORKS, "",
        "Networks of fronts: their connections must begin with a PROXY header (version 1 or 2).", 0, 0, NULL},
    {"relay.give-up", SETTING_SECONDS, "5d", "After this long a letter that cannot be sent comes back.", 60,
        2592000, NULL},
    {"relay.letters-per-connection", SETTING_NUMBER, "1000",
        "Letters sent over one connection before it is closed.", 1, 1000000, NULL},
    {"relay.max-connections", SETTING_NUMBER, "50", "Connections to other servers at one time.", 1, 1000, NULL},
    {"relay.max-per-day", SETTING_NUMBER, "0",
        "Recipients elsewhere that one account may write to in a day; 0 is no limit.", 0, 100000000, NULL},
    {"relay.max-per-destination", SETTING_NUMBER, "10", "Connections to one destination at one time.", 1, 100,
        NULL},
    {"relay.max-per-hour", SETTING_NUMBER, "0",
        "Recipients elsewhere that one account may write to in an hour; 0 is no limit.", 0, 100000000, NULL},
    {"relay.notice-after", SETTING_SECONDS, "4h", "After this long the sender hears that a letter still waits.",
        1, 2592000, NULL},
    {"relay.port", SETTING_NUMBER, "25", "The port of other servers that are found by MX.", 1, 65535, NULL},
    {"relay.retry-first", SETTING_SECONDS, "5m", "The first pause after a destination failed; it doubles.", 1,
        86400, NULL},
    {"relay.retry-longest", SETTING_SECONDS, "4h", "The longest pause between two tries.", 1, 604800, NULL},
    {"smtp.greeting-wait", SETTING_NUMBER, "300",
        "Milliseconds before port 25 greets; who speaks first is sent away. 0: none.", 0, 30000, NULL},
    {"smtp.lookup-cache", SETTING_SECONDS, "2", "How long smtp remembers where an address delivers.",
        0, 3600, NULL},
    {"smtp.max-connections", SETTING_NUMBER, "1000", "SMTP connections that may be open at one time.",
        1, 100000, NULL},
    {"smtp.max-errors", SETTING_NUMBER, "20", "Errors after which an SMTP connection is ended.", 1, 1000,
        NULL},
    {"smtp.max-idle-commands", SETTING_NUMBER, "100",
        "Commands without a recipient among them after which an SMTP connection is ended.", 10, 100000, NULL},
    {"smtp.max-per-network", SETTING_NUMBER, "100",
        "SMTP connections from one network (/24, /64) at one time.", 1, 100000, NULL},
    {"smtp.max-recipients", SETTING_NUMBER, "1000", "Recipients of one letter.", 100, 10000, NULL},
    {"smtp.max-size", SETTING_SIZE, "50M", "The largest letter that SMTP takes.", 1024, 1ULL << 31, NULL},
    {"smtp.network-connections", SETTING_NUMBER, "1000",
        "SMTP connections from one network (/24, /64) within ten minutes.", 1, 1000000, NULL},
    {"smtp.network-errors", SETTING_NUMBER, "200",
        "Refused commands of one network within ten minutes after which it is sent away.", 1, 1000000, NULL},
    {"smtp.processes", SETTING_NUMBER, "1", "Processes that take SMTP connections.", 1, 8, NULL},
    {"smtp.unlimited-networks", SETTING_NETWORKS, "127.0.0.0/8 ::1/128",
        "Networks that are spared limits per network, idle commands and the wait before the greeting.", 0, 0, NULL},
    {"submission.bcc", SETTING_CHOICE, "remove",
        "What becomes of Bcc in a letter that is submitted.", 0, 0, "remove keep"},
    {"submission.show-client", SETTING_BOOL, "no",
        "Whether Received tells the address of a client that submits.", 0, 0, NULL},
};
/* clang-format on */
const size_t setting_info_count = sizeof setting_infos / sizeof setting_infos[0];

struct setting_value {
    char *text;      /* owned; NULL: the default */
    uint64_t number; /* parsed, of the forms that have one */
};

struct settings {
    struct setting_value values[sizeof setting_infos / sizeof setting_infos[0]];
};

const struct setting_info *setting_info_find(struct slice name)
{
    for (size_t i = 0; i < setting_info_count; i++)
        if (slice_equal(name, slice_str(setting_infos[i].name)))
            return &setting_infos[i];
    return NULL;
}

static size_t index_of(const char *name)
{
    const struct setting_info *info = setting_info_find(slice_str(name));
    ENSURE(info != NULL);
    return (size_t)(info - setting_infos);
}

const char *setting_form_text(const struct setting_info *info)
{
    static const char *const texts[] = {
        [SETTING_TEXT] = "text",
        [SETTING_HOST] = "a host or domain name, for example mail.example.org",
        [SETTING_NUMBER] = "a number within its limits",
        [SETTING_SIZE] = "a size within its limits, for example 50M",
        [SETTING_SECONDS] = "seconds within its limits, or for example 2h",
        [SETTING_BOOL] = "yes or no",
        [SETTING_NETWORKS] = "networks parted by spaces, for example 127.0.0.0/8 ::1/128",
    };
    return info->form == SETTING_CHOICE ? info->choices : texts[info->form];
}

/* digits with at most one letter of `units` behind them, which multiplies by factors[its place]. */
static bool number_parse(struct slice v, const char *units, const uint64_t *factors, uint64_t *out)
{
    uint64_t factor = 1, n;
    if (v.n > 0 && !ascii_is_digit(v.p[v.n - 1])) {
        const char *unit = memchr(units, ascii_lower(v.p[v.n - 1]), strlen(units));
        if (!unit)
            return false;
        factor = factors[unit - units];
        v.n--;
    }
    if (!slice_to_u64(v, UINT64_MAX / factor, &n))
        return false;
    *out = n * factor;
    return true;
}

static bool in_range(const struct setting_info *info, uint64_t n)
{
    return info->most == 0 || (n >= info->least && n <= info->most);
}

static bool host_is_valid(struct slice v)
{
    if (v.n == 0)
        return true;
    if (v.n > 253)
        return false;
    while (v.n > 0) {
        bool has_dot = slice_find_byte(v, '.') < v.n;
        struct slice label = slice_cut(&v, '.');
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-')
                return false;
        if (has_dot && v.n == 0)
            return false;
    }
    return true;
}

static bool text_is_valid(struct slice v)
{
    if (!slice_is_utf8(v))
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] < ' ' || v.p[i] == 0x7f)
            return false;
    return true;
}

static bool choice_is_valid(const char *choices, struct slice v)
{
    struct slice rest = slice_str(choices);
    while (rest.n > 0)
        if (slice_equal(slice_cut(&rest, ' '), v))
            return true;
    return false;
}

/* *out stays as it is for forms without a number. */
static bool value_parse(const struct setting_info *info, struct slice v, uint64_t *out)
{
    static const uint64_t sizes[] = {1ULL << 10, 1ULL << 20, 1ULL << 30};
    static const uint64_t times[] = {1, 60, 3600, 86400};
    switch (info->form) {
    case SETTING_TEXT:
        return text_is_valid(v);
    case SETTING_HOST:
        return host_is_valid(v);
    case SETTING_NUMBER:
        return number_parse(v, "", NULL, out) && in_range(info, *out);
    case SETTING_SIZE:
        return number_parse(v, "kmg", sizes, out) && in_range(info, *out);
    case SETTING_SECONDS:
        return number_parse(v, "smhd", times, out) && in_range(info, *out);
    case SETTING_BOOL:
        *out = slice_equal(v, SLICE("yes"));
        return *out || slice_equal(v, SLICE("no"));
    case SETTING_CHOICE:
        return choice_is_valid(info->choices, v);
    case SETTING_NETWORKS:
        return networks_are_valid(v);
    }
    return false;
}

static void value_reset(const struct setting_info *info, struct setting_value *v)
{
    free(v->text);
    v->text = NULL;
    ENSURE(value_parse(info, slice_str(info->preset), &v->number));
}

struct settings *settings_new(void)
{
    struct settings *s = mem_new(sizeof *s);
    for (size_t i = 0; i < setting_info_count; i++)
        value_reset(&setting_infos[i], &s->values[i]);
    return s;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < setting_info_count; i++)
        free(s->values[i].text);
    free(s);
}

enum err settings_set(struct settings *s, struct slice name, struct slice value)
{
    const struct setting_info *info = setting_info_find(name);
    uint64_t number = 0;
    if (!info)
        return ERR_NOT_FOUND;
    if (value.n > SETTING_VALUE_MAX || !value_parse(info, value, &number))
        return ERR_SYNTAX;
    struct setting_value *v = &s->values[info - setting_infos];
    char *text = mem_strdup(value);
    free(v->text);
    v->text = text;
    v->number = number;
    return ERR_OK;
}

struct slice settings_text(const struct settings *s, const char *name)
{
    size_t i = index_of(name);
    return slice_str(s->values[i].text ? s->values[i].text : setting_infos[i].preset);
}

uint64_t settings_number(const struct settings *s, const char *name)
{
    return s->values[index_of(name)].number;
}

bool settings_bool(const struct settings *s, const char *name)
{
    return s->values[index_of(name)].number != 0;
}

bool settings_is_preset(const struct settings *s, const char *name)
{
    return slice_equal(settings_text(s, name), slice_str(setting_infos[index_of(name)].preset));
}

bool settings_has_network(const struct settings *s, const char *name, const char *address)
{
    return networks_contain(settings_text(s, name), address);
}

void settings_encode(const struct settings *s, struct buf *out)
{
    uint16_t n = 0;
    for (size_t i = 0; i < setting_info_count; i++)
        n = (uint16_t)(n + !settings_is_preset(s, setting_infos[i].name));
    wire_put_u16(out, n);
    for (size_t i = 0; i < setting_info_count; i++) {
        const char *name = setting_infos[i].name;
        if (settings_is_preset(s, name))
            continue;
        wire_put_bytes(out, slice_str(name));
        wire_put_bytes(out, settings_text(s, name));
    }
}

enum err settings_decode(struct slice record, struct settings *s)
{
    struct wire w = wire_of(record);
    size_t n = wire_u16(&w);
    if (record.n > SETTINGS_RECORD_MAX)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < setting_info_count; i++)
        value_reset(&setting_infos[i], &s->values[i]);
    for (size_t i = 0; i < n && !w.failed; i++) {
        struct slice name = wire_bytes(&w);
        struct slice value = wire_bytes(&w);
        enum err e = w.failed ? ERR_SYNTAX : settings_set(s, name, value);
        if (e && e != ERR_NOT_FOUND)
            return e;
    }
    return wire_done(&w) ? ERR_OK : ERR_SYNTAX;
}
