/* The frame of administrative jobs; see auth_admin.h. */
#include "storage/auth_admin.h"

#include "base/log.h"
#include "base/secret.h"
#include "message/address.h"
#include "storage/auth_client.h"

#define REPLY_TEXT_MAX (16 * 1024)

static const struct admin_op ops[] = {
    {"user.add", false, admin_user_add},
    {"user.list", false, admin_user_list},
    {"user.show", true, admin_user_show},
    {"user.password", true, admin_user_password},
    {"user.recover", true, admin_user_recover},
    {"user.disable", true, admin_user_disable},
    {"user.enable", true, admin_user_enable},
    {"user.remove", true, admin_user_remove},
    {"app-password.add", true, admin_app_add},
    {"app-password.list", true, admin_app_list},
    {"app-password.revoke", true, admin_app_revoke},
    {"login.why", false, admin_login_why},
    {"login.unblock", false, admin_login_unblock},
};

static void job_free(struct admin_job *j)
{
    struct auth *a = j->auth;
    struct admin_job **at = &a->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    a->job_count--;
    if (j->hash)
        auth_hash_cancel(a, j->hash);
    secret_free(j->keys, sizeof *j->keys);
    secret_wipe(j->shown, sizeof j->shown);
    secret_wipe(&j->credential, sizeof j->credential);
    buf_wipe(&j->body);
    buf_wipe(&j->store_body);
    timer_free(j->timer);
    free(j);
}

static void reply(struct auth *a, uint64_t req, enum err e, struct slice text, struct slice json)
{
    struct buf body;
    buf_init(&body, CHANNEL_MESSAGE_MAX - 2);
    admin_reply_encode(req, e, text, json, &body);
    if (!buf_ok(&body)) {
        buf_reset(&body);
        body.overflowed = false;
        admin_reply_encode(req, ERR_TOO_BIG, SLICE("the answer is too long\n"), SLICE("null"), &body);
    }
    if (channel_send(a->role->control, M_ADMIN_REPLY, buf_slice(&body), NULL, 0) != ERR_OK)
        log_event(LOG_WARNING, "reply-not-sent", LF_U("request", req));
    buf_wipe(&body);
}

static void reply_failure(struct auth *a, uint64_t req, enum err e, struct slice text)
{
    struct buf out;
    buf_init(&out, 2 * REPLY_TEXT_MAX);
    struct json j = json_of(&out);
    json_object(&j, NULL);
    json_text(&j, "error", text);
    json_end(&j);
    reply(a, req, e, text, buf_slice(&out));
    buf_clear(&out);
}

void admin_job_fail(struct admin_job *j, enum err e, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply_failure(j->auth, j->req, e ? e : ERR_INTERNAL, slice_str(text));
    job_free(j);
}

void admin_job_finish(struct admin_job *j, struct slice text, struct slice json)
{
    auth_tell_scram(j->auth); /* whatever it was may have made the first app password, or taken the last */
    reply(j->auth, j->req, ERR_OK, text, json);
    job_free(j);
}

static void on_timer(void *ctx)
{
    struct admin_job *j = ctx;
    admin_job_fail(j, ERR_TIMEOUT, "it took too long; nothing is lost by asking again");
}

static void on_hash(void *ctx, enum err e, const uint8_t *ph)
{
    struct admin_job *j = ctx;
    j->hash = NULL;
    if (e)
        admin_job_fail(j, e, "the password could not be hashed: %s", err_text(e));
    else
        j->on_hashed(j, ph);
}

void admin_job_hash(struct admin_job *j, struct slice password, const uint8_t *salt, uint64_t opslimit,
    uint64_t memlimit, admin_hashed_fn fn)
{
    struct hash_order order = {.password = password, .salt = salt, .opslimit = opslimit,
        .memlimit = memlimit};
    j->on_hashed = fn;
    enum err e = auth_hash(j->auth, &order, on_hash, j, &j->hash);
    if (e)
        admin_job_fail(j, e, "the password could not be hashed: %s", err_text(e));
}

static void store_send(struct admin_job *j)
{
    if (j->auth->store)
        auth_send(j->auth->store, M_ADMIN, &j->store_body, NULL, 0);
}

void admin_job_store(struct admin_job *j, struct admin_request *r, admin_stored_fn fn)
{
    j->store_req = ++j->auth->next_request;
    j->on_stored = fn;
    r->req = j->store_req;
    buf_reset(&j->store_body);
    admin_request_encode(r, &j->store_body);
    store_send(j);
}

void auth_admin_on_store(struct auth *a)
{
    for (struct admin_job *j = a->jobs; j; j = j->next)
        if (j->store_req)
            store_send(j);
}

enum err auth_admin_on_reply(struct auth *a, struct slice body)
{
    struct admin_reply r;
    enum err e = admin_reply_decode(body, &r);
    if (e)
        return e;
    for (struct admin_job *j = a->jobs; j; j = j->next) {
        if (j->store_req != r.req)
            continue;
        j->store_req = 0;
        j->on_stored(j, &r);
        break;
    }
    return ERR_OK;
}

struct slice admin_job_value(const struct admin_job *j, const char *key)
{
    return admin_request_get(&j->request, key);
}

bool admin_job_new_password(struct admin_job *j, struct slice *out)
{
    char canonical[CREDENTIAL_TEXT_MAX];
    struct slice password = admin_job_value(j, "password");
    if (password.n == 0)
        admin_job_fail(j, ERR_SYNTAX, "a password is needed");
    else if (password.n > LOGIN_PASSWORD_MAX || slice_find_byte(password, 0) != password.n)
        admin_job_fail(j, ERR_TOO_BIG, "a password has at most %d bytes, none of them NUL",
            LOGIN_PASSWORD_MAX);
    else if (credential_text_kind(password, canonical) != CREDENTIAL_PASSWORD)
        admin_job_fail(j, ERR_SYNTAX, "this has the form of an app password or a recovery code; choose "
            "another");
    else {
        *out = password;
        return true;
    }
    secret_wipe(canonical, sizeof canonical);
    return false;
}

bool admin_job_keys(struct admin_job *j)
{
    j->keys = secret_new(sizeof *j->keys);
    if (!j->keys)
        admin_job_fail(j, ERR_LIMIT, "no locked memory is left for keys; try again");
    return j->keys != NULL;
}

static bool find_account(struct admin_job *j)
{
    struct address parsed;
    struct buf canonical;
    struct slice address = admin_job_value(j, "address");
    buf_init(&canonical, CREDENTIAL_ADDRESS_BYTES - 1);
    enum err e = address_parse(address, &parsed);
    if (!e)
        e = address_canonical(&parsed, &canonical);
    if (!e)
        e = credentials_find_account(j->auth->credentials, buf_slice(&canonical), &j->account);
    buf_clear(&canonical);
    if (e == ERR_NOT_FOUND)
        admin_job_fail(j, e, "there is no account %.*s", SLICE_FMT(slice_sub(address, 0, ADDRESS_MAX)));
    else if (e)
        admin_job_fail(j, e, "%.*s: %s", SLICE_FMT(slice_sub(address, 0, ADDRESS_MAX)),
            address.n ? err_text(e) : "an address is needed");
    return e == ERR_OK;
}

static struct admin_job *job_new(struct auth *a, struct slice body)
{
    struct admin_job *j = mem_new(sizeof *j);
    j->auth = a;
    buf_init(&j->body, CHANNEL_MESSAGE_MAX);
    buf_init(&j->store_body, CHANNEL_MESSAGE_MAX - 2);
    buf_put(&j->body, body);
    j->timer = timer_new(a->role->loop, on_timer, j);
    timer_start(j->timer, AUTH_ADMIN_JOB_MS);
    j->next = a->jobs;
    a->jobs = j;
    a->job_count++;
    return j;
}

void auth_admin_begin(struct auth *a, struct slice body)
{
    struct admin_request r;
    enum err e = admin_request_decode(body, &r);
    if (e) {
        log_event(LOG_ERROR, "admin-request-refused", LF("reason", err_text(e)));
        return;
    }
    if (slice_equal(r.op, SLICE("session.open"))) {
        auth_login_admin(a, r.req, admin_request_get(&r, "address"), admin_request_get(&r, "password"));
        return;
    }
    if (a->job_count >= AUTH_ADMIN_JOBS_MAX) {
        reply_failure(a, r.req, ERR_LIMIT, SLICE("too many commands at one time; try again"));
        return;
    }
    struct admin_job *j = job_new(a, body);
    j->req = r.req;
    ENSURE(admin_request_decode(buf_slice(&j->body), &j->request) == ERR_OK);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!slice_equal(j->request.op, slice_str(ops[i].name)))
            continue;
        if (!ops[i].needs_account || find_account(j))
            ops[i].run(j);
        return;
    }
    admin_job_fail(j, ERR_UNSUPPORTED, "this is not an operation of auth's");
}

void auth_admin_end_all(struct auth *a)
{
    while (a->jobs)
        admin_job_fail(a->jobs, ERR_STORE_GONE, "the server is stopping");
}
