/* What the parts of the HTTP server share and no handler sees.
 *
 *   listen.c    sockets            http.c     libmicrohttpd, and nothing else does
 *   peers.c     who is connected,  waiting.c  requests whose answer must wait
 *               for how long,      params.c   the query
 *               how often */
#ifndef PODMGR_API_SERVER_H
#define PODMGR_API_SERVER_H

#include <sys/un.h>

#include "api/api.h"
#include "api/http.h"

/* What a connection is busy with; each but HELD ends within a time of its own
 * (peers.c), or the connection is cut. */
enum connection_phase { PHASE_HEAD, PHASE_BODY, PHASE_HELD, PHASE_ANSWER };

struct connection {
    struct connection *next, **link;
    int fd;
    bool is_unix;
    uint32_t uid; /* of a peer on the Unix socket */
    enum connection_phase phase;
    uint64_t since_ms;
};

struct MHD_Daemon;
struct listener {
    struct api *api;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    bool is_unix;
    bool open;
};

struct api {
    struct podmgr *p;
    struct listener tcp, local;
    uv_timer_t sweep;
    int open_handles;
    bool stopping;
    struct request *deferred; /* suspended requests */
    struct connection *connections;
    uint64_t next_cookie;
    char socket_path[sizeof((struct sockaddr_un *)0)->sun_path];
};

/* listen.c: a descriptor, or a negative code. */
int listen_tcp(const struct config *config, struct error *err);
int listen_unix(const char *path, struct error *err);
/* The usual soft limit on descriptors is less than connections, switches and
 * files. */
void listen_allow_descriptors(void);

/* peers.c */
/* Cut at once (the caller need not know) if its peer has too many. */
struct connection *peer_arrived(struct api *api, int fd, bool is_unix);
void peer_left(struct connection *connection);
void peer_enters(const struct api *api, struct connection *connection, enum connection_phase phase);
/* Who it is, as the audit will name it, and what it may do. */
void peer_identify(const struct connection *connection, struct request *req);
void peers_cut_slow(const struct api *api);

/* waiting.c */
void waiting_answer_what_can_be(struct api *api);
/* Answers all that wait, since podmgr stops. */
void waiting_end(struct api *api);

/* http.c */
void http_suspend(struct request *req);
void http_resume(struct request *req);
/* Lets both listeners go on: answers get out without waiting for the loop. */
void http_run(struct api *api);
/* Calls `each` for the names of the query until it returns false. */
typedef bool query_fn(void *arg, const char *name, const char *value);
void http_each_query(const struct request *req, query_fn *each, void *arg);

#endif
