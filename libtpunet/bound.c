/* What no routes can beat: lower bounds of the largest link load when every
 * live chip sends one packet to every other.
 *
 *  cut  Split the chips in two: |A| |B| packets go each way over the links that
 *       join the parts, so one of these carries the quotient or more.  Tried are
 *       the slabs of each axis (what lies between two planes; its complement
 *       wraps around) and single chips.  A dead OCS weakens the slabs of its
 *       axis, dead links at one chip weaken that chip.
 *  hop  A packet takes as many links as its chips are apart, or more; so the
 *       mean load is at least the sum of the distances over the live links.
 *
 * On a torus without faults both are reached by dimension order when its longest
 * axis is even: cut = N n / 8.
 */
#include "ring.h"
#include "routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- slabs -- */

/* One axis, its chips merged by coordinate. */
struct planes {
    unsigned n;
    uint32_t *chips; /* [n] alive */
    uint32_t *links; /* [n][n] from plane to plane */
};

static int planes_init(struct planes *p, const struct tpunet_topology *t, unsigned axis,
                       struct tpunet_error *err)
{
    size_t n = t->shape.dim[axis];
    p->n = (unsigned)n;
    p->chips = calloc(n, sizeof *p->chips);
    p->links = calloc(n * n, sizeof *p->links);
    if (p->chips == NULL || p->links == NULL) {
        free(p->chips);
        free(p->links);
        return tpunet_fail_nomem(err);
    }
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        uint16_t from[TPUNET_AXES], to[TPUNET_AXES];
        tpunet_logical_at(&t->shape, chip, from);
        p->chips[from[axis]] += !t->dead[chip];
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t peer = t->peer[chip * TPUNET_PORTS + port];
            if (peer == TPUNET_NONE)
                continue;
            tpunet_logical_at(&t->shape, peer, to);
            if (to[axis] != from[axis])
                p->links[from[axis] * n + to[axis]]++;
        }
    }
    return 0;
}

static void planes_fini(struct planes *p)
{
    free(p->chips);
    free(p->links);
}

static void try_cut(struct tpunet_bounds *out, uint64_t inside, uint64_t live, uint64_t links,
                    const struct tpunet_bounds *where)
{
    if (links == 0 || (double)(inside * (live - inside)) / (double)links <= out->cut)
        return;
    double hop = out->hop;
    *out = *where;
    out->hop = hop;
    out->cut = (double)(inside * (live - inside)) / (double)links;
}

/* Slabs grow plane by plane: what a new plane adds leaves for outside, and what
 * led into it from inside is no longer cut. */
static void try_slabs(struct tpunet_bounds *out, const struct planes *p, unsigned axis,
                      uint64_t live)
{
    for (unsigned lo = 0; lo < p->n; lo++) {
        uint64_t inside = 0, links = 0;
        for (unsigned k = lo; k < p->n && k - lo + 1 < p->n; k++) {
            inside += p->chips[k];
            for (unsigned other = 0; other < p->n; other++) {
                if (other >= lo && other < k)
                    links -= p->links[(size_t)other * p->n + k];
                else
                    links += p->links[(size_t)k * p->n + other];
            }
            const struct tpunet_bounds where = {
                .axis = (uint8_t)axis, .lo = (uint16_t)lo, .hi = (uint16_t)(k + 1)};
            try_cut(out, inside, live, links, &where);
        }
    }
}

/* ------------------------------------------------------------ distances -- */

/* Breadth-first search from `src`, which has dist 0; UINT16_MAX says not seen.
 * Returns the chips that it found, first to last in queue[]. */
static uint32_t search(const struct tpunet_topology *t, uint32_t src, uint16_t *dist,
                       uint16_t *queue)
{
    uint32_t head = 0, tail = 0;
    dist[src] = 0;
    queue[tail++] = (uint16_t)src;
    while (head < tail) {
        uint16_t chip = queue[head++];
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t peer = t->peer[(size_t)chip * TPUNET_PORTS + port];
            if (peer == TPUNET_NONE || dist[peer] != UINT16_MAX)
                continue;
            dist[peer] = (uint16_t)(dist[chip] + 1);
            queue[tail++] = peer;
        }
    }
    return tail;
}

int tpunet_parts(const struct tpunet_topology *topology, uint16_t *part)
{
    static_assert(TPUNET_CHIPS_MAX < UINT16_MAX, "a logical chip fits 16 bits");
    uint16_t dist[TPUNET_CHIPS_MAX], queue[TPUNET_CHIPS_MAX];
    uint16_t n = 0;
    memset(dist, 0xFF, sizeof dist);
    for (uint32_t chip = 0; chip < topology->n_chips; chip++) {
        if (topology->dead[chip])
            part[chip] = TPUNET_NONE;
        if (topology->dead[chip] || dist[chip] != UINT16_MAX)
            continue;
        uint32_t found = search(topology, chip, dist, queue);
        for (uint32_t i = 0; i < found; i++)
            part[queue[i]] = n;
        n++;
    }
    return n;
}

static int fail_apart(const struct tpunet_topology *t, uint32_t src, const uint16_t *dist,
                      uint32_t found, struct tpunet_error *err)
{
    uint32_t dst = 0, live = t->n_chips - t->n_dead;
    while (t->dead[dst] || dist[dst] != UINT16_MAX)
        dst++;
    return tpunet_fail(err, TPUNET_EUNREACHABLE,
                       "no live links lead from logical chip %u to %u, nor to %u others of %u", src,
                       dst, live - found - 1, live);
}

static int bound_hops(struct tpunet_bounds *out, const struct tpunet_topology *t,
                      struct tpunet_error *err)
{
    uint16_t *dist = malloc(2 * t->n_chips * sizeof *dist);
    if (dist == NULL)
        return tpunet_fail_nomem(err);
    uint16_t *queue = dist + t->n_chips;
    uint64_t hops = 0, links = 0;
    int rc = 0;
    for (uint32_t i = 0; i < t->n_chips * TPUNET_PORTS; i++)
        links += t->peer[i] != TPUNET_NONE;
    for (uint32_t src = 0; rc == 0 && src < t->n_chips; src++) {
        if (t->dead[src])
            continue;
        memset(dist, 0xFF, t->n_chips * sizeof *dist);
        uint32_t found = search(t, src, dist, queue);
        for (uint32_t i = 0; i < found; i++)
            hops += dist[queue[i]];
        if (found + t->n_dead < t->n_chips)
            rc = fail_apart(t, src, dist, found, err);
    }
    out->hop = links > 0 ? (double)hops / (double)links : 0;
    free(dist);
    return rc;
}

int bound_cut(struct tpunet_bounds *out, const struct tpunet_topology *t, struct tpunet_error *err)
{
    const uint32_t live = t->n_chips - t->n_dead;
    for (unsigned axis = 0; axis < TPUNET_AXES; axis++) {
        struct planes planes;
        int rc = planes_init(&planes, t, axis, err);
        if (rc < 0)
            return rc;
        try_slabs(out, &planes, axis, live);
        planes_fini(&planes);
    }
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        const struct tpunet_bounds where = {.axis = TPUNET_AXES, .chip = chip};
        unsigned links = 0;
        for (unsigned port = 0; port < TPUNET_PORTS; port++)
            links += t->peer[chip * TPUNET_PORTS + port] != TPUNET_NONE;
        if (!t->dead[chip])
            try_cut(out, 1, live, links, &where);
    }
    return 0;
}

int tpunet_bound(struct tpunet_bounds *out, const struct tpunet_topology *topology,
                 struct tpunet_error *err)
{
    struct tpunet_bounds best = {.axis = TPUNET_AXES};
    int rc = bound_hops(&best, topology, err);
    if (rc == 0)
        rc = bound_cut(&best, topology, err);
    if (rc == 0)
        *out = best;
    return rc;
}

/* ------------------------------------------------------------ reference -- */

/* A twisted torus looks the same from every chip, so one search tells all. */
static double twisted_hop_bound(const struct tpunet_shape *shape)
{
    uint16_t queue[TPUNET_CHIPS_MAX];
    uint8_t dist[TPUNET_CHIPS_MAX];
    uint32_t head = 0, tail = 0;
    uint64_t sum = 0;
    memset(dist, 0xFF, sizeof dist);
    dist[0] = 0;
    queue[tail++] = 0;
    while (head < tail) {
        uint16_t chip = queue[head++];
        sum += dist[chip];
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t at[TPUNET_AXES];
            tpunet_logical_at(shape, chip, at);
            torus_step(shape->dim, true, at, port);
            uint32_t peer = tpunet_logical_index(shape, at);
            if (dist[peer] != UINT8_MAX)
                continue;
            dist[peer] = (uint8_t)(dist[chip] + 1);
            queue[tail++] = (uint16_t)peer;
        }
    }
    return (double)sum / TPUNET_PORTS;
}

double tpunet_reference_load(const struct tpunet_shape *shape)
{
    uint32_t chips = tpunet_shape_chips(shape);
    double most = 0;
    if (shape->twisted)
        return twisted_hop_bound(shape);
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        unsigned n = shape->dim[k], half = n / 2;
        double load = (double)half * (n - half) * chips / n / (shape->mesh ? 1 : 2);
        most = load > most ? load : most;
    }
    return most;
}
