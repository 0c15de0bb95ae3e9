/* Placement: what discovery found against what was intended.
 *
 * Chips tell their own number, so their place is looked up, not guessed; the
 * work is to explain the links.  All of it happens on link ends, numbered
 * chip * 6 + port over the whole pod: want[] is the intended far end of each,
 * got[] the one that is there.
 *
 *  1. A chip of the slice that is not in the graph is missing, unless all of its
 *     links are known to be dead; its dark links are not mentioned.  A chip in the graph that is
 * not of the slice is extra.
 *  2. Exchanging the fibres of two ends X and Y exchanges their far ends:
 *     got[X] = want[Y] and got[Y] = want[X].  That is one swap.  When Y is of
 *     another slice want[Y] is unknown, but both foreign ends must then be the
 *     two ends that one circuit can join.
 *  3. Every other intended link that is not there is misdirected if one of its
 *     ends sees something else, else missing unless known to be dead.
 *  4. What joins two ends that were both to be dark is extra.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ENDS = TPUNET_CHIPS_MAX * TPUNET_PORTS };
_Static_assert((int)ENDS < (int)TPUNET_NONE, "an end fits 16 bits and differs from none");

struct placement {
    const struct tpunet_graph *graph;
    const struct tpunet_wiring *wiring;
    struct chip_map map;
    uint16_t want[ENDS], got[ENDS];
    bool told[ENDS]; /* explained already */
    bool dead[ENDS]; /* known to be down */
    struct tpunet_mismatch *list;
    size_t n, cap;
    struct tpunet_mismatch lost; /* takes what there is no memory for */
    bool out_of_memory;
};

static unsigned end_chip(unsigned end)
{
    return end / TPUNET_PORTS;
}

static unsigned end_port(unsigned end)
{
    return end % TPUNET_PORTS;
}

static bool in_graph(const struct placement *p, uint32_t chip)
{
    return chip < p->graph->index_len && p->graph->index[chip] != UINT32_MAX;
}

static bool in_slice(const struct placement *p, unsigned end)
{
    return p->map.logical_of[end_chip(end)] != TPUNET_NONE;
}

static bool end_fibre(unsigned end, struct tpunet_fibre *out)
{
    return tpunet_chip_fibre(tpunet_chip_of(end_chip(end)), end_port(end), out);
}

static bool is_optical(unsigned end)
{
    struct tpunet_fibre fibre;
    return end_fibre(end, &fibre);
}

/* ------------------------------------------------------------- the list -- */

static struct tpunet_mismatch *add(struct placement *p, enum tpunet_mismatch_kind kind,
                                   unsigned chip)
{
    struct tpunet_mismatch *m = &p->lost;
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 16 : 2 * p->cap;
        struct tpunet_mismatch *list = realloc(p->list, cap * sizeof *list);
        if (list != NULL) {
            p->list = list;
            p->cap = cap;
        }
    }
    if (p->n < p->cap)
        m = &p->list[p->n++];
    else
        p->out_of_memory = true;
    *m = (struct tpunet_mismatch){
        .kind = (uint8_t)kind, .chip = chip, .expected = UINT32_MAX, .found = UINT32_MAX};
    return m;
}

/* A mismatch of the link that starts at `end`. */
static struct tpunet_mismatch *add_link(struct placement *p, enum tpunet_mismatch_kind kind,
                                        unsigned end)
{
    struct tpunet_mismatch *m = add(p, kind, end_chip(end));
    struct tpunet_fibre fibre;
    uint16_t want = p->want[end], got = p->got[end];
    m->port = (uint8_t)end_port(end);
    m->optical = end_fibre(end, &fibre);
    if (m->optical)
        m->at = tpunet_wiring_port(p->wiring, fibre);
    if (want != TPUNET_NONE) {
        m->expected = end_chip(want);
        if (end_fibre(want, &fibre))
            m->other = tpunet_wiring_port(p->wiring, fibre);
    }
    if (got != TPUNET_NONE) {
        m->found = end_chip(got);
        m->found_port = (uint8_t)end_port(got);
    }
    return m;
}

static void add_swap(struct placement *p, unsigned end, unsigned second)
{
    struct tpunet_mismatch *m = add_link(p, TPUNET_LINK_SWAPPED, end);
    struct tpunet_fibre fibre;
    bool optical = end_fibre(second, &fibre);
    assert(m->optical && optical);
    m->other = tpunet_wiring_port(p->wiring, fibre);
    m->second =
        (struct tpunet_link_end){.chip = end_chip(second), .port = (uint8_t)end_port(second)};
}

static int compare(const void *a, const void *b)
{
    const struct tpunet_mismatch *l = a, *r = b;
    if (l->chip != r->chip)
        return l->chip < r->chip ? -1 : 1;
    if (l->port != r->port)
        return l->port < r->port ? -1 : 1;
    return (l->kind > r->kind) - (l->kind < r->kind);
}

/* ------------------------------------------------- intended and observed -- */

static int read_intent(struct placement *p, const struct tpunet_intent *intent,
                       struct tpunet_error *err)
{
    struct tpunet_topology *t;
    for (size_t i = 0; i < intent->n_cubes; i++) {
        if (intent->cubes[i] >= tpunet_wiring_cubes(p->wiring))
            return tpunet_fail(err, TPUNET_EINVAL, "cube/%u is not one of the pod's %u cubes",
                               intent->cubes[i], tpunet_wiring_cubes(p->wiring));
    }
    int rc = tpunet_topology_create(&t, intent, err);
    if (rc < 0)
        return rc;
    chip_map_init(&p->map, intent);
    memset(p->want, 0xFF, sizeof p->want);
    for (uint32_t i = 0; i < t->n_chips; i++) {
        unsigned first = p->map.chip_of[i] * (unsigned)TPUNET_PORTS;
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t peer = t->peer[i * TPUNET_PORTS + port];
            if (peer != TPUNET_NONE)
                p->want[first + port] =
                    (uint16_t)(p->map.chip_of[peer] * TPUNET_PORTS + tpunet_port_peer(port));
        }
    }
    tpunet_topology_destroy(t);
    return 0;
}

/* Far end of a port as its chip tells it. */
static uint16_t told_end(const struct tpunet_port_state *port)
{
    if (!port->up || !port->enabled)
        return TPUNET_NONE;
    assert(port->peer < TPUNET_CHIPS_MAX && port->peer_port < TPUNET_PORTS);
    return (uint16_t)(port->peer * TPUNET_PORTS + port->peer_port);
}

/* A link counts when both ends see each other; of a foreign chip, which nobody
 * asked, the word of this side is enough. */
static void read_graph(struct placement *p)
{
    memset(p->got, 0xFF, sizeof p->got);
    for (size_t i = 0; i < p->graph->n; i++) {
        const struct tpunet_found *from = &p->graph->chips[i];
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t far = told_end(&from->port[port]);
            unsigned end = from->chip * TPUNET_PORTS + port;
            if (far == TPUNET_NONE)
                continue;
            if (in_graph(p, end_chip(far))) {
                const struct tpunet_found *to = &p->graph->chips[p->graph->index[end_chip(far)]];
                if (told_end(&to->port[end_port(far)]) != end)
                    continue;
            } else if (in_slice(p, far)) {
                continue;
            }
            p->got[end] = far;
        }
    }
}

/* ---------------------------------------------------------- explanations -- */

static bool is_known_dead(const struct placement *p, unsigned chip)
{
    bool dead = false;
    for (unsigned end = chip * TPUNET_PORTS; end < (chip + 1) * TPUNET_PORTS; end++) {
        if (p->want[end] != TPUNET_NONE && !p->dead[end])
            return false;
        dead = dead || p->dead[end];
    }
    return dead;
}

static void tell_chips(struct placement *p)
{
    for (uint32_t i = 0; i < p->map.n_chips; i++) {
        if (!in_graph(p, p->map.chip_of[i]) && !is_known_dead(p, p->map.chip_of[i]))
            add(p, TPUNET_CHIP_MISSING, p->map.chip_of[i]);
    }
    for (size_t i = 0; i < p->graph->n; i++) {
        uint32_t chip = p->graph->chips[i].chip;
        if (p->map.logical_of[chip] == TPUNET_NONE)
            add(p, TPUNET_CHIP_EXTRA, chip);
    }
}

/* Rule 2 with both links in this slice. */
static void tell_swap(struct placement *p, unsigned x)
{
    uint16_t far_x = p->want[x], far_y = p->got[x];
    if (far_y == TPUNET_NONE || p->want[far_y] == TPUNET_NONE)
        return;
    uint16_t y = p->want[far_y];
    if (p->got[y] != far_x || !is_optical(x) || !is_optical(y) || !is_optical(far_x) ||
        !is_optical(far_y))
        return;
    add_swap(p, x, y);
    p->told[x] = p->told[far_x] = p->told[y] = p->told[far_y] = true;
}

/* Rule 2 with the second link in another slice. */
static void tell_foreign_swap(struct placement *p, unsigned x)
{
    uint16_t far_x = p->want[x], far_y = p->got[x], y = p->got[far_x];
    struct tpunet_fibre fx, fy;
    if (far_y == TPUNET_NONE || y == TPUNET_NONE || in_slice(p, far_y) || in_slice(p, y))
        return;
    if (!is_optical(x) || !is_optical(far_x) || !end_fibre(far_y, &fx) || !end_fibre(y, &fy))
        return;
    if (fx.minus == fy.minus || tpunet_fibre_ocs(fx) != tpunet_fibre_ocs(fy) ||
        fy.cube >= tpunet_wiring_cubes(p->wiring))
        return;
    add_swap(p, x, y);
    p->told[x] = p->told[far_x] = true;
}

/* Rule 3, for an intended link named by its + end. */
static void tell_broken(struct placement *p, unsigned end)
{
    unsigned far = p->want[end];
    if (p->got[end] != TPUNET_NONE)
        add_link(p, TPUNET_LINK_MISDIRECTED, end);
    else if (p->got[far] != TPUNET_NONE)
        add_link(p, TPUNET_LINK_MISDIRECTED, far);
    else if (in_graph(p, end_chip(end)) && in_graph(p, end_chip(far)) && !p->dead[end])
        add_link(p, TPUNET_LINK_MISSING, end);
}

/* Calls `tell` for each intended link, named by its + end, that is not there
 * and has not been explained. */
static void each_broken(struct placement *p, void (*tell)(struct placement *, unsigned))
{
    for (uint32_t i = 0; i < p->map.n_chips; i++) {
        unsigned first = p->map.chip_of[i] * (unsigned)TPUNET_PORTS;
        for (unsigned end = first; end < first + TPUNET_PORTS; end += 2) {
            if (p->want[end] != TPUNET_NONE && p->got[end] != p->want[end] && !p->told[end])
                tell(p, end);
        }
    }
}

static void tell_extra(struct placement *p)
{
    for (size_t i = 0; i < p->graph->n; i++) {
        unsigned first = p->graph->chips[i].chip * TPUNET_PORTS;
        for (unsigned end = first; end < first + TPUNET_PORTS; end++) {
            uint16_t far = p->got[end];
            if (far == TPUNET_NONE || p->want[end] != TPUNET_NONE || p->want[far] != TPUNET_NONE ||
                p->told[end] || !in_slice(p, end))
                continue;
            add_link(p, TPUNET_LINK_EXTRA, end);
            p->told[far] = true;
        }
    }
}

static int read_dead(struct placement *p, const struct tpunet_link_end *dead, size_t n_dead,
                     struct tpunet_error *err)
{
    for (size_t i = 0; i < n_dead; i++) {
        if (dead[i].chip >= TPUNET_CHIPS_MAX || dead[i].port >= TPUNET_PORTS)
            return tpunet_fail(err, TPUNET_EINVAL, "dead link %zu: no port %u of chip number %u", i,
                               dead[i].port, dead[i].chip);
        unsigned end = dead[i].chip * TPUNET_PORTS + dead[i].port;
        p->dead[end] = true;
        if (p->want[end] != TPUNET_NONE)
            p->dead[p->want[end]] = true;
    }
    return 0;
}

int tpunet_place(const struct tpunet_graph *graph, const struct tpunet_intent *intent,
                 const struct tpunet_wiring *wiring, const struct tpunet_link_end *dead,
                 size_t n_dead, struct tpunet_mismatch **out, struct tpunet_error *err)
{
    struct placement *p = calloc(1, sizeof *p);
    if (p == NULL)
        return tpunet_fail_nomem(err);
    p->graph = graph;
    p->wiring = wiring;
    int rc = read_intent(p, intent, err);
    if (rc == 0)
        rc = read_dead(p, dead, n_dead, err);
    if (rc < 0)
        goto err_after_alloc;
    read_graph(p);
    tell_chips(p);
    each_broken(p, tell_swap);
    each_broken(p, tell_foreign_swap);
    each_broken(p, tell_broken);
    tell_extra(p);
    if (p->out_of_memory) {
        rc = tpunet_fail_nomem(err);
        goto err_after_alloc;
    }
    if (p->n > 0)
        qsort(p->list, p->n, sizeof *p->list, compare);
    *out = p->list;
    rc = (int)p->n;
    free(p);
    return rc;

err_after_alloc:
    free(p->list);
    free(p);
    return rc;
}
