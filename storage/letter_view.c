/* One letter as the cursor and the handle read it: numbers from its rows (checked: what the database
 * says is not trusted), its keys, and its text as clients see it:
 *
 *     owner prefix (wrap.prefix) | trace header (chunk CHUNK_PREFIX) | body (chunks 0, 1, …)
 *
 * The chunk that was opened last stays open, so that reading in small pieces opens each chunk once. */
#include "base/secret.h"
#include "storage/reader_internal.h"

#define LETTER_ID_MAX (INT64_MAX / 65536 - 1)

enum err letter_view_init(struct letter_view *v, struct reader *r)
{
    *v = (struct letter_view){.reader = r};
    v->keys = secret_new(sizeof *v->keys);
    buf_init(&v->owner, OWNER_PREFIX_MAX + SEAL_OVERHEAD_MAX);
    buf_init(&v->chunk, CHUNK_TEXT_BYTES);
    return v->keys ? ERR_OK : ERR_LIMIT;
}

void letter_view_clear(struct letter_view *v)
{
    secret_free(v->keys, sizeof *v->keys);
    v->keys = NULL;
    buf_wipe(&v->owner);
    buf_wipe(&v->chunk);
    v->is_loaded = v->has_all_keys = v->has_owner = v->has_chunk = false;
}

void letter_view_reset(struct letter_view *v)
{
    v->is_loaded = v->has_all_keys = v->has_owner = v->has_chunk = false;
    buf_reset(&v->owner);
    buf_reset(&v->chunk);
}

uint64_t letter_view_prefix(const struct letter_view *v)
{
    return (uint64_t)v->owner_size + v->trace_size;
}

static bool in_range(int64_t v, int64_t max)
{
    return v >= 0 && v <= max;
}

/* The row's numbers, all within limits and in accord with each other. */
static enum err read_numbers(struct letter_view *v, struct stmt *s, const struct mail_row *row)
{
    int64_t body = stmt_int(s, COLUMN_BODY_SIZE);
    int64_t trace = stmt_int(s, COLUMN_TRACE_SIZE);
    int64_t owner = stmt_int(s, COLUMN_OWNER_SIZE);
    int64_t chunks = stmt_int(s, COLUMN_CHUNKS);
    int64_t place = stmt_int(s, COLUMN_PLACE);
    if (stmt_is_null(s, COLUMN_LETTER_UID) || stmt_is_null(s, COLUMN_KEY) ||
        row->letter == 0 || row->letter > LETTER_ID_MAX)
        return ERR_DAMAGED;
    if (!in_range(body, (int64_t)CHUNK_COUNT_MAX * CHUNK_TEXT_BYTES) ||
        !in_range(trace, LETTER_PREFIX_MAX) || !in_range(owner, OWNER_PREFIX_MAX) ||
        !in_range(chunks, CHUNK_COUNT_MAX) || !in_range(place, 1))
        return ERR_DAMAGED;
    int64_t needed = (body + CHUNK_TEXT_BYTES - 1) / CHUNK_TEXT_BYTES;
    /* An empty letter may have an empty chunk. */
    if ((chunks != needed && (body != 0 || chunks != 1)) ||
        row->size != (uint64_t)(body + trace + owner))
        return ERR_DAMAGED;
    v->body_size = (uint64_t)body;
    v->trace_size = (uint32_t)trace;
    v->owner_size = (uint32_t)owner;
    v->chunks = (uint32_t)chunks;
    v->in_letters = place == 1;
    return ERR_OK;
}

static enum err load(struct letter_view *v, struct stmt *s, const struct mail_row *row)
{
    enum err e = read_numbers(v, s, row);
    if (e)
        return e;
    int64_t generation = stmt_int(s, COLUMN_GENERATION);
    struct stored_wrap w = {
        .vault = (uint64_t)stmt_int(s, COLUMN_VAULT),
        .generation = in_range(generation, UINT32_MAX) ? (uint32_t)generation : 0,
        .epoch = (uint64_t)stmt_int(s, COLUMN_EPOCH),
        .uid = stmt_bytes(s, COLUMN_LETTER_UID),
        .wrap = stmt_bytes(s, COLUMN_KEY),
    };
    v->vault = w.vault;
    return reader_unwrap(v->reader, &w, v->keys);
}

enum err letter_view_load(struct letter_view *v, struct stmt *s, const struct mail_row *row)
{
    if (v->is_loaded)
        return v->state;
    v->letter = row->letter;
    v->state = load(v, s, row);
    if (v->state == ERR_DAMAGED)
        reader_note_damage(v->reader, "letter", v->letter);
    v->is_loaded = v->state != ERR_AGAIN;
    return v->state;
}

enum err letter_view_load_owner(struct letter_view *v, struct stmt *s)
{
    if (v->has_owner || v->owner_size == 0)
        return ERR_OK;
    buf_reset(&v->owner);
    enum err e = owner_prefix_open(v->keys, v->vault, stmt_bytes(s, COLUMN_OWNER), &v->owner);
    if (!e && v->owner.n != v->owner_size)
        e = ERR_DAMAGED;
    if (e)
        reader_note_damage(v->reader, "letter", v->letter);
    v->has_owner = e == ERR_OK;
    return e;
}

enum err letter_view_summary(struct letter_view *v, struct slice sealed, bool envelope_only,
    struct buf *record, struct summary *out)
{
    buf_reset(record);
    enum err e = summary_open(v->keys, sealed, record);
    if (!e)
        e = envelope_only ? summary_decode_envelope(buf_slice(record), out)
                          : summary_decode(buf_slice(record), out);
    if (e == ERR_DAMAGED)
        reader_note_damage(v->reader, "letter", v->letter);
    return e;
}

/* --- text --- */

static uint32_t chunk_text_size(const struct letter_view *v, uint32_t number)
{
    if (number == CHUNK_PREFIX)
        return v->trace_size;
    uint64_t rest = v->body_size - (uint64_t)number * CHUNK_TEXT_BYTES;
    return rest < CHUNK_TEXT_BYTES ? (uint32_t)rest : CHUNK_TEXT_BYTES;
}

/* Whether the letter's row is gone: then chunks may be, too. */
static bool letter_is_freed(struct letter_view *v)
{
    struct stmt *s = db_use(v->reader->mail, READ_SUMMARY);
    stmt_bind_int(s, "letter", (int64_t)v->letter);
    enum err e = reader_first_step(s);
    stmt_reset(s);
    return e == ERR_NOT_FOUND;
}

/* Appends the text of a chunk to out. */
static enum err open_chunk(struct letter_view *v, uint32_t number, struct buf *out)
{
    size_t before = out->n;
    if (!v->has_all_keys)
        letter_keys_complete(v->keys);
    v->has_all_keys = true;
    bool is_last = number == CHUNK_PREFIX || number + 1 == v->chunks;
    int64_t row = number == CHUNK_PREFIX ? 65535 : (int64_t)number;
    struct stmt *s = v->in_letters ? db_use(v->reader->letters, READ_LETTERS_CHUNK)
                                   : db_use(v->reader->mail, READ_CHUNK);
    stmt_bind_int(s, "id", (int64_t)v->letter * 65536 + row);
    enum err e = reader_first_step(s);
    if (!e)
        e = chunk_open(v->keys, number, is_last, stmt_bytes(s, 0), out);
    stmt_reset(s);
    if (!e && out->n - before != chunk_text_size(v, number))
        e = ERR_DAMAGED;
    if (e == ERR_NOT_FOUND && !letter_is_freed(v))
        e = ERR_DAMAGED;
    if (e == ERR_DAMAGED)
        reader_note_damage(v->reader, "letter", v->letter);
    if (e)
        out->n = before;
    return e;
}

/* Appends n bytes of one chunk, which has them, from `from` on. */
static enum err read_chunk(struct letter_view *v, uint32_t number, uint64_t from, size_t n,
    struct buf *out)
{
    if (!v->has_chunk || v->chunk_number != number) {
        /* All of it, into a buffer with room: no copy to keep. */
        if (from == 0 && n == chunk_text_size(v, number) && out->max - out->n >= n)
            return open_chunk(v, number, out);
        v->has_chunk = false;
        buf_reset(&v->chunk);
        enum err e = open_chunk(v, number, &v->chunk);
        if (e)
            return e;
        v->has_chunk = true;
        v->chunk_number = number;
    }
    buf_put(out, slice_sub(buf_slice(&v->chunk), (size_t)from, n));
    return buf_error(out);
}

/* Appends what of n bytes from offset on lies in the piece in which offset lies. */
static enum err read_piece(struct letter_view *v, uint64_t offset, uint64_t n, struct buf *out,
    uint64_t *out_n)
{
    uint32_t number = CHUNK_PREFIX;
    uint64_t left;
    if (offset < v->owner_size) {
        left = v->owner_size - offset;
        *out_n = n < left ? n : left;
        buf_put(out, slice_sub(buf_slice(&v->owner), (size_t)offset, (size_t)*out_n));
        return buf_error(out);
    }
    offset -= v->owner_size;
    if (offset >= v->trace_size) {
        offset -= v->trace_size;
        number = (uint32_t)(offset / CHUNK_TEXT_BYTES);
        offset %= CHUNK_TEXT_BYTES;
    }
    left = chunk_text_size(v, number) - offset;
    *out_n = n < left ? n : left;
    return read_chunk(v, number, offset, (size_t)*out_n, out);
}

enum err letter_view_read(struct letter_view *v, uint64_t offset, size_t n, struct buf *out)
{
    uint64_t size = letter_view_prefix(v) + v->body_size;
    size_t before = out->n;
    uint64_t left = offset < size ? size - offset : 0;
    if (left > n)
        left = n;
    while (left > 0) {
        uint64_t got;
        enum err e = read_piece(v, offset, left, out, &got);
        if (e) {
            out->n = before;
            return e;
        }
        offset += got;
        left -= got;
    }
    return ERR_OK;
}
