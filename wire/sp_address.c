#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "sp.h"

enum { HOST_MAX = 64 };

static int parse_ipc(struct sp_address *out, const char *url, const char *path, struct error *err)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof out->path) {
        return err_set(err, E_INVALID, "%s: a path of 1 to %zu characters is needed", url,
                       sizeof out->path - 1);
    }
    out->ipc = true;
    memcpy(out->path, path, len + 1);
    return 0;
}

/* "127.0.0.1:9000" or "[::1]:9000". */
static int parse_tcp(struct sp_address *out, const char *url, const char *rest, struct error *err)
{
    const char *colon = strrchr(rest, ':');
    bool six = rest[0] == '[';
    char host[HOST_MAX] = "", *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
    size_t len = colon != NULL ? (size_t)(colon - rest) : 0;

    if (port < 1 || port > UINT16_MAX || *end != '\0' || len < (six ? 3 : 1) || len >= HOST_MAX ||
        (six && colon[-1] != ']')) {
        return err_set(err, E_INVALID, "%s: not an address and a port", url);
    }
    memcpy(host, rest + six, len - (six ? 2 : 0));
    if ((six ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)&out->tcp)
             : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)&out->tcp)) != 0) {
        return err_set(err, E_INVALID, "%s: not a numeric address", url);
    }
    return 0;
}

int sp_address_parse(struct sp_address *out, const char *url, struct error *err)
{
    *out = (struct sp_address){.ipc = false};
    if (strncmp(url, "ipc://", 6) == 0) {
        return parse_ipc(out, url, url + 6, err);
    }
    if (strncmp(url, "tcp://", 6) == 0) {
        return parse_tcp(out, url, url + 6, err);
    }
    return err_set(err, E_INVALID, "%s: ipc://PATH or tcp://ADDRESS:PORT is needed", url);
}
