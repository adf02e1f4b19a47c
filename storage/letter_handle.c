/* One letter over many steps, see reader.h: keys and the last chunk stay, no transaction does. */
#include "storage/reader_internal.h"

struct letter_handle {
    struct reader *reader;
    struct mail_row row;
    uint8_t uid[LETTER_UID_BYTES];
    struct letter_view view;
    struct buf record;
    bool has_record;
};

static enum err load(struct letter_handle *h, struct stmt *s)
{
    enum err e = mail_row_read(s, &h->row);
    if (!e)
        e = letter_view_load(&h->view, s, &h->row);
    if (e)
        return e;
    struct slice uid = stmt_bytes(s, COLUMN_LETTER_UID);
    ENSURE(uid.n == LETTER_UID_BYTES); /* its keys were opened with it */
    memcpy(h->uid, uid.p, uid.n);
    return letter_view_load_owner(&h->view, s);
}

static enum err load_living(struct letter_handle *h, uint64_t mailbox, uint64_t vault, uint32_t uid)
{
    struct stmt *s = db_use(h->reader->mail, READ_LETTER);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "uid", uid);
    stmt_bind_int(s, "vault", (int64_t)vault);
    enum err e = reader_first_step(s);
    if (!e)
        e = load(h, s);
    stmt_reset(s);
    return e;
}

static enum err load_expunged(struct letter_handle *h, uint64_t mailbox, uint32_t uid)
{
    struct stmt *s = db_use(h->reader->mail, READ_EXPUNGED_LETTER);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "uid", uid);
    enum err e = reader_first_step(s);
    if (!e)
        e = load(h, s);
    stmt_reset(s);
    return e;
}

enum err letter_handle_open(struct reader *r, uint64_t mailbox, uint32_t uid, struct letter_handle **out)
{
    uint64_t vault;
    enum err e = reader_mailbox_vault(r, mailbox, &vault);
    if (e)
        return e;
    struct letter_handle *h = mem_new(sizeof *h);
    h->reader = r;
    buf_init(&h->record, SUMMARY_BYTES_MAX);
    e = letter_view_init(&h->view, r);
    if (!e)
        e = load_living(h, mailbox, vault, uid);
    if (e == ERR_NOT_FOUND)
        e = load_expunged(h, mailbox, uid);
    if (e) {
        letter_handle_close(h);
        return e;
    }
    *out = h;
    return ERR_OK;
}

void letter_handle_close(struct letter_handle *h)
{
    if (!h)
        return;
    letter_view_clear(&h->view);
    buf_wipe(&h->record);
    free(h);
}

enum err letter_handle_read(struct letter_handle *h, uint64_t offset, size_t n, struct buf *out)
{
    return letter_view_read(&h->view, offset, n, out);
}

const struct mail_row *letter_handle_row(const struct letter_handle *h)
{
    return &h->row;
}

enum err letter_handle_uid(const struct letter_handle *h, uint8_t out[LETTER_UID_BYTES])
{
    memcpy(out, h->uid, LETTER_UID_BYTES);
    return ERR_OK;
}

static enum err open_record(struct letter_handle *h, struct summary *out)
{
    struct stmt *s = db_use(h->reader->mail, READ_SUMMARY);
    stmt_bind_int(s, "letter", (int64_t)h->row.letter);
    enum err e = reader_first_step(s);
    if (!e)
        e = letter_view_summary(&h->view, stmt_bytes(s, 0), false, &h->record, out);
    stmt_reset(s);
    return e;
}

enum err letter_handle_summary(struct letter_handle *h, struct summary *out, uint64_t *out_prefix)
{
    enum err e = h->has_record ? summary_decode(buf_slice(&h->record), out) : open_record(h, out);
    if (e)
        return e;
    h->has_record = true;
    *out_prefix = letter_view_prefix(&h->view);
    return ERR_OK;
}
