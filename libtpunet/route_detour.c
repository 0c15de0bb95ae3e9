/* Dead links of few axes: dimension order, and one hop out of
 * order at injection where that helps.
 *
 * The general method routes everything anew; dimension order is faster and, when
 * little is down, as good as can be.  So:
 *
 *  1. Dimension order with the axes that have most dead links first.  Pairs whose
 *     route meets a dead link are found by going upstream from it, destination by
 *     destination.
 *  2. Each of them makes one hop on VC2 as its first (Zu et al., NSDI'24), to a
 *     neighbour whose route is alive, over the least loaded way.
 *  3. The peak is worn down: pairs that cross a link in the upper half of what is
 *     above the bound take another way if all of it carries two packets less or
 *     fewer.  No link comes to carry more than the one that gives; so load flows
 *     off the peaks like heat, line by line, and the peak never grows.
 *
 * Why it is free of deadlock: only injection leads to VC2, a packet is on it
 * once, and the rest is dimension order with datelines.  Where a pair has no
 * neighbour that helps (dead links on the last axis, dead chips), this method is
 * none.  The tables have two planes, injection and all else.
 */
#include "routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The tries bound the time; each takes some ten hops seven times. */
enum { WILD_VC = 2, SWEEPS = 20, TRIES = 1 << 20, TRIES_A_BROKEN_PAIR = 4 };

struct detour {
    const struct tpunet_topology *topology, *whole;
    size_t n;
    /* Entries by destination, then chip, other than in tables: a route stays in
     * one row. */
    uint8_t *dor;     /* as if nothing were down */
    uint8_t *transit; /* the same, NO_ROUTE where the route is broken */
    uint8_t *inject;
    uint32_t *load;  /* [n * 6] */
    uint16_t *stack; /* [n] */
    uint64_t tries;  /* left */
};

/* ----------------------------------------------------------------- routes -- */

static size_t link_of(const struct detour *d, uint32_t chip, uint32_t dst)
{
    return (size_t)chip * TPUNET_PORTS + tpunet_entry_port(d->dor[dst * d->n + chip]);
}

/* Puts a packet on the dimension-ordered route, or takes it off. */
static void load_route(struct detour *d, uint32_t chip, uint32_t dst, uint32_t packets)
{
    while (chip != dst) {
        size_t link = link_of(d, chip, dst);
        d->load[link] += packets;
        chip = d->whole->peer[link];
    }
}

/* The same on the way that the pair takes now. */
static void load_pair(struct detour *d, uint32_t src, uint32_t dst, uint32_t packets)
{
    uint8_t entry = d->inject[dst * d->n + src];
    if (tpunet_entry_vc(entry) == WILD_VC) {
        size_t link = (size_t)src * TPUNET_PORTS + tpunet_entry_port(entry);
        d->load[link] += packets;
        src = d->topology->peer[link];
    }
    load_route(d, src, dst, packets);
}

/* The highest load on the way from src by a hop through `port` (none: `port` is
 * ARRIVED), or `limit` if it is no less or there is no such way. */
static uint32_t peak(const struct detour *d, uint32_t src, unsigned port, uint32_t dst,
                     uint32_t limit)
{
    uint32_t most = 0, chip = src;
    if (port < TPUNET_PORTS) {
        size_t link = (size_t)src * TPUNET_PORTS + port;
        if (d->topology->peer[link] == TPUNET_NONE)
            return limit;
        chip = d->topology->peer[link];
        most = d->load[link];
    }
    if (d->transit[dst * d->n + chip] == TPUNET_NO_ROUTE)
        return limit;
    while (chip != dst && most < limit) {
        size_t link = link_of(d, chip, dst);
        most = d->load[link] > most ? d->load[link] : most;
        chip = d->whole->peer[link];
    }
    return most < limit ? most : limit;
}

/* Gives a pair whose packet is on no link the way with the lowest peak below
 * the limit, and puts the packet there; false if there is none. */
static bool choose(struct detour *d, uint32_t src, uint32_t dst, uint32_t limit)
{
    unsigned best = TPUNET_NO_ROUTE;
    for (unsigned i = 0; i <= TPUNET_PORTS; i++) {
        unsigned port = i == 0 ? (unsigned)TPUNET_ARRIVED : i - 1;
        uint32_t most = peak(d, src, port, dst, limit);
        if (most < limit) {
            limit = most;
            best = port;
        }
    }
    if (best == TPUNET_NO_ROUTE)
        return false;
    d->inject[dst * d->n + src] =
        best == TPUNET_ARRIVED ? d->transit[dst * d->n + src] : tpunet_entry(best, WILD_VC);
    load_pair(d, src, dst, 1);
    return true;
}

/* --------------------------------------------------------------- breakage -- */

/* The chips whose dimension-ordered route to dst goes through `chip`, itself
 * first, on the stack; returns their number. */
static uint32_t upstream(struct detour *d, uint32_t chip, uint32_t dst)
{
    uint32_t n = 0;
    d->stack[n++] = (uint16_t)chip;
    for (uint32_t i = 0; i < n; i++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t from = d->whole->peer[(size_t)d->stack[i] * TPUNET_PORTS + port];
            if (from != TPUNET_NONE && from != dst &&
                tpunet_entry_port(d->dor[dst * d->n + from]) == tpunet_port_peer(port))
                d->stack[n++] = from;
        }
    }
    return n;
}

static void break_routes(struct detour *d, uint32_t chip, unsigned port)
{
    for (uint32_t dst = 0; dst < d->n; dst++) {
        if (chip == dst || tpunet_entry_port(d->dor[dst * d->n + chip]) != port)
            continue;
        uint32_t n = upstream(d, chip, dst);
        for (uint32_t i = 0; i < n; i++) {
            size_t pair = dst * d->n + d->stack[i];
            if (d->transit[pair] == TPUNET_NO_ROUTE)
                continue;
            d->transit[pair] = d->inject[pair] = TPUNET_NO_ROUTE;
            load_route(d, d->stack[i], dst, UINT32_MAX);
            d->tries += TRIES_A_BROKEN_PAIR;
        }
    }
}

static int mend_routes(struct detour *d, struct tpunet_error *err)
{
    for (uint32_t dst = 0; dst < d->n; dst++) {
        for (uint32_t src = 0; src < d->n; src++) {
            if (d->inject[dst * d->n + src] == TPUNET_NO_ROUTE && !choose(d, src, dst, UINT32_MAX))
                return tpunet_fail(err, TPUNET_EUNREACHABLE, "no detour from logical chip %u to %u",
                                   src, dst);
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- balance -- */

static bool try_pair(struct detour *d, uint32_t src, uint32_t dst, uint32_t limit)
{
    uint8_t before = d->inject[dst * d->n + src];
    load_pair(d, src, dst, UINT32_MAX);
    d->tries -= d->tries > 0;
    if (choose(d, src, dst, limit))
        return true;
    d->inject[dst * d->n + src] = before;
    load_pair(d, src, dst, 1);
    return false;
}

/* Moves pairs from a link to ways whose links all carry two packets less or
 * fewer, down to the bound: those that come by in dimension order, and those
 * that do after a first hop.  Returns whether any has moved. */
static bool relieve(struct detour *d, size_t link, uint32_t limit)
{
    const uint32_t chip = (uint32_t)(link / TPUNET_PORTS);
    bool moved = false;
    for (uint32_t dst = 0; dst < d->n && d->tries > 0; dst++) {
        if (chip == dst || d->transit[dst * d->n + chip] == TPUNET_NO_ROUTE ||
            link_of(d, chip, dst) != link)
            continue;
        uint32_t n = upstream(d, chip, dst);
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t src = d->stack[i];
            if (d->load[link] <= limit)
                return moved;
            if (d->inject[dst * d->n + src] == d->transit[dst * d->n + src])
                moved |= try_pair(d, src, dst, d->load[link] - 1);
            for (unsigned port = 0; port < TPUNET_PORTS; port++) {
                uint16_t from = d->topology->peer[(size_t)src * TPUNET_PORTS + port];
                if (from != TPUNET_NONE &&
                    d->inject[dst * d->n + from] == tpunet_entry(tpunet_port_peer(port), WILD_VC))
                    moved |= try_pair(d, from, dst, d->load[link] - 1);
            }
        }
    }
    return moved;
}

static uint32_t largest(const struct detour *d)
{
    uint32_t most = 0;
    for (size_t link = 0; link < d->n * TPUNET_PORTS; link++)
        most = d->load[link] > most ? d->load[link] : most;
    return most;
}

/* A sweep that moves nothing leaves all as it was, so the next would not either. */
static void wear_down(struct detour *d, uint32_t bound)
{
    bool moved = true;
    for (unsigned sweep = 0; sweep < SWEEPS && d->tries > 0 && moved; sweep++) {
        uint32_t most = largest(d);
        if (most <= bound)
            break;
        uint32_t floor = bound + (most - bound) / 2;
        moved = false;
        for (size_t link = 0; link < d->n * TPUNET_PORTS; link++) {
            if (d->load[link] > floor)
                moved |= relieve(d, link, floor);
        }
    }
}

/* ----------------------------------------------------------------- tables -- */

/* Dead links an axis; the axes with most of them come first. */
static void order_axes(const struct detour *d, uint8_t order[static TPUNET_AXES])
{
    uint32_t dead[TPUNET_AXES] = {0};
    for (size_t link = 0; link < d->n * TPUNET_PORTS; link++)
        dead[tpunet_port_axis((unsigned)(link % TPUNET_PORTS))] +=
            d->topology->peer[link] != d->whole->peer[link];
    for (uint8_t k = 0; k < TPUNET_AXES; k++) {
        unsigned place = 0;
        for (uint8_t other = 0; other < TPUNET_AXES; other++)
            place += dead[other] > dead[k] || (other < k && dead[other] == dead[k]);
        order[place] = k;
    }
}

/* What dimension order puts on each link: N n / 8 on an axis of n chips of a plain
 * torus, elsewhere it is counted. */
static void load_whole(struct detour *d)
{
    const struct tpunet_shape *shape = &d->whole->shape;
    for (size_t link = 0; link < d->n * TPUNET_PORTS; link++) {
        unsigned len = shape->dim[tpunet_port_axis((unsigned)(link % TPUNET_PORTS))];
        d->load[link] = shape->mesh || shape->twisted ? 0 : (uint32_t)(d->n * len / 8);
    }
    for (uint32_t dst = 0; (shape->mesh || shape->twisted) && dst < d->n; dst++) {
        for (uint32_t src = 0; src < d->n; src++)
            load_route(d, src, dst, 1);
    }
}

/* to[j][i] = from[i][j], in blocks that fit the cache. */
static void transpose(uint8_t *to, const uint8_t *from, size_t n)
{
    const size_t block = n < 64 ? n : 64;
    assert(n % block == 0);
    for (size_t i = 0; i < n; i += block) {
        for (size_t j = 0; j < n; j += block) {
            for (size_t k = j; k < j + block; k++) {
                for (size_t m = i; m < i + block; m++)
                    to[k * n + m] = from[m * n + k];
            }
        }
    }
}

static int route(struct detour *d, struct tpunet_error *err)
{
    struct tpunet_bounds bound = {.cut = 0};
    memcpy(d->inject, d->dor, d->n * d->n);
    memcpy(d->transit, d->dor, d->n * d->n);
    load_whole(d);
    for (size_t link = 0; link < d->n * TPUNET_PORTS; link++) {
        if (d->topology->peer[link] != d->whole->peer[link])
            break_routes(d, (uint32_t)(link / TPUNET_PORTS), (unsigned)(link % TPUNET_PORTS));
    }
    int rc = mend_routes(d, err);
    if (rc == 0) /* on a plain torus the cut is what binds, and quickly found */
        rc = d->whole->shape.twisted ? tpunet_bound(&bound, d->topology, err)
                                     : bound_cut(&bound, d->topology, err);
    if (rc == 0)
        wear_down(d, (uint32_t)(bound.cut > bound.hop ? bound.cut : bound.hop));
    return rc;
}

static int write_tables(struct tpunet_tables **out, const struct detour *d,
                        struct tpunet_error *err)
{
    struct tpunet_tables *t;
    int rc = tables_create(&t, (uint32_t)d->n, 2, 3, "detour", err);
    if (rc < 0)
        return rc;
    for (unsigned cls = TPUNET_VC0; cls < TPUNET_CLASSES; cls++)
        t->plane[cls] = 1;
    transpose(t->rows, d->inject, d->n);
    transpose(t->rows + d->n * d->n, d->transit, d->n);
    *out = t;
    return 0;
}

static int detour_init(struct detour *d, struct tpunet_error *err)
{
    const size_t n = d->n;
    uint8_t order[TPUNET_AXES];
    struct tpunet_tables *dor;
    order_axes(d, order);
    int rc = tpunet_route_dor(&dor, &d->whole->shape, order, err);
    if (rc < 0)
        return rc;
    d->dor = malloc(3 * n * n);
    d->load = calloc(n * TPUNET_PORTS, sizeof *d->load);
    d->stack = malloc(n * sizeof *d->stack);
    if (d->dor == NULL || d->load == NULL || d->stack == NULL) {
        rc = tpunet_fail_nomem(err);
    } else {
        d->transit = d->dor + n * n;
        d->inject = d->transit + n * n;
        transpose(d->dor, dor->rows, n);
    }
    tpunet_tables_destroy(dor);
    return rc;
}

int route_detour(struct tpunet_tables **out, const struct tpunet_topology *topology,
                 const struct tpunet_topology *whole, struct tpunet_error *err)
{
    struct detour d = {
        .topology = topology, .whole = whole, .n = topology->n_chips, .tries = TRIES};
    assert(topology->n_dead == 0);
    int rc = detour_init(&d, err);
    if (rc == 0)
        rc = route(&d, err);
    if (rc == 0)
        rc = write_tables(out, &d, err);
    free(d.dor);
    free(d.load);
    free(d.stack);
    return rc;
}
