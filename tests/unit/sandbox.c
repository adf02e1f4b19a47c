/* base/sandbox.h: what a process that somebody took over can still ask of the kernel. Each test forks, for
 * nothing of it can be undone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

/* The number of the first thing that is not as it must be; 0: all is. */
typedef int (*inside_fn)(void);

static char folder[] = "/tmp/letterlock-sandbox-XXXXXX";

static void make_file(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static int group_setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    make_file("mail.db");
    make_file("server.key");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    unlink("mail.db");
    unlink("server.key");
    return rmdir(folder);
}

static void passes(inside_fn inside)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(inside());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool is_refused(long result)
{
    return result < 0 && (errno == EPERM || errno == EACCES);
}

static bool opens_nothing(void)
{
    return is_refused(open("server.key", O_RDONLY)) && is_refused(open("mail.db", O_RDONLY)) &&
        is_refused(open("mail.db", O_RDWR)) && is_refused(open("new", O_RDWR | O_CREAT, 0600)) &&
        is_refused(syscall(SYS_open, "server.key", O_RDONLY, 0)) && is_refused(unlink("server.key")) &&
        is_refused(rename("server.key", "mail.db")) && is_refused(truncate("mail.db", 0)) &&
        is_refused(symlink("server.key", "link")) && is_refused(chmod("server.key", 0777));
}

static int a_writer_inside(void)
{
    int fd = open("mail.db", O_RDWR);
    if (fd < 0 || sandbox_enter(SANDBOX_FILES_READ | SANDBOX_FILES_WRITE) != ERR_OK)
        return 1;
    if (!opens_nothing())
        return 2;
    if (pwrite(fd, "more", 4, 4) != 4 || fsync(fd) != 0 || ftruncate(fd, 4) != 0)
        return 3;
    return is_refused(socket(AF_INET, SOCK_STREAM, 0)) ? 0 : 4;
}

static void a_writer_has_the_files_that_it_opened_and_no_other(void **state)
{
    (void)state;
    passes(a_writer_inside);
}

static int a_reader_inside(void)
{
    if (sandbox_only_read(folder) != ERR_OK)
        return 1;
    int fd = open("mail.db", O_RDONLY);
    if (fd < 0 || (sandbox_landlock_abi() > 0 && open("mail.db", O_RDWR) >= 0))
        return 2;
    if (sandbox_enter(SANDBOX_FILES_READ) != ERR_OK)
        return 3;
    char text[4];
    if (!opens_nothing() || pread(fd, text, 4, 0) != 4)
        return 4;
    return is_refused(pwrite(fd, "x", 1, 0)) ? 0 : 5;
}

static void a_reader_reads_what_it_opened_and_no_other(void **state)
{
    (void)state;
    passes(a_reader_inside);
}

static int a_caller_inside(void)
{
    if (sandbox_enter(SANDBOX_NETWORK) != ERR_OK)
        return 1;
    if (!opens_nothing())
        return 2;
    if (socket(AF_INET, SOCK_DGRAM, 0) < 0 || (socket(AF_INET6, SOCK_STREAM, 0) < 0 && is_refused(-1)))
        return 3;
    /* The control socket of the data folder trusts who has our user id. */
    return is_refused(socket(AF_UNIX, SOCK_SEQPACKET, 0)) && is_refused(socket(AF_NETLINK, SOCK_RAW, 0)) ? 0 : 4;
}

static void who_calls_others_reaches_the_internet_and_no_socket_of_the_machine(void **state)
{
    (void)state;
    passes(a_caller_inside);
}

static int a_bully_inside(void)
{
    struct rlimit limit;
    if (sandbox_enter(0) != ERR_OK)
        return 1;
    if (!is_refused(kill(getppid(), 0)) || !is_refused(syscall(SYS_tgkill, getppid(), getppid(), 0)))
        return 2;
    if (!is_refused(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit)))
        return 3;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 4;
    return raise(0) == 0 ? 0 : 5;
}

static void nobody_signals_or_limits_another_process(void **state)
{
    (void)state;
    passes(a_bully_inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_has_the_files_that_it_opened_and_no_other),
        cmocka_unit_test(a_reader_reads_what_it_opened_and_no_other),
        cmocka_unit_test(who_calls_others_reaches_the_internet_and_no_socket_of_the_machine),
        cmocka_unit_test(nobody_signals_or_limits_another_process),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
