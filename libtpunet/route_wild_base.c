/* Base routes around one dead switch, and the channels that they leave free;
 * see route_wild.h.
 *
 * All base routes are found by one search backwards from "arrived", breadth
 * first over (class, difference): a hop is put before a route that is already
 * there if the link is alive and the order of the axes allows it.  So routes
 * are shortest, and agree with each other by construction.  On a plain torus
 * that is dimension order around each ring the shorter way, but that a dead
 * line of one cube goes the long way round; on a twisted torus it is a minimal
 * lattice vector.
 *
 * Of two ways of the same length along one axis, chips at odd positions go +,
 * at even positions -, so that each link carries as many of either (as in
 * route_dor.c); the other way round, two more channels a ring would lie before
 * a dateline.  Between axes, chips of odd coordinate sum take the second. */
#include "ring.h"
#include "route_wild.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void class_at(unsigned cls, uint16_t at[static TPUNET_AXES])
{
    for (unsigned k = 0; k < TPUNET_AXES; k++)
        at[k] = (uint16_t)(cls >> 2 * k & 3);
}

static unsigned class_of(const uint16_t at[static TPUNET_AXES])
{
    return (at[0] & 3U) | (at[1] & 3U) << 2 | (at[2] & 3U) << 4;
}

static void fill_classes(struct base_routes *base)
{
    static const uint16_t cube[TPUNET_AXES] = {TPUNET_CUBE_DIM, TPUNET_CUBE_DIM, TPUNET_CUBE_DIM};
    const unsigned f = base->axis;
    for (unsigned cls = 0; cls < CLASSES; cls++) {
        uint16_t at[TPUNET_AXES], to[TPUNET_AXES];
        class_at(cls, at);
        bool dead_line = true;
        for (unsigned k = 0; k < TPUNET_AXES; k++)
            dead_line = dead_line && (k == f || at[k] == 0);
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            bool minus = tpunet_port_minus(port);
            if (dead_line && tpunet_port_axis(port) == f &&
                ring_wraps(at[f], minus, TPUNET_CUBE_DIM))
                base->dead[cls] |= (uint8_t)(1U << port);
            memcpy(to, at, sizeof to);
            torus_step(cube, false, to, port);
            base->next[cls][port] = (uint8_t)class_of(to);
        }
    }
}

static void fill_differences(struct base_routes *base)
{
    for (uint32_t d = 0; d < base->n; d++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t at[TPUNET_AXES];
            tpunet_logical_at(&base->shape, d, at);
            torus_step(base->shape.dim, base->shape.twisted, at, tpunet_port_peer(port));
            base->left[d * TPUNET_PORTS + port] = (uint16_t)tpunet_logical_index(&base->shape, at);
        }
    }
}

/* May a route that goes on through `next` begin with a hop through `port`? */
static bool in_order(const struct base_routes *base, unsigned port, unsigned next)
{
    return next == TPUNET_ARRIVED || next == port ||
           base->rank[tpunet_port_axis(next)] > base->rank[tpunet_port_axis(port)];
}

/* Does a chip of this class prefer the second of two ports, equally short? */
static bool prefers(unsigned cls, unsigned first, unsigned second)
{
    uint16_t at[TPUNET_AXES];
    class_at(cls, at);
    if (tpunet_port_axis(first) == tpunet_port_axis(second))
        return (at[tpunet_port_axis(first)] % 2 == 0) == tpunet_port_minus(second);
    return (at[0] + at[1] + at[2]) % 2 != 0;
}

static void set_route(struct base_routes *base, uint32_t state, unsigned port, uint32_t rest)
{
    bool same = base->port[rest] == port;
    base->port[state] = (uint8_t)port;
    base->run[state] = (uint16_t)(1 + (same ? base->run[rest] : 0));
    base->length[state] = (uint16_t)(base->length[rest] + 1);
}

/* Puts each hop that leads to `rest` before its route; returns the new tail. */
static uint32_t extend(struct base_routes *base, uint32_t rest, const uint8_t *ports,
                       uint32_t *queue, uint32_t tail)
{
    uint32_t cls = rest / base->n, d = rest % base->n;
    for (unsigned i = 0; i < TPUNET_PORTS; i++) {
        unsigned port = ports[i], back = tpunet_port_peer(port);
        uint32_t from = base->next[cls][back];
        uint32_t state = from * base->n + base->left[d * TPUNET_PORTS + back];
        if (state % base->n == 0 || (base->dead[from] >> port & 1) != 0 ||
            !in_order(base, port, base->port[rest]))
            continue;
        if (base->port[state] == TPUNET_NO_ROUTE) {
            set_route(base, state, port, rest);
            queue[tail++] = state;
        } else if (base->length[state] == base->length[rest] + 1 &&
                   prefers(from, base->port[state], port)) {
            set_route(base, state, port, rest);
        }
    }
    return tail;
}

static int fill_routes(struct base_routes *base, struct tpunet_error *err)
{
    uint8_t ports[TPUNET_PORTS];
    uint32_t *queue = malloc((size_t)CLASSES * base->n * sizeof *queue);
    if (queue == NULL)
        return tpunet_fail_nomem(err);
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        ports[2 * base->rank[tpunet_port_axis(port)] + port % 2] = (uint8_t)port;
    memset(base->port, TPUNET_NO_ROUTE, (size_t)CLASSES * base->n);
    uint32_t tail = 0;
    for (uint32_t cls = 0; cls < CLASSES; cls++) {
        queue[tail] = cls * base->n;
        base->port[queue[tail++]] = TPUNET_ARRIVED;
    }
    for (uint32_t head = 0; head < tail; head++)
        tail = extend(base, queue[head], ports, queue, tail);
    free(queue);
    return 0;
}

int base_routes_init(struct base_routes *base, const struct tpunet_shape *shape, unsigned axis,
                     struct tpunet_error *err)
{
    assert(!shape->mesh && axis < TPUNET_AXES);
    uint32_t n = tpunet_shape_chips(shape);
    size_t states = (size_t)CLASSES * n;
    *base = (struct base_routes){.shape = *shape, .axis = (uint8_t)axis, .n = n};
    for (unsigned k = 0, rank = 1; k < TPUNET_AXES; k++)
        base->rank[k] = (uint8_t)(k == axis ? 0 : rank++);
    base->left = malloc(n * TPUNET_PORTS * sizeof *base->left);
    base->port = malloc(states);
    base->run = calloc(states, sizeof *base->run);
    base->length = calloc(states, sizeof *base->length);
    int rc = 0;
    if (base->left == NULL || base->port == NULL || base->run == NULL || base->length == NULL)
        rc = tpunet_fail_nomem(err);
    if (rc == 0) {
        fill_classes(base);
        fill_differences(base);
        rc = fill_routes(base, err);
    }
    if (rc < 0)
        base_routes_fini(base);
    return rc;
}

void base_routes_fini(struct base_routes *base)
{
    free(base->left);
    free(base->port);
    free(base->run);
    free(base->length);
}

static uint32_t state_after(const struct base_routes *base, unsigned cls, uint32_t d, unsigned port)
{
    return base->next[cls][port] * base->n + base->left[d * TPUNET_PORTS + port];
}

bool is_in_order(const struct base_routes *base, unsigned cls, uint32_t d, unsigned port)
{
    uint32_t here = cls * base->n + d, next = state_after(base, cls, d, port);
    return (base->dead[cls] >> port & 1) == 0 && base->port[next] != TPUNET_NO_ROUTE &&
           in_order(base, port, base->port[next]) && base->length[next] < base->length[here];
}

unsigned run_in_order(const struct base_routes *base, unsigned cls, uint32_t d, unsigned port)
{
    uint32_t next = state_after(base, cls, d, port);
    return 1U + (base->port[next] == port ? base->run[next] : 0U);
}

/* ----------------------------------------------------------- datelines -- */

/* Each ring may have its dateline at any place.  With two VCs, what base routes
 * leave free lies around the dateline: hops away from it, and over it.  Dead
 * lines next to it are well served, those half a ring away are shut in.  So
 * half of the rings have theirs half a ring further: by turns along the faulty
 * axis and with the row of cubes, and the rings of the two other axes
 * contrariwise, so that of the rings through a chip on a dead line at least one
 * is served.  In a ring of one cube no chip is far from the dateline.
 *
 * A ring must agree with itself: around a short axis of a twisted torus, the
 * position on a long one shifts by the short length, which keeps its parity
 * but not that of its cube. */
unsigned from_dateline(const struct base_routes *base, const uint16_t at[static TPUNET_AXES],
                       unsigned axis)
{
    const uint16_t *dim = base->shape.dim;
    if (axis == base->axis || dim[axis] == TPUNET_CUBE_DIM)
        return at[axis];
    unsigned other = (unsigned)TPUNET_AXES - base->axis - axis;
    unsigned turn = (unsigned)at[base->axis] + (axis > other);
    if (!base->shape.twisted || dim[other] <= dim[axis])
        turn += at[other] / TPUNET_CUBE_DIM;
    return ring_add(at[axis], turn % 2 * dim[axis] / 2, dim[axis]);
}

/* -------------------------------------------------------------- places -- */

static void place_at(const struct places *places, uint32_t place, uint16_t at[static TPUNET_AXES])
{
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        at[k] = (uint16_t)(place % places->period[k]);
        place /= places->period[k];
    }
}

uint32_t place_of(const struct places *places, const uint16_t at[static TPUNET_AXES])
{
    const uint16_t *period = places->period;
    return at[0] % period[0] +
           period[0] * (at[1] % period[1] + (uint32_t)period[1] * (at[2] % period[2]));
}

/* With three VCs, VC2 is free everywhere. */
static void free_third_vc(struct places *places, const struct base_routes *base)
{
    for (uint32_t place = 0; place < places->n; place++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            bool dead = (base->dead[places->cls[place]] >> port & 1) != 0;
            places->wild[place][port] = dead ? TPUNET_NO_ROUTE : tpunet_entry(port, 2);
        }
    }
}

/* The VCs that base routes take on one port of a place, as a mask. */
static unsigned vcs_taken(const struct places *places, const struct base_routes *base,
                          uint32_t place, unsigned port)
{
    uint16_t at[TPUNET_AXES];
    unsigned axis = tpunet_port_axis(port), taken = 0;
    size_t first = (size_t)places->cls[place] * base->n;
    place_at(places, place, at);
    unsigned from = from_dateline(base, at, axis);
    for (size_t state = first; state < first + base->n && taken != 3; state++) {
        if (base->port[state] != port)
            continue;
        int run = tpunet_port_minus(port) ? -(int)base->run[state] : (int)base->run[state];
        taken |= 1U << dateline_vc(from, run, base->shape.dim[axis]);
    }
    return taken;
}

/* With two VCs, a wild hop takes what base routes do not; that can be told
 * only along axes on which places are told apart in full. */
static void free_rest_of_two_vcs(struct places *places, const struct base_routes *base)
{
    for (uint32_t place = 0; place < places->n; place++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            unsigned axis = tpunet_port_axis(port), taken = 3;
            if (places->period[axis] == base->shape.dim[axis] &&
                (base->dead[places->cls[place]] >> port & 1) == 0)
                taken = vcs_taken(places, base, place, port);
            places->wild[place][port] =
                taken == 3 ? TPUNET_NO_ROUTE : tpunet_entry(port, taken % 2);
        }
    }
}

int places_init(struct places *places, const struct base_routes *base, unsigned n_vcs,
                struct tpunet_error *err)
{
    const struct tpunet_shape *shape = &base->shape;
    assert(n_vcs == 2 || n_vcs == 3);
    *places = (struct places){.n = 1};
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        bool repeats = n_vcs == 3 || (k == base->axis && !shape->twisted);
        places->period[k] = repeats ? (uint16_t)TPUNET_CUBE_DIM : shape->dim[k];
        places->n *= places->period[k];
    }
    places->cls = malloc(places->n);
    places->next = malloc(places->n * sizeof *places->next);
    places->wild = malloc(places->n * sizeof *places->wild);
    if (places->cls == NULL || places->next == NULL || places->wild == NULL) {
        places_fini(places);
        return tpunet_fail_nomem(err);
    }
    for (uint32_t place = 0; place < places->n; place++) {
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t at[TPUNET_AXES];
            place_at(places, place, at);
            places->cls[place] = (uint8_t)class_of(at);
            torus_step(places->period, shape->twisted && n_vcs == 2, at, port);
            places->next[place][port] = (uint16_t)place_of(places, at);
        }
    }
    if (n_vcs == 3)
        free_third_vc(places, base);
    else
        free_rest_of_two_vcs(places, base);
    return 0;
}

void places_fini(struct places *places)
{
    free(places->cls);
    free(places->next);
    free(places->wild);
}
