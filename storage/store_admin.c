/* The administrative operations that are the store's (admin_ops.h), run inside the turn's transaction
 * like any change: accounts, domains, aliases, settings, certificates, status, verify. */
#include "storage/store.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "message/address.h"
#include "storage/reader.h"
#include "storage/store_admin.h"
#include "storage/store_sql.h"

enum err store_admin_refuse(struct store_admin *a, enum err e, const char *sentence)
{
    buf_printf(&a->text, "%s\n", sentence);
    struct json j = json_of(&a->json);
    json_object(&j, NULL);
    json_text(&j, "error", slice_str(sentence));
    json_end(&j);
    return e;
}

enum err store_admin_ok(struct store_admin *a)
{
    buf_put_str(&a->json, "{\"ok\":true}");
    return ERR_OK;
}

struct slice store_admin_arg(const struct store_admin *a, const char *key)
{
    return admin_request_get(a->request, key);
}

/* The canonical form of an address or, with a leading "@", of a domain. */
enum err store_admin_address(struct store_admin *a, struct slice text, struct buf *out)
{
    struct address parsed;
    enum err e;
    if (text.n && text.p[0] == '@') {
        buf_put_byte(out, '@');
        e = domain_canonical(slice_from(text, 1), out);
    } else {
        e = address_parse(text, &parsed);
        if (!e)
            e = address_canonical(&parsed, out);
    }
    return e ? store_admin_refuse(a, ERR_SYNTAX, "this is not a mail address") : ERR_OK;
}

static struct slice domain_part(struct slice address)
{
    for (size_t i = address.n; i-- > 0;)
        if (address.p[i] == '@')
            return slice_from(address, i + 1);
    return SLICE_EMPTY;
}

static enum err has_domain(struct store *s, struct slice domain)
{
    struct stmt *q = db_use(s->mail, SQL_DOMAIN_GET);
    stmt_bind_text(q, "name", domain);
    enum err e = stmt_step(q);
    stmt_reset(q);
    return e;
}

static enum err domain_add(struct store_admin *a)
{
    struct buf name;
    struct buf target;
    buf_init(&name, ADDRESS_DOMAIN_MAX + 8);
    buf_init(&target, ADDRESS_DOMAIN_MAX + 8);
    struct slice wanted = store_admin_arg(a, "target");
    enum err e = domain_canonical(store_admin_arg(a, "domain"), &name);
    if (!e && wanted.n)
        e = domain_canonical(wanted, &target);
    if (e) {
        e = store_admin_refuse(a, ERR_SYNTAX, "this is not a domain name");
    } else if (has_domain(a->store, buf_slice(&name)) == ERR_OK) {
        e = store_admin_refuse(a, ERR_EXISTS, "this domain is here already");
    } else if (target.n && has_domain(a->store, buf_slice(&target)) != ERR_OK) {
        e = store_admin_refuse(a, ERR_NOT_FOUND, "the domain that it should stand for is not here");
    } else {
        struct stmt *q = db_use(a->store->mail, SQL_DOMAIN_INSERT);
        stmt_bind_text(q, "name", buf_slice(&name));
        if (target.n)
            stmt_bind_text(q, "target", buf_slice(&target));
        e = stmt_run(q);
        a->store->directory_changed = true;
    }
    buf_clear(&name);
    buf_clear(&target);
    return e ? e : store_admin_ok(a);
}

static enum err domain_in_use(struct store *s, struct slice name, bool *out)
{
    struct stmt *q = db_use(s->mail, SQL_DOMAIN_IN_USE);
    stmt_bind_text(q, "name", name);
    enum err e = stmt_step(q);
    *out = !e && stmt_int(q, 0) > 0;
    stmt_reset(q);
    return e;
}

static enum err domain_remove(struct store_admin *a)
{
    struct buf name;
    bool in_use = false;
    buf_init(&name, ADDRESS_DOMAIN_MAX + 8);
    enum err e = domain_canonical(store_admin_arg(a, "domain"), &name);
    if (e || has_domain(a->store, buf_slice(&name)) != ERR_OK)
        e = store_admin_refuse(a, ERR_NOT_FOUND, "there is no such domain here");
    else
        e = domain_in_use(a->store, buf_slice(&name), &in_use);
    if (in_use)
        e = store_admin_refuse(a, ERR_NOT_EMPTY, "there are accounts in this domain: remove them first");
    if (!e) {
        struct stmt *q = db_use(a->store->mail, SQL_DOMAIN_DELETE);
        stmt_bind_text(q, "name", buf_slice(&name));
        e = stmt_run(q);
        if (e == ERR_EXISTS)
            e = store_admin_refuse(a, ERR_NOT_EMPTY, "another domain stands for this one: remove that first");
        if (!e)
            e = store_dkim_forget(a->store, buf_slice(&name));
        a->store->directory_changed = true;
    }
    buf_clear(&name);
    return e ? e : store_admin_ok(a);
}

/* [{"<first>": column 0, "<second>": column 1}], and a line a row for people. */
static enum err list_pairs(struct store_admin *a, size_t sql, const char *first, const char *second)
{
    struct json j = json_of(&a->json);
    struct stmt *q = db_use(a->store->mail, sql);
    enum err e;
    json_array(&j, NULL);
    while ((e = stmt_step(q)) == ERR_OK) {
        struct slice one = stmt_bytes(q, 0);
        struct slice two = stmt_bytes(q, 1);
        json_object(&j, NULL);
        json_text(&j, first, one);
        if (two.n)
            json_text(&j, second, two);
        json_end(&j);
        buf_put(&a->text, one);
        if (two.n) {
            buf_put_str(&a->text, " -> ");
            buf_put(&a->text, two);
        }
        buf_put_byte(&a->text, '\n');
    }
    json_end(&j);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err domain_list(struct store_admin *a)
{
    return list_pairs(a, SQL_DOMAIN_LIST, "domain", "target");
}

static enum err alias_list(struct store_admin *a)
{
    return list_pairs(a, SQL_ALIAS_LIST, "address", "target");
}

static bool is_account(struct store *s, struct slice address)
{
    struct stmt *q = db_use(s->mail, SQL_ACCOUNT_BY_ADDRESS);
    stmt_bind_text(q, "address", address);
    enum err e = stmt_step(q);
    stmt_reset(q);
    return e == ERR_OK;
}

/* Runs one alias statement for every `target` of the request. */
static enum err each_target(struct store_admin *a, struct slice address, size_t sql, unsigned *out_n)
{
    for (size_t i = 0; i < a->request->count; i++) {
        if (!slice_equal(a->request->pairs[i].key, SLICE("target")))
            continue;
        struct buf target;
        buf_init(&target, ADDRESS_MAX + 8);
        enum err e = store_admin_address(a, a->request->pairs[i].value, &target);
        if (!e) {
            struct stmt *q = db_use(a->store->mail, sql);
            stmt_bind_text(q, "address", address);
            stmt_bind_text(q, "target", buf_slice(&target));
            e = stmt_run(q);
        }
        buf_clear(&target);
        if (e)
            return e;
        (*out_n)++;
    }
    return ERR_OK;
}

/* An alias that leads nowhere would take letters and lose them, or refuse them without a word to who made
 * it. Asked when the rows are there: a circle shows itself only then. */
static enum err check_targets(struct store_admin *a)
{
    for (size_t i = 0; i < a->request->count; i++) {
        if (!slice_equal(a->request->pairs[i].key, SLICE("target")))
            continue;
        struct buf target;
        buf_init(&target, ADDRESS_MAX + 8);
        enum err e = store_admin_address(a, a->request->pairs[i].value, &target);
        if (!e)
            e = store_leads_somewhere(a->store, buf_slice(&target));
        buf_clear(&target);
        if (e == ERR_DENIED)
            return store_admin_refuse(a, e,
                "a target is not in a domain of this server, and letters are not sent on to others");
        if (e == ERR_NOT_FOUND)
            return store_admin_refuse(a, e, "a target leads to no account; make that first");
        if (e == ERR_LIMIT)
            return store_admin_refuse(a, e, "this would lead in a circle, or to too many accounts");
        if (e)
            return e;
    }
    return ERR_OK;
}

static enum err alias_add(struct store_admin *a)
{
    struct buf address;
    unsigned n = 0;
    buf_init(&address, ADDRESS_MAX + 8);
    enum err e = store_admin_address(a, store_admin_arg(a, "address"), &address);
    if (!e && has_domain(a->store, domain_part(buf_slice(&address))) != ERR_OK)
        e = store_admin_refuse(a, ERR_NOT_FOUND, "the alias is not in a domain of this server");
    else if (!e && is_account(a->store, buf_slice(&address)))
        e = store_admin_refuse(a, ERR_EXISTS, "there is an account of this address");
    if (!e)
        e = each_target(a, buf_slice(&address), SQL_ALIAS_INSERT, &n);
    if (!e && n == 0)
        e = store_admin_refuse(a, ERR_SYNTAX, "an alias needs a target");
    if (!e)
        e = check_targets(a);
    buf_clear(&address);
    a->store->directory_changed = true;
    return e ? e : store_admin_ok(a);
}

static enum err alias_remove(struct store_admin *a)
{
    struct buf address;
    unsigned n = 0;
    buf_init(&address, ADDRESS_MAX + 8);
    enum err e = store_admin_address(a, store_admin_arg(a, "address"), &address);
    if (!e)
        e = each_target(a, buf_slice(&address), SQL_ALIAS_DELETE, &n);
    if (!e && n == 0) {
        struct stmt *q = db_use(a->store->mail, SQL_ALIAS_DELETE_ALL);
        stmt_bind_text(q, "address", buf_slice(&address));
        e = stmt_run(q);
    }
    if (!e && db_changes(a->store->mail) == 0)
        e = store_admin_refuse(a, ERR_NOT_FOUND, "there is no such alias");
    buf_clear(&address);
    a->store->directory_changed = true;
    return e ? e : store_admin_ok(a);
}

/* Pairs of name and value into s, and into the database when `is_kept`. */
static enum err config_apply(struct store_admin *a, struct settings *s, bool is_kept)
{
    const struct admin_request *r = a->request;
    for (size_t i = 0; i + 1 < r->count; i += 2) {
        if (!slice_equal(r->pairs[i].key, SLICE("name")) || !slice_equal(r->pairs[i + 1].key, SLICE("value")))
            return ERR_SYNTAX;
        enum err e = settings_set(s, r->pairs[i].value, r->pairs[i + 1].value);
        if (e)
            return e;
        if (!is_kept)
            continue;
        struct stmt *q = db_use(a->store->mail, SQL_SETTING_SET);
        stmt_bind_text(q, "name", r->pairs[i].value);
        stmt_bind_text(q, "value", r->pairs[i + 1].value);
        e = stmt_run(q);
        if (e)
            return e;
    }
    return r->count > 0 && r->count % 2 == 0 ? ERR_OK : ERR_SYNTAX;
}

/* All are tried before the first is kept. */
static enum err config_set(struct store_admin *a)
{
    struct settings *scratch = settings_new();
    enum err e = config_apply(a, scratch, false);
    settings_free(scratch);
    if (e == ERR_NOT_FOUND)
        return store_admin_refuse(a, e, "there is no setting of this name; `config list` shows all");
    if (e)
        return store_admin_refuse(a, e, "this value does not have the form that the setting needs");
    e = config_apply(a, a->store->settings, true);
    a->store->settings_changed = true;
    return e ? e : store_admin_ok(a);
}

static void put_setting(struct store_admin *a, struct json *j, const struct setting_info *info)
{
    struct slice value = settings_text(a->store->settings, info->name);
    json_object(j, NULL);
    json_text(j, "name", slice_str(info->name));
    json_text(j, "value", value);
    json_text(j, "default", slice_str(info->preset));
    json_text(j, "help", slice_str(info->help));
    json_end(j);
}

static enum err config_get(struct store_admin *a)
{
    struct slice name = store_admin_arg(a, "name");
    struct json j = json_of(&a->json);
    for (size_t i = 0; i < setting_info_count; i++) {
        if (!slice_equal(slice_str(setting_infos[i].name), name))
            continue;
        put_setting(a, &j, &setting_infos[i]);
        buf_put(&a->text, settings_text(a->store->settings, setting_infos[i].name));
        buf_put_byte(&a->text, '\n');
        return ERR_OK;
    }
    return store_admin_refuse(a, ERR_NOT_FOUND, "there is no setting of this name; `config list` shows all");
}

static enum err config_list(struct store_admin *a)
{
    struct json j = json_of(&a->json);
    json_array(&j, NULL);
    for (size_t i = 0; i < setting_info_count; i++) {
        const struct setting_info *info = &setting_infos[i];
        put_setting(a, &j, info);
        buf_printf(&a->text, "%s = %.*s\n", info->name,
            SLICE_FMT(settings_text(a->store->settings, info->name)));
    }
    json_end(&j);
    return ERR_OK;
}

static enum err cert_set(struct store_admin *a)
{
    struct buf sealed;
    buf_init(&sealed, 65536);
    enum err e = hex_get(store_admin_arg(a, "key"), &sealed);
    if (e || sealed.n == 0 || store_admin_arg(a, "chain").n == 0) {
        buf_clear(&sealed);
        return store_admin_refuse(a, ERR_SYNTAX, "a certificate needs a chain and a key");
    }
    struct stmt *q = db_use(a->store->mail, SQL_CERTIFICATE_SET);
    stmt_bind_text(q, "host", store_admin_arg(a, "host"));
    stmt_bind_text(q, "chain", store_admin_arg(a, "chain"));
    stmt_bind_blob(q, "key", buf_slice(&sealed));
    e = stmt_run(q);
    buf_clear(&sealed);
    a->store->certificates_changed = true;
    return e ? e : store_admin_ok(a);
}

static enum err cert_remove(struct store_admin *a)
{
    struct stmt *q = db_use(a->store->mail, SQL_CERTIFICATE_DELETE);
    stmt_bind_text(q, "host", store_admin_arg(a, "host"));
    enum err e = stmt_run(q);
    if (!e && db_changes(a->store->mail) == 0)
        return store_admin_refuse(a, ERR_NOT_FOUND, "there is no certificate for this host");
    a->store->certificates_changed = true;
    return e ? e : store_admin_ok(a);
}

/* The chains in full: who asked (the supervisor or the command line) reads names and dates from them. */
static enum err cert_show(struct store_admin *a)
{
    struct json j = json_of(&a->json);
    struct stmt *q = db_use(a->store->mail, SQL_CERTIFICATE_LIST);
    enum err e;
    json_array(&j, NULL);
    while ((e = stmt_step(q)) == ERR_OK) {
        json_object(&j, NULL);
        json_text(&j, "host", stmt_bytes(q, 0));
        json_text(&j, "chain", stmt_bytes(q, 1));
        json_end(&j);
        struct slice host = stmt_bytes(q, 0);
        buf_put(&a->text, host.n ? host : SLICE("(default)"));
        buf_put_byte(&a->text, '\n');
        buf_put(&a->text, stmt_bytes(q, 1));
    }
    json_end(&j);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err status(struct store_admin *a)
{
    static const char *const names[] = {"accounts", "letters", "mails", "expunged", "garbage",
        "queued_letters", "queued_recipients"};
    struct json j = json_of(&a->json);
    struct stmt *q = db_use(a->store->mail, SQL_COUNTS);
    enum err e = stmt_step(q);
    if (e)
        return e;
    json_object(&j, NULL);
    for (int i = 0; i < 7; i++) {
        json_number(&j, names[i], stmt_int(q, i));
        buf_printf(&a->text, "%s: %lld\n", names[i], (long long)stmt_int(q, i));
    }
    stmt_reset(q);
    json_number(&j, "sessions", (int64_t)a->store->sessions.count);
    json_unsigned(&j, "commits", a->store->commits);
    json_unsigned(&j, "delivered", a->store->delivered);
    json_bool(&j, "disk_full", a->store->room_needed);
    json_end(&j);
    return ERR_OK;
}

static enum err verify(struct store_admin *a)
{
    return store_verify(a->store, &a->text, &a->json);
}

static enum err repair(struct store_admin *a)
{
    return store_repair(a->store, &a->text, &a->json);
}

enum err store_admin_run(struct store_admin *a)
{
    static const struct {
        struct slice op;
        enum err (*run)(struct store_admin *a);
        bool auth_only;
    } ops[] = {
        {{(const uint8_t *)"account.create", 14}, store_account_create, true},
        {{(const uint8_t *)"account.remove", 14}, store_account_remove, true},
        {{(const uint8_t *)"account.disable", 15}, store_account_disable, true},
        {{(const uint8_t *)"account.list", 12}, store_account_list, false},
        {{(const uint8_t *)"account.quota", 13}, store_account_quota, false},
        {{(const uint8_t *)"domain.add", 10}, domain_add, false},
        {{(const uint8_t *)"domain.list", 11}, domain_list, false},
        {{(const uint8_t *)"domain.remove", 13}, domain_remove, false},
        {{(const uint8_t *)"alias.add", 9}, alias_add, false},
        {{(const uint8_t *)"alias.list", 10}, alias_list, false},
        {{(const uint8_t *)"alias.remove", 12}, alias_remove, false},
        {{(const uint8_t *)"dns.list", 8}, store_dns_list, false},
        {{(const uint8_t *)"config.set", 10}, config_set, false},
        {{(const uint8_t *)"config.get", 10}, config_get, false},
        {{(const uint8_t *)"config.list", 11}, config_list, false},
        {{(const uint8_t *)"cert.set", 8}, cert_set, false},
        {{(const uint8_t *)"cert.remove", 11}, cert_remove, false},
        {{(const uint8_t *)"cert.show", 9}, cert_show, false},
        {{(const uint8_t *)"dkim.add", 8}, store_dkim_add, false},
        {{(const uint8_t *)"dkim.activate", 13}, store_dkim_activate, false},
        {{(const uint8_t *)"dkim.list", 9}, store_dkim_list, false},
        {{(const uint8_t *)"route.add", 9}, store_route_add, false},
        {{(const uint8_t *)"route.list", 10}, store_route_list, false},
        {{(const uint8_t *)"route.remove", 12}, store_route_remove, false},
        {{(const uint8_t *)"queue.list", 10}, store_queue_list, false},
        {{(const uint8_t *)"queue.show", 10}, store_queue_show, false},
        {{(const uint8_t *)"queue.retry", 11}, store_queue_retry, false},
        {{(const uint8_t *)"queue.hold", 10}, store_queue_hold, false},
        {{(const uint8_t *)"queue.release", 13}, store_queue_release, false},
        {{(const uint8_t *)"queue.drop", 10}, store_queue_drop, false},
        {{(const uint8_t *)"status", 6}, status, false},
        {{(const uint8_t *)"verify", 6}, verify, false},
        {{(const uint8_t *)"repair", 6}, repair, false},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (slice_equal(ops[i].op, a->request->op) && ops[i].auth_only == a->from_auth)
            return ops[i].run(a);
    return store_admin_refuse(a, ERR_UNSUPPORTED, "there is no such operation");
}

void store_snapshot(struct store *s, struct buf *out)
{
    struct buf settings;
    struct buf certificates;
    uint16_t n = 0;
    buf_init(&settings, CHANNEL_MESSAGE_MAX);
    buf_init(&certificates, CHANNEL_MESSAGE_MAX);
    settings_encode(s->settings, &settings);
    struct stmt *q = db_use(s->mail, SQL_CERTIFICATE_LIST);
    while (n < ROLE_CERTIFICATES_MAX && stmt_step(q) == ERR_OK) {
        for (int i = 0; i < 3; i++)
            wire_put_bytes(&certificates, stmt_bytes(q, i));
        n++;
    }
    stmt_reset(q);
    wire_put_bytes(out, buf_slice(&settings));
    wire_put_u16(out, n);
    buf_put(out, buf_slice(&certificates));
    buf_clear(&settings);
    buf_clear(&certificates);
}
