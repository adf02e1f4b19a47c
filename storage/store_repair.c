/* `verify --repair`: makes anew what follows from other rows: counters, references, garbage. In one
 * transaction of the store's, which holds the others up meanwhile; so it runs only when asked for. What is
 * lost (a letter's row, its chunks, its key) no repair brings back: that is a backup's matter. */
#include "storage/store.h"

#include "base/json.h"
#include "storage/store_sql.h"

enum err store_repair(struct store *s, struct buf *text, struct buf *json)
{
    static const struct {
        const char *name;
        const char *sentence;
        size_t sql;
    } steps[] = {
        {"orphaned_chunks", "chunks without a letter removed", SQL_REPAIR_ORPHANS},
        {"wrap_references", "reference counts of keys made anew", SQL_REPAIR_WRAP_REFS},
        {"wraps_without_mail", "keys that no mail needs removed", SQL_REPAIR_WRAPS},
        {"letter_references", "reference counts of letters made anew", SQL_REPAIR_LETTER_REFS},
        {"garbage", "letters of nobody given to the sweeper", SQL_REPAIR_GARBAGE},
        {"mailbox_counters", "mailboxes counted anew", SQL_REPAIR_MAILBOXES},
        {"account_counters", "accounts counted anew", SQL_REPAIR_ACCOUNTS},
    };
    struct json j = json_of(json);
    int64_t all = 0;
    json_object(&j, NULL);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum err e = stmt_run(db_use(s->mail, steps[i].sql));
        if (e)
            return e;
        int64_t n = db_changes(s->mail);
        all += n;
        json_number(&j, steps[i].name, n);
        if (n > 0)
            buf_printf(text, "%lld %s\n", (long long)n, steps[i].sentence);
    }
    json_end(&j);
    if (all == 0)
        buf_put_str(text, "there was nothing to repair\n");
    s->sweep_due = true;
    return ERR_OK;
}
