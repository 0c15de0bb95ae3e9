/* Who is connected: identity and role, how many connections a user may have,
 * and how long a connection may take for each thing that it does.
 *
 * libmicrohttpd's own timeout begins again with each byte, so a client that
 * dribbles would hold its connection for ever.  Times here run from the begin
 * of the head, of the body, of the answer to its end, whatever trickles. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server.h"
#include "mem.h"

/* 0: as long as the request asked to wait. */
static const unsigned limit_s[] = {
    [PHASE_HEAD] = API_HEADER_DEADLINE_S,
    [PHASE_BODY] = API_BODY_DEADLINE_S,
    [PHASE_HELD] = 0,
    [PHASE_ANSWER] = API_ANSWER_DEADLINE_S,
};

/* Only shut down: libmicrohttpd sees the end of the stream and closes it. */
static void cut(struct connection *c)
{
    (void)shutdown(c->fd, SHUT_RDWR);
}

static bool peer_cred(int fd, struct ucred *cred)
{
    socklen_t len = sizeof *cred;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len) == 0;
}

static enum role role_of_uid(uint32_t uid)
{
    return uid == 0 || uid == geteuid() ? ROLE_ADMIN : ROLE_VIEWER;
}

/* ---------------------------------------------------------- how often -- */

/* Users that may only look leave some for those who may act. */
static bool has_too_many(const struct api *api, const struct connection *c)
{
    unsigned same = 0, viewers = 0;

    for (const struct connection *one = api->connections; one != NULL; one = one->next) {
        same += one->is_unix && one->uid == c->uid;
        viewers += one->is_unix && role_of_uid(one->uid) == ROLE_VIEWER;
    }
    return same > API_CONNECTIONS_PER_UID ||
           (role_of_uid(c->uid) == ROLE_VIEWER &&
            viewers > API_CONNECTIONS_LOCAL - API_CONNECTIONS_KEPT);
}

struct connection *peer_arrived(struct api *api, int fd, bool is_unix)
{
    struct connection *c = xcalloc(1, sizeof *c);
    struct ucred cred = {.uid = UINT32_MAX};

    c->fd = fd;
    c->is_unix = is_unix;
    if (is_unix && peer_cred(fd, &cred)) {
        c->uid = cred.uid;
    }
    c->next = api->connections;
    c->link = &api->connections;
    if (c->next != NULL) {
        c->next->link = &c->next;
    }
    api->connections = c;
    peer_enters(api, c, PHASE_HEAD);
    if (is_unix && has_too_many(api, c)) {
        cut(c); /* on TCP libmicrohttpd counts by address */
    }
    return c;
}

void peer_left(struct connection *c)
{
    *c->link = c->next;
    if (c->next != NULL) {
        c->next->link = c->link;
    }
    free(c);
}

/* ----------------------------------------------------------- how long -- */

void peer_enters(const struct api *api, struct connection *c, enum connection_phase phase)
{
    c->phase = phase;
    c->since_ms = uv_now(api->p->loop);
}

void peers_cut_slow(const struct api *api)
{
    uint64_t now_ms = uv_now(api->p->loop);

    for (struct connection *c = api->connections; c != NULL; c = c->next) {
        unsigned limit = limit_s[c->phase];
        if (limit != 0 && now_ms - c->since_ms >= limit * 1000ULL) {
            c->since_ms = now_ms;
            cut(c);
        }
    }
}

/* ---------------------------------------------------------------- who -- */

static void identify_tcp(int fd, struct request *req)
{
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    char address[INET_ADDRSTRLEN] = "?";

    req->role = ROLE_VIEWER; /* loopback without authentication */
    (void)getpeername(fd, (struct sockaddr *)&peer, &len);
    (void)inet_ntop(AF_INET, &peer.sin_addr, address, sizeof address);
    (void)snprintf(req->caller, sizeof req->caller, "tcp %s", address);
    (void)snprintf(req->who, sizeof req->who, "tcp %s:%u %s", address, ntohs(peer.sin_port),
                   role_name(req->role));
}

static void identify_unix(int fd, struct request *req)
{
    struct ucred cred;

    if (!peer_cred(fd, &cred)) {
        return; /* ROLE_NONE */
    }
    req->role = role_of_uid(cred.uid);
    (void)snprintf(req->caller, sizeof req->caller, "uid %u", cred.uid);
    (void)snprintf(req->who, sizeof req->who, "unix uid %u pid %d %s", cred.uid, cred.pid,
                   role_name(req->role));
}

void peer_identify(const struct connection *c, struct request *req)
{
    if (c->is_unix) {
        identify_unix(c->fd, req);
    } else {
        identify_tcp(c->fd, req);
    }
}
