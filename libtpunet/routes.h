/* What the table builders of libtpunet share and nobody else sees. */
#ifndef LIBTPUNET_ROUTES_H
#define LIBTPUNET_ROUTES_H

#include "internal.h"

/* Tables with unset rows; algorithm is a static name.  Every class starts on
 * plane 0. */
int tables_create(struct tpunet_tables **out, uint32_t n_chips, unsigned n_planes, unsigned n_vcs,
                  const char *algorithm, struct tpunet_error *err);

/* Fills the one plane of a twisted torus, axes in the given order. */
int route_twisted_fill(struct tpunet_tables *t, const struct tpunet_shape *shape,
                       const uint8_t order[static TPUNET_AXES], struct tpunet_error *err);

/* The general method: any links, any faults that leave the live chips connected,
 * else TPUNET_EUNREACHABLE. */
int route_any(struct tpunet_tables **out, const struct tpunet_topology *topology, unsigned vcs,
              struct tpunet_error *err);

/* Over a weave whose cubes are all alike, no chip of which is dead; circuits may be
 * down as whole OCSes.  TPUNET_EUNREACHABLE if they are not alike, or if the order
 * of the channels leaves a pair without a route. */
int route_woven(struct tpunet_tables **out, const struct tpunet_topology *topology, unsigned vcs,
                struct tpunet_error *err);

/* Dimension order with detours around dead links, on three VCs; `whole` is the
 * topology without faults.  TPUNET_EUNREACHABLE when a pair has none. */
int route_detour(struct tpunet_tables **out, const struct tpunet_topology *topology,
                 const struct tpunet_topology *whole, struct tpunet_error *err);

/* Fills in the cut bound, if it is above out->cut. */
int bound_cut(struct tpunet_bounds *out, const struct tpunet_topology *t, struct tpunet_error *err);

/* The dateline rule (Dally and Seitz 1987), position-based: a packet at p with
 * `run` signed hops to go along an axis of n chips is on VC0 while the
 * wraparound still lies ahead of it, the wrapping hop included, and on VC1
 * when it does not.  No run is longer than n, so it wraps once at most. */
static inline unsigned dateline_vc(unsigned p, int run, unsigned n)
{
    int end = (int)p + run;
    return end < 0 || end >= (int)n ? 0 : 1;
}

#endif
