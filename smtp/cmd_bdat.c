/* BDAT (RFC 3030 section 2): a letter in chunks whose sizes are said before. BINARYMIME is not offered,
 * so the rules about bare CR, bare LF and NUL are DATA's (data_reader_chunk), and a chunk has no dots.
 *
 * The bytes of a chunk are on their way when the command comes. Whatever is wrong with the command, they
 * are read and dropped before the answer, so that text is never taken for commands; when there is no
 * telling how many they are, the connection ends with the answer. After a chunk was refused, those that
 * follow get the same words until LAST, RSET or EHLO. */
#include "smtp/limits.h"
#include "smtp/session.h"

/* bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF */
static bool parse(struct slice argument, uint64_t *out_size, bool *out_is_last)
{
    struct slice rest = argument;
    struct slice size = slice_cut(&rest, ' ');
    bool has_marker = size.n < argument.n;
    if (size.n > 20 || !slice_to_u64(size, UINT64_MAX, out_size))
        return false;
    *out_is_last = slice_equal_nocase(rest, SLICE("LAST"));
    return *out_is_last || !has_marker;
}

static enum smtp_step refuse_and_end(struct smtp_session *s, enum smtp_reply_name why)
{
    smtp_session_end_transaction(s);
    smtp_session_reply(s, why);
    return STEP_CLOSE;
}

enum smtp_step smtp_cmd_bdat(struct smtp_session *s, struct slice argument, enum smtp_reply_name refusal)
{
    struct smtp_transaction *t = &s->transaction;
    struct smtp_chunk chunk = {.refusal = refusal, .state_before = s->state};
    if (!parse(argument, &chunk.left, &chunk.is_last))
        return refuse_and_end(s, REPLY_BDAT_SYNTAX);
    if (chunk.left > SMTP_CHUNK_MAX)
        return refuse_and_end(s, REPLY_TOO_BIG);
    chunk.size_bytes = chunk.left;
    s->chunk = chunk;
    if (refusal == REPLY_OK && s->state == SMTP_STATE_RCPT && !smtp_data_begin(s))
        smtp_transaction_refuse(t, REPLY_TRY_LATER);
    smtp_session_set_state(s, SMTP_STATE_BDAT);
    stream_set_input_max(s->stream, SMTP_INPUT_DATA);
    smtp_data_start_period(s);
    return STEP_DONE;
}

/* The chunk was not a part of a letter: the state is as before. */
static enum smtp_step end_of_refused(struct smtp_session *s)
{
    smtp_session_set_state(s, s->chunk.state_before);
    smtp_session_reply(s, s->chunk.refusal);
    return STEP_DONE;
}

static enum smtp_step answer_chunk(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    struct buf detail;
    smtp_session_set_state(s, SMTP_STATE_CHUNKS);
    if (t->refusal != REPLY_OK) {
        smtp_session_reply(s, t->refusal);
        return STEP_DONE;
    }
    buf_init(&detail, 32);
    buf_put_u64(&detail, s->chunk.size_bytes);
    buf_put_str(&detail, " octets");
    smtp_session_reply_with(s, REPLY_CHUNK_TAKEN, buf_slice(&detail));
    buf_clear(&detail);
    return STEP_DONE;
}

static enum smtp_step end_of_chunk(struct smtp_session *s)
{
    struct smtp_transaction *t = &s->transaction;
    stream_set_input_max(s->stream, SMTP_INPUT_COMMAND);
    if (s->chunk.refusal != REPLY_OK)
        return end_of_refused(s);
    if (!s->chunk.is_last)
        return answer_chunk(s);
    if (t->reader.place == DATA_CR)
        smtp_transaction_refuse(t, REPLY_TEXT_FAULTY);
    else if (t->reader.place == DATA_IN_LINE)
        smtp_data_take(s, SLICE("\r\n")); /* every letter that is kept ends with a whole line */
    return smtp_data_end(s);
}

static void take_piece(struct smtp_session *s, struct slice piece)
{
    struct smtp_transaction *t = &s->transaction;
    if (s->chunk.refusal != REPLY_OK)
        return;
    if (!data_reader_chunk(&t->reader, piece))
        smtp_transaction_refuse(t, REPLY_TEXT_FAULTY);
    smtp_data_take(s, piece);
}

enum smtp_step smtp_bdat_run(struct smtp_session *s, bool *out_wants_input)
{
    struct smtp_transaction *t = &s->transaction;
    if (t->letter != NULL && letter_writer_is_full(t->letter)) {
        smtp_session_wait(s, SMTP_WAIT_ROOM, 0);
        return STEP_WAIT;
    }
    size_t n = stream_input(s->stream).n;
    if (n > s->chunk.left)
        n = (size_t)s->chunk.left;
    if (n > 0)
        take_piece(s, slice_sub(stream_input(s->stream), 0, n));
    s->chunk.left -= n;
    t->received_bytes += n;
    stream_consume(s->stream, n);
    if (s->chunk.left == 0)
        return end_of_chunk(s);
    *out_wants_input = true;
    return STEP_WAIT;
}
