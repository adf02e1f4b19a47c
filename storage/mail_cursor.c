/* Walking over the mails of a mailbox, see reader.h. The cursor stands in the reader: there is one at
 * a time, and its buffers serve all letters, so that a listing of 100,000 allocates nothing per row. */
#include "storage/reader_internal.h"

#define CHANGED_FIRST 64

enum err mail_row_read(struct stmt *s, struct mail_row *out)
{
    int64_t uid = stmt_int(s, COLUMN_UID);
    int64_t letter = stmt_int(s, COLUMN_LETTER);
    int64_t size = stmt_int(s, COLUMN_SIZE);
    int64_t modseq = stmt_int(s, COLUMN_MODSEQ);
    if (uid < 1 || uid > UINT32_MAX)
        return ERR_DAMAGED;
    *out = (struct mail_row){
        .uid = (uint32_t)uid,
        .letter = letter > 0 ? (uint64_t)letter : 0,
        .flags = (uint64_t)stmt_int(s, COLUMN_FLAGS),
        .modseq = modseq > 0 ? (uint64_t)modseq : 1,
        .internal_date = stmt_int(s, COLUMN_DATE),
        .saved_date = stmt_int(s, COLUMN_SAVED),
        .size = size > 0 ? (uint64_t)size : 0,
    };
    return ERR_OK;
}

static struct mail_cursor *cursor_begin(struct reader *r)
{
    struct mail_cursor *c = &r->cursor;
    ENSURE(!c->is_open);
    letter_view_reset(&c->view);
    c->is_open = true;
    c->want = MAIL_WANT_ROW;
    c->stmt = NULL;
    c->is_started = c->has_row = false;
    c->changed = NULL;
    c->changed_count = c->changed_next = 0;
    return c;
}

enum err mail_cursor_open(struct reader *r, uint64_t mailbox, uint32_t first, uint32_t last,
    unsigned want, struct mail_cursor **out)
{
    uint64_t vault;
    enum err e = reader_mailbox_vault(r, mailbox, &vault);
    if (e)
        return e;
    struct mail_cursor *c = cursor_begin(r);
    c->want = want;
    c->vault = vault;
    c->stmt = db_use(r->mail, want == MAIL_WANT_ROW ? READ_ROWS : READ_LETTERS);
    stmt_bind_int(c->stmt, "mailbox", (int64_t)mailbox);
    stmt_bind_int(c->stmt, "first", first);
    stmt_bind_int(c->stmt, "last", last);
    if (want != MAIL_WANT_ROW)
        stmt_bind_int(c->stmt, "vault", (int64_t)vault);
    *out = c;
    return ERR_OK;
}

enum err mail_cursor_open_vault(struct reader *r, uint64_t after, struct mail_cursor **out)
{
    if (!r->keys)
        return ERR_KEY_MISSING;
    struct mail_cursor *c = cursor_begin(r);
    c->want = MAIL_WANT_SUMMARY | MAIL_WANT_CONTENT;
    c->vault = r->keys->vault;
    c->stmt = db_use(r->mail, READ_VAULT_LETTERS);
    stmt_bind_int(c->stmt, "after", (int64_t)after);
    stmt_bind_int(c->stmt, "vault", (int64_t)c->vault);
    *out = c;
    return ERR_OK;
}

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = ((const struct mail_row *)a)->uid;
    uint32_t y = ((const struct mail_row *)b)->uid;
    return (x > y) - (x < y);
}

static enum err read_changed(struct mail_cursor *c, struct stmt *s)
{
    size_t cap = 0;
    enum err e = reader_first_step(s);
    for (; !e; e = stmt_step(s)) {
        if (c->changed_count == cap) {
            cap = cap ? cap * 2 : CHANGED_FIRST;
            c->changed = mem_resize(c->changed, cap * sizeof *c->changed);
        }
        if (mail_row_read(s, &c->changed[c->changed_count]) == ERR_OK)
            c->changed_count++;
    }
    stmt_reset(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err mail_cursor_open_changed(struct reader *r, uint64_t mailbox, uint64_t since,
    struct mail_cursor **out)
{
    struct mail_cursor *c = cursor_begin(r);
    struct stmt *s = db_use(r->mail, READ_CHANGED);
    stmt_bind_int(s, "mailbox", (int64_t)mailbox);
    stmt_bind_int(s, "since", since > INT64_MAX ? INT64_MAX : (int64_t)since);
    enum err e = read_changed(c, s);
    if (e) {
        mail_cursor_close(c);
        return e;
    }
    if (c->changed_count)
        qsort(c->changed, c->changed_count, sizeof *c->changed, compare_rows);
    *out = c;
    return ERR_OK;
}

enum err mail_cursor_next(struct mail_cursor *c, struct mail_row *out)
{
    ENSURE(c->is_open);
    c->has_row = false;
    letter_view_reset(&c->view);
    if (!c->stmt) {
        if (c->changed_next == c->changed_count)
            return ERR_NOT_FOUND;
        *out = c->changed[c->changed_next++];
        return ERR_OK;
    }
    enum err e;
    do {
        e = c->is_started ? stmt_step(c->stmt) : reader_first_step(c->stmt);
        if (e)
            return e;
        c->is_started = true;
        e = mail_row_read(c->stmt, &c->row);
    } while (e); /* ends: every turn takes a row */
    c->has_row = true;
    *out = c->row;
    return ERR_OK;
}

void mail_cursor_close(struct mail_cursor *c)
{
    if (!c)
        return;
    if (c->stmt)
        stmt_reset(c->stmt);
    free(c->changed);
    c->changed = NULL;
    c->stmt = NULL;
    c->has_row = c->is_open = false;
    letter_view_reset(&c->view);
}

enum err mail_cursor_summary(struct mail_cursor *c, bool envelope_only, struct summary *out,
    uint64_t *out_prefix)
{
    ENSURE(c->has_row && c->want != MAIL_WANT_ROW);
    enum err e = letter_view_load(&c->view, c->stmt, &c->row);
    if (!e)
        e = letter_view_summary(&c->view, stmt_bytes(c->stmt, COLUMN_SUMMARY), envelope_only,
            &c->record, out);
    if (!e)
        *out_prefix = letter_view_prefix(&c->view);
    return e;
}

enum err mail_cursor_letter_uid(struct mail_cursor *c, uint8_t out[LETTER_UID_BYTES])
{
    ENSURE(c->has_row && c->want != MAIL_WANT_ROW);
    struct slice uid = stmt_bytes(c->stmt, COLUMN_LETTER_UID);
    if (uid.n != LETTER_UID_BYTES)
        return ERR_DAMAGED;
    memcpy(out, uid.p, LETTER_UID_BYTES);
    return ERR_OK;
}

enum err mail_cursor_read(struct mail_cursor *c, uint64_t offset, size_t n, struct buf *out)
{
    ENSURE(c->has_row && (c->want & MAIL_WANT_CONTENT));
    enum err e = letter_view_load(&c->view, c->stmt, &c->row);
    if (!e && offset < c->view.owner_size)
        e = letter_view_load_owner(&c->view, c->stmt);
    return e ? e : letter_view_read(&c->view, offset, n, out);
}
