/* Connections that speak nng's wire protocol (the scalability protocols, "SP")
 * on libuv's streams: a greeting of 8 bytes that names the protocol, then
 * messages with their length in front.  What the two halves of rpc share; not
 * for others.
 *
 * Why not libnng itself: docs/decisions/0008-nngs-protocol-without-its-library.md. */
#ifndef WIRE_SP_H
#define WIRE_SP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <protobuf-c/protobuf-c.h>
#include <uv.h>

#include "err.h"

enum sp_protocol { SP_REQ = 0x30, SP_REP = 0x31 };

/* ipc://PATH, or tcp://ADDRESS:PORT with a numeric address. */
struct sp_address {
    bool ipc;
    char path[108];
    struct sockaddr_storage tcp;
};
/* E_INVALID names the URL. */
int sp_address_parse(struct sp_address *out, const char *url, struct error *err);

struct sp_conn;
struct sp_events {
    /* The greetings fit: messages may be sent. */
    void (*ready)(void *arg, struct sp_conn *conn);
    /* One message: the header of its protocol and the body. */
    void (*message)(void *arg, struct sp_conn *conn, const uint8_t *bytes, size_t len);
    /* It could not be made, was lost, or the peer broke the rules (a message
     * above max_bytes included); the connection is closed already. */
    void (*lost)(void *arg, struct sp_conn *conn);
};

/* A connection calls back from the loop only, and not after sp_close(), which
 * any of its callbacks may call.  It frees itself on the loop. */
struct sp_conn *sp_connect(uv_loop_t *loop, const struct sp_address *to, enum sp_protocol self,
                           size_t max_bytes, const struct sp_events *events, void *arg);
struct sp_conn *sp_accept(uv_stream_t *listener, enum sp_protocol self, size_t max_bytes,
                          const struct sp_events *events, void *arg);
void sp_close(struct sp_conn *conn);
/* A message ready to be sent: the header of its protocol, then the body. */
struct sp_frame;
struct sp_frame *sp_frame_create(const uint8_t *header, size_t header_len,
                                 const ProtobufCMessage *body);
void sp_frame_destroy(struct sp_frame *frame);
/* Takes the frame over; the order is kept.  Not before `ready`. */
void sp_send(struct sp_conn *conn, struct sp_frame *frame);
/* Bytes that the peer has yet to take. */
size_t sp_unsent(const struct sp_conn *conn);

#endif
