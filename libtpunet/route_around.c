/* Which method serves which faults.
 *
 *  1. Nothing is down: dimension order.
 *  2. The circuits of one OCS are down and nothing else: wild-first routes.
 *  3. Links are down, few enough, and there are three VCs: dimension order with
 *     detours.
 *  4. The slice is of another weave than its shape's, with all cubes alike and
 *     nothing down but whole OCSes: the method for woven slices.
 *  5. Anything else, and what 2 to 4 cannot serve: the general method, which
 *     serves whatever is connected.
 */
#include "routes.h"

#include <assert.h>

enum { NO_OCS = TPUNET_OCSES, SEVERAL };

/* Where a topology differs from the whole slice of its shape. */
struct faults {
    bool foreign;  /* links that the shape does not have */
    uint32_t down; /* links that the shape has */
    unsigned ocs;  /* of all that are down, NO_OCS or SEVERAL (copper too) */
};

static struct faults compare(const struct tpunet_topology *t, const struct tpunet_topology *whole)
{
    struct faults f = {.ocs = NO_OCS};
    assert(t->n_chips == whole->n_chips);
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port += 2) {
            uint32_t end = chip * TPUNET_PORTS + port;
            if (t->peer[end] == whole->peer[end])
                continue;
            unsigned ocs = logical_ocs(&t->shape, chip, port);
            f.foreign = f.foreign || t->peer[end] != TPUNET_NONE;
            f.ocs = ocs != TPUNET_NONE && (f.down == 0 || ocs == f.ocs) ? ocs : SEVERAL;
            f.down++;
        }
    }
    return f;
}

/* The solution from the cache, or a new one: *own if the cache does not take it,
 * else NULL. */
static int solve(const struct tpunet_route_solution **out, struct tpunet_route_solution **own,
                 const struct tpunet_route_key *key, struct tpunet_route_cache *cache,
                 struct tpunet_error *err)
{
    *own = NULL;
    *out = cache != NULL ? tpunet_route_cache_lookup(cache, key) : NULL;
    if (*out != NULL)
        return 0;
    int rc = tpunet_route_solve(own, key, err);
    if (rc < 0)
        return rc;
    *out = *own;
    if (cache != NULL && tpunet_route_cache_insert(cache, *own, NULL) == 0)
        *own = NULL;
    return 0;
}

static int route_one_ocs(struct tpunet_tables **out, const struct tpunet_shape *shape, unsigned ocs,
                         const struct tpunet_route_options *options, struct tpunet_error *err)
{
    const unsigned in_face = ocs % TPUNET_FACE_LINKS;
    const struct tpunet_route_key key = {.shape = *shape,
                                         .axis = (uint8_t)(ocs / TPUNET_FACE_LINKS),
                                         .n_vcs = (uint8_t)options->vcs,
                                         .neighbour_weight = options->neighbour_weight};
    const struct tpunet_route_solution *solution;
    struct tpunet_route_solution *own;
    int rc = solve(&solution, &own, &key, options->cache, err);
    if (rc < 0)
        return rc;
    rc = tpunet_route_expand(out, solution, in_face % TPUNET_CUBE_DIM, in_face / TPUNET_CUBE_DIM,
                             err);
    tpunet_route_solution_destroy(own);
    return rc;
}

/* Detours are for faults that leave most routes as they are. */
static bool may_detour(const struct tpunet_topology *t, const struct faults *f, unsigned vcs)
{
    return vcs == 3 && !f->foreign && t->n_dead == 0 && f->down <= t->n_chips * TPUNET_AXES / 16;
}

int tpunet_route_around(struct tpunet_tables **out, const struct tpunet_topology *topology,
                        const struct tpunet_route_options *options, struct tpunet_error *err)
{
    struct tpunet_topology *whole;
    const struct tpunet_shape *shape = &topology->shape;
    struct tpunet_route_options o = {0};
    if (options != NULL)
        o = *options;
    o.vcs = o.vcs == 0 ? 3 : o.vcs;
    o.neighbour_weight = o.neighbour_weight == 0 ? 1 : o.neighbour_weight;
    if (o.vcs != 2 && o.vcs != 3)
        return tpunet_fail(err, TPUNET_EINVAL, "links with %u virtual channels", o.vcs);
    int rc = tpunet_topology_of_shape(&whole, shape, err);
    if (rc < 0)
        return rc;
    struct faults f = compare(topology, whole);
    rc = TPUNET_EUNREACHABLE;
    if (f.down == 0 && topology->n_dead == 0)
        rc = tpunet_route_dor(out, shape, NULL, err);
    else if (f.ocs < NO_OCS && !f.foreign && f.down == tpunet_shape_cubes(shape) &&
             topology->n_dead == 0)
        rc = route_one_ocs(out, shape, f.ocs, &o, err);
    else if (may_detour(topology, &f, o.vcs))
        rc = route_detour(out, topology, whole, err);
    else if (f.foreign)
        rc = route_woven(out, topology, o.vcs, err);
    tpunet_topology_destroy(whole);
    return rc == TPUNET_EUNREACHABLE ? route_any(out, topology, o.vcs, err) : rc;
}
