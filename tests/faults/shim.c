/* Stands between a process and libc (LD_PRELOAD, Linux) and watches the calls that touch files
 * under one folder. Counts those asked for, writes down their names, and lets the n-th fail, fall
 * short, or be the last thing the process does.
 *
 * Armed after a fork, from Python through ctypes. The count and the log lie in memory shared with
 * the parent, which reads them when the child is dead. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What a call is; a fault names the kinds of calls it counts. The same numbers stand in driver.py. */
enum { READS = 1, OPENS = 2, WRITES = 4, NEEDS_ROOM = 8, CHANGES = 16 };
enum { WATCH, FAIL, FALL_SHORT, DIE_BEFORE, DIE_AFTER, DIE_HALFWAY };
enum { GO_ON, REFUSE, HALVE, LAST };

#define LOG_SIZE (1 << 20)

static struct {
    long count;
    long used;
    char log[LOG_SIZE];
} *seen;

static struct {
    char folder[PATH_MAX];
    size_t length; /* 0 while nothing is armed */
    int mask, fault, error, for_good;
    long n;
    int rest_refused; /* the write after one that fell short */
} plan;

__attribute__((constructor)) static void start(void)
{
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void fault_arm(const char *folder, int mask, long n, int fault, int error, int for_good)
{
    seen->count = seen->used = 0;
    seen->log[0] = 0;
    snprintf(plan.folder, sizeof plan.folder, "%s", folder);
    plan.mask = mask;
    plan.n = n;
    plan.fault = fault;
    plan.error = error;
    plan.for_good = for_good;
    plan.rest_refused = 0;
    plan.length = strlen(folder);
}

void fault_disarm(void) { plan.length = 0; }
long fault_count(void) { return seen->count; }
const char *fault_log(void) { return seen->log; }

/* The name below the folder of `path`, taken from the folder open as `at`; NULL if elsewhere. */
static const char *name_of(int at, const char *path, char *whole)
{
    size_t used = 0;
    if (path == NULL || path[0] != '/') {
        char link[40];
        if (at == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, whole, PATH_MAX - 1);
        if (length <= 0)
            return NULL;
        used = length;
        whole[used] = 0;
    }
    if (path != NULL)
        snprintf(whole + used, PATH_MAX - used, used ? "/%s" : "%s", path);
    if (strncmp(whole, plan.folder, plan.length) != 0)
        return NULL;
    if (whole[plan.length] == 0)
        return ".";
    return whole[plan.length] == '/' ? whole + plan.length + 1 : NULL;
}

__attribute__((noreturn)) static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Called before each call; says what is to become of it. */
static int step(int kinds, const char *call, int at, const char *path)
{
    int before = errno;
    char whole[PATH_MAX];
    if (!plan.length || !(kinds & plan.mask))
        return GO_ON;
    const char *name = name_of(at, path, whole);
    errno = before;
    if (name == NULL)
        return GO_ON;
    long here = ++seen->count;
    long left = LOG_SIZE - seen->used;
    int length = snprintf(seen->log + seen->used, left, "%s %s\n", call, name);
    seen->used += length < left ? length : 0;
    if (plan.rest_refused && kinds & WRITES) {
        plan.rest_refused = 0;
        errno = ENOSPC;
        return REFUSE;
    }
    if (here != plan.n && !(plan.for_good && plan.n && here > plan.n))
        return GO_ON;
    switch (plan.fault) {
    case FAIL:
        errno = plan.error;
        return REFUSE;
    case FALL_SHORT:
        plan.rest_refused = 1;
        return HALVE;
    case DIE_BEFORE:
        die();
    case DIE_HALFWAY:
        return kinds & WRITES ? HALVE : LAST;
    case DIE_AFTER:
        return LAST;
    }
    return GO_ON;
}

static void after(int verdict)
{
    if (verdict == LAST || (verdict == HALVE && plan.fault == DIE_HALFWAY))
        die();
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WATCHED(result, name, failed, kinds, at, path, parameters, arguments) \
    result name parameters \
    { \
        REAL(name); \
        int verdict = step(kinds, #name, at, path); \
        if (verdict == REFUSE) \
            return failed; \
        result done = real arguments; \
        after(verdict); \
        return done; \
    }

#define WATCHED_WRITE(name, parameters, arguments) \
    ssize_t name parameters \
    { \
        REAL(name); \
        int verdict = step(WRITES | NEEDS_ROOM | CHANGES, #name, fd, NULL); \
        if (verdict == REFUSE) \
            return -1; \
        if (verdict == HALVE && size > 1) \
            size /= 2; \
        ssize_t done = real arguments; \
        after(verdict); \
        return done; \
    }

static int kinds_of_open(int flags)
{
    int kinds = OPENS | READS;
    if (flags & (O_CREAT | O_TRUNC))
        kinds |= NEEDS_ROOM | CHANGES;
    return kinds;
}

#define WATCHED_OPEN(name, at, path, parameters, arguments) \
    int name parameters \
    { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { \
            va_list more; \
            va_start(more, flags); \
            mode = va_arg(more, mode_t); \
            va_end(more); \
        } \
        int verdict = step(kinds_of_open(flags), #name, at, path); \
        if (verdict == REFUSE) \
            return -1; \
        int done = real arguments; \
        after(verdict); \
        return done; \
    }

WATCHED_OPEN(open, AT_FDCWD, path, (const char *path, int flags, ...), (path, flags, mode))
WATCHED_OPEN(open64, AT_FDCWD, path, (const char *path, int flags, ...), (path, flags, mode))
WATCHED_OPEN(openat, at, path, (int at, const char *path, int flags, ...), (at, path, flags, mode))
WATCHED_OPEN(openat64, at, path, (int at, const char *path, int flags, ...),
             (at, path, flags, mode))
WATCHED(DIR *, opendir, NULL, OPENS | READS, AT_FDCWD, path, (const char *path), (path))

WATCHED(ssize_t, read, -1, READS, fd, NULL, (int fd, void *to, size_t size), (fd, to, size))
WATCHED(ssize_t, pread, -1, READS, fd, NULL, (int fd, void *to, size_t size, off_t from),
        (fd, to, size, from))
WATCHED(ssize_t, pread64, -1, READS, fd, NULL, (int fd, void *to, size_t size, off64_t from),
        (fd, to, size, from))

WATCHED_WRITE(write, (int fd, const void *from, size_t size), (fd, from, size))
WATCHED_WRITE(pwrite, (int fd, const void *from, size_t size, off_t to), (fd, from, size, to))
WATCHED_WRITE(pwrite64, (int fd, const void *from, size_t size, off64_t to), (fd, from, size, to))
WATCHED_WRITE(sendfile, (int fd, int in, off_t *from, size_t size), (fd, in, from, size))
WATCHED_WRITE(sendfile64, (int fd, int in, off64_t *from, size_t size), (fd, in, from, size))
WATCHED_WRITE(copy_file_range,
              (int in, off64_t *from, int fd, off64_t *to, size_t size, unsigned flags),
              (in, from, fd, to, size, flags))
WATCHED_WRITE(writev, (int fd, const struct iovec *from, int size), (fd, from, size))

WATCHED(int, fsync, -1, NEEDS_ROOM | CHANGES, fd, NULL, (int fd), (fd))
WATCHED(int, fdatasync, -1, NEEDS_ROOM | CHANGES, fd, NULL, (int fd), (fd))
WATCHED(int, ftruncate, -1, CHANGES, fd, NULL, (int fd, off_t size), (fd, size))
WATCHED(int, ftruncate64, -1, CHANGES, fd, NULL, (int fd, off64_t size), (fd, size))
WATCHED(int, posix_fallocate64, plan.error, NEEDS_ROOM | CHANGES, fd, NULL,
        (int fd, off64_t from, off64_t size), (fd, from, size))

WATCHED(int, rename, -1, NEEDS_ROOM | CHANGES, AT_FDCWD, new, (const char *old, const char *new),
        (old, new))
WATCHED(int, renameat, -1, NEEDS_ROOM | CHANGES, new_at, new,
        (int old_at, const char *old, int new_at, const char *new), (old_at, old, new_at, new))
WATCHED(int, link, -1, NEEDS_ROOM | CHANGES, AT_FDCWD, new, (const char *old, const char *new),
        (old, new))
WATCHED(int, symlink, -1, NEEDS_ROOM | CHANGES, AT_FDCWD, new, (const char *old, const char *new),
        (old, new))
WATCHED(int, mkdir, -1, NEEDS_ROOM | CHANGES, AT_FDCWD, path, (const char *path, mode_t mode),
        (path, mode))
WATCHED(int, rmdir, -1, CHANGES, AT_FDCWD, path, (const char *path), (path))
WATCHED(int, unlink, -1, CHANGES, AT_FDCWD, path, (const char *path), (path))
WATCHED(int, unlinkat, -1, CHANGES, at, path, (int at, const char *path, int flags),
        (at, path, flags))
