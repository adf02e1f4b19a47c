/* The data folder; see data_folder.h. */
#include "admin/data_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_USER "letterlock"

static char *path_join(const char *folder, const char *name)
{
    struct buf b;
    buf_init(&b, PATH_MAX);
    buf_printf(&b, "%s/%s", folder, name);
    char *path = buf_ok(&b) ? mem_strdup(buf_slice(&b)) : NULL;
    buf_clear(&b);
    return path;
}

char *data_folder_default(void)
{
    const char *given = getenv("LETTERLOCK_DATA");
    const char *data_home = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (given && *given)
        return mem_strdup(slice_str(given));
    if (geteuid() == 0)
        return mem_strdup(SLICE("/var/lib/letterlock"));
    if (data_home && data_home[0] == '/')
        return path_join(data_home, "letterlock");
    return home && home[0] == '/' ? path_join(home, ".local/share/letterlock") : NULL;
}

/* mkdir -p; the last one gets 0700 whatever the umask. */
static enum err make_folders(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return ERR_SYNTAX;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        bool is_last = i == n;
        if (mkdir(part, is_last ? 0700 : 0755) != 0 && errno != EEXIST)
            return err_from_errno(errno);
    }
    return ERR_OK;
}

static enum err give_to_service_user(const char *path)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam(SERVICE_USER) : NULL;
    if (user && chown(path, user->pw_uid, user->pw_gid) != 0)
        return err_from_errno(errno);
    return ERR_OK;
}

static enum err check_private(const char *path, struct data_folder *out)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_from_errno(errno);
    if (!S_ISDIR(st.st_mode))
        return ERR_EXISTS;
    if (st.st_mode & 077 || (geteuid() != 0 && st.st_uid != geteuid()))
        return ERR_DENIED;
    out->owner = st.st_uid;
    out->group = st.st_gid;
    return ERR_OK;
}

enum err data_folder_open(const char *path, bool create, struct data_folder *out)
{
    struct data_folder f = {.lock_fd = -1};
    struct stat st;
    enum err e = ERR_OK;
    if (create && stat(path, &st) != 0 && errno == ENOENT) {
        e = make_folders(path);
        if (e == ERR_OK)
            e = give_to_service_user(path);
    }
    if (e == ERR_OK)
        e = check_private(path, &f);
    if (e)
        return e;
    f.path = realpath(path, NULL);
    if (!f.path)
        return err_from_errno(errno);
    *out = f;
    return ERR_OK;
}

int data_folder_file(const struct data_folder *f, const char *name, int flags)
{
    char *path = path_join(f->path, name);
    if (!path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(path);
    if (fd >= 0 && flags & O_CREAT && geteuid() == 0 && fchown(fd, f->owner, f->group) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static pid_t read_holder(int fd)
{
    char text[24];
    uint64_t pid;
    ssize_t n = pread(fd, text, sizeof text, 0);
    if (n <= 0 || !slice_to_u64(slice_trim(slice_of(text, (size_t)n)), INT_MAX, &pid))
        return 0;
    return (pid_t)pid;
}

static enum err write_holder(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return err_from_errno(errno);
    return ERR_OK;
}

enum err data_folder_lock(struct data_folder *f, pid_t *out_holder)
{
    int fd = data_folder_file(f, "lock", O_RDWR | O_CREAT);
    if (fd < 0)
        return err_from_errno(errno);
    enum err e = ERR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        e = errno == EWOULDBLOCK ? ERR_BUSY : err_from_errno(errno);
    if (e == ERR_BUSY)
        *out_holder = read_holder(fd);
    if (e == ERR_OK)
        e = write_holder(fd);
    if (e) {
        close(fd);
        return e;
    }
    f->lock_fd = fd;
    return ERR_OK;
}

enum err data_folder_drop_rights(const struct data_folder *f)
{
    if (geteuid() != 0 || f->owner == 0)
        return ERR_OK;
    if (setgroups(1, &f->group) != 0 || setgid(f->group) != 0 || setuid(f->owner) != 0)
        return err_from_errno(errno);
    ENSURE(setuid(0) != 0);
    return ERR_OK;
}

void data_folder_close(struct data_folder *f)
{
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    free(f->path);
    *f = (struct data_folder){.lock_fd = -1};
}

bool data_folder_socket_path(const struct data_folder *f, const char *name, char out[108], int *out_fd)
{
    int fd = -1;
    int n = snprintf(out, 108, "%s/%s", f->path, name);
    if (n >= 108) {
        fd = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return false;
        n = snprintf(out, 108, "/proc/self/fd/%d/%s", fd, name);
    }
    *out_fd = fd;
    return n > 0 && n < 108;
}
