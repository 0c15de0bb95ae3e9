#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* The rename is durable when the directory is. */
static int sync_directory(const char *file)
{
    char *copy = xstrdup(file);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd >= 0 ? fsync(fd) : -1;

    if (fd >= 0) {
        (void)close(fd);
    }
    free(copy);
    return status;
}

int file_replace(const char *file, const uint8_t *bytes, size_t len, struct error *err)
{
    char *beside = xasprintf("%s.new", file);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write_all(fd, bytes, len) == 0 && fsync(fd) == 0;
    int status = 0;

    if (fd >= 0) {
        written = close(fd) == 0 && written;
    }
    if (!written || rename(beside, file) != 0 || sync_directory(file) != 0) {
        status = err_set(err, E_IO, "%s: %s", beside, strerror(errno));
    }
    free(beside);
    return status;
}

int file_read(const char *file, size_t max, uint8_t **bytes, size_t *len, struct error *err)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    *bytes = NULL;
    if (fd < 0) {
        return errno == ENOENT ? 0 : err_set(err, E_IO, "%s: %s", file, strerror(errno));
    }
    int status = 0;
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size > max) {
        status = err_set(err, E_IO, "%s: not a file of a sensible size", file);
    } else {
        *len = (size_t)st.st_size;
        *bytes = xmalloc(*len + 1);
        if (read(fd, *bytes, *len) != (ssize_t)*len) {
            free(*bytes);
            *bytes = NULL;
            status = err_set(err, E_IO, "%s: cannot be read", file);
        }
    }
    (void)close(fd);
    return status;
}
