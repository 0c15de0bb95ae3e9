/* Which method serves which faults: dimension order when nothing is down; for
 * anything else, links included that the shape does not have, the general
 * method, which serves whatever is connected. */
#include "routes.h"

#include <string.h>

int tpunet_route_around(struct tpunet_tables **out, const struct tpunet_topology *topology,
                        const struct tpunet_route_options *options, struct tpunet_error *err)
{
    struct tpunet_topology *whole;
    unsigned vcs = options == NULL || options->vcs == 0 ? 3 : options->vcs;
    if (vcs != 2 && vcs != 3)
        return tpunet_fail(err, TPUNET_EINVAL, "links with %u virtual channels", vcs);
    int rc = tpunet_topology_of_shape(&whole, &topology->shape, err);
    if (rc < 0)
        return rc;
    size_t size = (size_t)whole->n_chips * TPUNET_PORTS * sizeof *whole->peer;
    bool is_whole = topology->n_dead == 0 && memcmp(topology->peer, whole->peer, size) == 0;
    tpunet_topology_destroy(whole);
    if (is_whole)
        return tpunet_route_dor(out, &topology->shape, NULL, err);
    return route_any(out, topology, vcs, err);
}
