/* The switch seam over the agent protocol of proto/ocs.proto. */
#ifndef PODMGR_OCS_NNG_H
#define PODMGR_OCS_NNG_H

#include <uv.h>

#include "ocs.h"

/* `url` is a pattern with one %u, the switch's number.  `on_link` hears of
 * every connection that comes and goes. */
int ocs_nng_create(struct ocs_driver **out, uv_loop_t *loop, const struct pod *pod, const char *url,
                   unsigned timeout_ms, ocs_link_fn *on_link, void *arg, struct error *err);

#endif
