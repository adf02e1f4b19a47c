/* The DNS records to publish, as the command line sees them: dns.list of admin_ops.h. */
#include "base/json.h"
#include "message/address.h"
#include "storage/settings.h"
#include "storage/store_admin.h"
#include "storage/store_sql.h"

#define TXT_STRING 250           /* of at most 255 bytes (RFC 1035 section 3.3.14) */
#define NAME_MAX_BYTES (2 * ADDRESS_DOMAIN_MAX)

struct records {
    struct store_admin *admin;
    struct json json;
    struct slice host;
};

static void put_strings(struct slice value, struct buf *out)
{
    buf_put_str(out, "(");
    for (struct slice rest = value; rest.n > 0; rest = slice_from(rest, TXT_STRING))
        buf_printf(out, " \"%.*s\"", SLICE_FMT(slice_sub(rest, 0, TXT_STRING)));
    buf_put_str(out, " )");
}

/* prefix: "" or "_imaps._tcp."; a TXT's value without its quotes, which a zone file wants in pieces. */
static void put(struct records *r, const char *prefix, struct slice domain, const char *type, struct slice value)
{
    struct buf name;
    buf_init(&name, NAME_MAX_BYTES);
    buf_put_str(&name, prefix);
    buf_put(&name, domain);
    json_object(&r->json, NULL);
    json_text(&r->json, "name", buf_slice(&name));
    json_text(&r->json, "type", slice_str(type));
    json_text(&r->json, "value", value);
    json_end(&r->json);
    struct buf *out = &r->admin->text;
    buf_printf(out, "%.*s. IN %s ", SLICE_FMT(name), type);
    if (strcmp(type, "TXT") == 0)
        put_strings(value, out);
    else
        buf_put(out, value);
    buf_put_str(out, "\n");
    buf_clear(&name);
}

/* `before` and then the host's name with its dot. */
static void put_host(struct records *r, const char *prefix, struct slice domain, const char *type, const char *before)
{
    struct buf value;
    buf_init(&value, NAME_MAX_BYTES);
    buf_printf(&value, "%s%.*s.", before, SLICE_FMT(r->host));
    put(r, prefix, domain, type, buf_slice(&value));
    buf_clear(&value);
}

void store_dkim_record(enum sign_algorithm algorithm, struct slice public, struct buf *out)
{
    buf_printf(out, "v=DKIM1; k=%s; p=%.*s", algorithm == SIGN_RSA_SHA256 ? "rsa" : "ed25519", SLICE_FMT(public));
}

/* All keys: letters signed with a retired one may still be on their way. */
static enum err put_keys(struct records *r, struct slice domain)
{
    enum err e;
    struct stmt *q = db_use(r->admin->store->mail, SQL_DKIM_LIST);
    stmt_bind_text(q, "domain", domain);
    while ((e = stmt_step(q)) == ERR_OK) {
        struct buf name, value;
        buf_init(&name, NAME_MAX_BYTES);
        buf_init(&value, SIGN_PEM_MAX);
        buf_printf(&name, "%.*s._domainkey.%.*s", SLICE_FMT(stmt_bytes(q, 1)), SLICE_FMT(domain));
        store_dkim_record((enum sign_algorithm)stmt_int(q, 2), stmt_bytes(q, 5), &value);
        put(r, "", buf_slice(&name), "TXT", buf_slice(&value));
        buf_clear(&name);
        buf_clear(&value);
    }
    stmt_reset(q);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err put_domain(struct records *r, struct slice domain)
{
    put_host(r, "", domain, "MX", "10 ");
    put(r, "", domain, "TXT", SLICE("v=spf1 mx -all"));
    put(r, "_dmarc.", domain, "TXT", SLICE("v=DMARC1; p=quarantine"));
    /* RFC 6186 and RFC 8314: mail programs find the server by these. */
    put_host(r, "_imaps._tcp.", domain, "SRV", "0 1 993 ");
    put_host(r, "_submissions._tcp.", domain, "SRV", "0 1 465 ");
    put_host(r, "_pop3s._tcp.", domain, "SRV", "10 1 995 ");
    return put_keys(r, domain);
}

static enum err put_all(struct records *r, struct slice wanted)
{
    enum err e;
    bool is_found = false;
    struct stmt *q = db_use(r->admin->store->mail, SQL_DOMAIN_LIST);
    while ((e = stmt_step(q)) == ERR_OK) {
        if (wanted.n > 0 && !slice_equal(stmt_bytes(q, 0), wanted))
            continue;
        is_found = true;
        e = put_domain(r, stmt_bytes(q, 0));
        if (e)
            break;
    }
    stmt_reset(q);
    if (e == ERR_NOT_FOUND)
        e = is_found ? ERR_OK : store_admin_refuse(r->admin, e, "there is no such domain here");
    return e;
}

enum err store_dns_list(struct store_admin *a)
{
    struct records r = {a, json_of(&a->json), settings_text(a->store->settings, "hostname")};
    struct buf domain;
    buf_init(&domain, ADDRESS_DOMAIN_MAX + 8);
    enum err e = ERR_OK;
    if (store_admin_arg(a, "domain").n && domain_canonical(store_admin_arg(a, "domain"), &domain) != ERR_OK)
        e = store_admin_refuse(a, ERR_SYNTAX, "this is not a domain name");
    else if (r.host.n == 0)
        e = store_admin_refuse(a, ERR_NOT_FOUND, "the setting hostname is empty: `letterlock config set hostname NAME`");
    if (!e) {
        json_array(&r.json, NULL);
        buf_printf(&a->text, "; %.*s needs an address as well (A, and AAAA with IPv6), which points back to its name.\n",
            SLICE_FMT(r.host));
        put(&r, "", r.host, "TXT", SLICE("v=spf1 a -all"));
        e = put_all(&r, buf_slice(&domain));
        json_end(&r.json);
    }
    buf_clear(&domain);
    return e;
}
