// Logs each change of the files below a folder, and each sync, for `power_cut.py`.
//
//   LD_PRELOAD=shim.so POWER_CUT_FOLDER=/folder POWER_CUT_LOG=/log PROGRAM
//
// A record is a line of ASCII, and for a write its bytes. The calls that matter take one lock, so
// that the order of the records is that of the calls. A line that the program writes to its
// standard output is a record too: an acknowledgement.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int logfile = -1;
static const char *folder;
static size_t folder_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static ssize_t real_write(int fd, const void *bytes, size_t length) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = REAL(write);
    return real(fd, bytes, length);
}

static int real_open(const char *path, int flags, mode_t mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = REAL(open);
    return real(path, flags, mode);
}

static void append(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = real_write(logfile, at, length);
        if (written <= 0) abort();
        at += written;
        length -= (size_t)written;
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_CUT_LOG");
    folder = getenv("POWER_CUT_FOLDER");
    if (!path || !folder) return;
    folder_length = strlen(folder);
    logfile = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (logfile < 0) abort();
}

// Writes the path of a descriptor below the folder, "." for the folder itself. Returns whether it
// is there.
static int name_of(int fd, char *name) {
    char link[64], path[PATH_MAX];
    if (logfile < 0 || fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, folder, folder_length) != 0) return 0;
    const char *rest = path + folder_length;
    if (*rest == 0) rest = "/.";
    if (*rest != '/') return 0;
    strcpy(name, rest + 1);
    // A file that was unlinked is written, and lost: the kernel appends " (deleted)".
    return strstr(name, " (deleted)") == NULL;
}

static void record(const char *format, ...) {
    char line[PATH_MAX + 64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    append(line, (size_t)length);
}

static void wrote(const char *name, off_t offset, const void *bytes, ssize_t length) {
    if (length <= 0) return;
    record("W %s %lld %zd\n", name, (long long)offset, length);
    append(bytes, (size_t)length);
}

#define LOCKED(body)                     \
    int error;                           \
    pthread_mutex_lock(&lock);           \
    body;                                \
    error = errno;                       \
    pthread_mutex_unlock(&lock);         \
    errno = error

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    char name[PATH_MAX];
    ssize_t result;
    LOCKED({
        result = REAL(pwrite64)(fd, bytes, length, offset);
        if (name_of(fd, name)) wrote(name, offset, bytes, result);
    });
    return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    char name[PATH_MAX];
    ssize_t result;
    LOCKED({
        result = real_write(fd, bytes, length);
        if (logfile >= 0 && fd == STDOUT_FILENO && result > 0) {
            record("A %zd\n", result);
            append(bytes, (size_t)result);
        } else if (name_of(fd, name) && result > 0) {
            off_t end = lseek(fd, 0, SEEK_CUR);
            wrote(name, end - result, bytes, result);
        }
    });
    return result;
}

int ftruncate64(int fd, off64_t length) {
    char name[PATH_MAX];
    int result;
    LOCKED({
        result = REAL(ftruncate64)(fd, length);
        if (result == 0 && name_of(fd, name)) record("T %s %lld\n", name, (long long)length);
    });
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

// The record of a sync follows the sync: what it covers is on the disk when it is recorded.
int fdatasync(int fd) {
    char name[PATH_MAX];
    int result;
    LOCKED({
        result = REAL(fdatasync)(fd);
        if (result == 0 && name_of(fd, name)) record("S %s\n", name);
    });
    return result;
}

int fsync(int fd) {
    char name[PATH_MAX];
    int result;
    LOCKED({
        result = REAL(fsync)(fd);
        if (result == 0 && name_of(fd, name)) record("S %s\n", name);
    });
    return result;
}

static int opened(const char *path, int flags, mode_t mode) {
    char name[PATH_MAX];
    struct stat before;
    int result;
    LOCKED({
        int is_new = (flags & O_CREAT) && stat(path, &before) != 0;
        result = real_open(path, flags, mode);
        if (result >= 0 && name_of(result, name)) {
            if (is_new) record("C %s\n", name);
            else if (flags & O_TRUNC) record("T %s 0\n", name);
        }
    });
    return result;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return opened(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return opened(path, flags, mode);
}

int unlink(const char *path) {
    char whole[PATH_MAX];
    int result;
    LOCKED({
        int below = logfile >= 0 && realpath(path, whole) && strncmp(whole, folder, folder_length) == 0
            && whole[folder_length] == '/';
        result = REAL(unlink)(path);
        if (result == 0 && below) record("U %s\n", whole + folder_length + 1);
    });
    return result;
}
