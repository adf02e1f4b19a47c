/* After the login: bytes between the client's stream and the socket pair that leads to the account's
 * process. Neither side is read faster than the other takes; an idle pair holds no buffer. */
#include "retrieval/door.h"

/* Moves what is held of one into the other. What does not fit waits there, and its stream pauses. */
static void carry(struct stream *from, struct stream *to)
{
    struct slice input = stream_input(from);
    while (input.n > 0) {
        size_t room = stream_output_room(to);
        if (room == 0) {
            stream_pause(from);
            return;
        }
        struct slice piece = slice_sub(input, 0, room);
        stream_write(to, piece);
        stream_consume(from, piece.n);
        input = stream_input(from);
    }
    stream_resume(from);
}

void door_carry_out(struct door_session *s)
{
    if (s->client && s->inner)
        carry(s->client, s->inner);
}

void door_carry_in(struct door_session *s)
{
    if (s->client && s->inner)
        carry(s->inner, s->client);
}

static void on_inner_data(void *ctx)
{
    door_carry_in(ctx);
}

static void on_inner_writable(void *ctx)
{
    door_carry_out(ctx);
}

/* Retrieval has ended the session, or died: what it said last still goes to the client. */
static void on_inner_closed(void *ctx, enum err why)
{
    struct door_session *s = ctx;
    (void)why;
    stream_free(s->inner);
    s->inner = NULL;
    s->state = DOOR_ENDING;
    if (s->client)
        stream_finish(s->client);
    else
        door_session_over(s);
}

void door_carry_begin(struct door_session *s, int fd)
{
    static const struct stream_events events = {
        .on_data = on_inner_data,
        .on_writable = on_inner_writable,
        .on_closed = on_inner_closed,
    };
    stream_set_deadline(s->client, 0);
    stream_set_input_max(s->client, STREAM_READ_STEP);
    s->inner = stream_new(s->door->loop, fd, &events, s);
    stream_set_input_max(s->inner, STREAM_READ_STEP);
    stream_resume(s->client);
    door_carry_out(s); /* what was pipelined behind the login */
}
