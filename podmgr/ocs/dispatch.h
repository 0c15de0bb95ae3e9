/* One conversation per switch: attach (identify, fence, read) when its
 * connection comes up, then batches, one under way at a time; operations that
 * wait meanwhile travel together in the next batch.  Turns answers into core
 * events. */
#ifndef PODMGR_OCS_DISPATCH_H
#define PODMGR_OCS_DISPATCH_H

#include "ocs.h"

struct dispatch;

/* Receives events; takes over their payload (event_fini is its duty). */
typedef void event_sink_fn(void *arg, struct event *ev);

struct dispatch *dispatch_create(const struct model *m, event_sink_fn *sink, void *arg);
void dispatch_destroy(struct dispatch *d);
/* The driver calls dispatch_link() when a connection changes. */
void dispatch_set_driver(struct dispatch *d, struct ocs_driver *driver);
void dispatch_link(void *dispatch, uint16_t ocs, bool connected);
/* Once in a while: attaches again what is connected but not attached, and says
 * of what never connected that it is lost. */
void dispatch_retry(struct dispatch *d);
/* Effects of the core. */
void dispatch_attach(struct dispatch *d, uint16_t ocs);
void dispatch_apply(struct dispatch *d, uint16_t ocs, struct id op);
/* Sends what waits; after each batch of the core, when its effects are out. */
void dispatch_flush(struct dispatch *d);
/* Reads every attached switch's map once: EV_OCS_LOOKED. */
void dispatch_look(struct dispatch *d);

#endif
