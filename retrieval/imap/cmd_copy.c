/* COPY, MOVE (RFC 6851) and their UID forms, with COPYUID (RFC 4315). */
#include "retrieval/imap/commands.h"
#include "retrieval/imap/mailbox_tree.h"

/* Above so many ranges COPYUID, which is one line, is left out. */
#define COPYUID_RANGES_MAX 10000

struct copy {
    struct uid_set set;
    struct slice name;
    struct mailbox_info to;
    struct uid_set uids;
    size_t sent;
    uint32_t uidvalidity;
    struct uid_set from_uids;   /* what was copied, and what it became: in the same order */
    struct uid_set to_uids;
};

/* copy: "COPY" SP sequence-set SP mailbox */
static void parse(struct imap_cursor *c, void *work)
{
    struct copy *w = work;
    imap_space(c);
    sequence_set_parse(c, &w->set);
    imap_space(c);
    w->name = imap_astring(c);
}

static void clear(struct imap_session *s, void *work)
{
    struct copy *w = work;
    (void)s;
    uid_set_clear(&w->set);
    uid_set_clear(&w->uids);
    uid_set_clear(&w->from_uids);
    uid_set_clear(&w->to_uids);
}

static bool is_move(const struct imap_session *s)
{
    return s->run == &imap_cmd_move;
}

/* Long sets go in several requests: each is all or nothing, the whole is not. */
static enum imap_step ask(struct imap_session *s, struct copy *w)
{
    size_t n = w->uids.n - w->sent < STORE_RANGES_MAX ? w->uids.n - w->sent : STORE_RANGES_MAX;
    s->request = store_copy(imap_store(s), s->base.id, s->selected->mailbox, w->to.id, is_move(s),
        w->uids.ranges + w->sent, n, imap_on_reply, s);
    w->sent += n;
    return IMAP_STEP_WAIT;
}

static void put_copyuid(const struct copy *w, struct buf *out)
{
    buf_put_str(out, "[COPYUID ");
    buf_put_u64(out, w->uidvalidity);
    buf_put_byte(out, ' ');
    uid_set_put(&w->from_uids, out);
    buf_put_byte(out, ' ');
    uid_set_put(&w->to_uids, out);
    buf_put_str(out, "] ");
}

static void finish(struct imap_session *s, struct copy *w)
{
    bool has_uids = w->from_uids.n && w->from_uids.n + w->to_uids.n <= COPYUID_RANGES_MAX;
    if (is_move(s) && has_uids) { /* RFC 6851 section 4.3: before the EXPUNGEs */
        buf_put_str(&s->out, "* OK ");
        put_copyuid(w, &s->out);
        buf_put_str(&s->out, "Moved\r\n");
    }
    imap_ok(s, "%s completed", s->run->name);
    if (is_move(s) || !has_uids)
        return;
    buf_reset(&s->completion);
    buf_put_str(&s->completion, "OK ");
    put_copyuid(w, &s->completion);
    buf_put_str(&s->completion, "COPY completed");
}

static enum imap_step replied(struct imap_session *s, struct copy *w)
{
    const struct imap_reply *r = &s->reply;
    s->is_dirty = true;
    if (r->err != ERR_OK) {
        if (r->err == ERR_NOT_FOUND)
            imap_no(s, "[TRYCREATE] There is no such mailbox");
        else
            imap_no_err(s, r->err, is_move(s) ? "the move" : "the copy");
        return IMAP_STEP_DONE;
    }
    w->uidvalidity = r->uidvalidity;
    for (size_t i = 0; i < r->ranges.n; i++)
        uid_set_add(&w->from_uids, r->ranges.ranges[i].first, r->ranges.ranges[i].last);
    for (size_t i = 0; i < r->ranges2.n; i++)
        uid_set_add(&w->to_uids, r->ranges2.ranges[i].first, r->ranges2.ranges[i].last);
    if (w->sent < w->uids.n) {
        imap_reply_reset(s);
        return ask(s, w);
    }
    finish(s, w);
    return IMAP_STEP_DONE;
}

static enum imap_step step(struct imap_session *s, void *work)
{
    struct copy *w = work;
    if (s->reply.has_come)
        return replied(s, w);
    if (is_move(s) && s->selected->is_read_only) {
        imap_no(s, "[CANNOT] The mailbox is open for reading only");
        return IMAP_STEP_DONE;
    }
    if (!imap_resolve_set(s, &w->set, &w->uids))
        return IMAP_STEP_DONE;
    if (!mailbox_open_named(s, w->name, "TRYCREATE", &w->to))
        return IMAP_STEP_DONE;
    if (w->uids.n == 0) {
        imap_ok(s, "%s completed; there was nothing to do", s->run->name);
        return IMAP_STEP_DONE;
    }
    return ask(s, w);
}

const struct imap_command imap_cmd_copy = {
    .name = "COPY",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID,
    .work_size = sizeof(struct copy),
    .parse = parse,
    .step = step,
    .clear = clear,
};

const struct imap_command imap_cmd_move = {
    .name = "MOVE",
    .states = IMAP_STATE_SELECTED,
    .flags = IMAP_CMD_UID,
    .work_size = sizeof(struct copy),
    .parse = parse,
    .step = step,
    .clear = clear,
};
