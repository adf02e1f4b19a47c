/* One role process: how it is born, what it is told first, and what follows its death. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/supervisor_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

extern char **environ;

/* ---- the environment of roles ---- */

static bool env_starts(const char *entry, const char *name)
{
    return strncmp(entry, name, strlen(name)) == 0;
}

static bool env_is_kept(const char *entry)
{
    static const char *const kept[] = {"JOURNAL_STREAM=", "LETTERLOCK_TEST_", "ASAN_OPTIONS=",
        "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (env_starts(entry, kept[i]))
            return true;
    const char *preload = getenv("LETTERLOCK_TEST_PRELOAD");
    return preload && strcmp(preload, "1") == 0 && env_starts(entry, "LD_PRELOAD=");
}

char **process_environment(void)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **list = mem_new((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++)
        if (env_is_kept(environ[i]))
            list[kept++] = mem_strdup(slice_str(environ[i]));
    return list;
}

void process_environment_free(char **environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        free(environment[i]);
    free(environment);
}

/* ---- birth ---- */

struct role_process *process_new(struct supervisor *s, enum role role, uint64_t account)
{
    struct role_process *p = mem_new(sizeof *p);
    p->supervisor = s;
    p->role = role;
    p->account = account;
    struct role_process **end = &s->processes;
    while (*end)
        end = &(*end)->next;
    *end = p;
    return p;
}

/* After fork: only what is safe there. Nothing of ours stays open but the log and the channel. */
__attribute__((noreturn)) static void child_run(int control, char *const *arguments,
    char *const *environment, pid_t parent)
{
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
        _exit(71);
    if (control != ROLE_CONTROL_FD && dup2(control, ROLE_CONTROL_FD) < 0)
        _exit(71);
    if (control == ROLE_CONTROL_FD && fcntl(control, F_SETFD, 0) != 0)
        _exit(71);
    if (close_range(ROLE_CONTROL_FD + 1, ~0U, 0) != 0)
        for (int fd = ROLE_CONTROL_FD + 1; fd < 65536; fd++)
            close(fd);
    /* No role outlives its supervisor, not even one that is killed. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        getppid() != parent)
        _exit(71);
    execve("/proc/self/exe", arguments, environment);
    _exit(71);
}

static char *without_const(const char *text)
{
    return (char *)(uintptr_t)text; /* execve() takes no const but changes nothing */
}

static pid_t fork_role(struct role_process *p, int control)
{
    char *const arguments[] = {without_const("letterlock"), without_const("--role"),
        without_const(role_name(p->role)), NULL};
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_run(control, arguments, p->supervisor->environment, parent);
    return pid;
}

static void boot_keys(const struct role_process *p, struct role_keys *out)
{
    const struct server_keys *keys = p->supervisor->keys;
    if (p->role == ROLE_AUTH)
        memcpy(out->fake_salt, keys->fake_salt, sizeof out->fake_salt);
    if (p->role == ROLE_SMTP)
        memcpy(out->name_hash, keys->name_hash, sizeof out->name_hash);
    if (p->role == ROLE_SMTP)
        memcpy(out->queue_public, keys->queue_public, sizeof out->queue_public);
    if (p->role == ROLE_RELAY) {
        memcpy(out->queue, keys->queue, sizeof out->queue);
        memcpy(out->route, keys->route, sizeof out->route);
        memcpy(out->dkim, keys->dkim, sizeof out->dkim);
    }
}

static void boot_listeners(const struct role_process *p, struct role_boot *b)
{
    const struct listen_set *set = p->supervisor->listeners;
    for (size_t i = 0; set && i < set->count; i++) {
        if (listen_role(set->list[i].name) != p->role)
            continue;
        struct role_listener *l = &b->listeners[b->listener_count++];
        memcpy(l->name, set->list[i].name, sizeof l->name);
        l->fd = set->list[i].fd;
    }
}

static void send_boot(struct role_process *p)
{
    struct supervisor *s = p->supervisor;
    struct role_boot b = {.instance = p->instance, .account = p->account,
        .folder = slice_str(s->folder->path)};
    struct buf settings, body;
    int fds[ROLE_LISTENERS_MAX];
    buf_init(&settings, CHANNEL_MESSAGE_MAX);
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    settings_encode(s->settings, &settings);
    b.settings = buf_slice(&settings);
    boot_keys(p, &b.keys);
    boot_listeners(p, &b);
    for (size_t i = 0; i < b.listener_count; i++)
        fds[i] = b.listeners[i].fd;
    role_boot_encode(&b, &body);
    process_send(p, M_BOOT, buf_slice(&body), fds, b.listener_count);
    secret_wipe(&b.keys, sizeof b.keys);
    buf_wipe(&body);
    buf_clear(&settings);
}

void process_send_certificates(struct role_process *p)
{
    struct supervisor *s = p->supervisor;
    bool is_for_it = p->role == ROLE_SMTP || p->role == ROLE_DOOR;
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX);
    role_certificates_encode(s->certificates, is_for_it ? s->certificate_count : 0, &body);
    process_send(p, M_CERTIFICATES, buf_slice(&body), NULL, 0);
    buf_wipe(&body);
}

void process_send(struct role_process *p, uint16_t type, struct slice body, const int *fds, size_t nfds)
{
    if (!p->control)
        return;
    ENSURE(message_allowed(ROLE_SUPERVISOR, p->role, type));
    enum err e = channel_send(p->control, type, body, fds, nfds);
    if (e && e != ERR_CLOSED) /* of the closed one on_closed tells */
        log_event(LOG_ERROR, "send-failed", LF("to", role_name(p->role)), LF_U("type", type),
            LF("reason", err_text(e)));
}

static void on_message(void *ctx, struct channel *c, uint16_t type, struct slice body, const int *fds,
    size_t nfds)
{
    struct role_process *p = ctx;
    struct supervisor *s = p->supervisor;
    (void)c;
    int fd = nfds == 1 && p->role == ROLE_AUTH && type == M_ADMIN_REPLY ? fds[0] : -1;
    for (size_t i = 0; i < nfds; i++) /* no other has one to give us */
        if (fds[i] != fd)
            close(fds[i]);
    if (!message_allowed(p->role, ROLE_SUPERVISOR, type)) {
        log_event(LOG_ERROR, "forbidden-message", LF("from", role_name(p->role)), LF_U("type", type));
        kill(p->pid, SIGKILL);
        return;
    }
    if (type == M_READY) {
        p->is_ready = true;
        supervisor_role_is_ready(s);
    } else if (type == M_SPAWN) {
        retrieval_wanted(s, body);
    } else if (type == M_ADMIN_REPLY) {
        admin_reply_came(s, body, fd);
    } else if (type == M_SNAPSHOT_REPLY) {
        supervisor_snapshot_came(s, body);
    } else {
        supervisor_refresh(s); /* M_SETTINGS: the store changed them by itself */
    }
    if (fd >= 0)
        close(fd);
}

static void on_closed(void *ctx, struct channel *c)
{
    struct role_process *p = ctx;
    channel_free(c);
    p->control = NULL;
    if (p->pid)
        timer_start(p->timer, LINGER_MS);
}

static const struct channel_events process_events = {
    .on_message = on_message,
    .on_closed = on_closed,
};

/* Due to start again; or its control channel ended long ago and it still runs. */
static void on_timer(void *ctx)
{
    struct role_process *p = ctx;
    if (p->pid) {
        log_event(LOG_WARNING, "role-killed", LF("name", role_name(p->role)),
            LF_U("pid", (uint64_t)p->pid));
        kill(p->pid, SIGKILL);
        return;
    }
    if (p->supervisor->phase > PHASE_SERVING)
        return;
    enum err e = process_start(p);
    if (e) {
        log_event(LOG_ERROR, "role-not-started", LF("name", role_name(p->role)),
            LF("reason", err_text(e)));
        process_start_after(p, BACK_OFF_LAST_MS);
    }
}

void process_start_after(struct role_process *p, uint64_t ms)
{
    if (!p->timer)
        p->timer = timer_new(p->supervisor->loop, on_timer, p);
    timer_start(p->timer, ms);
}

enum err process_start(struct role_process *p)
{
    struct supervisor *s = p->supervisor;
    int pair[2];
    enum err e = channel_pair(pair);
    if (e)
        return e;
    if (!p->timer)
        p->timer = timer_new(s->loop, on_timer, p);
    timer_stop(p->timer);
    pid_t pid = fork_role(p, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return ERR_LIMIT;
    }
    p->pid = pid;
    p->instance = ++s->last_instance;
    p->is_ready = false;
    p->started_ms = clock_mono_ms();
    p->control = channel_new(s->loop, pair[0], &process_events, p);
    send_boot(p);
    process_send_certificates(p);
    channels_make(p);
    if (p->role == ROLE_STORE && s->is_refreshing)
        supervisor_refresh(s); /* the one before died with the question */
    log_event(LOG_DEBUG, "role-started", LF("name", role_name(p->role)), LF_U("pid", (uint64_t)pid));
    return ERR_OK;
}

/* ---- death ---- */

static void log_end(const struct role_process *p, int status)
{
    bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    enum log_level level = is_orderly ? LOG_DEBUG : LOG_ERROR;
    if (WIFSIGNALED(status))
        log_event(level, "role-died", LF("name", role_name(p->role)), LF_U("pid", (uint64_t)p->pid),
            LF_U("signal", (uint64_t)WTERMSIG(status)));
    else
        log_event(level, is_orderly ? "role-ended" : "role-died", LF("name", role_name(p->role)),
            LF_U("pid", (uint64_t)p->pid), LF_U("status", (uint64_t)WEXITSTATUS(status)));
}

static uint64_t back_off_ms(const struct role_process *p)
{
    uint64_t ms = BACK_OFF_FIRST_MS;
    for (unsigned i = 2; i < p->deaths && ms < BACK_OFF_LAST_MS; i++)
        ms *= 2;
    if (p->deaths <= 1)
        return 0;
    return ms < BACK_OFF_LAST_MS ? ms : BACK_OFF_LAST_MS;
}

static void process_ended(struct role_process *p, int status)
{
    struct supervisor *s = p->supervisor;
    bool was_ready = p->is_ready;
    log_end(p, status);
    bool lived_long = clock_mono_ms() - p->started_ms >= LONG_LIFE_MS;
    p->pid = 0;
    p->is_ready = false;
    timer_stop(p->timer);
    channel_free(p->control);
    p->control = NULL;
    admin_role_died(s, p->role);
    if (s->phase <= PHASE_SERVING && p->role != ROLE_RETRIEVAL) {
        p->deaths = lived_long ? 1 : p->deaths + 1;
        p->restarts++;
        process_start_after(p, back_off_ms(p));
    }
    supervisor_role_ended(s, p, was_ready);
}

void processes_reap(struct supervisor *s)
{
    struct role_process *next;
    for (struct role_process *p = s->processes; p; p = next) {
        int status;
        next = p->next;
        if (p->pid && waitpid(p->pid, &status, WNOHANG) == p->pid)
            process_ended(p, status);
    }
}

/* ---- looking ---- */

struct role_process *process_find(struct supervisor *s, enum role role)
{
    for (struct role_process *p = s->processes; p; p = p->next)
        if (p->role == role)
            return p;
    return NULL;
}

bool process_is_alive(const struct role_process *p)
{
    return p->pid && p->control;
}

void process_free(struct role_process *p)
{
    struct role_process **at = &p->supervisor->processes;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    channel_free(p->control);
    timer_free(p->timer);
    free(p);
}
