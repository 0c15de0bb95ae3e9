/* Lines of the kernel's log, counted: "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT"
 * (Documentation/ABI/testing/dev-kmsg).  Those of priority error and worse count
 * as the driver's if they begin with its name, else as others'.  The device
 * gives a record a read and what was logged before is passed over; from a file,
 * lines may arrive in pieces. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "sysfs.h"

enum { RECORD_BYTES = 8192, RECORDS_A_READING = 10000, PRIORITY_ERROR = 3, PRIORITY_MASK = 7 };

struct kmsg {
    int fd; /* -1: it cannot be read */
    char *driver;
    double driver_errors, kernel_errors;
    char line[RECORD_BYTES]; /* without its end yet */
    size_t len;
};

static void count_line(struct kmsg *kmsg, const char *line)
{
    char *end;
    unsigned long priority = strtoul(line, &end, 10);
    const char *text = strchr(line, ';');

    /* A line that goes on begins with a blank: no number, no record. */
    if (end == line || *end != ',' || text == NULL || *line == ' ' ||
        (priority & PRIORITY_MASK) > PRIORITY_ERROR) {
        return;
    }
    if (strncmp(text + 1, kmsg->driver, strlen(kmsg->driver)) == 0) {
        kmsg->driver_errors++;
    } else {
        kmsg->kernel_errors++;
    }
}

static void take_bytes(struct kmsg *kmsg, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            kmsg->line[kmsg->len] = '\0';
            count_line(kmsg, kmsg->line);
            kmsg->len = 0;
        } else if (kmsg->len < sizeof kmsg->line - 1) {
            kmsg->line[kmsg->len++] = bytes[i];
        }
    }
}

void kmsg_read(struct kmsg *kmsg, struct reading *out)
{
    char bytes[RECORD_BYTES];

    if (kmsg->fd < 0) {
        return;
    }
    for (unsigned i = 0; i < RECORDS_A_READING; i++) {
        ssize_t n = read(kmsg->fd, bytes, sizeof bytes);
        if (n > 0) {
            take_bytes(kmsg, bytes, (size_t)n);
        } else if (n == 0 || (errno != EPIPE && errno != EINTR)) {
            break; /* EPIPE: records were overwritten before they were read */
        }
    }
    *reading_at(out, 0, METRIC_DRIVER_ERRORS) = kmsg->driver_errors;
    *reading_at(out, 0, METRIC_KERNEL_ERRORS) = kmsg->kernel_errors;
}

struct kmsg *kmsg_create(const char *root, const char *driver)
{
    struct kmsg *kmsg = xcalloc(1, sizeof *kmsg);
    char *path = xasprintf("%s/dev/kmsg", root);

    kmsg->driver = xstrdup(driver);
    kmsg->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (kmsg->fd >= 0 && *root == '\0') {
        (void)lseek(kmsg->fd, 0, SEEK_END);
    }
    free(path);
    return kmsg;
}

void kmsg_destroy(struct kmsg *kmsg)
{
    if (kmsg->fd >= 0) {
        (void)close(kmsg->fd);
    }
    free(kmsg->driver);
    free(kmsg);
}
