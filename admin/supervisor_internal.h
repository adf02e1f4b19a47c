/* What the supervisor's files share. Only they include it.
 *
 *   supervisor.c          its life: start, phases, orderly stop
 *   supervisor_process.c  one role process: fork, boot message, death, back-off
 *   supervisor_channel.c  who is connected with whom
 *   supervisor_admin.c    administrative requests and their replies
 *   supervisor_own.c      those that it answers itself, and sealing of TLS keys
 *   control_socket.c      the command line's way in */
#ifndef ADMIN_SUPERVISOR_INTERNAL_H
#define ADMIN_SUPERVISOR_INTERNAL_H

#include "admin/supervisor.h"
#include "base/idmap.h"
#include "storage/boot.h"
#include "storage/settings.h"

#define RETRIEVALS_MAX 1000      /* one per account that is logged in */
#define PENDING_MAX 256          /* administrative requests under way */
#define LONG_LIFE_MS 30000       /* who lived so long did not die of its start */
#define BACK_OFF_FIRST_MS 100
#define BACK_OFF_LAST_MS 5000
#define LINGER_MS 5000           /* between the end of a control channel and SIGKILL */
#define STOP_FRONT_MS 8000       /* replies are finished, then SIGKILL */
#define STOP_BACK_MS 8000
#define SNAPSHOT_TEXT_MAX (CHANNEL_MESSAGE_MAX)

/*   STORE ──snapshot──> ROLES ──all ready──> SERVING ──signal──> STOP_FRONT ──> STOP_AUTH ──> STOP_HASH
 *     └───────────────── a role cannot start ──────────────────────^              ──> STOP_STORE ──> OVER */
enum phase {
    PHASE_STORE,
    PHASE_ROLES,
    PHASE_SERVING,
    PHASE_STOP_FRONT,
    PHASE_STOP_AUTH,
    PHASE_STOP_HASH,
    PHASE_STOP_STORE,
    PHASE_OVER
};

struct role_process {
    struct role_process *next;
    struct supervisor *supervisor; /* borrowed */
    enum role role;
    uint64_t account;              /* retrieval */

    /* of this life */
    uint32_t instance;
    pid_t pid;                     /* 0: not running */
    struct channel *control;       /* NULL: closed */
    bool is_ready;
    uint64_t started_ms;

    /* over all lives */
    unsigned deaths;               /* in a row */
    unsigned restarts;
    struct timer *timer;           /* pid 0: start again; else: kill it */
};

struct control_socket;

struct supervisor {
    struct loop *loop;
    struct data_folder *folder;    /* borrowed */
    struct server_keys *keys;      /* borrowed */
    struct listen_set *listeners;  /* borrowed; NULL: private */
    struct control_socket *socket; /* NULL: private */
    char **environment;            /* of the roles */

    enum phase phase;
    int exit_status;
    uint64_t started_ms;
    struct timer *stop_timer;
    struct role_process *processes;
    uint32_t last_instance;

    struct settings *settings;
    struct role_certificate certificates[ROLE_CERTIFICATES_MAX];
    char certificate_hosts[ROLE_CERTIFICATES_MAX][256];
    size_t certificate_count;

    struct admin_pending *pending; /* owned */
    size_t pending_count;
    uint64_t last_req;
    bool is_refreshing;            /* a snapshot is asked for */
};

/* supervisor.c */
void supervisor_role_is_ready(struct supervisor *s);
void supervisor_role_ended(struct supervisor *s, struct role_process *p, bool was_ready);
void supervisor_snapshot_came(struct supervisor *s, struct slice body);

/* supervisor_process.c */
struct role_process *process_new(struct supervisor *s, enum role role, uint64_t account);
/* ERR_OK: it runs, its boot message is sent and its channels are made. */
enum err process_start(struct role_process *p) MUST_CHECK;
void process_start_after(struct role_process *p, uint64_t ms);
/* Asks for the exit status of those that ended. */
void processes_reap(struct supervisor *s);
struct role_process *process_find(struct supervisor *s, enum role role);
bool process_is_alive(const struct role_process *p);
void process_send(struct role_process *p, uint16_t type, struct slice body, const int *fds, size_t nfds);
void process_send_certificates(struct role_process *p);
void process_free(struct role_process *p);
char **process_environment(void);
void process_environment_free(char **environment);

/* supervisor_channel.c */
void channels_make(struct role_process *p);
void retrieval_wanted(struct supervisor *s, struct slice body);

/* supervisor_admin.c */
typedef void (*admin_done_fn)(void *ctx, const struct admin_reply *reply);
/* The callback comes once, perhaps before this returns, unless admin_forget(ctx) came before. */
void admin_ask(struct supervisor *s, const struct admin_request *r, admin_done_fn fn, void *ctx);
void admin_forget(struct supervisor *s, void *ctx);
/* fd: what came with it, or -1; the caller's. */
void admin_reply_came(struct supervisor *s, struct slice body, int fd);
void admin_role_died(struct supervisor *s, enum role role);
/* Settings and certificates are new everywhere: answers those that waited for it. */
void admin_refreshed(struct supervisor *s);
void supervisor_refresh(struct supervisor *s);

/* supervisor_own.c */
void own_status(struct supervisor *s, struct slice store_text, struct slice store_json, struct buf *text,
    struct buf *json);
void own_certificates(struct supervisor *s, struct buf *text, struct buf *json);
/* Checks that chain and key belong together, and seals the key for the store, in hex. */
enum err own_seal_key(struct supervisor *s, const struct admin_request *r, struct buf *out_hex) MUST_CHECK;
/* The password of a route, sealed for relay, in hex. */
enum err own_seal_dkim(struct supervisor *s, const struct admin_request *r, struct buf *out_hex) MUST_CHECK;
enum err own_seal_password(struct supervisor *s, const struct admin_request *r, struct buf *out_hex) MUST_CHECK;
/* Opens the certificates of a snapshot; w stands at their number. */
enum err own_certificates_decode(struct supervisor *s, struct wire *w) MUST_CHECK;

/* control_socket.c */
enum err control_socket_new(struct supervisor *s, struct control_socket **out) MUST_CHECK;
void control_socket_free(struct control_socket *c);

#endif
