/* Who is slowed down and who is refused (auth_internal.h): the brake's counters, the networks that an
 * account is known from, and what the administrator hears of them (login.why, login.unblock).
 *
 * A network with too many failures is refused, but for accounts that have logged in from it and but for
 * networks of the setting login.trusted (a webmail stands for everybody). A name with too many failures
 * is refused from networks that it never logged in from. Whoever is refused hears the words of a wrong
 * password; for a refused name also the work is done, so that the time tells nothing. */
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "message/address.h"
#include "storage/auth_admin.h"
#include "storage/settings.h"

#define GUARD_FLUSH_MS 1000
#define KNOWN_TOUCH_S 86400 /* a login shall not cost a commit */

/* ---- keeping ---- */

void auth_guard_flush(struct auth *a)
{
    static const enum brake_kind kinds[] = {BRAKE_NETWORK, BRAKE_NAME};
    struct brake_entry *list = mem_new(BRAKE_FLUSH_MAX * sizeof *list);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = login_brake_flush(a->brake, kinds[i], list);
        if (n > 0 && credentials_guard_save(a->credentials, kinds[i], list, n) != ERR_OK)
            log_event(LOG_WARNING, "failed-logins-not-kept", LF_U("count", n));
        if (n == BRAKE_FLUSH_MAX)
            timer_start(a->guard_timer, GUARD_FLUSH_MS);
    }
    free(list);
}

static void on_timer(void *ctx)
{
    auth_guard_flush(ctx);
}

void auth_guard_start(struct auth *a)
{
    a->brake = login_brake_new(a->role->keys->fake_salt);
    a->guard_timer = timer_new(a->role->loop, on_timer, a);
    if (credentials_guard_load(a->credentials, a->brake) != ERR_OK)
        log_event(LOG_WARNING, "failed-logins-not-read", LF("meaning", "counting begins anew"));
}

void auth_guard_stop(struct auth *a)
{
    auth_guard_flush(a);
    timer_free(a->guard_timer);
    login_brake_free(a->brake);
}

/* ---- an attempt ---- */

void auth_guard_init(struct auth *a, struct auth_guard *g, const char *peer, const char *name)
{
    char network[64] = "";
    g->has_network = login_brake_network(peer, network);
    g->is_trusted = !g->has_network || settings_has_network(a->role->settings, "login.trusted", peer);
    login_brake_key(a->brake, BRAKE_NETWORK, network, g->network);
    login_brake_key(a->brake, BRAKE_NAME, name, g->name);
    login_brake_pair(a->brake, name, network, g->pair);
    g->known_at = g->has_network ? credentials_known_at(a->credentials, g->pair) : 0;
}

bool auth_guard_bars_network(struct auth *a, const struct auth_guard *g)
{
    return !g->is_trusted && g->known_at == 0 &&
        login_brake_refuses(a->brake, BRAKE_NETWORK, g->network, clock_wall());
}

bool auth_guard_bars_name(struct auth *a, const struct auth_guard *g)
{
    return g->known_at == 0 && login_brake_refuses(a->brake, BRAKE_NAME, g->name, clock_wall());
}

uint64_t auth_guard_failed(struct auth *a, const struct auth_guard *g)
{
    int64_t now = clock_wall();
    uint64_t delay = login_brake_note_failure(a->brake, BRAKE_NAME, g->name, now);
    if (!timer_is_running(a->guard_timer))
        timer_start(a->guard_timer, GUARD_FLUSH_MS);
    if (g->is_trusted)
        return delay;
    uint64_t other = login_brake_note_failure(a->brake, BRAKE_NETWORK, g->network, now);
    return delay > other ? delay : other;
}

void auth_guard_passed(struct auth *a, const struct auth_guard *g)
{
    int64_t now = clock_wall();
    bool was_any = login_brake_forgive(a->brake, BRAKE_NAME, g->name);
    if (g->has_network)
        was_any |= login_brake_forgive(a->brake, BRAKE_NETWORK, g->network);
    if (was_any && !timer_is_running(a->guard_timer))
        timer_start(a->guard_timer, GUARD_FLUSH_MS);
    bool is_fresh = g->known_at != 0 && g->known_at <= now && now - g->known_at < KNOWN_TOUCH_S;
    if (g->has_network && !is_fresh && credentials_note_known(a->credentials, g->pair, now) != ERR_OK)
        log_event(LOG_WARNING, "known-network-not-kept", LF("meaning", "it counts as a stranger"));
}

/* ---- the administrator ---- */

struct asked {
    enum brake_kind kind;
    char name[CREDENTIAL_ADDRESS_BYTES]; /* canonical address, or network */
    uint8_t key[BRAKE_KEY_BYTES];
};

/* False: neither an address of a mailbox nor of a host; the job is over. */
static bool what_is_asked(struct admin_job *j, struct asked *out)
{
    char text[CREDENTIAL_ADDRESS_BYTES] = "";
    struct slice name = slice_sub(admin_job_value(j, "name"), 0, sizeof text - 1);
    struct address parsed;
    struct buf canonical;
    if (name.n)
        memcpy(text, name.p, name.n);
    buf_init(&canonical, sizeof out->name - 1);
    bool good = login_brake_network(text, out->name);
    out->kind = good ? BRAKE_NETWORK : BRAKE_NAME;
    if (!good && address_parse(name, &parsed) == ERR_OK && address_canonical(&parsed, &canonical) == ERR_OK) {
        memcpy(out->name, canonical.p, canonical.n);
        out->name[canonical.n] = 0;
        good = true;
    }
    buf_clear(&canonical);
    if (good)
        login_brake_key(j->auth->brake, out->kind, out->name, out->key);
    else
        admin_job_fail(j, ERR_SYNTAX, "an address of an account is needed, or the IP address of a client");
    return good;
}

static void put_time(struct buf *out, int64_t wall)
{
    time_t t = (time_t)wall;
    struct tm tm;
    char text[32] = "";
    if (gmtime_r(&t, &tm))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    buf_put_str(out, text);
}

static void put_text(struct buf *out, const struct asked *q, const struct brake_entry *e, bool is_refused)
{
    buf_printf(out, "%s: ", q->name);
    if (e->failures == 0 && !is_refused) {
        buf_put_str(out, "no failed logins are held against it\n");
        return;
    }
    buf_printf(out, "%u failed logins, the last at ", e->failures);
    put_time(out, e->at);
    if (is_refused) {
        buf_put_str(out, "\n  refused until ");
        put_time(out, e->refused_until);
        buf_put_str(out, q->kind == BRAKE_NETWORK ? ", but for accounts that have logged in from there"
                                                  : ", but from networks that it has logged in from");
        buf_put_str(out, "\n  to mend it at once: letterlock unblock ");
        struct slice name = slice_str(q->name);
        buf_put(out, q->kind == BRAKE_NETWORK ? slice_sub(name, 0, slice_find_byte(name, '/')) : name);
    } else if (e->failures > BRAKE_FREE_FAILURES) {
        buf_put_str(out, "\n  not refused; answers to failures are slowed down");
    }
    buf_put_byte(out, '\n');
}

void admin_login_why(struct admin_job *j)
{
    struct asked q;
    struct brake_entry e = {0};
    struct buf text, json;
    int64_t now = clock_wall();
    if (!what_is_asked(j, &q))
        return;
    bool is_known = login_brake_find(j->auth->brake, q.kind, q.key, now, &e);
    bool is_refused = is_known && e.refused_until > now;
    buf_init(&text, 2048);
    buf_init(&json, 2048);
    put_text(&text, &q, &e, is_refused);
    struct json w = json_of(&json);
    json_object(&w, NULL);
    json_text(&w, q.kind == BRAKE_NETWORK ? "network" : "address", slice_str(q.name));
    json_unsigned(&w, "failures", e.failures);
    json_bool(&w, "refused", is_refused);
    if (is_refused)
        json_number(&w, "until", e.refused_until);
    json_end(&w);
    admin_job_finish(j, buf_slice(&text), buf_slice(&json));
    buf_clear(&text);
    buf_clear(&json);
}

void admin_login_unblock(struct admin_job *j)
{
    struct asked q;
    if (!what_is_asked(j, &q))
        return;
    bool was_any = login_brake_forgive(j->auth->brake, q.kind, q.key);
    auth_guard_flush(j->auth);
    log_event(LOG_INFO, "unblocked", LF("name", q.name));
    admin_job_finish(j, was_any ? SLICE("forgotten\n") : SLICE("there was nothing to forget\n"),
        was_any ? SLICE("{\"forgotten\":true}") : SLICE("{\"forgotten\":false}"));
}
