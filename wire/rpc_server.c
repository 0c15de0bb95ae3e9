/* The answering half.  A raw rep socket gives each request with a header that
 * names its connection and number; the reply carries the same header, so any
 * number of requests can be held and answered in any order. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "nng_util.h"

enum { HEADER_MAX = 64 };

struct rpc_server {
    nng_socket socket;
    uv_poll_t poll;
    rpc_handler_fn *handler;
    void *arg;
    size_t held; /* requests out there; the last one frees a closed server */
    bool closed, poll_closed;
};

struct rpc_request {
    struct rpc_server *server;
    size_t header_len;
    uint8_t header[HEADER_MAX];
};

static void free_if_unused(struct rpc_server *server)
{
    if (server->closed && server->poll_closed && server->held == 0) {
        free(server);
    }
}

static void take_message(struct rpc_server *server, nng_msg *msg)
{
    size_t header_len = nng_msg_header_len(msg);

    if (header_len <= HEADER_MAX) {
        struct rpc_request *req = xmalloc(sizeof *req);
        req->server = server;
        req->header_len = header_len;
        memcpy(req->header, nng_msg_header(msg), header_len);
        server->held++;
        server->handler(server->arg, req, nng_msg_body(msg), nng_msg_len(msg));
    }
    nng_msg_free(msg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct rpc_server *server = poll->data;
    nng_msg *msg;

    (void)status;
    (void)events;
    for (int i = 0; i < RPC_TURN_MAX && !server->closed; i++) {
        if (nng_recvmsg(server->socket, &msg, NNG_FLAG_NONBLOCK) != 0) {
            return;
        }
        take_message(server, msg);
    }
}

/* A socket file left by a process that died would make listen fail. */
static void remove_stale(const char *url)
{
    struct stat st;

    if (strncmp(url, "ipc://", 6) == 0 && lstat(url + 6, &st) == 0 && S_ISSOCK(st.st_mode)) {
        (void)unlink(url + 6);
    }
}

static int listen_on(nng_socket socket, const char *url, size_t max_bytes)
{
    nng_listener listener;
    int rv = nng_listener_create(&listener, socket, url);

    if (rv == 0) {
        rv = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, max_bytes);
    }
    if (rv == 0 && strncmp(url, "ipc://", 6) == 0) {
        rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    }
    return rv == 0 ? nng_listener_start(listener, 0) : rv;
}

int rpc_server_create(struct rpc_server **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_handler_fn *handler, void *arg, struct error *err)
{
    nng_socket socket;
    int rv = nng_rep0_open_raw(&socket);

    if (rv != 0) {
        return nng_failed(err, "open a socket for", url, rv);
    }
    (void)nng_socket_set_int(socket, NNG_OPT_RECVBUF, 1024);
    (void)nng_socket_set_int(socket, NNG_OPT_SENDBUF, 1024);
    remove_stale(url);
    rv = listen_on(socket, url, max_bytes);
    if (rv != 0) {
        (void)nng_close(socket);
        return nng_failed(err, "listen on", url, rv);
    }
    struct rpc_server *server = xcalloc(1, sizeof *server);
    server->socket = socket;
    server->handler = handler;
    server->arg = arg;
    server->poll.data = server;
    rv = nng_poll_start(loop, socket, &server->poll, on_readable);
    if (rv != 0) {
        (void)nng_close(socket);
        free(server);
        return nng_failed(err, "poll", url, rv);
    }
    *out = server;
    return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct rpc_server *server = handle->data;

    (void)nng_close(server->socket); /* after libuv let go of its descriptor */
    server->poll_closed = true;
    free_if_unused(server);
}

void rpc_server_destroy(struct rpc_server *server)
{
    if (server != NULL) {
        assert(!server->closed);
        server->closed = true;
        (void)uv_poll_stop(&server->poll);
        uv_close((uv_handle_t *)&server->poll, on_poll_closed);
    }
}

void rpc_drop(struct rpc_request *req)
{
    struct rpc_server *server = req->server;

    assert(server->held > 0);
    server->held--;
    free(req);
    free_if_unused(server);
}

void rpc_reply(struct rpc_request *req, const ProtobufCMessage *reply)
{
    nng_msg *msg = req->server->closed ? NULL : nng_msg_packed(reply);

    if (msg != NULL && (nng_msg_header_append(msg, req->header, req->header_len) != 0 ||
                        nng_sendmsg(req->server->socket, msg, NNG_FLAG_NONBLOCK) != 0)) {
        nng_msg_free(msg); /* the peer's connection is gone or full: its call times out */
    }
    rpc_drop(req);
}
