/* Fault-free routes on twisted tori (Jouppi et al., "TPU v4", ISCA'23).
 *
 * A twisted torus is Z^3 divided by a lattice: going once around a short axis
 * (k chips) leads to the chip that is k further on every long axis (2k chips),
 * twice around leads back.  It looks the same from every chip, so routes are
 * chosen once for each difference D between destination and chip, and then
 * laid over every chip.
 *
 *  1. A route is a minimal vector of D's class (its length is the distance in
 *     the graph), walked axis by axis in the given order.
 *  2. The hops still to go from the next chip are the route of D - e; so the
 *     choice for D is which of its shorter neighbours to follow, and routes
 *     agree with each other by construction.  At least one neighbour fits the
 *     order: a minimal vector u of D - e with e along axis a has u + e minimal
 *     for D, so if no minimal vector of D uses an axis before a, none of D - e
 *     does.
 *  3. Differences are taken by rising distance, each with its opposite, which
 *     gets the opposite route.  Among the candidates wins the one that leaves
 *     the loads of the axes most even (least sum of squares).
 *  4. The first choices cannot know the last ones, so the axes that came out
 *     busiest start the next of a few rounds with a handicap; the best round
 *     stands.
 *  5. A difference that is its own opposite goes one way from chips of even
 *     coordinate sum and the other way from the odd: so + and - carry the
 *     same.  A shift by k, a multiple of 4, keeps that parity.
 *
 * Why it is free of deadlock with two VCs: a run along one axis is at most k
 * hops, since k around a short axis is a tie with k along a long one.  Along
 * any axis wraparounds are at least k apart, so a run crosses one at most, and
 * the dateline rule and the order of the axes hold as on a plain torus.
 */
#include "ring.h"
#include "routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 8 };

/* The route of one difference. */
struct plan_entry {
    uint16_t distance;
    uint16_t opposite;         /* -D */
    uint8_t port;              /* first hop, ARRIVED for D = 0, NO_ROUTE until chosen */
    uint8_t run;               /* hops along that axis */
    uint8_t hops[TPUNET_AXES]; /* of the whole route */
};

struct plan {
    struct tpunet_shape shape;
    uint32_t n;
    const uint8_t *order;       /* the axes as routed */
    unsigned rank[TPUNET_AXES]; /* of each axis in the order */
    uint32_t load[TPUNET_AXES]; /* hops of all routes chosen so far */
    struct plan_entry *of;      /* [n], by the logical index of D seen from chip 0 */
    uint16_t *by_distance;      /* [n] */
};

static uint16_t neighbour(const struct plan *plan, uint32_t d, unsigned port)
{
    uint16_t at[TPUNET_AXES];
    tpunet_logical_at(&plan->shape, d, at);
    torus_step(plan->shape.dim, true, at, port);
    return (uint16_t)tpunet_logical_index(&plan->shape, at);
}

/* All loops over ports follow the order of routing, so that what an order is
 * worth does not depend on the names of the axes. */
static unsigned port_in_order(const struct plan *plan, unsigned i)
{
    return 2U * plan->order[i / 2] + i % 2;
}

/* Distances and opposites by breadth-first search from D = 0. */
static void measure(struct plan *plan)
{
    uint32_t head = 0, tail = 0;
    for (uint32_t d = 0; d < plan->n; d++)
        plan->of[d].port = TPUNET_NO_ROUTE;
    plan->of[0] = (struct plan_entry){.port = TPUNET_ARRIVED};
    plan->by_distance[tail++] = 0;
    for (; head < tail; head++) {
        uint32_t d = plan->by_distance[head];
        for (unsigned i = 0; i < TPUNET_PORTS; i++) {
            unsigned port = port_in_order(plan, i);
            uint16_t to = neighbour(plan, d, port);
            if (to == 0 || plan->of[to].distance != 0)
                continue;
            plan->of[to].distance = (uint16_t)(plan->of[d].distance + 1);
            plan->of[to].opposite = neighbour(plan, plan->of[d].opposite, tpunet_port_peer(port));
            plan->by_distance[tail++] = to;
        }
    }
    assert(tail == plan->n);
}

/* The route of d that begins with `port`, if it is minimal and in order. */
static bool candidate(const struct plan *plan, uint32_t d, unsigned port, struct plan_entry *out)
{
    const struct plan_entry *rest = &plan->of[neighbour(plan, d, tpunet_port_peer(port))];
    unsigned axis = tpunet_port_axis(port);
    if (rest->distance + 1 != plan->of[d].distance)
        return false;
    bool same_axis = rest->port < TPUNET_PORTS && tpunet_port_axis(rest->port) == axis;
    if (rest->port < TPUNET_PORTS && plan->rank[tpunet_port_axis(rest->port)] < plan->rank[axis])
        return false;
    assert(!same_axis || rest->port == port);
    *out = plan->of[d];
    out->port = (uint8_t)port;
    out->run = (uint8_t)(1 + (same_axis ? rest->run : 0));
    memcpy(out->hops, rest->hops, sizeof out->hops);
    out->hops[axis]++;
    return true;
}

static void choose(struct plan *plan, uint16_t d)
{
    struct plan_entry best = {.port = TPUNET_NO_ROUTE}, next;
    uint16_t opposite = plan->of[d].opposite;
    uint32_t weight = opposite == d ? 1 : 2;
    uint64_t best_cost = UINT64_MAX;
    for (unsigned i = 0; i < TPUNET_PORTS; i++) {
        unsigned port = port_in_order(plan, i);
        if (!candidate(plan, d, port, &next))
            continue;
        uint64_t cost = 0;
        for (unsigned k = 0; k < TPUNET_AXES; k++) {
            uint64_t load = plan->load[k] + weight * next.hops[k];
            cost += load * load;
        }
        if (cost < best_cost) {
            best_cost = cost;
            best = next;
        }
    }
    assert(best.port < TPUNET_PORTS);
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        plan->load[k] += weight * best.hops[k];
    plan->of[d] = best;
    if (opposite != d) {
        best.opposite = d;
        best.port = (uint8_t)tpunet_port_peer(best.port);
        plan->of[opposite] = best;
    }
}

/* Chooses all routes anew; returns the load of the busiest axis. */
static uint32_t choose_all(struct plan *plan, const uint32_t handicap[static TPUNET_AXES])
{
    for (uint32_t d = 1; d < plan->n; d++)
        plan->of[d].port = TPUNET_NO_ROUTE;
    memcpy(plan->load, handicap, sizeof plan->load);
    for (uint32_t i = 1; i < plan->n; i++) {
        uint16_t d = plan->by_distance[i];
        if (plan->of[d].port == TPUNET_NO_ROUTE)
            choose(plan, d);
    }
    uint32_t busiest = 0;
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        plan->load[k] -= handicap[k];
        busiest = plan->load[k] > busiest ? plan->load[k] : busiest;
    }
    return busiest;
}

/* Rule 4. */
static void balance(struct plan *plan)
{
    uint32_t handicap[TPUNET_AXES] = {0}, best[TPUNET_AXES] = {0};
    uint32_t least = UINT32_MAX;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t busiest = choose_all(plan, handicap), lowest = busiest;
        if (busiest < least) {
            least = busiest;
            memcpy(best, handicap, sizeof best);
        }
        for (unsigned k = 0; k < TPUNET_AXES; k++)
            lowest = plan->load[k] < lowest ? plan->load[k] : lowest;
        for (unsigned k = 0; k < TPUNET_AXES; k++)
            handicap[k] += plan->load[k] - lowest;
    }
    choose_all(plan, best);
}

static int plan_init(struct plan *plan, const struct tpunet_shape *shape,
                     const uint8_t order[static TPUNET_AXES], struct tpunet_error *err)
{
    uint32_t n = tpunet_shape_chips(shape);
    *plan = (struct plan){.shape = *shape, .n = n, .order = order};
    plan->of = calloc(n, sizeof *plan->of);
    plan->by_distance = malloc(n * sizeof *plan->by_distance);
    if (plan->of == NULL || plan->by_distance == NULL) {
        free(plan->of);
        free(plan->by_distance);
        return tpunet_fail_nomem(err);
    }
    for (unsigned i = 0; i < TPUNET_AXES; i++)
        plan->rank[order[i]] = i;
    measure(plan);
    balance(plan);
    return 0;
}

static void plan_fini(struct plan *plan)
{
    free(plan->of);
    free(plan->by_distance);
}

/* The entry for difference d of a chip at `at`. */
static uint8_t entry_at(const struct plan *plan, uint32_t d, const uint16_t at[static TPUNET_AXES])
{
    const struct plan_entry *e = &plan->of[d];
    if (e->port == TPUNET_ARRIVED)
        return TPUNET_ARRIVED;
    bool odd = ((at[0] + at[1] + at[2]) & 1) != 0;
    unsigned port = e->opposite == d && odd ? tpunet_port_peer(e->port) : e->port;
    unsigned axis = tpunet_port_axis(port);
    int run = tpunet_port_minus(port) ? -(int)e->run : (int)e->run;
    return tpunet_entry(port, dateline_vc(at[axis], run, plan->shape.dim[axis]));
}

/* Where the difference `by` leads from `at`. */
static uint32_t translate(const struct tpunet_shape *shape, const uint16_t at[static TPUNET_AXES],
                          const uint16_t by[static TPUNET_AXES])
{
    uint16_t to[TPUNET_AXES] = {at[0], at[1], at[2]};
    torus_add(shape->dim, shape->twisted, to, by);
    return tpunet_logical_index(shape, to);
}

/* Lays the plan over one chip.  x is short in every twisted torus, so a line
 * of differences along x falls into two stretches of the row: those short of
 * the wraparound, and those behind it. */
static void fill_row(const struct plan *plan, uint8_t *row, const uint16_t at[static TPUNET_AXES],
                     uint8_t *line)
{
    const uint16_t *dim = plan->shape.dim;
    uint16_t ahead = (uint16_t)(dim[0] - at[0]);
    for (uint32_t d = 0; d < plan->n; d += dim[0]) {
        uint16_t by[TPUNET_AXES];
        for (uint32_t x = 0; x < dim[0]; x++)
            line[x] = entry_at(plan, d + x, at);
        tpunet_logical_at(&plan->shape, d, by);
        memcpy(row + translate(&plan->shape, at, by), line, ahead);
        if (ahead == dim[0])
            continue;
        by[0] = ahead;
        memcpy(row + translate(&plan->shape, at, by), line + ahead, at[0]);
    }
}

int route_twisted_fill(struct tpunet_tables *t, const struct tpunet_shape *shape,
                       const uint8_t order[static TPUNET_AXES], struct tpunet_error *err)
{
    assert(shape->twisted && t->n_chips == tpunet_shape_chips(shape));
    struct plan plan;
    int rc = plan_init(&plan, shape, order, err);
    if (rc < 0)
        return rc;
    uint8_t *line = malloc(shape->dim[0]);
    if (line == NULL)
        rc = tpunet_fail_nomem(err);
    for (uint32_t chip = 0; rc == 0 && chip < plan.n; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(shape, chip, at);
        fill_row(&plan, t->rows + (size_t)chip * plan.n, at, line);
    }
    free(line);
    plan_fini(&plan);
    return rc;
}
