/* The parse functions of every IMAP command (retrieval/imap/commands.h), search programs and FETCH items
 * among them: any text is refused with words or read to its end, the same way twice, and what was read is
 * given back. */
#include "retrieval/imap/commands.h"

static const char *parse_once(struct slice text)
{
    struct buf scratch;
    struct imap_cursor c;
    buf_init(&scratch, text.n + 1);
    imap_cursor_init(&c, text, &scratch);
    imap_tag(&c);
    imap_space(&c);
    if (imap_take_word(&c, "UID"))
        imap_space(&c);
    const struct imap_command *command = imap_failed(&c) ? NULL : imap_command_find(imap_atom(&c));
    if (command) {
        void *work = command->work_size ? mem_new(command->work_size) : NULL;
        command->parse(&c, work);
        imap_end(&c);
        ENSURE(imap_failed(&c) || c.at == text.n);
        if (command->clear)
            command->clear(NULL, work);
        free(work);
    }
    ENSURE(c.at <= text.n);
    buf_clear(&scratch);
    return c.error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imap_literal literal;
    struct slice text = slice_of(data, size);
    if (size > IMAP_COMMAND_MAX)
        return 0;
    if (imap_line_literal(text, &literal))
        ENSURE(size > 0 && data[size - 1] == '}');
    const char *error = parse_once(text);
    ENSURE(parse_once(text) == error);
    ENSURE(!error || error[0] != 0);
    return 0;
}
