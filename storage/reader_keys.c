/* From a wrap to a letter's keys, and adoption; see reader.h.
 *
 * A letter that came by SMTP is wrapped under a key agreed between an epoch's public key and ours: 30
 * microseconds of X25519, so the agreed keys of the last epochs are kept. The key of adopted wraps is
 * kept in the same table, at its first place. */
#include "base/secret.h"
#include "storage/reader_internal.h"

/* A call looks at some rows more than it may return, to pass over damaged ones. */
#define ADOPTION_SPARE_ROWS 64

void reader_forget_epochs(struct reader *r)
{
    if (r->epochs)
        secret_wipe(r->epochs, EPOCH_ENTRIES * sizeof *r->epochs);
}

static enum err epoch_read(struct reader *r, uint64_t epoch, struct epoch_entry *out)
{
    struct epoch_entry fresh = {.epoch = epoch};
    struct stmt *s = db_use(r->mail, READ_EPOCH);
    stmt_bind_int(s, "epoch", (int64_t)epoch);
    enum err e = reader_first_step(s);
    if (!e) {
        struct slice key = stmt_bytes(s, 0);
        if (key.n == sizeof fresh.public_key)
            memcpy(fresh.public_key, key.p, key.n);
        else
            e = ERR_DAMAGED;
    } else if (e == ERR_NOT_FOUND) {
        e = ERR_DAMAGED;
    }
    stmt_reset(s);
    if (!e)
        e = seal_epoch_agree(r->keys, fresh.public_key, fresh.agreed);
    if (!e)
        *out = fresh;
    secret_wipe(&fresh, sizeof fresh);
    return e;
}

static enum err entry_fill(struct reader *r, uint64_t epoch, struct epoch_entry *out)
{
    if (epoch)
        return epoch_read(r, epoch, out);
    vault_wrap_key(r->keys, out->agreed);
    out->epoch = EPOCH_OWN;
    return ERR_OK;
}

enum err reader_unwrap(struct reader *r, const struct stored_wrap *w, struct letter_keys *out)
{
    if (w->uid.n != LETTER_UID_BYTES || w->wrap.n != WRAP_BYTES)
        return ERR_DAMAGED;
    if (!r->keys || r->keys->vault != w->vault || r->keys->generation != w->generation)
        return ERR_KEY_MISSING;
    struct epoch_entry alone = {0};
    size_t place = w->epoch ? 1 + w->epoch % (EPOCH_ENTRIES - 1) : 0;
    struct epoch_entry *entry = r->epochs ? &r->epochs[place] : &alone;
    bool is_there = entry->epoch == (w->epoch ? w->epoch : EPOCH_OWN);
    enum err e = is_there ? ERR_OK : entry_fill(r, w->epoch, entry);
    if (!e)
        e = wrap_open_summary(r->keys, w->epoch ? entry->public_key : NULL, entry->agreed, w->uid.p,
            w->wrap, out);
    secret_wipe(&alone, sizeof alone);
    return e;
}

/* One row of READ_UNADOPTED: only a letter whose summary opens is adopted. */
static enum err adopt_row(struct reader *r, struct stmt *s, struct letter_keys *keys, struct buf *text,
    struct store_adoption *out)
{
    struct stored_wrap w = {.vault = r->keys->vault, .generation = (uint32_t)stmt_int(s, 1),
        .epoch = (uint64_t)stmt_int(s, 2), .wrap = stmt_bytes(s, 3), .uid = stmt_bytes(s, 4)};
    enum err e = w.epoch ? reader_unwrap(r, &w, keys) : ERR_DAMAGED;
    buf_reset(text);
    if (!e)
        e = summary_open(keys, stmt_bytes(s, 5), text);
    if (e)
        return e;
    out->letter = (uint64_t)stmt_int(s, 0);
    wrap_for_vault(r->keys, keys, out->wrap);
    return ERR_OK;
}

static enum err adopt_rows(struct reader *r, struct letter_keys *keys, struct buf *text,
    struct store_adoption *out, size_t max, size_t *out_n)
{
    struct stmt *s = db_use(r->mail, READ_UNADOPTED);
    stmt_bind_int(s, "vault", (int64_t)r->keys->vault);
    stmt_bind_int(s, "after", (int64_t)r->adopt_after);
    enum err e = reader_first_step(s);
    size_t n = 0;
    for (size_t seen = 0; !e && n < max && seen < max + ADOPTION_SPARE_ROWS; seen++) {
        uint64_t letter = (uint64_t)stmt_int(s, 0);
        e = adopt_row(r, s, keys, text, &out[n]);
        if (e == ERR_AGAIN)
            break;
        if (!e)
            n++;
        else if (e == ERR_DAMAGED)
            reader_note_damage(r, "letter", letter);
        r->adopt_after = letter;
        e = n < max ? stmt_step(s) : ERR_OK;
    }
    stmt_reset(s);
    if (e == ERR_NOT_FOUND && n == 0)
        r->adopt_after = 0;
    if (e && e != ERR_NOT_FOUND && n == 0)
        return e;
    *out_n = n;
    return ERR_OK;
}

enum err reader_adoptions(struct reader *r, struct store_adoption *out, size_t max, size_t *out_n)
{
    if (!r->keys)
        return ERR_KEY_MISSING;
    struct letter_keys *keys = secret_new(sizeof *keys);
    if (!keys)
        return ERR_LIMIT;
    struct buf text;
    buf_init(&text, SUMMARY_BYTES_MAX);
    enum err e = adopt_rows(r, keys, &text, out, max, out_n);
    buf_wipe(&text);
    secret_free(keys, sizeof *keys);
    return e;
}
