/* See database_files.h. All three files are made before server.key and before any role starts, so that
 * later a missing one is always a lost one, at whatever moment a first start was killed. */
#include "admin/database_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE_COUNT 3

static const char *const names[DATABASE_COUNT] = {"mail.db", "letters.db", "credentials.db"};
static const char *const wal_names[DATABASE_COUNT] = {"mail.db-wal", "letters.db-wal", "credentials.db-wal"};

/* Its size; -1: there is none. */
static enum err file_size(const struct data_folder *f, const char *name, off_t *out)
{
    struct stat st;
    int fd = data_folder_file(f, name, O_RDONLY);
    if (fd < 0 && errno != ENOENT)
        return err_from_errno(errno);
    if (fd >= 0 && fstat(fd, &st) != 0) {
        close(fd);
        return ERR_IO;
    }
    *out = fd < 0 ? -1 : st.st_size;
    if (fd >= 0)
        close(fd);
    return ERR_OK;
}

static enum err make_all(const struct data_folder *f)
{
    for (int i = 0; i < DATABASE_COUNT; i++) {
        int fd = data_folder_file(f, names[i], O_RDWR | O_CREAT);
        if (fd < 0)
            return err_from_errno(errno);
        close(fd);
    }
    return ERR_OK;
}

enum err database_files_make(const struct data_folder *f, const char **out_missing)
{
    const char *missing = NULL;
    bool has_data = false, is_torn = false;
    for (int i = 0; i < DATABASE_COUNT; i++) {
        off_t size = -1, wal_size = -1;
        enum err e = file_size(f, names[i], &size);
        if (e == ERR_OK)
            e = file_size(f, wal_names[i], &wal_size);
        if (e)
            return e;
        has_data |= size > 0 || wal_size > 0;
        if (size < 0 && !is_torn)
            missing = names[i];
        if (size <= 0 && wal_size > 0) { /* what its last changes were made to is gone */
            missing = names[i];
            is_torn = true;
        }
    }
    if (missing && has_data) {
        *out_missing = missing;
        return ERR_NOT_FOUND;
    }
    return missing ? make_all(f) : ERR_OK;
}
