/* The endpoint that observers dial (proto/health.proto).  Each report becomes
 * one core event; a message is answered when the batches that took all its
 * reports are durable. */
#ifndef PODMGR_AGENTS_HEALTH_H
#define PODMGR_AGENTS_HEALTH_H

#include "podmgr.h"

int health_server_create(struct health_server **out, struct podmgr *p, const char *url,
                         struct error *err);
void health_server_destroy(struct health_server *s); /* NULL is fine */
/* The batch is durable: acknowledges what waited for it. */
void health_server_reply(struct health_server *s, const struct effect *reply);
/* An order waits for this observer. */
void health_server_preflight(struct health_server *s, const struct effect *effect);

#endif
