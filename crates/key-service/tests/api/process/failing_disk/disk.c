// A disk that fails on request. A test preloads it into the key service.
//
// The file that the variable LATCHKEY_TEST_DISK names says what fails: "write", as on a file system that has become
// read-only, or "sync", as on a device that loses what it had taken. Files other than the store are left alone.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd, const char *what)
{
    char link[64], path[4096], said[16];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return 0;
    path[len] = 0;
    if (!strstr(path, "/latchkey.db"))
        return 0;
    int file = open(getenv("LATCHKEY_TEST_DISK"), O_RDONLY);
    if (file < 0)
        return 0;
    len = read(file, said, sizeof said);
    close(file);
    return len == (ssize_t)strlen(what) && !strncmp(said, what, len);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(error) (errno = (error), -1)

ssize_t write(int fd, const void *bytes, size_t len)
{
    return fails(fd, "write") ? FAIL(EROFS) : REAL(write)(fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return fails(fd, "write") ? FAIL(EROFS) : REAL(pwrite)(fd, bytes, len, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    return fails(fd, "write") ? FAIL(EROFS) : REAL(pwrite64)(fd, bytes, len, at);
}

int fsync(int fd)
{
    return fails(fd, "sync") ? FAIL(EIO) : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return fails(fd, "sync") ? FAIL(EIO) : REAL(fdatasync)(fd);
}
