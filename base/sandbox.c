/* Landlock and seccomp; see sandbox.h.
 *
 * The system-call list is an allow-list: what is not in it answers EPERM for the harmless rest and
 * ends the process for those that only an attacker wants (execve, ptrace, process_vm_*). */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Every role: memory, time, events, reading and writing what is open, passing descriptors. */
static const int common_calls[] = {
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
    SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(munlock),
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(fcntl),
    SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe2),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg), SCMP_SYS(socketpair), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid),
    SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(getrlimit),
    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(futex), SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall),
    SCMP_SYS(ioctl), SCMP_SYS(splice), SCMP_SYS(umask),
};

static const int accept_calls[] = {SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(listen)};

static const int network_calls[] = {SCMP_SYS(connect), SCMP_SYS(bind)};

/* Nothing here opens, makes or removes a file: the databases stay open from the start to the end. */
static const int read_calls[] = {
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(statx), SCMP_SYS(getcwd), SCMP_SYS(fstatfs),
};

static const int write_calls[] = {
    SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
};

/* Nothing of ours ever calls these: a process that does is not ours any more. */
static const int deadly_calls[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
};

static int add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = seccomp_rule_add(filter, action, calls[i], 0);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int allow_with(scmp_filter_ctx filter, int call, uint64_t first_argument)
{
    const struct scmp_arg_cmp equal = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = first_argument, .datum_b = 0};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &equal);
}

/* Calls that are harmless with one first argument only. A socket of the internet, for one of AF_UNIX would
 * reach the control socket; signals and limits for itself, not for the other roles. */
static int add_narrow_rules(scmp_filter_ctx filter, unsigned rights)
{
    int rc = allow_with(filter, SCMP_SYS(prlimit64), 0);
    if (rc == 0)
        rc = allow_with(filter, SCMP_SYS(tgkill), (uint64_t)getpid());
    if (rc == 0 && rights & SANDBOX_NETWORK)
        rc = allow_with(filter, SCMP_SYS(socket), AF_INET);
    if (rc == 0 && rights & SANDBOX_NETWORK)
        rc = allow_with(filter, SCMP_SYS(socket), AF_INET6);
    return rc;
}

static enum err enter_seccomp(unsigned rights)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return ERR_IO;
    int rc = add_rules(filter, SCMP_ACT_ALLOW, common_calls, LENGTH(common_calls));
    if (rc == 0 && rights & SANDBOX_ACCEPT)
        rc = add_rules(filter, SCMP_ACT_ALLOW, accept_calls, LENGTH(accept_calls));
    if (rc == 0 && rights & SANDBOX_NETWORK)
        rc = add_rules(filter, SCMP_ACT_ALLOW, network_calls, LENGTH(network_calls));
    if (rc == 0 && rights & (SANDBOX_FILES_READ | SANDBOX_FILES_WRITE))
        rc = add_rules(filter, SCMP_ACT_ALLOW, read_calls, LENGTH(read_calls));
    if (rc == 0 && rights & SANDBOX_FILES_WRITE)
        rc = add_rules(filter, SCMP_ACT_ALLOW, write_calls, LENGTH(write_calls));
    if (rc == 0)
        rc = add_narrow_rules(filter, rights);
    if (rc == 0)
        rc = add_rules(filter, SCMP_ACT_KILL_PROCESS, deadly_calls, LENGTH(deadly_calls));
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc == 0 ? ERR_OK : ERR_IO;
}

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

#define READ_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define NET_ACCESS 3ULL /* bind and connect TCP */
#define SCOPES 3ULL     /* abstract sockets and signals beyond the process */

/* As newer kernels know it; what is zero at its end an older one does not see. */
struct ruleset_attr {
    uint64_t files, net, scoped;
};

/* Every right that the kernel's ABI knows: refer came with 2, truncate with 3, the network with 4, ioctl
 * of devices with 5, scopes with 6. */
static struct ruleset_attr handled(int abi, unsigned rights)
{
    struct ruleset_attr a = {.files = (1ULL << 13) - 1};
    if (abi >= 2)
        a.files |= 1ULL << 13;
    if (abi >= 3)
        a.files |= 1ULL << 14;
    if (abi >= 4 && !(rights & SANDBOX_NETWORK))
        a.net = NET_ACCESS;
    if (abi >= 5)
        a.files |= 1ULL << 15;
    if (abi >= 6)
        a.scoped = SCOPES;
    return a;
}

static enum err allow_reading(int ruleset, const char *folder)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = READ_ACCESS};
    rule.parent_fd = open(folder, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return err_from_errno(errno);
    long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return rc == 0 ? ERR_OK : ERR_IO;
}

/* folder: may be read; NULL: no file may be opened. Rulesets stack. */
static enum err enter_landlock(unsigned rights, const char *folder)
{
    int abi = sandbox_landlock_abi();
    if (abi == 0) {
        log_event(LOG_WARNING, "no-landlock", LF("meaning",
            "this kernel cannot confine the files of a process; seccomp still holds"));
        return ERR_OK;
    }
    struct ruleset_attr attr = handled(abi, rights);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return err_from_errno(errno);
    enum err e = folder ? allow_reading(ruleset, folder) : ERR_OK;
    if (e == ERR_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        e = ERR_IO;
    close(ruleset);
    return e;
}

/* Also for one that root started: nothing that a role does needs a capability. */
static enum err drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}, {0, 0, 0}};
    for (unsigned long cap = 0; cap < 64; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* fails where there is none to drop */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 ? ERR_OK : ERR_IO;
}

static enum err confine(unsigned rights, const char *folder)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ERR_IO;
    return enter_landlock(rights, folder);
}

enum err sandbox_only_read(const char *folder)
{
    return confine(SANDBOX_FILES_READ, folder);
}

enum err sandbox_enter(unsigned rights)
{
    enum err e = drop_capabilities();
    if (!e)
        e = confine(rights, NULL);
    return e ? e : enter_seccomp(rights);
}
