/* See known_letters.h. */
#include "admin/known_letters.h"

#include "base/hash.h"
#include "message/header.h"

#define FIELDS_MAX (256 * 1024)

struct known {
    uint64_t count;
};

static uint64_t key_of(uint64_t size, struct slice fields)
{
    uint8_t hash[HASH_BYTES];
    uint64_t key;
    hash_blake2b_pair(NULL, slice_of(&size, sizeof size), fields, hash);
    memcpy(&key, hash, sizeof key);
    return key ? key : 1;
}

static void on_line(void *ctx, struct slice line)
{
    struct known_letters *k = ctx;
    struct slice items;
    uint64_t size;
    if (!mail_fetch_items(line, &items) || !slice_to_u64(mail_item(items, "RFC822.SIZE"), UINT64_MAX, &size))
        return;
    uint64_t key = key_of(size, mail_item(items, "BODY["));
    struct known *found = idmap_find(&k->counts, key);
    if (!found) {
        found = mem_new(sizeof *found);
        idmap_put(&k->counts, key, found);
    }
    found->count++;
}

enum err known_letters_read(struct known_letters *k, struct mail_link *l, struct slice mailbox)
{
    struct buf command;
    known_letters_clear(k);
    buf_init(&command, 64 * 1024);
    buf_put_str(&command, "EXAMINE ");
    mail_put_name(&command, mailbox);
    enum err e = mail_command(l, buf_slice(&command), NULL, NULL);
    buf_clear(&command);
    if (e == ERR_DENIED)
        return ERR_OK; /* there is none yet */
    if (e == ERR_OK)
        e = mail_command(l, SLICE("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)])"),
            on_line, k);
    if (e == ERR_OK)
        e = mail_command(l, SLICE("UNSELECT"), NULL, NULL);
    return e;
}

/* With CRLF in place of bare LF, and the size of the whole letter so. */
static uint64_t size_as_stored(struct slice letter)
{
    uint64_t size = letter.n;
    const uint8_t *end = letter.p + letter.n;
    for (const uint8_t *p = letter.p; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            break;
        size += p == letter.p || p[-1] != '\r';
    }
    return size;
}

static void header_as_stored(struct slice letter, struct buf *out)
{
    struct slice rest = letter;
    while (rest.n > 0) {
        size_t end = slice_find_byte(rest, '\n');
        size_t n = end > 0 && end < rest.n && rest.p[end - 1] == '\r' ? end - 1 : end;
        buf_put(out, slice_sub(rest, 0, n));
        if (end < rest.n)
            buf_put_str(out, "\r\n");
        rest = slice_from(rest, end + 1);
        if (n == 0)
            break;
    }
}

bool known_letters_take(struct known_letters *k, struct slice letter)
{
    static const char *const fields[] = {"MESSAGE-ID", "DATE", "FROM", "SUBJECT"};
    struct slice names[4];
    struct buf header, selected;
    if (k->counts.count == 0)
        return false;
    for (size_t i = 0; i < 4; i++)
        names[i] = slice_str(fields[i]);
    buf_init(&header, SIZE_MAX / 4);
    buf_init(&selected, SIZE_MAX / 4);
    header_as_stored(letter, &header);
    header_select(buf_slice(&header), names, 4, true, &selected);
    struct known *found = idmap_find(&k->counts, key_of(size_as_stored(letter), buf_slice(&selected)));
    buf_clear(&header);
    buf_clear(&selected);
    if (!found || found->count == 0)
        return false;
    found->count--;
    return true;
}

static void free_one(void *ctx, uint64_t key, void *value)
{
    struct known_letters *k = ctx;
    idmap_remove(&k->counts, key);
    free(value);
}

void known_letters_clear(struct known_letters *k)
{
    idmap_each(&k->counts, free_one, k);
    idmap_clear(&k->counts);
}
