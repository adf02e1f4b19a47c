/* Freeing what nobody holds any more, a slice per idle turn: expunged mails past their time, the letters
 * whose last wrap went with them, requests past asking for, ended stages. Every list is a small table or
 * an index: nothing here scans. */
#include "storage/store.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/store_sql.h"

#define SWEEP_SLICE_US 5000
#define REQUESTS_PER_SLICE 2000

struct due {
    int64_t mailbox;
    int64_t uid;
    int64_t letter;
    int64_t vault;
    int64_t modseq;
};

static enum err next_due(struct store *s, struct due *out)
{
    struct stmt *q = db_use(s->mail, SQL_EXPUNGED_DUE);
    /* On a full disk what was expunged goes at once: who deletes wants the room now. */
    stmt_bind_int(q, "now", s->room_needed ? INT64_MAX : clock_wall());
    enum err e = stmt_step(q);
    if (!e)
        *out = (struct due){stmt_int(q, 0), stmt_int(q, 1), stmt_int(q, 2), stmt_int(q, 3), stmt_int(q, 4)};
    stmt_reset(q);
    return e;
}

/* Keeps for QRESYNC that the UID is gone: extends the range before it where it can. */
static enum err note_vanished(struct store *s, const struct due *d)
{
    struct stmt *q = db_use(s->mail, SQL_VANISHED_BEFORE);
    stmt_bind_int(q, "mailbox", d->mailbox);
    stmt_bind_int(q, "uid", d->uid);
    enum err e = stmt_step(q);
    int64_t first = e ? 0 : stmt_int(q, 0);
    bool touches = !e && stmt_int(q, 1) + 1 == d->uid;
    stmt_reset(q);
    if (e && e != ERR_NOT_FOUND)
        return e;
    q = db_use(s->mail, touches ? SQL_VANISHED_EXTEND : SQL_VANISHED_INSERT);
    stmt_bind_int(q, "mailbox", d->mailbox);
    stmt_bind_int(q, "uid", d->uid);
    stmt_bind_int(q, "modseq", d->modseq);
    if (touches)
        stmt_bind_int(q, "first", first);
    return stmt_run(q);
}

/* One reference less; *out_left is what remains. */
static enum err unref(struct store *s, struct stmt *q, int64_t *out_left)
{
    (void)s;
    enum err e = stmt_step(q);
    if (!e)
        *out_left = stmt_int(q, 0);
    stmt_reset(q);
    return e;
}

enum err store_letter_unref(struct store *s, int64_t letter)
{
    int64_t left = 0;
    struct stmt *q = db_use(s->mail, SQL_LETTER_UNREF);
    stmt_bind_int(q, "id", letter);
    enum err e = unref(s, q, &left);
    if (e || left > 0)
        return e;
    q = db_use(s->mail, SQL_GARBAGE_INSERT);
    stmt_bind_int(q, "letter", letter);
    return stmt_run(q);
}

/* The wrap goes with the last mail of its vault: from then on nobody can open the letter there. */
static enum err drop_wrap(struct store *s, const struct due *d)
{
    int64_t left = 0;
    struct stmt *q = db_use(s->mail, SQL_WRAP_UNREF);
    stmt_bind_int(q, "letter", d->letter);
    stmt_bind_int(q, "vault", d->vault);
    enum err e = unref(s, q, &left);
    if (e || left > 0)
        return e;
    q = db_use(s->mail, SQL_WRAP_DELETE);
    stmt_bind_int(q, "letter", d->letter);
    stmt_bind_int(q, "vault", d->vault);
    e = stmt_run(q);
    return e ? e : store_letter_unref(s, d->letter);
}

static enum err sweep_expunged(struct store *s)
{
    struct due d;
    enum err e = next_due(s, &d);
    if (e)
        return e;
    struct stmt *q = db_use(s->mail, SQL_EXPUNGED_DELETE);
    stmt_bind_int(q, "mailbox", d.mailbox);
    stmt_bind_int(q, "uid", d.uid);
    e = stmt_run(q);
    if (!e)
        e = store_listing_drop(s, d.mailbox, d.uid);
    if (!e)
        e = note_vanished(s, &d);
    if (!e)
        e = drop_wrap(s, &d);
    return e == ERR_NOT_FOUND ? ERR_OK : e; /* a wrap that damage took: the row is gone all the same */
}

static enum err delete_chunks(struct db *d, size_t index, int64_t letter)
{
    struct stmt *q = db_use(d, index);
    stmt_bind_int(q, "first", letter * 65536);
    stmt_bind_int(q, "last", letter * 65536 + 65535);
    return stmt_run(q);
}

/* Chunks first and durably, then the row that knows of them: letters.db commits first in a turn, so that
 * a crash between leaves a row of `garbage` that finds nothing more to delete. */
static enum err sweep_garbage(struct store *s)
{
    struct stmt *q = db_use(s->mail, SQL_GARBAGE_FIRST);
    enum err e = stmt_step(q);
    int64_t letter = e ? 0 : stmt_int(q, 0);
    stmt_reset(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_LETTER_PLACE);
    stmt_bind_int(q, "id", letter);
    e = stmt_step(q);
    int64_t place = e ? 0 : stmt_int(q, 0);
    stmt_reset(q);
    if (!e && place)
        e = store_begin_letters(s);
    if (!e)
        e = delete_chunks(place ? s->letters : s->mail, place ? SQL_BIG_CHUNK_DELETE : SQL_CHUNK_DELETE, letter);
    if (e && e != ERR_NOT_FOUND)
        return e;
    q = db_use(s->mail, SQL_LETTER_DELETE);
    stmt_bind_int(q, "id", letter);
    e = stmt_run(q);
    if (e)
        return e;
    q = db_use(s->mail, SQL_GARBAGE_DELETE);
    stmt_bind_int(q, "letter", letter);
    return stmt_run(q);
}

static enum err sweep_requests(struct store *s)
{
    struct stmt *q = db_use(s->mail, SQL_REQUEST_OLDEST);
    enum err e = stmt_step(q);
    int64_t first = e ? 0 : stmt_int(q, 0);
    int64_t at = e ? 0 : stmt_int(q, 1);
    stmt_reset(q);
    if (e)
        return e;
    int64_t now = clock_wall();
    /* A clock that was set back must not keep them for ever. */
    if (at > now - STORE_REQUEST_KEEP_S && at <= now)
        return ERR_NOT_FOUND;
    q = db_use(s->mail, SQL_REQUEST_SWEEP);
    stmt_bind_int(q, "first", first);
    stmt_bind_int(q, "last", first + REQUESTS_PER_SLICE);
    stmt_bind_int(q, "before", at > now ? INT64_MAX : now - STORE_REQUEST_KEEP_S);
    return stmt_run(q);
}

/* Whether there is anything to do in mail.db, without opening a transaction. */
static bool has_work(struct store *s)
{
    struct due d;
    enum err e = next_due(s, &d);
    if (e == ERR_NOT_FOUND) {
        struct stmt *q = db_use(s->mail, SQL_GARBAGE_FIRST);
        e = stmt_step(q);
        stmt_reset(q);
    }
    if (e == ERR_NOT_FOUND) {
        struct stmt *q = db_use(s->mail, SQL_REQUEST_OLDEST);
        e = stmt_step(q);
        int64_t at = e ? 0 : stmt_int(q, 1);
        stmt_reset(q);
        if (!e && at > clock_wall() - STORE_REQUEST_KEEP_S && at <= clock_wall())
            e = ERR_NOT_FOUND;
    }
    return e == ERR_OK;
}

bool store_sweep(struct store *s)
{
    static enum err (*const sweepers[])(struct store *) = {sweep_expunged, sweep_garbage, sweep_requests};
    /* On a full disk one at a time: freed pages are zeroed, which goes through the log first. */
    uint64_t until = s->room_needed ? 0 : clock_mono_us() + SWEEP_SLICE_US;
    bool more = store_unstage(s);
    if (!has_work(s))
        return more;
    enum err e = store_begin(s);
    for (size_t i = 0; !e && i < sizeof sweepers / sizeof *sweepers; i++) {
        do
            e = sweepers[i](s);
        while (!e && clock_mono_us() < until);
        if (e == ERR_NOT_FOUND)
            e = ERR_OK;
    }
    if (e) {
        log_event(LOG_WARNING, "sweep-failed", LF("reason", err_text(e)));
        s->turn_error = e;
        return false;
    }
    return more || has_work(s);
}
