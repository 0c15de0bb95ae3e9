/* What the server and the client half of rpc share; not for others. */
#ifndef WIRE_NNG_UTIL_H
#define WIRE_NNG_UTIL_H

#include <nng/nng.h>

#include "rpc.h"

enum { RPC_TURN_MAX = 256 }; /* messages taken from one socket per loop turn */

int nng_failed(struct error *err, const char *what, const char *url, int rv);
/* Polls the socket's receive descriptor; `on_readable` drains it. */
int nng_poll_start(uv_loop_t *loop, nng_socket socket, uv_poll_t *poll, uv_poll_cb on_readable);
/* A message whose body is the packed protobuf; NULL when out of memory. */
nng_msg *nng_msg_packed(const ProtobufCMessage *message);

#endif
