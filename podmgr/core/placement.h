/* Which cubes serve a request.  The rules stand in placement.c. */
#ifndef PODMGR_CORE_PLACEMENT_H
#define PODMGR_CORE_PLACEMENT_H

#include "core/core.h"

/* Fills cubes[] (room for tpunet_shape_cubes()) in logical order.  E_INVALID
 * (the request contradicts itself or the pod), E_CONFLICT (an explicit cube is
 * not free), E_FULL (no room); the text names the cubes that block. */
int placement_choose(const struct model *m, const struct slice_spec *spec, uint16_t *cubes,
                     struct error *err);

/* The cubes of the intent with some of them swapped, in logical order.  The
 * same errors; nothing is changed. */
int placement_replace(const struct model *m, const struct tpunet_intent *intent,
                      const struct swap *swaps, size_t n, uint16_t *cubes, struct error *err);

#endif
