/* The REST surface: parses and validates requests, answers reads from the
 * model, turns mutations into core events and answers them once they are
 * durable.  routes.c is the table of everything it serves; http.c alone knows
 * libmicrohttpd. */
#ifndef PODMGR_API_H
#define PODMGR_API_H

#include "podmgr.h"

int api_create(struct api **out, struct podmgr *p, struct error *err);
void api_destroy(struct api *api);

/* Effects of the core: the answer to a request, and "these slices changed" for
 * the clients that ?wait for one. */
void api_reply(struct api *api, const struct effect *reply);
void api_batch_done(struct api *api, const struct outbox *batch);
/* The TCP port in use (for port 0 in the configuration), 0 if none. */
uint16_t api_port(const struct api *api);

#endif
