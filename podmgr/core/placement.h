/* Which cubes serve a request.  The rules stand in placement.c. */
#ifndef PODMGR_CORE_PLACEMENT_H
#define PODMGR_CORE_PLACEMENT_H

#include "core/slice.h"
#include "err.h"

/* Fills cubes[] (room for tpunet_shape_cubes()) in logical order.  E_INVALID
 * (the request contradicts itself or the pod), E_CONFLICT (an explicit cube is
 * not free), E_FULL (no room); the text names the cubes that block. */
int placement_choose(const struct model *m, const struct slice_spec *spec, uint16_t *cubes,
                     struct error *err);

#endif
