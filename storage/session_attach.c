/* Coding of the attachment; see session_attach.h. */
#include "storage/session_attach.h"

#define ATTACH_BYTES_MAX 1024

void session_attach_encode(const struct session_attach *a, struct buf *out)
{
    wire_put_u64(out, a->session);
    wire_put_u64(out, a->account);
    wire_put_u8(out, (uint8_t)a->protocol);
    wire_put_u8(out, a->is_secure);
    wire_put_u8(out, a->scopes);
    wire_put_bytes(out, slice_str(a->address));
    wire_put_bytes(out, slice_str(a->peer));
    wire_put_bytes(out, slice_str(a->tag));
    wire_put_u64(out, a->keys.vault);
    wire_put_u32(out, a->keys.generation);
    buf_put_bytes(out, a->keys.public_key, SEAL_KEY_BYTES);
    buf_put_bytes(out, a->keys.secret_key, SEAL_KEY_BYTES);
    buf_put_bytes(out, a->keys.symmetric_key, SEAL_KEY_BYTES);
}

static void get_text(struct wire *w, char *out, size_t size)
{
    struct slice s = wire_bytes(w);
    if (s.n >= size || slice_find_byte(s, 0) != s.n) {
        w->failed = true;
        return;
    }
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

enum err session_attach_decode(struct slice body, struct session_attach *out)
{
    struct wire w = wire_of(body);
    if (body.n > ATTACH_BYTES_MAX)
        return ERR_TOO_BIG;
    out->session = wire_u64(&w);
    out->account = wire_u64(&w);
    out->protocol = (enum login_protocol)wire_u8(&w);
    out->is_secure = wire_u8(&w) != 0;
    out->scopes = wire_u8(&w);
    get_text(&w, out->address, sizeof out->address);
    get_text(&w, out->peer, sizeof out->peer);
    get_text(&w, out->tag, sizeof out->tag);
    out->keys.vault = wire_u64(&w);
    out->keys.generation = wire_u32(&w);
    wire_copy(&w, out->keys.public_key, SEAL_KEY_BYTES);
    wire_copy(&w, out->keys.secret_key, SEAL_KEY_BYTES);
    wire_copy(&w, out->keys.symmetric_key, SEAL_KEY_BYTES);
    bool known = out->protocol == LOGIN_IMAP || out->protocol == LOGIN_POP3;
    return wire_done(&w) && known ? ERR_OK : ERR_SYNTAX;
}
