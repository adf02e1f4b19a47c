/* Routes and the queue as the command line sees them: route.*, queue.* of admin_ops.h. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "message/address.h"
#include "storage/store_admin.h"
#include "storage/store_queue.h"
#include "storage/store_sql.h"

#define LIST_MAX 200             /* recipients shown at one time */
#define EVERY_FIRST 0
#define EVERY_LAST INT64_MAX

/* ---- routes ---- */

static enum err route_name(struct store_admin *a, struct buf *out)
{
    struct slice text = store_admin_arg(a, "destination");
    if (slice_equal(text, SLICE("*"))) {
        buf_put(out, text);
        return ERR_OK;
    }
    return domain_canonical(text, out) ? store_admin_refuse(a, ERR_SYNTAX,
        "a route is for a domain, or for \"*\", which is all others") : ERR_OK;
}

/* "host:port", "[::1]:25", or a host alone. */
static bool split_host(struct slice text, struct slice *out_host, uint64_t *out_port)
{
    size_t colon = text.n;
    for (size_t i = text.n; i-- > 0 && text.p[i] != ']';)
        if (text.p[i] == ':') {
            colon = i;
            break;
        }
    *out_host = slice_sub(text, 0, colon);
    *out_port = 25;
    if (colon < text.n && !slice_to_u64(slice_from(text, colon + 1), 65535, out_port))
        return false;
    if (out_host->n > 2 && out_host->p[0] == '[')
        *out_host = slice_sub(*out_host, 1, out_host->n - 2);
    return out_host->n > 0 && out_host->n <= ROUTE_HOST_MAX && *out_port > 0;
}

static enum err insert_route(struct store_admin *a, struct slice name, struct slice password)
{
    struct slice host, tls = store_admin_arg(a, "tls"), user = store_admin_arg(a, "user");
    enum route_tls mode = ROUTE_TLS_MAY;
    uint64_t port;
    if (!split_host(store_admin_arg(a, "host"), &host, &port))
        return store_admin_refuse(a, ERR_SYNTAX, "where to must look like mail.example.net:587");
    if (tls.n && !route_tls_parse(tls, &mode))
        return store_admin_refuse(a, ERR_SYNTAX, "TLS is one of: may none must verify implicit");
    if (user.n > ROUTE_USER_MAX || !user.n != !password.n)
        return store_admin_refuse(a, ERR_SYNTAX, "a user needs a password, and a password a user");
    struct stmt *q = db_use(a->store->mail, SQL_ROUTE_SET);
    stmt_bind_text(q, "destination", name);
    stmt_bind_text(q, "host", host);
    stmt_bind_int(q, "port", (int64_t)port);
    stmt_bind_int(q, "tls", mode);
    stmt_bind_text(q, "user", user.n ? user : SLICE(""));
    stmt_bind_blob(q, "password", password.n ? password : SLICE(""));
    enum err e = stmt_run(q);
    a->store->routes_changed = true;
    return e ? e : store_admin_ok(a);
}

enum err store_route_add(struct store_admin *a)
{
    struct buf name, password;
    buf_init(&name, ADDRESS_DOMAIN_MAX + 8);
    buf_init(&password, ROUTE_PASSWORD_MAX + SEAL_OVERHEAD_MAX);
    enum err e = route_name(a, &name);
    if (!e && store_admin_arg(a, "password").n && hex_get(store_admin_arg(a, "password"), &password) != ERR_OK)
        e = store_admin_refuse(a, ERR_SYNTAX, "the password is too long");
    if (!e)
        e = insert_route(a, buf_slice(&name), buf_slice(&password));
    buf_clear(&name);
    buf_clear(&password);
    return e;
}

enum err store_route_remove(struct store_admin *a)
{
    struct buf name;
    buf_init(&name, ADDRESS_DOMAIN_MAX + 8);
    enum err e = route_name(a, &name);
    if (!e) {
        struct stmt *q = db_use(a->store->mail, SQL_ROUTE_DELETE);
        stmt_bind_text(q, "destination", buf_slice(&name));
        e = stmt_run(q);
        if (!e && db_changes(a->store->mail) == 0)
            e = store_admin_refuse(a, ERR_NOT_FOUND, "there is no route for this");
        else
            e = e ? e : store_admin_ok(a);
    }
    a->store->routes_changed = true;
    buf_clear(&name);
    return e;
}

enum err store_route_list(struct store_admin *a)
{
    struct json j = json_of(&a->json);
    struct stmt *q = db_use(a->store->mail, SQL_ROUTE_LIST);
    enum err e;
    json_array(&j, NULL);
    while ((e = stmt_step(q)) == ERR_OK) {
        struct slice name = stmt_bytes(q, 0), host = stmt_bytes(q, 1), user = stmt_bytes(q, 4);
        const char *tls = route_tls_name((enum route_tls)stmt_int(q, 3));
        json_object(&j, NULL);
        json_text(&j, "destination", name);
        json_text(&j, "host", host);
        json_number(&j, "port", stmt_int(q, 2));
        json_text(&j, "tls", slice_str(tls));
        json_text(&j, "user", user);
        json_end(&j);
        bool is_v6 = slice_find_byte(host, ':') < host.n;
        buf_printf(&a->text, "%.*s -> %s%.*s%s:%lld, TLS %s", SLICE_FMT(name), is_v6 ? "[" : "", SLICE_FMT(host),
            is_v6 ? "]" : "", (long long)stmt_int(q, 2), tls);
        if (user.n)
            buf_printf(&a->text, ", as %.*s", SLICE_FMT(user));
        buf_put_byte(&a->text, '\n');
    }
    json_end(&j);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* ---- the queue ---- */

/* Hexadecimal, as `queue list` and the log show it. */
static bool letter_parse(struct slice text, int64_t *out)
{
    uint64_t v = 0;
    if (text.n == 0 || text.n > 12)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = ascii_lower(text.p[i]);
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        v = v * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = (int64_t)v;
    return v > 0 && v < INT64_MAX / 65536;
}

static enum err find_letter(struct store_admin *a, int64_t *out)
{
    if (!letter_parse(store_admin_arg(a, "letter"), out))
        return store_admin_refuse(a, ERR_SYNTAX, "a letter is named by its number in `queue list`");
    struct stmt *q = db_use(a->store->mail, SQL_QUEUE_LETTER_GET);
    stmt_bind_int(q, "letter", *out);
    enum err e = stmt_step(q);
    stmt_reset(q);
    return e == ERR_NOT_FOUND ? store_admin_refuse(a, e, "there is no such letter in the queue") : e;
}

static void put_wait(struct buf *out, int64_t ms)
{
    int64_t s = ms > 0 ? (ms + 999) / 1000 : 0;
    if (s == 0)
        buf_put_str(out, "now");
    else if (s < 120)
        buf_printf(out, "in %lld s", (long long)s);
    else
        buf_printf(out, "in %lld min", (long long)(s / 60));
}

/* One row of SQL_QUEUE_LIST or SQL_QUEUE_SHOW. */
static void put_row(struct store_admin *a, struct json *j, struct stmt *q)
{
    bool is_held = stmt_int(q, 2) == 1;
    struct slice own = stmt_bytes(q, 5), from_destination = stmt_bytes(q, 11);
    struct slice answer = stmt_int(q, 9) > 0 ? from_destination : own;
    int64_t next = stmt_int(q, 4) > stmt_int(q, 10) ? stmt_int(q, 4) : stmt_int(q, 10);
    char letter[24];
    snprintf(letter, sizeof letter, "%llx", (unsigned long long)(stmt_int(q, 0) / 65536));
    json_object(j, NULL);
    json_text(j, "letter", slice_str(letter));
    json_text(j, "from", stmt_bytes(q, 6));
    json_text(j, "to", stmt_bytes(q, 1));
    json_bool(j, "held", is_held);
    json_number(j, "attempts", stmt_int(q, 3) + stmt_int(q, 9));
    json_number(j, "created", stmt_int(q, 7));
    json_number(j, "next", next / 1000);
    json_number(j, "size", stmt_int(q, 8));
    json_text(j, "answer", answer);
    json_end(j);
    buf_printf(&a->text, "%s  %.*s -> %.*s, %lld bytes, ", letter, SLICE_FMT(stmt_bytes(q, 6)),
        SLICE_FMT(stmt_bytes(q, 1)), (long long)stmt_int(q, 8));
    if (is_held)
        buf_put_str(&a->text, "held");
    else
        put_wait(&a->text, next - store_queue_now());
    if (answer.n)
        buf_printf(&a->text, "\n    %.*s", SLICE_FMT(answer));
    buf_put_byte(&a->text, '\n');
}

static enum err put_rows(struct store_admin *a, struct stmt *q)
{
    struct json j = json_of(&a->json);
    unsigned n = 0;
    enum err e;
    json_array(&j, NULL);
    while ((e = stmt_step(q)) == ERR_OK && a->json.n < CHANNEL_MESSAGE_MAX / 3 &&
           a->text.n < CHANNEL_MESSAGE_MAX / 3) {
        put_row(a, &j, q);
        n++;
    }
    stmt_reset(q);
    json_end(&j);
    if (e == ERR_OK || n == LIST_MAX)
        buf_put_str(&a->text, "… and more; `status` counts them\n");
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err store_queue_list(struct store_admin *a)
{
    struct slice domain = store_admin_arg(a, "domain"), sender = store_admin_arg(a, "from");
    struct stmt *q = db_use(a->store->mail, SQL_QUEUE_LIST);
    stmt_bind_text(q, "domain", domain.n ? domain : SLICE(""));
    stmt_bind_text(q, "sender", sender.n ? sender : SLICE(""));
    stmt_bind_int(q, "count", LIST_MAX);
    return put_rows(a, q);
}

static void bind_letter(struct stmt *q, int64_t letter)
{
    stmt_bind_int(q, "first", letter * 65536);
    stmt_bind_int(q, "last", letter * 65536 + 65535);
}

enum err store_queue_show(struct store_admin *a)
{
    int64_t letter;
    enum err e = find_letter(a, &letter);
    if (e)
        return e;
    struct stmt *q = db_use(a->store->mail, SQL_QUEUE_SHOW);
    bind_letter(q, letter);
    return put_rows(a, q);
}

static enum err say_count(struct store_admin *a, int64_t n)
{
    struct json j = json_of(&a->json);
    json_object(&j, NULL);
    json_number(&j, "recipients", n);
    json_end(&j);
    buf_printf(&a->text, "%lld recipients\n", (long long)n);
    return ERR_OK;
}

/* A letter, a domain, or all: due now, and so are their destinations. */
enum err store_queue_retry(struct store_admin *a)
{
    struct store *s = a->store;
    struct slice what = store_admin_arg(a, "letter");
    int64_t letter = 0;
    bool is_domain = slice_find_byte(what, '.') < what.n;
    enum err e = what.n && !is_domain ? find_letter(a, &letter) : ERR_OK;
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_QUEUE_RETRY);
    stmt_bind_int(q, "first", letter ? letter * 65536 : EVERY_FIRST);
    stmt_bind_int(q, "last", letter ? letter * 65536 + 65535 : EVERY_LAST);
    stmt_bind_int(q, "next", store_queue_due(s, store_queue_now(), 0));
    stmt_bind_text(q, "domain", is_domain ? what : SLICE(""));
    e = stmt_run(q);
    int64_t n = e ? 0 : db_changes(s->mail);
    store_queue_tell_retry(s, is_domain ? what : SLICE(""));
    s->queue.is_due = true;
    return e ? e : say_count(a, n);
}

static enum err set_state(struct store_admin *a, int state)
{
    struct store *s = a->store;
    int64_t letter;
    enum err e = find_letter(a, &letter);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_QUEUE_STATE);
    bind_letter(q, letter);
    stmt_bind_int(q, "state", state);
    stmt_bind_int(q, "next", store_queue_due(s, store_queue_now(), 0));
    e = stmt_run(q);
    int64_t n = e ? 0 : db_changes(s->mail);
    if (state == 1)
        store_queue_tell_forget(s, letter);
    s->queue.is_due = true;
    return e ? e : say_count(a, n);
}

enum err store_queue_hold(struct store_admin *a)
{
    return set_state(a, 1);
}

enum err store_queue_release(struct store_admin *a)
{
    return set_state(a, 0);
}

enum err store_queue_drop(struct store_admin *a)
{
    int64_t letter;
    enum err e = find_letter(a, &letter);
    if (e)
        return e;
    struct stmt *q = db_use(a->store->mail, SQL_QUEUE_DROP);
    bind_letter(q, letter);
    e = stmt_run(q);
    int64_t n = e ? 0 : db_changes(a->store->mail);
    if (!e)
        e = store_queue_settle(a->store, letter);
    store_queue_tell_forget(a->store, letter);
    return e ? e : say_count(a, n);
}
