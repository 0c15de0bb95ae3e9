/* Request and reply between our programs: protobuf messages, moved by
 * the one libuv loop of the process.  The only part that knows nng's protocol.
 *
 * On the wire it is nng's req/rep: any number of requests may be under way and
 * nothing is ever sent twice by us; retrying is the caller's choice, and safe,
 * because our requests carry operation ids.  Every message size is
 * bounded.  A lost connection fails all its calls at once.
 *
 * URLs are nng's: "ipc:///run/x.sock", "tcp://127.0.0.1:9000".  One loop, one
 * thread: nothing here may be called from another. */
#ifndef WIRE_RPC_H
#define WIRE_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>
#include <uv.h>

#include "err.h"

enum {
    RPC_VERSION = 1,         /* what `version` in each request says today */
    RPC_MAX_BYTES = 4 << 20, /* default bound of one message */
    RPC_WINDOW = 32,         /* calls under way on one client; more wait in line */
};

/* A message of that type, to be freed with its free_unpacked(); NULL if the
 * bytes are none, or a string in it is not printable ASCII. */
void *rpc_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *body, size_t len);

/* ------------------------------------------------------------- server -- */

struct rpc_server;
struct rpc_request;

/* The handler owns `req` until it calls rpc_reply() or rpc_drop(), now or
 * later; `body` is valid during the call only. */
typedef void rpc_handler_fn(void *arg, struct rpc_request *req, const uint8_t *body, size_t len);

/* Listens; an ipc path is created with mode 0600 and a stale socket file is
 * replaced.  E_INVALID or E_IO names the URL. */
int rpc_server_create(struct rpc_server **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_handler_fn *handler, void *arg, struct error *err);
/* Stops listening and closes connections; requests still held are dropped by
 * their holders with rpc_drop(), which stays safe.  Handles are closed on the
 * loop: run it once more before it is destroyed. */
void rpc_server_destroy(struct rpc_server *server);

void rpc_reply(struct rpc_request *req, const ProtobufCMessage *reply);
void rpc_drop(struct rpc_request *req);

/* ------------------------------------------------------------- client -- */

struct rpc_client;

/* status 0 with the reply's bytes (valid during the call), E_TIMEOUT,
 * E_UNREACHABLE (not connected, or the connection was lost: the request may or
 * may not have been carried out), E_TOO_LARGE. */
typedef void rpc_done_fn(void *arg, int status, const uint8_t *body, size_t len);
/* The connection came up or went away; called from the loop. */
typedef void rpc_state_fn(void *arg, bool connected);

/* Dials in the background and again after a loss (100 ms rising to 1 s). */
int rpc_client_create(struct rpc_client **out, uv_loop_t *loop, const char *url, size_t max_bytes,
                      rpc_state_fn *on_state, void *arg, struct error *err);
/* Calls under way end with E_UNREACHABLE before this returns; no callback of
 * this client runs after it. */
void rpc_client_destroy(struct rpc_client *client);
bool rpc_client_connected(const struct rpc_client *client);
/* Packs the request at once; `done` is called exactly once, always later than
 * this call. */
void rpc_call(struct rpc_client *client, const ProtobufCMessage *request, unsigned timeout_ms,
              rpc_done_fn *done, void *arg);

#endif
