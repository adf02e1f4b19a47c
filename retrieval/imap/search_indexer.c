/* The indexer of one account, see search_indexer.h. Timeline: wake → enough letters are missing? → letters
 * are read in slices into a builder → the segment begins in the store → block by block, each after the
 * answer to the one before → its directory ends it → wake again. What fails is dropped and tried anew
 * later: the store forgets what was not finished. */
#include "retrieval/imap/search_indexer.h"

#include "base/clock.h"
#include "base/log.h"
#include "message/tokens.h"
#include "retrieval/imap/search_text.h"
#include "storage/search_build.h"
#include "storage/search_index.h"

#define WAKE_MS 1000
/* Mail that comes in goes first: indexing begins when none came for a while, or at the latest some time after
 * the first, and then goes slowly as long as more comes. What is not yet indexed, searches open. */
#define QUIET_MS 2000
#define LATEST_MS 60000
#define RETRY_MS 60000
#define SLICE_US 3000
#define PAUSE_MS 2
#define PAUSE_BUSY_MS 50
#define TURN_RECENT_MS 250      /* a client that waits for an answer goes first too */

enum phase { PHASE_IDLE, PHASE_READ, PHASE_WRITE };

struct search_indexer {
    struct retrieval *retrieval;
    struct timer *timer;
    enum phase phase;
    struct search_build *build;  /* owned; NULL when idle */
    uint64_t from;               /* the vault is indexed so far */
    uint64_t upto;               /* and so far with what is in the builder */
    uint64_t segment;
    uint64_t request;            /* to the store; 0: none */
    bool is_ending;              /* the directory is on its way */
    uint64_t woken_ms;           /* the first of the wakes that the timer stands for */
    uint64_t last_wake_ms;
};

static void on_timer(void *ctx);

struct search_indexer *search_indexer_new(struct retrieval *r)
{
    struct search_indexer *x = mem_new(sizeof *x);
    x->retrieval = r;
    x->timer = timer_new(r->loop, on_timer, x);
    return x;
}

void search_indexer_stop(struct search_indexer *x)
{
    timer_stop(x->timer);
    if (x->request)
        store_cancel(x->retrieval->store, x->request);
    x->request = 0;
    search_build_free(x->build);
    x->build = NULL;
    x->is_ending = false;
    x->phase = PHASE_IDLE;
}

void search_indexer_free(struct search_indexer *x)
{
    if (!x)
        return;
    search_indexer_stop(x);
    timer_free(x->timer);
    free(x);
}

void search_indexer_wake(struct search_indexer *x)
{
    uint64_t now = clock_mono_us() / 1000;
    x->last_wake_ms = now;
    if (x->phase != PHASE_IDLE)
        return;
    if (!timer_is_running(x->timer))
        x->woken_ms = now;
    uint64_t waited = now - x->woken_ms;
    if (waited < LATEST_MS)
        timer_start(x->timer, LATEST_MS - waited < QUIET_MS ? (uint32_t)(LATEST_MS - waited) : QUIET_MS);
}

static uint32_t pause_ms(const struct search_indexer *x)
{
    uint64_t now = clock_mono_us() / 1000;
    bool is_busy = now - x->last_wake_ms < QUIET_MS || now - x->retrieval->last_turn_ms < TURN_RECENT_MS;
    return is_busy ? PAUSE_BUSY_MS : PAUSE_MS;
}

static uint64_t imap_session_of(const struct retrieval *r)
{
    for (const struct retrieval_session *s = r->sessions; s; s = s->next)
        if (!s->has_ended && s->protocol == LOGIN_IMAP)
            return s->id;
    return 0;
}

static void give_up(struct search_indexer *x, const char *what, enum err why)
{
    log_event(LOG_WARNING, "indexing-failed", LF("at", what), LF("reason", err_text(why)));
    search_indexer_stop(x);
    timer_start(x->timer, RETRY_MS);
}

/* ---- reading ---- */

struct taker {
    struct search_build *build;
    uint8_t fields;
    bool is_partial;
};

static void on_token(void *ctx, struct slice token)
{
    struct taker *t = ctx;
    search_build_token(t->build, token, t->fields);
}

static bool on_text(void *ctx, uint8_t fields, struct slice folded)
{
    struct taker *t = ctx;
    t->fields = fields;
    if (!tokens_split(folded, on_token, t))
        t->is_partial = true;
    return true;
}

/* ERR_AGAIN: nothing was taken. A letter that does not open is in the index as one that must be opened. */
static enum err take_letter(struct search_indexer *x, struct letter_source *source)
{
    struct taker t = {.build = x->build};
    enum err e = letter_source_summary(source, false);
    if (e == ERR_AGAIN)
        return e;
    search_build_letter(x->build, source->row.letter);
    bool has_body = !e && search_text_bytes(source->summary) <= INDEXER_TEXT_MAX;
    if (!e)
        e = search_letter_visit(source, SEARCH_VISIT_HEADER | (has_body ? SEARCH_VISIT_BODY : 0), on_text, &t);
    search_build_letter_end(x->build, e || t.is_partial || !has_body);
    x->upto = source->row.letter;
    return ERR_OK;
}

static enum err read_slice(struct search_indexer *x)
{
    struct mail_cursor *c;
    uint64_t started = clock_mono_us();
    enum err e = mail_cursor_open_vault(x->retrieval->reader, x->upto, &c);
    if (e)
        return e;
    struct letter_source source = {.cursor = c};
    while (!search_build_is_full(x->build) && clock_mono_us() - started < SLICE_US) {
        e = mail_cursor_next(c, &source.row);
        if (!e)
            e = take_letter(x, &source);
        letter_source_clear(&source);
        if (e)
            break;
    }
    mail_cursor_close(c);
    return e;
}

/* ---- writing ---- */

static void on_written(void *ctx, const struct store_reply *reply)
{
    struct search_indexer *x = ctx;
    x->request = 0;
    if (reply->err) {
        give_up(x, "store", reply->err);
    } else if (x->is_ending) {
        search_indexer_stop(x);
        timer_start(x->timer, PAUSE_MS);
    } else {
        if (!x->segment)
            x->segment = reply->value;
        timer_start(x->timer, 0);
    }
}

static void write_begin(struct search_indexer *x, uint64_t session)
{
    const struct store_search w = {.op = STORE_SEARCH_BEGIN, .session = session,
        .vault = x->retrieval->keys->vault, .upto = x->retrieval->keys->generation};
    x->segment = 0;
    x->request = store_search_write(x->retrieval->store, &w, on_written, x);
}

static void write_block(struct search_indexer *x, uint64_t session, uint32_t number, struct slice sealed)
{
    struct store_search w = {.op = STORE_SEARCH_BLOCK, .session = session, .segment = x->segment,
        .vault = x->retrieval->keys->vault, .number = number, .sealed = sealed};
    if (number == SEARCH_DIRECTORY) {
        w.op = STORE_SEARCH_END;
        w.number = x->from;
        w.upto = x->upto;
        x->is_ending = true;
    }
    x->request = store_search_write(x->retrieval->store, &w, on_written, x);
}

static void write_next(struct search_indexer *x)
{
    uint64_t session = imap_session_of(x->retrieval);
    uint32_t number = 0;
    struct buf text;
    struct buf sealed;
    if (!session) {
        search_indexer_stop(x);
        return;
    }
    if (!x->segment) {
        write_begin(x, session);
        return;
    }
    buf_init(&text, SEARCH_BLOCK_MAX);
    buf_init(&sealed, SEARCH_SEALED_MAX);
    enum err e = search_build_next(x->build, &number, &text);
    if (!e)
        e = search_block_seal(x->retrieval->keys, x->segment, number, buf_slice(&text), &sealed);
    if (!e)
        write_block(x, session, number, buf_slice(&sealed));
    buf_wipe(&text);
    buf_clear(&sealed);
    if (e)
        give_up(x, "segment", e);
}

/* ---- the steps ---- */

static void begin(struct search_indexer *x)
{
    struct search_missing missing = {0};
    enum err e = search_index_missing(x->retrieval->reader, SEARCH_DOCS_MAX, &missing);
    if (e == ERR_AGAIN) {
        timer_start(x->timer, WAKE_MS);
    } else if (e) {
        give_up(x, "reader", e);
    } else if (missing.fresh >= INDEXER_LETTERS_MIN + missing.tail / INDEXER_TAIL_SHARE) {
        x->from = missing.from;
        x->build = search_build_new();
        x->upto = x->from;
        x->phase = PHASE_READ;
        timer_start(x->timer, 0);
    }
}

static void read_on(struct search_indexer *x)
{
    enum err e = read_slice(x);
    if (e && e != ERR_AGAIN && e != ERR_NOT_FOUND) {
        give_up(x, "reader", e);
        return;
    }
    if ((e == ERR_NOT_FOUND && search_build_docs(x->build)) || search_build_is_full(x->build)) {
        search_build_sort(x->build);
        x->segment = 0;
        x->phase = PHASE_WRITE;
    } else if (e == ERR_NOT_FOUND) {
        search_indexer_stop(x);
        return;
    }
    timer_start(x->timer, pause_ms(x));
}

static void on_timer(void *ctx)
{
    struct search_indexer *x = ctx;
    if (!x->retrieval->keys || !imap_session_of(x->retrieval) ||
        !settings_bool(x->retrieval->settings, "imap.search-index"))
        search_indexer_stop(x);
    else if (x->phase == PHASE_IDLE)
        begin(x);
    else if (x->phase == PHASE_READ)
        read_on(x);
    else if (!x->request)
        write_next(x);
}
