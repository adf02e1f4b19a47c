/* GETQUOTA and GETQUOTAROOT (RFC 9208). There is one quota root, "", for all mailboxes of the account; its
 * one resource is STORAGE, in units of 1024 octets. An account without a limit has a root without
 * resources. SETQUOTA is not offered: quotas are the administrator's. */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/mailbox_tree.h"
#include "retrieval/imap/response.h"

#define STATES_ANY (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define QUOTA_UNIT 1024

struct quota {
    struct slice name;
};

static void parse(struct imap_cursor *c, void *work)
{
    struct quota *w = work;
    imap_space(c);
    w->name = imap_astring(c);
}

/* False: the completion is set. */
static bool put_quota(struct imap_session *s)
{
    struct quota_info info;
    enum err e = reader_quota(imap_reader(s), s->base.retrieval->account, &info);
    if (e != ERR_OK) {
        imap_no_err(s, e, "reading the quota");
        return false;
    }
    buf_put_str(&s->out, "* QUOTA \"\" (");
    if (info.limit_bytes)
        buf_printf(&s->out, "STORAGE %llu %llu",
            (unsigned long long)((info.used_bytes + QUOTA_UNIT - 1) / QUOTA_UNIT),
            (unsigned long long)(info.limit_bytes / QUOTA_UNIT));
    buf_put_str(&s->out, ")\r\n");
    return true;
}

static enum imap_step step_root(struct imap_session *s, void *work)
{
    const struct quota *w = work;
    struct mailbox_info info;
    struct buf path;
    if (!mailbox_open_named(s, w->name, "NONEXISTENT", &info))
        return IMAP_STEP_DONE;
    buf_init(&path, IMAP_MAILBOX_PATH_MAX);
    if (mailbox_name_read(s, w->name, &path) == ERR_OK) {
        buf_put_str(&s->out, "* QUOTAROOT ");
        imap_put_mailbox(&s->out, buf_slice(&path), s->has_utf8);
        buf_put_str(&s->out, " \"\"\r\n");
    }
    buf_clear(&path);
    if (put_quota(s))
        imap_ok(s, "GETQUOTAROOT completed");
    return IMAP_STEP_DONE;
}

static enum imap_step step_quota(struct imap_session *s, void *work)
{
    const struct quota *w = work;
    if (w->name.n != 0)
        imap_no(s, "[NONEXISTENT] There is no such quota root");
    else if (put_quota(s))
        imap_ok(s, "GETQUOTA completed");
    return IMAP_STEP_DONE;
}

const struct imap_command imap_cmd_getquota = {
    .name = "GETQUOTA",
    .states = STATES_ANY,
    .work_size = sizeof(struct quota),
    .parse = parse,
    .step = step_quota,
};

const struct imap_command imap_cmd_getquotaroot = {
    .name = "GETQUOTAROOT",
    .states = STATES_ANY,
    .work_size = sizeof(struct quota),
    .parse = parse,
    .step = step_root,
};
