/* The search for a weave with short ways; the interface is in tpunet.h.
 *
 * The translations of the shape's torus form a commutative group with one element
 * for each cube that cube 0 can move to.  If every OCS moves the cubes by an
 * element of it, all elements are translations of the woven slice too: all cubes
 * are alike, and 64 chips, those of cube 0, stand for all sources.  (48 elements
 * of a group of n: 8^48 weaves of 8x8x8.)
 *
 * A trial gives one OCS another element, or exchanges it with another OCS, and
 * searches breadth-first from the 64 sources at once: one bit a source, one word a
 * chip, so a level of the search costs six ORs a chip. */
#include "lift.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Fibres that count twice shift the balance of 96 of 384 links. */
enum { FIBRES = 2 * TPUNET_OCSES };
static const double worse_by = 0.002;  /* at heat 1 */
static const double slow_share = 0.75; /* of the figure with fibres counting twice */

struct tpunet_weave_search {
    struct lift lift; /* of the torus; its peers are those of the current weave */
    uint16_t move[TPUNET_OCSES], best_move[TPUNET_OCSES];
    double figure, best_figure;
    uint64_t random;
    uint64_t *reached; /* [3][n] of each chip: the sources within so many hops */
    struct tpunet_weave *best;
};

static uint32_t draw(struct tpunet_weave_search *s, uint32_t below)
{
    s->random ^= s->random << 13; /* xorshift: Marsaglia 2003 */
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)((s->random >> 32) * below >> 32);
}

/* --------------------------------------------------------------- figure -- */

/* The place of the chip whose + fibre of the axis goes to the OCS. */
static unsigned place_of(unsigned ocs)
{
    unsigned port;
    const struct tpunet_fibre fibre = {
        .axis = (uint8_t)(ocs / TPUNET_FACE_LINKS), .a = ocs & 3U, .b = ocs >> 2 & 3U};
    return tpunet_chip_number(tpunet_fibre_chip(fibre, &port));
}

/* Lets one OCS move cubes by g: cube c, which translation c takes 0 to, meets the
 * cube that g takes c to. */
static void set_move(struct tpunet_weave_search *s, unsigned ocs, uint16_t g)
{
    const unsigned port = 2 * (ocs / TPUNET_FACE_LINKS), place = place_of(ocs);
    const unsigned far_place = place & ~(3U << port); /* the - face: that coordinate is 0 */
    struct lift *l = &s->lift;
    s->move[ocs] = g;
    for (uint32_t cube = 0; cube < l->n_cubes; cube++) {
        uint32_t from = cube * TPUNET_CUBE_CHIPS + place;
        uint32_t to =
            l->to[(size_t)g * l->n_cubes + cube] * (uint32_t)TPUNET_CUBE_CHIPS + far_place;
        l->peer[from * TPUNET_PORTS + port] = (uint16_t)to;
        l->peer[to * TPUNET_PORTS + tpunet_port_peer(port)] = (uint16_t)from;
    }
}

static bool is_fibre(unsigned place, unsigned port)
{
    unsigned at = place >> 2 * tpunet_port_axis(port) & 3U;
    return at == (tpunet_port_minus(port) ? 0 : TPUNET_CUBE_DIM - 1);
}

/* The ports of a place that have fibres, a bit each. */
static unsigned fibres_of(unsigned place)
{
    unsigned ports = 0;
    for (unsigned port = 0; port < TPUNET_PORTS; port++)
        ports |= (unsigned)is_fibre(place, port) << port;
    return ports;
}

/* One level: who is reached over copper from those of `at`, over fibres from those
 * of `fibre`. */
static void spread(const struct tpunet_weave_search *s, const unsigned *fibres, uint64_t *next,
                   const uint64_t *at, const uint64_t *fibre)
{
    for (uint32_t node = 0; node < s->lift.n; node++) {
        const uint16_t *peer = s->lift.peer + (size_t)node * TPUNET_PORTS;
        const unsigned mask = fibres[node % TPUNET_CUBE_CHIPS];
        uint64_t reached = at[node];
        for (unsigned port = 0; port < TPUNET_PORTS; port++)
            reached |= (mask >> port & 1U) != 0 ? fibre[peer[port]] : at[peer[port]];
        next[node] = reached;
    }
}

/* The sum of the distances from the chips of cube 0 to all, a fibre being
 * `fibre_hops` long (1 or 2).  Copper alone reaches no other cube, but fibres of
 * every permutation of three lead through all of a torus; a weave that does not
 * join all cubes ends when nothing is new, with a sum above any other. */
static double distances(struct tpunet_weave_search *s, const unsigned *fibres, unsigned fibre_hops)
{
    const size_t n = s->lift.n;
    uint64_t *at = s->reached, *before = at + n, *next = before + n, sum = 0;
    memset(at, 0, 2 * n * sizeof *at);
    for (unsigned place = 0; place < TPUNET_CUBE_CHIPS; place++)
        at[place] = UINT64_C(1) << place;
    for (;;) {
        uint64_t left = 0;
        for (size_t node = 0; node < n; node++)
            left += (unsigned)__builtin_popcountll(~at[node]);
        sum += left;
        if (left == 0)
            return (double)sum;
        spread(s, fibres, next, at, fibre_hops == 1 ? at : before);
        if (memcmp(next, at, n * sizeof *at) == 0 && memcmp(at, before, n * sizeof *at) == 0)
            return (double)n * (double)n * (double)n;
        uint64_t *oldest = before;
        before = at;
        at = next;
        next = oldest;
    }
}

static double figure_of(struct tpunet_weave_search *s)
{
    unsigned fibres[TPUNET_CUBE_CHIPS];
    for (unsigned place = 0; place < TPUNET_CUBE_CHIPS; place++)
        fibres[place] = fibres_of(place);
    return (1 - slow_share) * distances(s, fibres, 1) / LIFT_LINKS +
           slow_share * distances(s, fibres, 2) / (LIFT_LINKS + FIBRES);
}

/* --------------------------------------------------------------- search -- */

/* Keeps the change if it is not much worse. */
static bool accept(struct tpunet_weave_search *s, double heat)
{
    double figure = figure_of(s), slack = worse_by * heat * heat * s->figure;
    if (figure > s->figure + slack * (draw(s, 1024) / 1024.0))
        return false;
    s->figure = figure;
    if (figure < s->best_figure) {
        s->best_figure = figure;
        memcpy(s->best_move, s->move, sizeof s->move);
    }
    return true;
}

void tpunet_weave_search_run(struct tpunet_weave_search *s, unsigned trials, double heat)
{
    for (unsigned i = 0; i < trials; i++) {
        unsigned ocs = draw(s, TPUNET_OCSES), other = ocs;
        uint16_t old = s->move[ocs], old_other, g = (uint16_t)draw(s, s->lift.n_cubes);
        if (draw(s, 4) == 0) { /* an exchange */
            other = draw(s, TPUNET_OCSES);
            g = s->move[other];
        }
        old_other = s->move[other];
        if (g == old)
            continue;
        set_move(s, ocs, g);
        if (other != ocs)
            set_move(s, other, old);
        if (accept(s, heat))
            continue;
        set_move(s, ocs, old);
        if (other != ocs)
            set_move(s, other, old_other);
    }
}

const struct tpunet_weave *tpunet_weave_search_best(struct tpunet_weave_search *s)
{
    const size_t n = s->lift.n_cubes;
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++)
        memcpy(&s->best->next[ocs * n], &s->lift.to[s->best_move[ocs] * n],
               n * sizeof *s->best->next);
    return s->best;
}

double tpunet_weave_search_figure(const struct tpunet_weave_search *search)
{
    return search->best_figure;
}

/* ---------------------------------------------------------- life and death -- */

void tpunet_weave_search_destroy(struct tpunet_weave_search *s)
{
    if (s == NULL)
        return;
    tpunet_weave_destroy(s->best);
    lift_fini(&s->lift);
    free(s->reached);
    free(s);
}

static int find_translations(struct tpunet_weave_search *s, struct tpunet_error *err)
{
    struct tpunet_topology *torus;
    int rc = tpunet_topology_of_shape(&torus, &s->best->shape, err);
    if (rc < 0)
        return rc;
    rc = lift_init(&s->lift, torus, err);
    tpunet_topology_destroy(torus);
    assert(rc != false); /* every torus has them */
    return rc < 0 ? rc : 0;
}

int tpunet_weave_search_create(struct tpunet_weave_search **out, const struct tpunet_shape *shape,
                               uint64_t seed, struct tpunet_error *err)
{
    char text[24];
    struct tpunet_weave *weave;
    int rc = tpunet_weave_create(&weave, shape, err);
    if (rc < 0)
        return rc;
    if (weave->n_cubes == 1) {
        tpunet_weave_destroy(weave);
        return tpunet_fail(err, TPUNET_EINVAL, "%s is one cube: there is nothing to weave",
                           tpunet_shape_format(shape, text));
    }
    struct tpunet_weave_search *s = calloc(1, sizeof *s);
    if (s == NULL) {
        tpunet_weave_destroy(weave);
        return tpunet_fail_nomem(err);
    }
    s->best = weave;
    s->random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1; /* spread, and never 0 */
    rc = find_translations(s, err);
    if (rc == 0 && (s->reached = malloc(3 * s->lift.n * sizeof *s->reached)) == NULL)
        rc = tpunet_fail_nomem(err);
    if (rc < 0) {
        tpunet_weave_search_destroy(s);
        return rc;
    }
    for (unsigned ocs = 0; ocs < TPUNET_OCSES; ocs++)
        set_move(s, ocs, weave->next[(size_t)ocs * weave->n_cubes]);
    memcpy(s->best_move, s->move, sizeof s->move);
    s->figure = s->best_figure = figure_of(s);
    *out = s;
    return 0;
}
