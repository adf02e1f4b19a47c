/* The supervisor's life: see supervisor.h for what it is and supervisor_internal.h for its phases.
 *
 * It has no seccomp filter of its own, because it must fork and exec; no_new_privs is set, it has
 * dropped root where the data folder has another owner, and no byte from the network reaches it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/notify.h"
#include "admin/supervisor_internal.h"
#include "base/clock.h"
#include "base/log.h"

#define START_MAX_MS 60000 /* of a private supervisor */
#define TURN_MS 200

/* ---- start ---- */

static enum err start_role(struct supervisor *s, enum role role, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        enum err e = process_start(process_new(s, role, 0));
        if (e)
            return e;
    }
    return ERR_OK;
}

static enum err start_others(struct supervisor *s)
{
    enum err e = start_role(s, ROLE_AUTH, 1);
    if (e == ERR_OK)
        e = start_role(s, ROLE_HASH, settings_number(s->settings, "hash.processes"));
    if (e == ERR_OK && s->listeners)
        e = start_role(s, ROLE_SMTP, settings_number(s->settings, "smtp.processes"));
    if (e == ERR_OK && s->listeners)
        e = start_role(s, ROLE_RELAY, 1);
    if (e == ERR_OK && s->listeners)
        e = start_role(s, ROLE_DOOR, settings_number(s->settings, "door.processes"));
    return e;
}

static void print_ready(const struct supervisor *s)
{
    for (size_t i = 0; i < s->listeners->count; i++)
        if (s->listeners->list[i].is_chosen)
            printf("listen %s=%s\n", s->listeners->list[i].name, s->listeners->list[i].address);
    printf("ready\n");
    fflush(stdout);
    log_event(LOG_INFO, "ready", LF("folder", s->folder->path),
        LF_U("ms", clock_mono_ms() - s->started_ms));
    notify_send("READY=1");
}

void supervisor_role_is_ready(struct supervisor *s)
{
    if (s->phase != PHASE_ROLES)
        return;
    for (const struct role_process *p = s->processes; p; p = p->next)
        if (!p->is_ready)
            return;
    s->phase = PHASE_SERVING;
    if (s->listeners)
        print_ready(s);
}

/* ---- settings and certificates ---- */

void supervisor_refresh(struct supervisor *s)
{
    struct role_process *store = process_find(s, ROLE_STORE);
    s->is_refreshing = true;
    if (store && process_is_alive(store))
        process_send(store, M_SNAPSHOT, SLICE_EMPTY, NULL, 0);
}

static void log_level_apply(const struct supervisor *s)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (int i = LOG_ERROR; i <= LOG_DEBUG && s->listeners; i++)
        if (slice_equal(settings_text(s->settings, "log.level"), slice_str(names[i])))
            log_set_level((enum log_level)i);
}

/* A private server says nothing but what went wrong: its log is the command's stderr. */
static enum err quieten(struct supervisor *s)
{
    if (s->listeners)
        return ERR_OK;
    return settings_set(s->settings, SLICE("log.level"), SLICE("warning"));
}

static void distribute(struct supervisor *s)
{
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    settings_encode(s->settings, &body);
    for (struct role_process *p = s->processes; p; p = p->next) {
        if (!process_is_alive(p))
            continue;
        process_send(p, M_SETTINGS, buf_slice(&body), NULL, 0);
        if (p->role == ROLE_SMTP || p->role == ROLE_DOOR)
            process_send_certificates(p);
    }
    buf_clear(&body);
}

static enum err snapshot_apply(struct supervisor *s, struct slice body)
{
    struct wire w = wire_of(body);
    enum err e = settings_decode(wire_bytes(&w), s->settings);
    if (e == ERR_OK)
        e = quieten(s);
    if (e == ERR_OK)
        e = own_certificates_decode(s, &w);
    log_level_apply(s);
    return e;
}

static void begin_stop(struct supervisor *s, int exit_status);

void supervisor_snapshot_came(struct supervisor *s, struct slice body)
{
    enum err e = snapshot_apply(s, body);
    s->is_refreshing = false;
    if (e)
        log_event(LOG_ERROR, "bad-snapshot", LF("reason", err_text(e)));
    if (s->phase == PHASE_STORE) {
        if (s->listeners && s->certificate_count == 0)
            log_event(LOG_WARNING, "no-certificate",
                LF("remedy", "letterlock setup, or letterlock cert set"));
        s->phase = PHASE_ROLES;
        e = e ? e : start_others(s);
        if (e) {
            log_event(LOG_ERROR, "start-failed", LF("reason", err_text(e)));
            begin_stop(s, 1);
        }
        return;
    }
    distribute(s);
    admin_refreshed(s);
}

/* ---- orderly stop ---- */

static bool is_of_phase(const struct role_process *p, enum phase phase)
{
    switch (p->role) {
    case ROLE_AUTH:
        return phase == PHASE_STOP_AUTH;
    case ROLE_HASH:
        return phase == PHASE_STOP_HASH;
    case ROLE_STORE:
        return phase == PHASE_STOP_STORE;
    default:
        return phase == PHASE_STOP_FRONT;
    }
}

static bool runs_any(const struct supervisor *s)
{
    for (const struct role_process *p = s->processes; p; p = p->next)
        if (p->pid && is_of_phase(p, s->phase))
            return true;
    return false;
}

static void stop_phase(struct supervisor *s)
{
    while (s->phase < PHASE_OVER && !runs_any(s))
        s->phase++;
    if (s->phase == PHASE_OVER) {
        timer_stop(s->stop_timer);
        loop_stop(s->loop);
        return;
    }
    for (struct role_process *p = s->processes; p; p = p->next)
        if (p->pid && is_of_phase(p, s->phase))
            process_send(p, M_STOP, SLICE_EMPTY, NULL, 0);
    timer_start(s->stop_timer, s->phase == PHASE_STOP_FRONT ? STOP_FRONT_MS : STOP_BACK_MS);
}

static void on_stop_timer(void *ctx)
{
    struct supervisor *s = ctx;
    for (struct role_process *p = s->processes; p; p = p->next) {
        if (!p->pid || !is_of_phase(p, s->phase))
            continue;
        log_event(LOG_WARNING, "role-killed", LF("name", role_name(p->role)),
            LF_U("pid", (uint64_t)p->pid), LF("why", "it did not stop in time"));
        kill(p->pid, SIGKILL);
    }
    timer_start(s->stop_timer, STOP_BACK_MS);
}

static void begin_stop(struct supervisor *s, int exit_status)
{
    if (s->phase > PHASE_SERVING)
        return;
    if (s->listeners) {
        notify_send("STOPPING=1");
        log_event(LOG_INFO, "stopping");
    }
    s->exit_status = exit_status;
    s->phase = PHASE_STOP_FRONT;
    control_socket_free(s->socket);
    s->socket = NULL;
    stop_phase(s);
}

void supervisor_role_ended(struct supervisor *s, struct role_process *p, bool was_ready)
{
    if (s->phase < PHASE_SERVING && !was_ready) {
        log_event(LOG_ERROR, "start-failed", LF("name", role_name(p->role)));
        begin_stop(s, 1);
    } else if (s->phase > PHASE_SERVING && s->phase < PHASE_OVER && !runs_any(s)) {
        stop_phase(s);
    }
    if (p->role == ROLE_RETRIEVAL)
        process_free(p);
}

static void on_signal(void *ctx)
{
    begin_stop(ctx, 0);
}

static void on_child(void *ctx)
{
    processes_reap(ctx);
}

/* ---- life ---- */

/* A shell gives 1,024 descriptors and lets us take more; roles inherit what we take. Without more the
 * door pauses accepting, and says so. */
static void take_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_event(LOG_INFO, "descriptors-limited", LF_U("to", limit.rlim_cur));
}

static enum err begin(struct supervisor *s)
{
    take_descriptors();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ERR_IO;
    enum err e = quieten(s);
    if (e == ERR_OK && s->listeners)
        e = control_socket_new(s, &s->socket);
    if (e == ERR_OK)
        e = start_role(s, ROLE_STORE, 1);
    if (e == ERR_OK)
        supervisor_refresh(s);
    return e;
}

enum err supervisor_new(const struct supervisor_config *config, struct supervisor **out)
{
    struct supervisor *s = mem_new(sizeof *s);
    s->loop = loop_new();
    s->folder = config->folder;
    s->keys = config->keys;
    s->listeners = config->listeners;
    s->environment = process_environment();
    s->settings = settings_new();
    s->started_ms = clock_mono_ms();
    s->stop_timer = timer_new(s->loop, on_stop_timer, s);
    loop_on_signal(s->loop, SIGCHLD, on_child, s);
    loop_on_signal(s->loop, SIGTERM, on_signal, s);
    loop_on_signal(s->loop, SIGINT, on_signal, s);
    enum err e = begin(s);
    if (e) {
        supervisor_stop_and_wait(s);
        supervisor_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void supervisor_free(struct supervisor *s)
{
    if (!s)
        return;
    control_socket_free(s->socket);
    while (s->processes)
        process_free(s->processes);
    role_certificates_clear(s->certificates, &s->certificate_count);
    process_environment_free(s->environment);
    settings_free(s->settings);
    timer_free(s->stop_timer);
    loop_free(s->loop);
    free(s->pending);
    free(s);
}

int supervisor_serve(struct supervisor *s)
{
    loop_run(s->loop);
    return s->exit_status;
}

enum err supervisor_wait_ready(struct supervisor *s)
{
    uint64_t end = clock_mono_ms() + START_MAX_MS;
    while (s->phase < PHASE_SERVING && clock_mono_ms() < end)
        loop_turn(s->loop, TURN_MS);
    return s->phase == PHASE_SERVING ? ERR_OK : ERR_IO;
}

void supervisor_stop_and_wait(struct supervisor *s)
{
    begin_stop(s, 0);
    while (s->phase < PHASE_OVER)
        loop_turn(s->loop, TURN_MS);
}

struct asking {
    struct buf *reply;
    int *fd;
    bool is_done;
};

static void on_answer(void *ctx, const struct admin_reply *r)
{
    struct asking *a = ctx;
    admin_reply_encode(r->req, r->err, r->text, r->json, a->reply);
    *a->fd = r->fd >= 0 ? fcntl(r->fd, F_DUPFD_CLOEXEC, 3) : -1;
    a->is_done = true;
}

enum err supervisor_ask(struct supervisor *s, const struct admin_request *r, struct buf *out_reply, int *out_fd)
{
    struct asking a = {.reply = out_reply, .fd = out_fd};
    admin_ask(s, r, on_answer, &a);
    while (!a.is_done && s->phase == PHASE_SERVING)
        loop_turn(s->loop, TURN_MS);
    if (!a.is_done)
        admin_forget(s, &a);
    return a.is_done ? ERR_OK : ERR_CLOSED;
}
