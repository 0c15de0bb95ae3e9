/* The answering half.  A request carries a header that names it; the reply
 * carries the same header back on the same connection, so any number of
 * requests can be held and answered in any order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "rpc.h"
#include "sp.h"

enum {
    HEADER_MAX = 64,
    BACKLOG = 1024,
    UNSENT_MAX = 64 << 20, /* a peer that takes no replies is cut off here */
};

/* A connection, and after its loss the requests that are still held. */
struct peer {
    struct rpc_server *server;
    struct peer **at, *next; /* in the server's list, while connected */
    struct sp_conn *conn;    /* NULL once lost */
    size_t held;
};

struct rpc_server {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } uv;
    size_t max_bytes;
    rpc_handler_fn *handler;
    void *arg;
    bool closed;
    struct peer *peers;
};

struct rpc_request {
    struct peer *peer;
    size_t header_len;
    uint8_t header[HEADER_MAX];
};

/* ---------------------------------------------------------------- peers -- */

static void unlink_peer(struct peer *peer)
{
    *peer->at = peer->next;
    if (peer->next != NULL) {
        peer->next->at = peer->at;
    }
    peer->conn = NULL;
}

static void free_if_unused(struct peer *peer)
{
    if (peer->conn == NULL && peer->held == 0) {
        free(peer);
    }
}

/* The words of a header: hops, then the request's number with its high bit
 * set.  0 if it has no end within reason. */
static size_t header_len(const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at + 4 <= len && at + 4 <= HEADER_MAX; at += 4) {
        if ((bytes[at] & 0x80) != 0) {
            return at + 4;
        }
    }
    return 0;
}

static void on_message(void *arg, struct sp_conn *conn, const uint8_t *bytes, size_t len)
{
    struct peer *peer = arg;
    size_t n = header_len(bytes, len);

    if (n == 0) {
        sp_close(conn); /* it does not speak our protocol */
        unlink_peer(peer);
        free_if_unused(peer);
        return;
    }
    struct rpc_request *req = xmalloc(sizeof *req);
    req->peer = peer;
    req->header_len = n;
    memcpy(req->header, bytes, n);
    peer->held++;
    peer->server->handler(peer->server->arg, req, bytes + n, len - n);
}

static void on_ready(void *arg, struct sp_conn *conn)
{
    (void)arg;
    (void)conn; /* it asks first */
}

static void on_lost(void *arg, struct sp_conn *conn)
{
    (void)conn;
    unlink_peer(arg);
    free_if_unused(arg);
}

static void on_connection(uv_stream_t *listener, int status)
{
    static const struct sp_events events = {
        .ready = on_ready, .message = on_message, .lost = on_lost};
    struct rpc_server *server = listener->data;

    if (status < 0) {
        return;
    }
    struct peer *peer = xcalloc(1, sizeof *peer);
    peer->server = server;
    peer->conn = sp_accept(listener, SP_REP, server->max_bytes, &events, peer);
    if (peer->conn == NULL) {
        free(peer);
        return;
    }
    peer->next = server->peers;
    peer->at = &server->peers;
    if (peer->next != NULL) {
        peer->next->at = &peer->next;
    }
    server->peers = peer;
}

/* -------------------------------------------------------------- replies -- */

void rpc_drop(struct rpc_request *req)
{
    struct peer *peer = req->peer;

    assert(peer->held > 0);
    free(req);
    peer->held--;
    free_if_unused(peer);
}

void rpc_reply(struct rpc_request *req, const ProtobufCMessage *reply)
{
    struct peer *peer = req->peer;

    if (peer->conn != NULL && sp_unsent(peer->conn) > UNSENT_MAX) {
        sp_close(peer->conn);
        unlink_peer(peer);
    } else if (peer->conn != NULL) {
        sp_send(peer->conn, sp_frame_create(req->header, req->header_len, reply));
    }
    rpc_drop(req);
}

/* ----------------------------------------------------------- life cycle -- */

/* A socket file left by a process that died would make listen fail. */
static void remove_stale(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        (void)unlink(path);
    }
}

static int bind_to(struct rpc_server *server, uv_loop_t *loop, const struct sp_address *address)
{
    if (!address->ipc) {
        (void)uv_tcp_init(loop, &server->uv.tcp);
        return uv_tcp_bind(&server->uv.tcp, (const struct sockaddr *)&address->tcp, 0);
    }
    (void)uv_pipe_init(loop, &server->uv.pipe, 0);
    remove_stale(address->path);
    mode_t mask = umask(0177); /* the file is never open to others */
    int rv = uv_pipe_bind(&server->uv.pipe, address->path);
    (void)umask(mask);
    return rv;
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int rpc_server_create(struct rpc_server **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_handler_fn *handler, void *arg, struct error *err)
{
    struct sp_address address;
    int status = sp_address_parse(&address, url, err);

    if (status < 0) {
        return status;
    }
    struct rpc_server *server = xcalloc(1, sizeof *server);
    server->max_bytes = max_bytes;
    server->handler = handler;
    server->arg = arg;
    int rv = bind_to(server, loop, &address);
    server->uv.handle.data = server;
    if (rv == 0) {
        rv = uv_listen(&server->uv.stream, BACKLOG, on_connection);
    }
    if (rv != 0) {
        uv_close(&server->uv.handle, on_listener_closed);
        return err_set(err, E_IO, "cannot listen on %s: %s", url, uv_strerror(rv));
    }
    *out = server;
    return 0;
}

void rpc_server_destroy(struct rpc_server *server)
{
    if (server == NULL) {
        return;
    }
    assert(!server->closed);
    server->closed = true;
    for (struct peer *peer = server->peers, *next; peer != NULL; peer = next) {
        next = peer->next;
        sp_close(peer->conn);
        peer->conn = NULL;
        free_if_unused(peer);
    }
    uv_close(&server->uv.handle, on_listener_closed);
}
