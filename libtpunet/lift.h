/* The symmetry of a weave.
 *
 * A slice is 64 places (a chip's position in its cube), each once a cube.  A
 * translation is a permutation of the cubes that leaves every link a link of the
 * same place and port.  Where there is one from each cube to each other, all
 * cubes are alike: what is true of the routes to the 64 chips of cube 0 is true,
 * translated, of all (in the words of graph theory the slice is a regular lift
 * of one cube; Gross and Tucker, "Topological Graph Theory", 1987).
 *
 * Nodes are numbered cube * 64 + place, place = x + 4 y + 16 z, not by logical
 * index: a translation maps cube and keeps place. */
#ifndef LIBTPUNET_LIFT_H
#define LIBTPUNET_LIFT_H

#include "internal.h"

enum { LIFT_LINKS = TPUNET_CUBE_CHIPS * TPUNET_PORTS /* of one cube, each way its own */ };

struct lift {
    uint32_t n; /* nodes */
    uint16_t n_cubes;
    uint16_t *peer;    /* [n * 6] node, or TPUNET_NONE */
    uint16_t *to;      /* [n_cubes][n_cubes] to[g][c]: translation g takes cube c there; g[0] = g */
    uint16_t *node;    /* [n] of a logical chip */
    uint16_t *logical; /* [n] of a node */
    uint16_t n_links;  /* of a cube that are up, each way its own */
};

/* True and *out filled, false if the slice has no such symmetry (or a chip is
 * dead), or TPUNET_ENOMEM. */
int lift_init(struct lift *out, const struct tpunet_topology *topology, struct tpunet_error *err);
void lift_fini(struct lift *lift);

static inline uint16_t lift_link(uint32_t node, unsigned port)
{
    return (uint16_t)(node % TPUNET_CUBE_CHIPS * TPUNET_PORTS + port);
}

#endif
