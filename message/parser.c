/* The push parser's driver: cuts pieces into lines, scans bodies, begins and ends; see parser.h.
 *
 * Every decision depends on the bytes of the letter alone, never on where pieces end: a line is
 * judged by its first LINE_HEAD_MAX bytes, whether they came at once or byte by byte. In bodies only
 * lines that begin with "-" are looked at; everything else is passed over in blocks. */
#include "message/parser_state.h"

#include "message/decode.h"

#define ARENA_BLOCK_BYTES 4096
#define SCAN_BLOCK_BYTES 64

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    uint8_t bytes[];
};

static struct arena_block *arena_block_new(struct arena_block *next, size_t cap)
{
    struct arena_block *block = mem_new(sizeof *block + cap);
    block->next = next;
    block->cap = cap;
    return block;
}

static uint8_t *arena_take(struct message_parser *p, size_t n)
{
    if (p->arena->cap - p->arena->used < n)
        p->arena = arena_block_new(p->arena, n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES);
    uint8_t *at = p->arena->bytes + p->arena->used;
    p->arena->used += n;
    return at;
}

/* Frees all blocks but the first. */
static void arena_reset(struct message_parser *p)
{
    while (p->arena->next) {
        struct arena_block *next = p->arena->next;
        free(p->arena);
        p->arena = next;
    }
    p->arena->used = 0;
}

bool parser_spend(struct message_parser *p, size_t n, size_t ceiling)
{
    if (p->cost > ceiling || n > ceiling - p->cost) {
        p->s.is_truncated = true;
        return false;
    }
    p->cost += n;
    return true;
}

struct slice parser_keep(struct message_parser *p, struct slice s, size_t max, size_t ceiling)
{
    if (s.n == 0)
        return SLICE_EMPTY;
    size_t room = p->cost + COST_STRING < ceiling ? ceiling - p->cost - COST_STRING : 0;
    if (max > room)
        max = room;
    if (s.n > max) {
        s.n = max;
        p->s.is_truncated = true;
    }
    if (s.n == 0)
        return SLICE_EMPTY;
    p->cost += s.n + COST_STRING;
    uint8_t *at = arena_take(p, s.n);
    memcpy(at, s.p, s.n);
    return slice_of(at, s.n);
}

void *parser_grow(void *array, size_t count, size_t *cap, size_t element_size)
{
    if (count < *cap)
        return array;
    *cap = *cap ? *cap * 2 : 8;
    return mem_resize(array, *cap * element_size);
}

struct message_parser *message_parser_new(void)
{
    struct message_parser *p = mem_new(sizeof *p);
    p->arena = arena_block_new(NULL, ARENA_BLOCK_BYTES);
    buf_init(&p->work, FIELD_WORK_MAX);
    buf_init(&p->plain, PREVIEW_RAW_MAX);
    buf_init(&p->html, PREVIEW_RAW_MAX);
    message_parser_reset(p);
    return p;
}

void message_parser_free(struct message_parser *p)
{
    if (!p)
        return;
    arena_reset(p);
    free(p->arena);
    buf_clear(&p->work);
    buf_clear(&p->plain);
    buf_clear(&p->html);
    free(p->s.envelopes);
    free(p->s.addresses);
    free(p->s.params);
    free(p->s.parts);
    free(p);
}

void message_parser_reset(struct message_parser *p)
{
    arena_reset(p);
    p->s = (struct summary){.sent = INT64_MIN,
        .envelopes = p->s.envelopes,
        .addresses = p->s.addresses,
        .params = p->s.params,
        .parts = p->s.parts};
    p->cost = COST_BASE;
    p->offset = p->lf = 0;
    p->tail = 0;
    p->line = LINE_START;
    p->held_n = 0;
    p->is_finished = false;
    p->field = FIELD_NONE;
    p->frame_n = p->open_boundaries = 0;
    memset(p->first_bytes, 0, sizeof p->first_bytes);
    p->capture = NULL;
    buf_reset(&p->plain);
    buf_reset(&p->html);
    p->plain_part = p->html_part = UINT32_MAX;
    p->in_root_header = true;
    parser_open_root(p);
}

struct scan {
    uint64_t lf;
    uint8_t any; /* all bytes or-ed */
    bool nul;
};

/* Passes over body bytes, up to and with a line feed that "-" follows when asked to stop there; else
 * over all. Returns how many. Written so that the compiler makes vector code of the inner loop. */
static size_t scan_body(const uint8_t *p, size_t n, bool stop_at_dash, struct scan *out)
{
    size_t i = 0;
    while (n - i > SCAN_BLOCK_BYTES) {
        uint8_t lf = 0, any = 0, nul = 0, dash = 0;
        for (size_t k = 0; k < SCAN_BLOCK_BYTES; k++) {
            uint8_t c = p[i + k];
            uint8_t is_lf = c == '\n';
            lf = (uint8_t)(lf + is_lf);
            any |= c;
            nul |= c == 0;
            dash |= is_lf & (p[i + k + 1] == '-');
        }
        if (dash && stop_at_dash)
            break;
        out->lf += lf;
        out->any |= any;
        out->nul |= nul != 0;
        i += SCAN_BLOCK_BYTES;
    }
    for (; i < n; i++) {
        out->any |= p[i];
        out->nul |= p[i] == 0;
        if (p[i] != '\n')
            continue;
        out->lf++;
        if (stop_at_dash && i + 1 < n && p[i + 1] == '-')
            return i + 1;
    }
    return n;
}

static void note_bytes(struct message_parser *p, const struct scan *scan)
{
    if (scan->any & 0x80) {
        if (p->in_root_header)
            p->s.has_8bit_header = true;
        else
            p->s.has_8bit_body = true;
    }
    p->s.has_nul |= scan->nul;
}

static void consume(struct message_parser *p, struct slice run)
{
    if (p->capture && p->capture->n < PREVIEW_RAW_MAX)
        buf_put(p->capture, slice_sub(run, 0, PREVIEW_RAW_MAX - p->capture->n));
    p->offset += run.n;
    for (size_t i = run.n < 4 ? 0 : run.n - 4; i < run.n; i++)
        p->tail = p->tail << 8 | run.p[i];
}

static void begin_line(struct message_parser *p)
{
    p->line_offset = p->offset;
    p->line_lf = p->lf;
    p->line_tail = p->tail;
    p->held_n = 0;
}

/* A line's beginning is known: all of it when is_whole, else LINE_HEAD_MAX bytes. */
static void judge_line(struct message_parser *p, struct slice head, bool is_whole)
{
    p->line = is_whole ? LINE_START : LINE_REST;
    if (is_whole && p->open_boundaries && head.n > 2 && head.p[0] == '-' && head.p[1] == '-' &&
        parser_delimiter(p, head))
        return;
    if (!p->in_header)
        return;
    parser_header_line(p, head);
    if (is_whole)
        parser_header_line_end(p);
}

static void pass_rest(struct message_parser *p, struct slice run, bool ends_line)
{
    if (p->in_header && run.n)
        parser_header_more(p, run);
    if (!ends_line)
        return;
    if (p->in_header)
        parser_header_line_end(p);
    p->line = LINE_START;
}

/* A run of one line, which ends with the line feed when ends_line. Counted already. */
static void take_run(struct message_parser *p, struct slice run, bool ends_line)
{
    if (p->line == LINE_REST) {
        pass_rest(p, run, ends_line);
        return;
    }
    if (p->held_n == 0 && ends_line) {
        struct slice head = slice_sub(run, 0, LINE_HEAD_MAX);
        judge_line(p, head, head.n == run.n);
        if (head.n < run.n)
            pass_rest(p, slice_from(run, head.n), true);
        return;
    }
    struct slice part = slice_sub(run, 0, LINE_HEAD_MAX - p->held_n);
    memcpy(p->held + p->held_n, part.p, part.n);
    p->held_n += part.n;
    p->line = LINE_HELD;
    bool is_whole = ends_line && part.n == run.n;
    if (!is_whole && p->held_n < LINE_HEAD_MAX)
        return;
    judge_line(p, slice_of(p->held, p->held_n), is_whole);
    if (!is_whole)
        pass_rest(p, slice_from(run, part.n), ends_line);
}

/* The run of one line at the start of the piece. */
static size_t feed_line(struct message_parser *p, struct slice piece)
{
    if (p->line == LINE_START)
        begin_line(p);
    size_t at = slice_find_byte(piece, '\n');
    bool ends_line = at < piece.n;
    struct slice run = slice_sub(piece, 0, at + 1);
    consume(p, run);
    p->lf += ends_line;
    take_run(p, run, ends_line);
    return run.n;
}

/* Header lines, until the header ends (or another begins) or the piece does. */
static size_t feed_header(struct message_parser *p, struct slice piece)
{
    bool was_root = p->in_root_header;
    size_t n = 0;
    while (n < piece.n && p->in_header && p->in_root_header == was_root)
        n += feed_line(p, slice_from(piece, n));
    struct scan scan = {0};
    scan_body(piece.p, n, false, &scan);
    bool is_root = p->in_root_header;
    p->in_root_header = was_root;
    note_bytes(p, &scan);
    p->in_root_header = is_root;
    return n;
}

/* Whether the line that begins here may be a delimiter, as far as its first bytes tell. */
static bool may_be_delimiter(const struct message_parser *p, struct slice piece)
{
    if (piece.p[0] != '-' || !p->open_boundaries)
        return false;
    return piece.n < 3 || (piece.p[1] == '-' && p->first_bytes[piece.p[2]]);
}

static size_t feed_body(struct message_parser *p, struct slice piece)
{
    bool is_candidate =
        p->line == LINE_HELD || (p->line == LINE_START && may_be_delimiter(p, piece));
    struct scan scan = {0};
    size_t n;
    if (is_candidate) {
        n = feed_line(p, piece);
        scan_body(piece.p, n, false, &scan);
    } else {
        n = scan_body(piece.p, piece.n, p->open_boundaries > 0, &scan);
        consume(p, slice_sub(piece, 0, n));
        p->lf += scan.lf;
        p->line = piece.p[n - 1] == '\n' ? LINE_START : LINE_REST;
    }
    note_bytes(p, &scan);
    return n;
}

void message_parser_feed(struct message_parser *p, struct slice piece)
{
    ENSURE(!p->is_finished);
    while (piece.n > 0) {
        size_t n = p->in_header ? feed_header(p, piece) : feed_body(p, piece);
        piece = slice_from(piece, n);
    }
}

/* Whether a mail program would show the part as an attachment. */
static bool is_attachment(const struct summary *s, const struct summary_part *part)
{
    if (slice_equal_nocase(part->disposition, SLICE("attachment")))
        return true;
    if (part->end != (uint32_t)(part - s->parts) + 1)
        return false;
    if (slice_equal(part->type, SLICE("text")) || slice_equal(part->type, SLICE("multipart")))
        return false;
    if (part->id.n && slice_equal(s->parts[part->parent].subtype, SLICE("related")))
        return false;
    return !slice_ends_nocase(part->subtype, SLICE("-signature")) &&
        !slice_equal(part->type, SLICE("message"));
}

const struct summary *message_parser_finish(struct message_parser *p)
{
    if (p->is_finished)
        return &p->s;
    p->is_finished = true;
    if (p->line == LINE_HELD)
        judge_line(p, slice_of(p->held, p->held_n), true);
    else if (p->line == LINE_REST && p->in_header)
        parser_header_line_end(p);
    p->s.size = p->offset;
    parser_close_all(p);
    p->s.header_size = p->s.parts[0].body_offset;
    for (size_t i = 0; i < p->s.part_count && !p->s.has_attachment; i++)
        p->s.has_attachment = is_attachment(&p->s, &p->s.parts[i]);
    const struct slice *date = &p->s.envelopes[0].fields[SUMMARY_DATE];
    int zone;
    if (!decode_date(*date, &p->s.sent, &zone))
        p->s.sent = INT64_MIN;
    parser_make_preview(p);
    return &p->s;
}
