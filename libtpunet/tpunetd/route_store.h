/* The routes around dead switches that this daemon knows: one cache for all
 * slices, kept in a file, filled ahead of need.
 *
 *   1. One thread at a time touches the cache.  Bring-ups that go around faults
 *      take turns, as they ask it; all others route side by side.
 *   2. What may be needed is solved in the background, one solution at a time and
 *      none while a bring-up waits for its routes.
 *   3. When there is nothing to solve and the cache has grown, the file is replaced.
 *      What it held is proved like all routes before it forwards; a file that is
 *      refused costs a warning and the time to solve anew.
 *
 * All functions are for the thread of the loop. */
#ifndef TPUNETD_ROUTE_STORE_H
#define TPUNETD_ROUTE_STORE_H

#include <stdbool.h>
#include <uv.h>

#include "tpunet.h"

struct route_store;

/* `file` may be NULL: the cache then ends with the daemon. */
struct route_store *route_store_create(uv_loop_t *loop, const char *file);
/* Nothing more is solved; the loop runs out once the file is up to date. */
void route_store_stop(struct route_store *s);
/* After the loop has run out. */
void route_store_destroy(struct route_store *s);

/* For tpunet_route_options, with route_store_executor(s, true) alone. */
struct tpunet_route_cache *route_store_cache(struct route_store *s);
/* Routes on libuv's pool of threads; `cached` work may use the cache. */
struct tpunet_executor route_store_executor(struct route_store *s, bool cached);

/* Solves for one dead switch of each axis, unless that is known. */
void route_store_prepare(struct route_store *s, const struct tpunet_shape *shape, unsigned vcs);

#endif
