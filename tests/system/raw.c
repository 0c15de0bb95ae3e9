#include "raw.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"

enum { GIVE_UP_S = 20 };

static int connected(int family, const struct sockaddr *addr, socklen_t len)
{
    struct timeval limit = {.tv_sec = GIVE_UP_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, addr, len), 0);
    return fd;
}

int raw_unix(const struct pod *pod)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/podmgr.sock", pod->dir);
    return connected(AF_UNIX, (struct sockaddr *)&addr, sizeof addr);
}

int raw_tcp(const struct pod *pod)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)pod_tcp_port(pod)),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};

    return connected(AF_INET, (struct sockaddr *)&addr, sizeof addr);
}

bool raw_send(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool raw_send_text(int fd, const char *text)
{
    return raw_send(fd, text, strlen(text));
}

long raw_read(int fd, char *buf, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while (len + 1 < size && (n = recv(fd, buf + len, size - 1 - len, 0)) > 0) {
        len += (size_t)n;
    }
    buf[len] = '\0';
    return strncmp(buf, "HTTP/1.1 ", 9) == 0 ? strtol(buf + 9, NULL, 10) : 0;
}

long raw_finish(int fd, char *buf, size_t size)
{
    long status = raw_read(fd, buf, size);

    (void)close(fd);
    return status;
}

int raw_request(const struct pod *pod, const char *method, const char *path, const char *body)
{
    int fd = raw_unix(pod);
    char *text = xasprintf("%s %s HTTP/1.1\r\nHost: podmgr\r\nConnection: close\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           method, path, strlen(body), body);

    assert_true(raw_send_text(fd, text));
    free(text);
    return fd;
}

unsigned descriptors(pid_t pid)
{
    char path[64];
    unsigned n = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    /* cppcheck-suppress readdirCalled ; our own stream, one thread */
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return n;
}
