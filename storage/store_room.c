/* Room on the disk. A file `reserve` in the data folder holds some megabytes back: when the disk is full
 * the store lets go of them, takes no new mail, and spends them on deleting, so that owners can make
 * room themselves. Once there is room it takes them back first, then mail. */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/store_sql.h"

#define ROOM_RESERVE_BYTES (4u << 20)
#define ROOM_LOW_BYTES (512u << 10)     /* less than this is full */
#define ROOM_ENOUGH_BYTES (2u << 20)    /* beside the reserve: mail is taken again */

void store_room_close(struct store *s)
{
    if (s->reserve_fd >= 0)
        close(s->reserve_fd);
    s->reserve_fd = -1;
}

static uint64_t disk_bytes(const struct store *s)
{
    struct statfs fs;
    if (fstatfs(s->reserve_fd, &fs) != 0)
        return UINT64_MAX / 2; /* what cannot be known is found out by writing */
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
}

/* Pages that deleted letters have left inside the databases. */
static uint64_t free_bytes_in(struct db *d, size_t index, uint64_t page_bytes)
{
    struct stmt *q = db_use(d, index);
    uint64_t pages = stmt_step(q) ? 0 : (uint64_t)stmt_int(q, 0);
    stmt_reset(q);
    return pages * page_bytes;
}

static uint64_t free_bytes(struct store *s)
{
    return free_bytes_in(s->mail, SQL_FREE_PAGES, MAIL_PAGE_BYTES) +
        free_bytes_in(s->letters, SQL_BIG_FREE_PAGES, LETTERS_PAGE_BYTES);
}

static void take_reserve(struct store *s)
{
    if (posix_fallocate(s->reserve_fd, 0, ROOM_RESERVE_BYTES) != 0 && ftruncate(s->reserve_fd, 0) != 0)
        log_event(LOG_WARNING, "reserve-not-freed", LF("meaning", "deleting may fail too"));
}

static uint64_t reserve_bytes(const struct store *s)
{
    off_t size = lseek(s->reserve_fd, 0, SEEK_END);
    return size < 0 ? 0 : (uint64_t)size;
}

void store_room_lost(struct store *s)
{
    if (s->room_needed)
        return;
    s->room_needed = true;
    log_event(LOG_ERROR, "disk-full", LF("meaning", "no new mail is taken until there is room"),
        LF("help", "delete mail or files"));
    if (s->reserve_fd >= 0 && ftruncate(s->reserve_fd, 0) != 0)
        log_event(LOG_WARNING, "reserve-not-freed", LF("meaning", "deleting may fail too"));
}

/* What the reserve lacks of its size, as after a start on a full disk, is not for mail either. */
static bool is_full(struct store *s, uint64_t on_disk, uint64_t held)
{
    uint64_t lacking = held < ROOM_RESERVE_BYTES ? ROOM_RESERVE_BYTES - held : 0;
    uint64_t needed = ROOM_LOW_BYTES + lacking;
    return on_disk < needed && on_disk + free_bytes(s) < needed;
}

void store_room_check(struct store *s)
{
    uint64_t on_disk = disk_bytes(s);
    uint64_t held = reserve_bytes(s);
    if (!s->room_needed) {
        if (is_full(s, on_disk, held))
            store_room_lost(s);
        else if (held < ROOM_RESERVE_BYTES && on_disk > ROOM_RESERVE_BYTES + ROOM_ENOUGH_BYTES)
            take_reserve(s);
        return;
    }
    /* What was deleted leaves free pages in the databases: as good as room on the disk. */
    if (on_disk + free_bytes(s) > ROOM_RESERVE_BYTES + ROOM_ENOUGH_BYTES) {
        s->room_needed = false;
        log_event(LOG_INFO, "disk-has-room", LF("meaning", "mail is taken again"));
    }
}

enum err store_room_open(struct store *s, const char *folder)
{
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return ERR_IO;
    s->reserve_fd = openat(at, "reserve", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    close(at);
    if (s->reserve_fd < 0)
        return errno == ENOSPC ? ERR_DISK_FULL : ERR_IO;
    store_room_check(s);
    return ERR_OK;
}
