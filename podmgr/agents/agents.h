/* The endpoint that daemons on hosts dial: hello, poll, verdicts, link
 * reports (proto/agent.proto).  Reports become core events and are
 * acknowledged when the batch that took them is durable; commands wait in a
 * numbered queue per agent until its poll says that they were taken. */
#ifndef PODMGR_AGENTS_H
#define PODMGR_AGENTS_H

#include "podmgr.h"

int agents_server_create(struct agents_server **out, struct podmgr *p, const char *url,
                         struct error *err);
void agents_server_destroy(struct agents_server *s);

/* Effects of the core. */
void agents_server_bring_up(struct agents_server *s, const struct effect *effect);
void agents_server_watch(struct agents_server *s, const struct effect *effect);
void agents_server_release(struct agents_server *s, const struct effect *effect);
void agents_server_fence(struct agents_server *s, const struct effect *effect);
/* The batch is durable: acknowledges what waited for it. */
void agents_server_reply(struct agents_server *s, const struct effect *reply);

#endif
