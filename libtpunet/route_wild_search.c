/* The search for the plan whose busiest link carries the least; see
 * route_wild.h.
 *
 * All pairs of chips send one packet (all-to-all; pairs of neighbours count as
 * key.neighbour_weight).  The load of a link depends on its place alone, and a
 * pair stands for all pairs of its place and difference: one route more over a
 * place's link is one more on each such link.
 *
 *  1. The target is what the busiest link must carry in any case: the traffic
 *     that crosses the cut at the borders of cubes, or the sum of all minimal
 *     distances, over the links that are left.
 *  2. Pairs start on their base routes; those that have none, on the shortest
 *     way behind one wild hop.
 *  3. In a sweep each pair whose route has a link above the target is taken
 *     off and put on its cheapest candidate.  The price of a link is what the
 *     pair adds to the sum of (load - target)^2 over all links above the
 *     target.  The first sweep breaks ties by hops; later ones take any other
 *     candidate of the same price, so that the last units above the target
 *     wander along the links that stand right at it until one meets a gap.
 *  4. Sweeps end at the target; after the first two also within a thousandth of
 *     it, when they gain little, or when VISITS_MAX pairs have been looked at.
 *
 * The order of the pairs is a fixed permutation, all arithmetic is on integers:
 * the same key gives the same plan everywhere. */
#include "route_wild.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* HOPS_PER_PRICE scales prices so that hops only break ties.  A sweep that
 * gains less than 1 / LITTLE of what is left above the target is idle. */
enum { SWEEPS_MAX = 48, IDLE_MAX = 3, LITTLE = 24, HOPS_PER_PRICE = 1 << 16, VISITS_MAX = 1 << 25 };

/* Consecutive pairs of a sweep are far apart; a prime above any number of
 * pairs, so all have their turn. */
static const uint64_t stride = 2654435761;

struct search {
    const struct base_routes *base;
    const struct places *places;
    uint8_t *choice; /* [places][n] */
    int64_t *load;   /* [places][6] */
    int64_t target;
    uint32_t neighbour[TPUNET_PORTS]; /* differences of one hop */
    uint32_t neighbour_weight;
    bool any_tie; /* rule 3 */
};

/* Someone at a place who has a difference left to go. */
struct spot {
    uint32_t place, left;
};

static struct spot hop(const struct search *s, struct spot at, unsigned port)
{
    return (struct spot){s->places->next[at.place][port],
                         s->base->left[at.left * TPUNET_PORTS + port]};
}

static size_t state_of(const struct search *s, struct spot at)
{
    return (size_t)s->places->cls[at.place] * s->base->n + at.left;
}

static unsigned base_port(const struct search *s, struct spot at)
{
    return s->base->port[state_of(s, at)];
}

static bool is_neighbour(const struct search *s, uint32_t d)
{
    bool found = false;
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        found |= s->neighbour[port] == d;
    return found;
}

static uint32_t weight_of(const struct search *s, uint32_t d)
{
    return is_neighbour(s, d) ? s->neighbour_weight : 1;
}

/* ---------------------------------------------------------------- loads -- */

/* Adds `weight` to each link of the pair's route with this choice. */
static void add_route(struct search *s, struct spot at, unsigned choice, int64_t weight)
{
    unsigned port = choice == AS_BASE ? base_port(s, at) : choice;
    while (port != TPUNET_ARRIVED) {
        assert(port != TPUNET_NO_ROUTE);
        s->load[at.place * TPUNET_PORTS + port] += weight;
        at = hop(s, at, port);
        port = base_port(s, at);
    }
}

static bool is_over(const struct search *s, struct spot at, unsigned choice)
{
    unsigned port = choice == AS_BASE ? base_port(s, at) : choice;
    while (port != TPUNET_ARRIVED) {
        if (s->load[at.place * TPUNET_PORTS + port] > s->target)
            return true;
        at = hop(s, at, port);
        port = base_port(s, at);
    }
    return false;
}

static int64_t square_above(int64_t excess)
{
    return excess > 0 ? excess * excess : 0;
}

/* At most: a price above `limit` may come out as any other above it. */
static int64_t price_of(const struct search *s, struct spot at, unsigned choice, int64_t weight,
                        int64_t limit)
{
    int64_t price = 0, per_hop = s->any_tie ? 0 : 1;
    unsigned port = choice == AS_BASE ? base_port(s, at) : choice;
    while (port != TPUNET_ARRIVED && price <= limit) {
        int64_t excess = s->load[at.place * TPUNET_PORTS + port] - s->target;
        if (excess + weight > 0)
            price += (square_above(excess + weight) - square_above(excess)) * HOPS_PER_PRICE;
        price += per_hop;
        at = hop(s, at, port);
        port = base_port(s, at);
    }
    return price;
}

static int64_t above_target(const struct search *s)
{
    int64_t sum = 0;
    for (size_t link = 0; link < (size_t)s->places->n * TPUNET_PORTS; link++)
        sum += square_above(s->load[link] - s->target);
    return sum;
}

static uint32_t busiest(const struct search *s)
{
    int64_t most = 0;
    for (size_t link = 0; link < (size_t)s->places->n * TPUNET_PORTS; link++)
        most = s->load[link] > most ? s->load[link] : most;
    return (uint32_t)most;
}

/* -------------------------------------------------------------- choices -- */

/* Is there a route with this choice?  (A first hop that the base route makes
 * anyway is no other route.) */
static bool possible(const struct search *s, struct spot at, unsigned choice)
{
    unsigned port = base_port(s, at);
    if (choice == AS_BASE)
        return port != TPUNET_NO_ROUTE;
    if (choice == port)
        return false;
    if (s->places->wild[at.place][choice] == TPUNET_NO_ROUTE)
        return port != TPUNET_NO_ROUTE &&
               is_in_order(s->base, s->places->cls[at.place], at.left, choice);
    return base_port(s, hop(s, at, choice)) != TPUNET_NO_ROUTE;
}

/* Neighbours over a live link talk directly: a detour would cost a job's rings
 * more than all-to-all traffic can gain. */
static bool is_fixed(const struct search *s, struct spot at)
{
    return at.left == 0 ||
           (base_port(s, at) != TPUNET_NO_ROUTE && s->base->length[state_of(s, at)] == 1);
}

static unsigned first_choice(const struct search *s, struct spot at)
{
    unsigned best = TPUNET_NO_ROUTE, shortest = UINT16_MAX;
    if (base_port(s, at) != TPUNET_NO_ROUTE)
        return AS_BASE;
    for (unsigned i = 0; i < TPUNET_PORTS; i++) {
        unsigned port = (at.place + at.left + i) % TPUNET_PORTS;
        if (!possible(s, at, port))
            continue;
        unsigned length = s->base->length[state_of(s, hop(s, at, port))];
        if (length < shortest) {
            shortest = length;
            best = port;
        }
    }
    return best;
}

/* Rule 2. */
static int start(struct search *s, struct tpunet_error *err)
{
    for (uint32_t place = 0; place < s->places->n; place++) {
        for (uint32_t d = 0; d < s->base->n; d++) {
            struct spot at = {place, d};
            unsigned choice = first_choice(s, at);
            if (choice == TPUNET_NO_ROUTE)
                return tpunet_fail(err, TPUNET_EUNREACHABLE,
                                   "no route with one wild hop from logical chip %u by %u", place,
                                   d);
            s->choice[(size_t)place * s->base->n + d] = (uint8_t)choice;
            add_route(s, at, choice, weight_of(s, d));
        }
    }
    return 0;
}

static void improve(struct search *s, struct spot at, uint8_t *choice, unsigned turn)
{
    const uint32_t weight = weight_of(s, at.left);
    unsigned old = *choice, best = old;
    add_route(s, at, old, -(int64_t)weight);
    int64_t least = price_of(s, at, old, weight, INT64_MAX);
    for (unsigned i = 0; i <= AS_BASE; i++) {
        unsigned other = (i + turn) % (AS_BASE + 1);
        if (other == old || !possible(s, at, other))
            continue;
        int64_t price = price_of(s, at, other, weight, least);
        if (price < least || (s->any_tie && price == least)) {
            least = price;
            best = other;
        }
    }
    *choice = (uint8_t)best;
    add_route(s, at, best, weight);
}

static void sweep(struct search *s, unsigned number)
{
    const uint64_t n_pairs = (uint64_t)s->places->n * s->base->n;
    uint64_t pair = number % n_pairs;
    s->any_tie = number > 0;
    for (uint64_t i = 0; i < n_pairs; i++) {
        struct spot at = {(uint32_t)(pair / s->base->n), (uint32_t)(pair % s->base->n)};
        if (!is_fixed(s, at) && is_over(s, at, s->choice[pair]))
            improve(s, at, &s->choice[pair], (unsigned)(i % (AS_BASE + 1)));
        pair = (pair + stride) % n_pairs;
    }
}

/* Rule 4. */
static void settle(struct search *s)
{
    const size_t n_pairs = (size_t)s->places->n * s->base->n;
    size_t sweeps = 2 + VISITS_MAX / n_pairs;
    if (sweeps > SWEEPS_MAX)
        sweeps = SWEEPS_MAX;
    int64_t left = above_target(s);
    for (unsigned i = 0, idle = 0; left > 0 && i < sweeps && idle < IDLE_MAX; i++) {
        int64_t before = left;
        if (i >= 2 && busiest(s) <= s->target + s->target / 1000)
            break;
        sweep(s, i);
        left = above_target(s);
        idle = before - left < before / LITTLE ? idle + 1 : 0;
    }
}

/* --------------------------------------------------------------- target -- */

/* Of all-to-all traffic on a plain torus, an axis of n chips carries N n / 8 a
 * link.  Behind a dead switch 15 of 16 lines carry all that crosses borders of
 * cubes; of an axis of one cube, 31 of 32 links carry what crosses one of two
 * cuts, since the second is inside the cube. */
static double cut_bound(const struct base_routes *base)
{
    double bound = 0;
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        double load = (double)base->n * base->shape.dim[k] / 8;
        if (k == base->axis)
            load *= base->shape.dim[k] == TPUNET_CUBE_DIM ? 32.0 / 31 : 16.0 / 15;
        bound = load > bound ? load : bound;
    }
    return bound;
}

/* The hops of all minimal routes, over the links of a cube but the two ends
 * that are dead.  Minimal routes are those from a line that is alive. */
static double hop_bound(const struct base_routes *base)
{
    const unsigned live_class = CLASSES - 1;
    const uint16_t *length = base->length + (size_t)live_class * base->n;
    double hops = 0;
    for (uint32_t d = 0; d < base->n; d++)
        hops += length[d];
    return hops * CLASSES / (CLASSES * TPUNET_PORTS - 2);
}

static double bound_of(const struct base_routes *base)
{
    double hops = hop_bound(base), cut = base->shape.twisted ? 0 : cut_bound(base);
    return hops > cut ? hops : cut;
}

static uint32_t neighbour_load(struct search *s)
{
    memset(s->load, 0, (size_t)s->places->n * TPUNET_PORTS * sizeof *s->load);
    for (uint32_t place = 0; place < s->places->n; place++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint32_t d = s->neighbour[port];
            add_route(s, (struct spot){place, d}, s->choice[(size_t)place * s->base->n + d], 1);
        }
    }
    return busiest(s);
}

int wild_search(struct tpunet_route_solution *solution, const struct base_routes *base,
                const struct places *places, struct tpunet_error *err)
{
    struct search s = {
        .base = base,
        .places = places,
        .choice = solution->choice,
        .load = calloc((size_t)places->n * TPUNET_PORTS, sizeof *s.load),
        .neighbour_weight = solution->key.neighbour_weight,
    };
    if (s.load == NULL)
        return tpunet_fail_nomem(err);
    assert(solution->n_choices == (size_t)places->n * base->n);
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        s.neighbour[port] = base->left[port];

    solution->figures.bound = bound_of(base);
    s.target = (int64_t)solution->figures.bound;
    s.target += (double)s.target < solution->figures.bound;
    s.target += s.neighbour_weight - 1;
    int rc = start(&s, err);
    if (rc == 0) {
        settle(&s);
        solution->figures.max_link_load = busiest(&s);
        solution->figures.neighbour_load = neighbour_load(&s);
    }
    free(s.load);
    return rc;
}
