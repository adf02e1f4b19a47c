/* server.key; see server_key.h. */
#include "admin/server_key.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/secret.h"
#include "storage/queue.h"

#define KEY_FILE "server.key"
#define KEY_CONTEXT "llserver"

enum key_purpose { KEY_FAKE_SALT = 1, KEY_NAME_HASH = 2, KEY_TLS = 3, KEY_QUEUE = 4, KEY_ROUTE = 5, KEY_DKIM = 6 };

static enum err read_key(int fd, uint8_t out[HASH_BYTES])
{
    uint8_t more;
    size_t n = 0;
    while (n < HASH_BYTES) {
        ssize_t got = read(fd, out + n, HASH_BYTES - n);
        if (got < 0)
            return err_from_errno(errno);
        if (got == 0)
            return ERR_DAMAGED;
        n += (size_t)got;
    }
    return read(fd, &more, 1) == 0 ? ERR_OK : ERR_DAMAGED;
}

/* ERR_NOT_FOUND: no such credential. */
static enum err read_credential(uint8_t out[HASH_BYTES])
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[4096];
    if (!folder || snprintf(path, sizeof path, "%s/" KEY_FILE, folder) >= (int)sizeof path)
        return ERR_NOT_FOUND;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    enum err e = read_key(fd, out);
    close(fd);
    return e;
}

static enum err sync_folder(const struct data_folder *f)
{
    int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    enum err e = fsync(fd) == 0 ? ERR_OK : ERR_IO;
    close(fd);
    return e;
}

static enum err write_new(const struct data_folder *f, const uint8_t key[HASH_BYTES])
{
    int folder = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return err_from_errno(errno);
    enum err e = ERR_OK;
    int fd = data_folder_file(f, KEY_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0 || write(fd, key, HASH_BYTES) != HASH_BYTES || fsync(fd) != 0 ||
        renameat(folder, KEY_FILE ".new", folder, KEY_FILE) != 0)
        e = err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    close(folder);
    return e ? e : sync_folder(f);
}

static bool has_databases(const struct data_folder *f)
{
    struct stat st;
    int fd = data_folder_file(f, "mail.db", O_RDONLY);
    if (fd < 0)
        return errno != ENOENT;
    bool has_data = fstat(fd, &st) != 0 || st.st_size > 0; /* database_files.c makes them empty */
    close(fd);
    return has_data;
}

static enum err read_or_make(const struct data_folder *f, uint8_t out[HASH_BYTES])
{
    int fd = data_folder_file(f, KEY_FILE, O_RDONLY);
    if (fd < 0 && errno != ENOENT)
        return err_from_errno(errno);
    if (fd >= 0) {
        enum err e = read_key(fd, out);
        close(fd);
        return e;
    }
    if (has_databases(f))
        return ERR_NOT_FOUND;
    random_bytes(out, HASH_BYTES);
    return write_new(f, out);
}

static void derive_queue_public(struct server_keys *out)
{
    struct vault_keys *pair = secret_new(sizeof *pair);
    ENSURE(pair != NULL);
    queue_keys_from(out->queue, pair);
    memcpy(out->queue_public, pair->public_key, sizeof out->queue_public);
    secret_free(pair, sizeof *pair);
}

enum err server_keys_load(const struct data_folder *f, struct server_keys *out)
{
    uint8_t *master = secret_new(HASH_BYTES);
    if (!master)
        return ERR_LIMIT;
    enum err e = read_credential(master);
    if (e == ERR_NOT_FOUND)
        e = read_or_make(f, master);
    if (e == ERR_OK) {
        key_derive(master, KEY_FAKE_SALT, KEY_CONTEXT, out->fake_salt);
        key_derive(master, KEY_NAME_HASH, KEY_CONTEXT, out->name_hash);
        key_derive(master, KEY_TLS, KEY_CONTEXT, out->tls);
        key_derive(master, KEY_QUEUE, KEY_CONTEXT, out->queue);
        key_derive(master, KEY_ROUTE, KEY_CONTEXT, out->route);
        key_derive(master, KEY_DKIM, KEY_CONTEXT, out->dkim);
        derive_queue_public(out);
    }
    secret_free(master, HASH_BYTES);
    return e;
}
