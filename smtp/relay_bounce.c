/* Reports on their way to who sent the letter: the letter's header is read from the queue, the sender is
 * looked up, the report is sealed and delivered like any letter, and what it reports becomes true in the
 * same commit: no recipient is forgotten without a report, none reported twice.
 *
 * There is no report on a report: a letter without a sender gets none, nor does one whose sender is not
 * here any more. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "message/address.h"
#include "smtp/relay.h"
#include "smtp/relay_report.h"
#include "storage/letter_writer.h"

#define RETRY_MS 10000

struct bounce {
    struct relay *relay;
    struct relay_letter *letter;   /* used */
    struct relay_job *job;         /* of a failure: freed at the end; NULL: a notice */
    struct relay_report_recipient *recipients; /* owned, with their texts */
    size_t count;
    struct buf results;
    struct relay_content *content;
    struct buf header;
    struct letter_writer *writer;
    struct store_target *targets;
    size_t target_count;
    struct timer *timer;
};

static void look_up(void *ctx);

static void bounce_free(struct bounce *b)
{
    struct relay *r = b->relay;
    relay_content_close(b->content);
    letter_writer_free(b->writer);
    for (size_t i = 0; i < b->count; i++) {
        free((void *)(uintptr_t)b->recipients[i].address.p);
        free((void *)(uintptr_t)b->recipients[i].orcpt.p);
        free((void *)(uintptr_t)b->recipients[i].answer.p);
    }
    free(b->recipients);
    free(b->targets);
    buf_clear(&b->results);
    buf_clear(&b->header);
    timer_free(b->timer);
    b->letter->uses--;
    if (b->job) {
        r->owed += (uint32_t)b->job->count;
        relay_job_free(b->job);
    } else {
        relay_letter_release(r, b->letter);
    }
    free(b);
}

static struct slice keep(const char *text)
{
    struct slice s = slice_str(text ? text : "");
    return slice_of(mem_strdup(s), s.n);
}

static void add(struct bounce *b, const struct relay_recipient *p, const char *answer, enum queue_result_kind kind)
{
    struct queue_result result = {.kind = kind, .id = p->id};
    b->recipients[b->count++] = (struct relay_report_recipient){keep(p->address), keep(p->orcpt),
        keep(p->answer ? p->answer : answer)};
    queue_result_encode(&result, &b->results);
}

static struct bounce *bounce_new(struct relay_job *j)
{
    struct bounce *b = mem_new(sizeof *b);
    b->relay = j->destination->relay;
    b->letter = j->letter;
    b->letter->uses++;
    b->recipients = mem_new(j->count * sizeof *b->recipients);
    buf_init(&b->results, 32 * 1024);
    buf_init(&b->header, RELAY_REPORT_HEADER_MAX + CHUNK_TEXT_BYTES);
    b->timer = timer_new(b->relay->loop, look_up, b);
    return b;
}

/* ---- the letter's header ---- */

static bool cut_header(struct buf *header)
{
    size_t end = slice_find(buf_slice(header), SLICE("\r\n\r\n"));
    if (end != SIZE_MAX)
        header->n = end + 4;
    else if (header->n > RELAY_REPORT_HEADER_MAX)
        header->n = RELAY_REPORT_HEADER_MAX;
    else
        return false;
    return true;
}

static void read_header(void *ctx)
{
    struct bounce *b = ctx;
    enum err e = ERR_OK;
    while (!e && !cut_header(&b->header))
        e = relay_content_next(b->content, &b->header);
    if (e == ERR_AGAIN)
        return;
    relay_content_close(b->content); /* what cannot be read is left out of the report */
    b->content = NULL;
    look_up(b);
}

/* ---- the report ---- */

static void on_reported(void *ctx, const struct store_reply *reply)
{
    struct bounce *b = ctx;
    letter_writer_free(b->writer);
    b->writer = NULL;
    if (reply->err == ERR_OK) {
        log_event(LOG_INFO, b->job ? "failure-reported" : "delay-reported", LF_X("letter", b->letter->id),
            LF_S("to", b->letter->head.sender), LF_U("recipients", b->count));
        bounce_free(b);
        return;
    }
    log_event(LOG_WARNING, "report-not-stored", LF_X("letter", b->letter->id), LF("reason", err_text(reply->err)));
    timer_start(b->timer, RETRY_MS);
}

static void compose(struct bounce *b)
{
    struct relay *r = b->relay;
    struct buf text;
    struct relay_report report = {.is_delay = b->job == NULL, .host = buf_slice(&r->config.host),
        .sender = b->letter->head.sender, .envid = b->letter->head.envid, .header = buf_slice(&b->header),
        .arrived = b->letter->created, .now = clock_wall(),
        .until = b->letter->created + (int64_t)r->config.give_up_s, .id = random_u64(),
        .recipients = b->recipients, .count = b->count};
    buf_init(&text, RELAY_REPORT_MAX);
    relay_report_put(&report, &text);
    b->writer = letter_writer_new(r->store);
    letter_writer_feed(b->writer, buf_slice(&text));
    letter_report(b->writer, SLICE("Return-Path: <>\r\n"), b->targets, b->target_count, buf_slice(&b->results),
        on_reported, b);
    buf_clear(&text);
}

/* Nobody to tell: the recipients are settled all the same. */
static void settle_untold(struct bounce *b, const char *why)
{
    log_event(LOG_INFO, "report-undeliverable", LF_X("letter", b->letter->id), LF_S("to", b->letter->head.sender),
        LF("why", why));
    struct wire in = wire_of(buf_slice(&b->results));
    struct queue_result result;
    while (!wire_at_end(&in) && queue_result_decode(&in, &result))
        relay_result(b->relay, &result);
    struct relay_job *j = b->job;
    b->job = NULL;
    if (j)
        relay_result_job(b->relay, j);
    loop_again(b->relay->loop);
    bounce_free(b);
}

static void on_looked_up(void *ctx, const struct store_reply *reply)
{
    struct bounce *b = ctx;
    if (reply->err == ERR_STORE_GONE || reply->err == ERR_DISK_FULL) {
        timer_start(b->timer, RETRY_MS);
        return;
    }
    if (reply->err) {
        settle_untold(b, err_text(reply->err));
        return;
    }
    free(b->targets);
    b->targets = mem_new(reply->target_count * sizeof *b->targets);
    memcpy(b->targets, reply->targets, reply->target_count * sizeof *b->targets);
    b->target_count = reply->target_count;
    compose(b);
}

static void look_up(void *ctx)
{
    struct bounce *b = ctx;
    struct address sender;
    struct buf canonical;
    buf_init(&canonical, 2 * ADDRESS_MAX);
    enum err e = address_parse(b->letter->head.sender, &sender);
    if (!e)
        e = address_canonical(&sender, &canonical);
    if (e)
        settle_untold(b, "it has no sender");
    else
        store_lookup(b->relay->store, buf_slice(&canonical), on_looked_up, b);
    buf_clear(&canonical);
}

static void begin(struct bounce *b)
{
    b->content = relay_content_open(b->relay, b->letter, read_header, b);
    read_header(b);
}

void relay_bounce(struct relay_job *j)
{
    struct bounce *b = bounce_new(j);
    bool is_wanted = false;
    b->job = j;
    for (const struct relay_recipient *p = j->recipients; p; p = p->next) {
        add(b, p, NULL, QUEUE_DONE);
        is_wanted |= p->notify == 0 || p->notify & QUEUE_NOTIFY_FAILURE;
    }
    if (!is_wanted || j->letter->head.sender.n == 0)
        settle_untold(b, is_wanted ? "it has no sender" : "it is not wanted");
    else
        begin(b);
}

void relay_notice(struct relay_job *j, const char *answer)
{
    struct bounce *b = bounce_new(j);
    for (struct relay_recipient *p = j->recipients; p; p = p->next) {
        bool is_due = !p->is_noticed && p->outcome != RELAY_DELIVERED && p->outcome != RELAY_FAILED;
        p->is_noticed |= is_due;
        if (is_due && (p->notify == 0 || p->notify & QUEUE_NOTIFY_DELAY))
            add(b, p, answer, QUEUE_NOTICED);
    }
    if (b->count == 0)
        bounce_free(b);
    else
        begin(b);
}
