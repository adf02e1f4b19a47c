/* Coding of the messages that start a role; see boot.h. */
#include "storage/boot.h"

#include "base/secret.h"

#define PEM_MAX (48 * 1024)

void role_boot_encode(const struct role_boot *b, struct buf *out)
{
    wire_put_u32(out, b->instance);
    wire_put_u64(out, b->account);
    wire_put_bytes(out, b->folder);
    wire_put_bytes(out, b->settings);
    buf_put_bytes(out, b->keys.fake_salt, sizeof b->keys.fake_salt);
    buf_put_bytes(out, b->keys.name_hash, sizeof b->keys.name_hash);
    buf_put_bytes(out, b->keys.queue_public, sizeof b->keys.queue_public);
    buf_put_bytes(out, b->keys.queue, sizeof b->keys.queue);
    buf_put_bytes(out, b->keys.route, sizeof b->keys.route);
    buf_put_bytes(out, b->keys.dkim, sizeof b->keys.dkim);
    wire_put_u8(out, (uint8_t)b->listener_count);
    for (size_t i = 0; i < b->listener_count; i++)
        wire_put_bytes(out, slice_str(b->listeners[i].name));
}

static void listener_decode(struct wire *w, struct role_listener *out)
{
    struct slice name = wire_bytes(w);
    if (name.n >= sizeof out->name) {
        w->failed = true;
        return;
    }
    memcpy(out->name, name.p, name.n);
    out->name[name.n] = '\0';
}

enum err role_boot_decode(struct slice body, const int *fds, size_t nfds, struct role_boot *out)
{
    struct wire w = wire_of(body);
    struct role_boot b = {.instance = wire_u32(&w)};
    b.account = wire_u64(&w);
    b.folder = wire_bytes(&w);
    b.settings = wire_bytes(&w);
    wire_copy(&w, b.keys.fake_salt, sizeof b.keys.fake_salt);
    wire_copy(&w, b.keys.name_hash, sizeof b.keys.name_hash);
    wire_copy(&w, b.keys.queue_public, sizeof b.keys.queue_public);
    wire_copy(&w, b.keys.queue, sizeof b.keys.queue);
    wire_copy(&w, b.keys.route, sizeof b.keys.route);
    wire_copy(&w, b.keys.dkim, sizeof b.keys.dkim);
    b.listener_count = wire_u8(&w);
    bool is_sound = !w.failed && b.listener_count <= ROLE_LISTENERS_MAX && b.listener_count == nfds;
    for (size_t i = 0; is_sound && i < nfds; i++) {
        b.listeners[i].fd = fds[i];
        listener_decode(&w, &b.listeners[i]);
    }
    if (is_sound && wire_done(&w))
        *out = b;
    else
        is_sound = false;
    secret_wipe(&b.keys, sizeof b.keys);
    return is_sound ? ERR_OK : ERR_SYNTAX;
}

void role_certificates_encode(const struct role_certificate *list, size_t n, struct buf *out)
{
    wire_put_u16(out, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_put_bytes(out, buf_slice(&list[i].chain_pem));
        wire_put_bytes(out, buf_slice(&list[i].key_pem));
    }
}

void role_certificates_clear(struct role_certificate *list, size_t *inout_n)
{
    for (size_t i = 0; i < *inout_n; i++) {
        buf_clear(&list[i].chain_pem);
        buf_wipe(&list[i].key_pem);
    }
    *inout_n = 0;
}

static bool certificates_are_sound(struct slice body)
{
    struct wire w = wire_of(body);
    size_t n = wire_u16(&w);
    for (size_t i = 0; i < n && !w.failed; i++)
        if (wire_bytes(&w).n > PEM_MAX || wire_bytes(&w).n > PEM_MAX)
            return false;
    return wire_done(&w) && n <= ROLE_CERTIFICATES_MAX;
}

enum err role_certificates_decode(struct slice body, struct role_certificate *list, size_t *inout_n)
{
    if (!certificates_are_sound(body))
        return ERR_SYNTAX;
    role_certificates_clear(list, inout_n);
    struct wire w = wire_of(body);
    size_t n = wire_u16(&w);
    for (size_t i = 0; i < n; i++) {
        buf_init(&list[i].chain_pem, PEM_MAX);
        buf_init(&list[i].key_pem, PEM_MAX);
        buf_put(&list[i].chain_pem, wire_bytes(&w));
        buf_put(&list[i].key_pem, wire_bytes(&w));
    }
    *inout_n = n;
    return ERR_OK;
}

void role_channel_encode(enum role peer, uint32_t instance, uint64_t account, struct buf *out)
{
    wire_put_u8(out, (uint8_t)peer);
    wire_put_u32(out, instance);
    wire_put_u64(out, account);
}
