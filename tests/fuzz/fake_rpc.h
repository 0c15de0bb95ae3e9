/* wire/rpc.h without sockets: takes the place of rpc_server.c and rpc_client.c
 * at link time, so that the daemons' own handlers get a target's bytes as
 * messages.  Answers are packed and thrown away. */
#ifndef TESTS_FAKE_RPC_H
#define TESTS_FAKE_RPC_H

#include "rpc.h"

/* A request to the server that listens there; nothing if none does. */
void fake_rpc_deliver(const char *url, const uint8_t *body, size_t len);
/* The connection of the client that dials there comes up, or goes away and takes
 * the calls under way with it. */
void fake_rpc_link(const char *url, bool up);
/* Answers that client's oldest call; false if none is under way. */
bool fake_rpc_answer(const char *url, const uint8_t *body, size_t len);

#endif
