/* The sockets that the REST surface listens on. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/server.h"

enum { BACKLOG = 128, DESCRIPTORS_MIN = 2048 };

/* The code of a failure, after the socket is closed. */
static int cannot_listen(int fd, const char *what, struct error *err)
{
    int cause = errno;

    if (fd >= 0) {
        (void)close(fd);
    }
    return err_set(err, E_IO, "cannot listen on %s: %s", what, strerror(cause));
}

int listen_tcp(const struct config *config, struct error *err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(config->http_port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || inet_pton(AF_INET, config->http_address, &addr.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, BACKLOG) != 0) {
        char what[64];
        int cause = errno;
        (void)snprintf(what, sizeof what, "%s:%u", config->http_address, config->http_port);
        errno = cause;
        return cannot_listen(fd, what, err);
    }
    return fd;
}

/* Does somebody serve it?  Another podmgr may, with a database of its own. */
static bool is_served(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 ||
                              errno == EAGAIN); /* its backlog is full */

    if (fd >= 0) {
        (void)close(fd);
    }
    return served;
}

/* Everybody on the machine may read; what a peer may do is its uid's role. */
int listen_unix(const char *path, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(path) >= sizeof addr.sun_path) {
        return err_set(err, E_IO, "socket path %s is longer than %zu characters", path,
                       sizeof addr.sun_path - 1);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (is_served(&addr)) {
        errno = EADDRINUSE;
        return cannot_listen(-1, path, err);
    }
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        (void)unlink(path); /* of one that was killed */
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || chmod(path, 0666) != 0 ||
        listen(fd, BACKLOG) != 0) {
        return cannot_listen(fd, path, err);
    }
    return fd;
}

void listen_allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MIN) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MIN ? limit.rlim_max : DESCRIPTORS_MIN;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
