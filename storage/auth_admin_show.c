/* What auth tells of accounts and credentials; never a secret, never a hash. */
#include <time.h>

#include "storage/auth_admin.h"

#define LIST_MAX (60 * 1024)

static const char *const states[] = {"active", "disabled", "changing"};
static const char *const kinds[] = {"", "password", "app-password", "recovery-code"};

static void put_date(struct buf *out, int64_t wall)
{
    time_t t = (time_t)wall;
    struct tm tm;
    char text[32];
    if (wall == 0 || !gmtime_r(&t, &tm)) {
        buf_put_str(out, "never");
        return;
    }
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    buf_put_str(out, text);
}

struct list {
    struct auth *auth;
    struct buf text;
    struct buf json;
    struct json w;
};

static void list_init(struct list *l, struct admin_job *j)
{
    l->auth = j->auth;
    buf_init(&l->text, LIST_MAX / 2);
    buf_init(&l->json, LIST_MAX / 2);
    l->w = json_of(&l->json);
}

static void list_finish(struct list *l, struct admin_job *j)
{
    if (!buf_ok(&l->text) || !buf_ok(&l->json))
        admin_job_fail(j, ERR_TOO_BIG, "there are too many to list in one answer");
    else
        admin_job_finish(j, buf_slice(&l->text), buf_slice(&l->json));
    buf_clear(&l->text);
    buf_clear(&l->json);
}

static void put_account_fields(struct list *l, const struct credential_account *a, size_t app_passwords)
{
    json_text(&l->w, "address", slice_str(a->address));
    json_unsigned(&l->w, "account", a->id);
    json_text(&l->w, "state", slice_str(states[a->state]));
    json_number(&l->w, "created", a->created);
    json_unsigned(&l->w, "app_passwords", app_passwords);
}

struct named {
    struct credential_account *list;
    size_t n;
};

static void collect(void *ctx, const struct credential_account *a)
{
    struct named *all = ctx;
    all->list = mem_resize(all->list, (all->n + 1) * sizeof *all->list);
    all->list[all->n++] = *a;
}

static size_t count_app(struct auth *a, uint64_t account)
{
    struct credential *list;
    size_t n;
    size_t count = 0;
    if (credentials_of(a->credentials, account, &list, &n) != ERR_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        count += list[i].kind == CREDENTIAL_APP;
    free(list);
    return count;
}

void admin_user_list(struct admin_job *j)
{
    struct named all = {0};
    enum err e = credentials_each_account(j->auth->credentials, collect, &all);
    if (e) {
        free(all.list);
        admin_job_fail(j, e, "the credential database failed: %s", err_text(e));
        return;
    }
    struct list l;
    list_init(&l, j);
    json_array(&l.w, NULL);
    for (size_t i = 0; i < all.n; i++) {
        const struct credential_account *a = &all.list[i];
        size_t apps = count_app(j->auth, a->id);
        buf_printf(&l.text, "%-40s %-9s %zu app password%s, since ", a->address, states[a->state], apps,
            apps == 1 ? "" : "s");
        put_date(&l.text, a->created);
        buf_put_byte(&l.text, '\n');
        json_object(&l.w, NULL);
        put_account_fields(&l, a, apps);
        json_end(&l.w);
    }
    json_end(&l.w);
    free(all.list);
    list_finish(&l, j);
}

static void put_credential(struct list *l, const struct credential *k)
{
    buf_printf(&l->text, "  %-14s %-24s ", kinds[k->kind], k->label);
    admin_put_scope_text(&l->text, k->scopes);
    buf_put_str(&l->text, "  made ");
    put_date(&l->text, k->created);
    buf_put_str(&l->text, ", last used ");
    put_date(&l->text, k->last_used);
    buf_put_byte(&l->text, '\n');
    json_object(&l->w, NULL);
    json_text(&l->w, "kind", slice_str(kinds[k->kind]));
    json_text(&l->w, "label", slice_str(k->label));
    admin_put_scopes(&l->w, k->scopes);
    json_number(&l->w, "created", k->created);
    if (k->last_used)
        json_number(&l->w, "last_used", k->last_used);
    else
        json_null(&l->w, "last_used");
    json_end(&l->w);
}

/* Of one account: its credentials, or its app passwords alone. */
static void show(struct admin_job *j, bool only_apps)
{
    struct credential *list;
    size_t n;
    size_t apps = 0;
    enum err e = credentials_of(j->auth->credentials, j->account.id, &list, &n);
    if (e) {
        admin_job_fail(j, e, "the credential database failed: %s", err_text(e));
        return;
    }
    for (size_t i = 0; i < n; i++)
        apps += list[i].kind == CREDENTIAL_APP;
    struct list l;
    list_init(&l, j);
    if (!only_apps) {
        buf_printf(&l.text, "%s: %s\n", j->account.address, states[j->account.state]);
        json_object(&l.w, NULL);
        put_account_fields(&l, &j->account, apps);
    }
    json_array(&l.w, only_apps ? NULL : "credentials");
    for (size_t i = 0; i < n; i++)
        if (!only_apps || list[i].kind == CREDENTIAL_APP)
            put_credential(&l, &list[i]);
    json_end(&l.w);
    if (!only_apps)
        json_end(&l.w);
    free(list);
    list_finish(&l, j);
}

void admin_user_show(struct admin_job *j)
{
    show(j, false);
}

void admin_app_list(struct admin_job *j)
{
    show(j, true);
}
