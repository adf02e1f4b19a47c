/* Keys that sign letters (DKIM) as the command line sees them: dkim.* of admin_ops.h. The store keeps them, sealed, and
 * cannot sign with them. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "message/address.h"
#include "net/sign_key.h"
#include "storage/store_admin.h"
#include "storage/store_sql.h"

#define SELECTOR_MAX 63
#define TXT_STRING 250           /* of at most 255 bytes (RFC 1035 section 3.3.14) */

static const char *const state_names[] = {"waiting", "signing", "retired"};

static bool selector_is_sound(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0 && i + 1 < s.n)))
            return false;
    }
    return s.n > 0 && s.n <= SELECTOR_MAX;
}

static enum err domain_arg(struct store_admin *a, struct buf *out)
{
    enum err e = domain_canonical(store_admin_arg(a, "domain"), out);
    if (!e) {
        struct stmt *q = db_use(a->store->mail, SQL_DOMAIN_GET);
        stmt_bind_text(q, "name", buf_slice(out));
        e = stmt_step(q);
        stmt_reset(q);
    }
    return e ? store_admin_refuse(a, ERR_NOT_FOUND, "there is no such domain here") : ERR_OK;
}

static enum err insert(struct store_admin *a, struct slice domain, enum sign_algorithm algorithm, struct slice key)
{
    struct stmt *q = db_use(a->store->mail, SQL_DKIM_CLEAN);
    stmt_bind_text(q, "domain", domain);
    stmt_bind_int(q, "algorithm", algorithm);
    enum err e = stmt_run(q);
    if (e)
        return e;
    q = db_use(a->store->mail, SQL_DKIM_INSERT);
    stmt_bind_text(q, "domain", domain);
    stmt_bind_text(q, "selector", store_admin_arg(a, "selector"));
    stmt_bind_int(q, "algorithm", algorithm);
    stmt_bind_int(q, "now", clock_wall());
    stmt_bind_text(q, "public", store_admin_arg(a, "public"));
    stmt_bind_blob(q, "key", key);
    e = stmt_run(q);
    return e == ERR_EXISTS ? store_admin_refuse(a, e, "a key with this selector is there already") : e;
}

enum err store_dkim_add(struct store_admin *a)
{
    struct buf domain, key, public;
    enum sign_algorithm algorithm;
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 8);
    buf_init(&key, SIGN_PEM_MAX + SEAL_OVERHEAD_MAX);
    buf_init(&public, SIGN_PEM_MAX);
    enum err e = domain_arg(a, &domain);
    if (!e && (!selector_is_sound(store_admin_arg(a, "selector")) ||
               !sign_algorithm_parse(store_admin_arg(a, "algorithm"), &algorithm) ||
               base64_get(store_admin_arg(a, "public"), &public) != ERR_OK || public.n == 0 ||
               hex_get(store_admin_arg(a, "key"), &key) != ERR_OK || key.n == 0))
        e = store_admin_refuse(a, ERR_SYNTAX, "selector, algorithm or key are malformed");
    if (!e)
        e = insert(a, buf_slice(&domain), algorithm, buf_slice(&key));
    a->store->dkim_changed = true;
    buf_clear(&domain);
    buf_clear(&key);
    buf_clear(&public);
    return e ? e : store_admin_ok(a);
}

enum err store_dkim_activate(struct store_admin *a)
{
    struct buf domain;
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 8);
    enum err e = domain_arg(a, &domain);
    for (size_t i = 0; i < 2 && !e; i++) {
        struct stmt *q = db_use(a->store->mail, i ? SQL_DKIM_ACTIVATE : SQL_DKIM_RETIRE);
        stmt_bind_text(q, "domain", buf_slice(&domain));
        e = stmt_run(q);
    }
    if (!e && db_changes(a->store->mail) == 0)
        e = store_admin_refuse(a, ERR_NOT_FOUND, "no key of this domain waits: see `domain dkim rotate`");
    a->store->dkim_changed = true;
    buf_clear(&domain);
    return e ? e : store_admin_ok(a);
}

enum err store_dkim_forget(struct store *s, struct slice domain)
{
    struct stmt *q = db_use(s->mail, SQL_DKIM_DELETE);
    stmt_bind_text(q, "domain", domain);
    s->dkim_changed = true;
    return stmt_run(q);
}

/* The record as a zone file has it: strings of a length that DNS can carry. */
static void put_record(struct slice name, struct slice value, struct buf *out)
{
    buf_printf(out, "%.*s. IN TXT (", SLICE_FMT(name));
    for (struct slice rest = value; rest.n > 0; rest = slice_from(rest, TXT_STRING))
        buf_printf(out, " \"%.*s\"", SLICE_FMT(slice_sub(rest, 0, TXT_STRING)));
    buf_put_str(out, " )\n");
}

static void list_row(struct store_admin *a, struct stmt *q, struct json *j)
{
    struct slice domain = stmt_bytes(q, 0), selector = stmt_bytes(q, 1);
    enum sign_algorithm algorithm = (enum sign_algorithm)stmt_int(q, 2);
    const char *state = state_names[stmt_int(q, 3)];
    struct buf name, value;
    buf_init(&name, 2 * ADDRESS_DOMAIN_MAX);
    buf_init(&value, SIGN_PEM_MAX);
    buf_printf(&name, "%.*s._domainkey.%.*s", SLICE_FMT(selector), SLICE_FMT(domain));
    store_dkim_record(algorithm, stmt_bytes(q, 5), &value);
    json_object(j, NULL);
    json_text(j, "domain", domain);
    json_text(j, "selector", selector);
    json_text(j, "algorithm", slice_str(sign_algorithm_name(algorithm)));
    json_text(j, "state", slice_str(state));
    json_number(j, "created", stmt_int(q, 4));
    json_text(j, "name", buf_slice(&name));
    json_text(j, "record", buf_slice(&value));
    json_end(j);
    buf_printf(&a->text, "; %s, %s\n", state, sign_algorithm_name(algorithm));
    put_record(buf_slice(&name), buf_slice(&value), &a->text);
    buf_clear(&name);
    buf_clear(&value);
}

enum err store_dkim_list(struct store_admin *a)
{
    struct buf domain;
    struct json j = json_of(&a->json);
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 8);
    enum err e = store_admin_arg(a, "domain").n ? domain_arg(a, &domain) : ERR_OK;
    if (!e) {
        struct stmt *q = db_use(a->store->mail, SQL_DKIM_LIST);
        stmt_bind_text(q, "domain", domain.n ? buf_slice(&domain) : SLICE(""));
        json_array(&j, NULL);
        while ((e = stmt_step(q)) == ERR_OK)
            list_row(a, q, &j);
        stmt_reset(q);
        json_end(&j);
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        if (a->text.n == 0)
            buf_put_str(&a->text, "no keys yet: `letterlock domain dkim rotate DOMAIN` makes them\n");
    }
    buf_clear(&domain);
    return e;
}
