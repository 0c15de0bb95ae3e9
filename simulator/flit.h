/* Forwarding by the installed tables, hop by hop, class by class. */
#ifndef SIMULATOR_FLIT_H
#define SIMULATOR_FLIT_H

#include "world.h"

enum { SIM_HOPS_MAX = 1024 }; /* the longest ring of a pod is 576 chips */

struct sim_hop {
    uint32_t chip;
    uint8_t port, vc;
};
/* Sends one flit.  Returns the number of hops, or E_UNREACHABLE with where and
 * why it died; hops[0..*n) are the
 * hops made in either case. */
int sim_send(const struct world *w, uint32_t src, uint32_t dst, struct sim_hop hops[SIM_HOPS_MAX],
             size_t *n, struct error *err);

#endif
