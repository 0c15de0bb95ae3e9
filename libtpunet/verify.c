/* The proof that a table set is complete and free of deadlock.
 *
 * Source: Dally and Seitz, "Deadlock-Free Message Routing in Multiprocessor
 * Interconnection Networks" (1987): wormhole routes cannot deadlock if the
 * channels, here (link, VC), have an order that every route follows, which is
 * to say that the channel dependency graph has no cycle.
 *
 * What is proved of tables that pass:
 *
 *  1. Each entry of each plane is a hop over a live link on one of the n_vcs
 *     VCs, or "no route"; on the diagonal, and there alone, it is "arrived".
 *     At a dead chip and for one, it is "no route" and nothing else.
 *  2. No packet meets "no route" in a class in which it can arrive there.  (In
 *     other classes "no route" is what a table should say.)
 *  3. The dependencies between channels that packets really have, from
 *     injection on, form no cycle.  With 1 and 2 this also proves that every
 *     route ends at its destination, for it can neither stop nor go round.
 *
 * The longest route and the load of each link come from the same order: all
 * packets are sent at once, and when a channel's turn comes, all that will
 * ever take it has come.
 *
 * How it is fast.  Sixty-four destinations at a time are a block; what holds
 * for a set of them is one 64-bit mask, a bit ("lane") a destination.  Each
 * row of the block is split into masks, one a channel; steps 2 and 3 are then
 * a few operations on words, and counting packets is arithmetic on vectors of
 * sixty-four lanes.  The state of a packet on the way to a destination is
 * (plane, chip): classes that share a plane share their future.
 */
#include "verify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LANES = 64, VECTOR_LANES = 8, VECTORS = LANES / VECTOR_LANES, NOT_A_HOP = 0xFF };

/* A block is one cache line of each row, a page apart from row to row, which
 * no hardware foresees. */
enum { PREFETCH_ROWS = 16 };

typedef int16_t vector __attribute__((vector_size(2 * VECTOR_LANES)));
typedef uint32_t wide_vector __attribute__((vector_size(2 * VECTOR_LANES)));

/* For each destination of the block: packets that come by, and the most hops
 * that one of them has behind it.  A packet comes to a state once at most, so
 * packets are no more than chips; and no route but one made up to wind through
 * every chip in every plane has as many hops. */
struct traffic {
    vector packets[VECTORS];
    vector hops[VECTORS];
};
static_assert(TPUNET_CHIPS_MAX <= INT16_MAX, "traffic counts chips in 16 bits");

/* A channel's turn: the channel, and where it leads from and to. */
struct turn {
    uint32_t channel;
    uint16_t from, to;
    uint16_t link; /* from * 6 + port */
    uint8_t to_plane;
};

struct block {
    uint32_t first; /* destination of lane 0 */
    uint64_t lanes; /* all ones, but for slices below 64 chips */
    uint64_t dead;  /* of these, destinations that are dead */
};

/* States with fresh lanes, first come first served: lanes then travel together
 * as far as they can.  A state waits in it once at most. */
struct queue {
    uint32_t *states; /* [capacity] */
    uint32_t capacity, head, waiting;
};

struct verifier {
    const struct tpunet_tables *tables;
    const struct tpunet_topology *topology;
    struct tpunet_proof *proof;
    struct channel_graph graph;
    uint32_t n;
    unsigned planes, width;  /* width: channels of a chip */
    uint8_t channel_of[256]; /* entry -> channel of its chip, or NOT_A_HOP */

    /* Of the block at hand. */
    uint64_t *forward; /* [planes][n][width] lanes that take the channel */
    uint32_t *taken;   /* [planes][n] mask of the channels that some lane takes */
    uint64_t *silent;  /* [planes][n] lanes that say "no route" */
    uint64_t *reached; /* [planes][n] lanes in which a packet comes here */
    uint64_t *fresh;   /* [planes][n] of those, not yet followed */
    struct queue queue;
    struct traffic *traffic; /* [planes][n] */

    struct turn *turns; /* [graph.n_order] */
    uint32_t *load;     /* [n * 6] */
    uint64_t first_bad; /* (chip * n + dst) * planes + plane, UINT64_MAX if none */
};

/* ------------------------------------------------------------ entries -- */

/* The lanes whose entry is e. */
static uint64_t lanes_equal(const uint8_t entries[static LANES], uint8_t e)
{
    uint64_t lanes = 0;
#ifdef __SSE2__
    const __m128i all = _mm_set1_epi8((char)e);
    for (unsigned i = 0; i < LANES; i += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(entries + i));
        lanes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(some, all)) << i;
    }
#else
    for (unsigned i = 0; i < LANES; i++)
        lanes |= (uint64_t)(entries[i] == e) << i;
#endif
    return lanes;
}

static void note_bad(struct verifier *v, unsigned plane, uint32_t chip, uint32_t dst)
{
    uint64_t where = ((uint64_t)chip * v->n + dst) * v->planes + plane;
    if (where < v->first_bad)
        v->first_bad = where;
}

static uint64_t lane_of(const struct block *b, uint32_t chip)
{
    return chip >= b->first && chip - b->first < LANES ? UINT64_C(1) << (chip - b->first) : 0;
}

/* Splits the entries of one chip by what they say, and checks rule 1.  What a
 * bad entry sends on is lost: no mask holds it. */
static void split_row(struct verifier *v, const struct block *b, unsigned plane, uint32_t chip,
                      const uint8_t entries[static LANES])
{
    uint32_t state = plane * v->n + chip;
    uint64_t *forward = v->forward + (size_t)state * v->width;
    uint64_t dead = v->topology->dead[chip] ? b->lanes : b->dead;
    uint64_t self = lane_of(b, chip) & ~dead, bad = self | dead, same;
    for (uint32_t old = v->taken[state]; old != 0; old &= old - 1)
        forward[__builtin_ctz(old)] = 0;
    v->taken[state] = 0;
    v->silent[state] = 0;
    for (uint64_t todo = b->lanes; todo != 0; todo &= ~same) {
        uint8_t e = entries[__builtin_ctzll(todo)];
        uint8_t channel = v->channel_of[e];
        same = lanes_equal(entries, e) & b->lanes;
        if (channel != NOT_A_HOP &&
            v->topology->peer[chip * TPUNET_PORTS + tpunet_entry_port(e)] != TPUNET_NONE) {
            forward[channel] = same & ~self & ~dead;
            v->taken[state] |= 1U << channel;
        } else if (e == TPUNET_ARRIVED)
            bad = (bad | same) & ~(same & self);
        else if (e == TPUNET_NO_ROUTE) {
            v->silent[state] = same & ~self & ~dead;
            bad &= ~(same & dead);
        } else
            bad |= same;
    }
    if (bad != 0)
        note_bad(v, plane, chip, b->first + (uint32_t)__builtin_ctzll(bad));
}

/* --------------------------------------------------------------- reach -- */

static void reach(struct verifier *v, uint32_t state, uint64_t lanes)
{
    struct queue *q = &v->queue;
    if (lanes == 0)
        return;
    if (v->fresh[state] == 0) {
        uint32_t tail = q->head + q->waiting++;
        q->states[tail < q->capacity ? tail : tail - q->capacity] = state;
    }
    v->reached[state] |= lanes;
    v->fresh[state] |= lanes;
}

static uint32_t next_waiting(struct queue *q)
{
    uint32_t state = q->states[q->head];
    q->head = q->head + 1 < q->capacity ? q->head + 1 : 0;
    q->waiting--;
    return state;
}

/* Every live chip sends to every live destination. */
static void reach_injection(struct verifier *v, const struct block *b)
{
    uint64_t *inject = v->reached + (size_t)v->tables->plane[TPUNET_INJECT] * v->n;
    memset(v->reached, 0, (size_t)v->planes * v->n * sizeof *v->reached);
    for (uint32_t chip = 0; chip < v->n; chip++)
        inject[chip] = v->topology->dead[chip] ? 0 : b->lanes & ~b->dead;
}

/* Which states packets come to, from injection at every chip on.  With one
 * plane, injection is all there is. */
static void find_reached(struct verifier *v, const struct block *b)
{
    const uint32_t n = v->n;
    assert(n > 0);
    reach_injection(v, b);
    for (uint32_t state = 0; v->planes > 1 && state < v->planes * v->n; state++) {
        uint64_t lanes = v->reached[state];
        v->reached[state] = 0;
        reach(v, state, lanes);
    }
    while (v->queue.waiting > 0) {
        uint32_t state = next_waiting(&v->queue), chip = state % n;
        uint64_t lanes = v->fresh[state];
        v->fresh[state] = 0;
        for (uint32_t todo = v->taken[state]; todo != 0; todo &= todo - 1) {
            unsigned i = (unsigned)__builtin_ctz(todo);
            uint64_t go = v->forward[(size_t)state * v->width + i] & lanes;
            if (go == 0)
                continue;
            uint32_t to = v->tables->plane[TPUNET_VC0 + i % v->graph.n_vcs] * v->n +
                          v->topology->peer[chip * TPUNET_PORTS + i / v->graph.n_vcs];
            reach(v, to, go & ~v->reached[to]);
        }
    }
}

static struct block load_block(struct verifier *v, uint32_t first)
{
    struct block b = {.first = first, .lanes = UINT64_MAX};
    uint8_t padded[LANES] = {0};
    uint32_t count = v->n - first < LANES ? v->n - first : LANES;
    if (count < LANES)
        b.lanes = (UINT64_C(1) << count) - 1;
    for (uint32_t lane = 0; lane < count; lane++)
        b.dead |= (uint64_t)v->topology->dead[first + lane] << lane;
    for (unsigned plane = 0; plane < v->planes; plane++) {
        for (uint32_t chip = 0; chip < v->n; chip++) {
            const uint8_t *entries = v->tables->rows + ((size_t)plane * v->n + chip) * v->n + first;
            __builtin_prefetch(entries + PREFETCH_ROWS * (size_t)v->n);
            if (count < LANES)
                entries = memcpy(padded, entries, count);
            split_row(v, &b, plane, chip, entries);
        }
    }
    return b;
}

/* -------------------------------------------------------- dependencies -- */

/* Rule 2. */
static void check_silent(struct verifier *v, const struct block *b)
{
    for (uint32_t state = 0; state < v->planes * v->n; state++) {
        uint64_t lost = v->silent[state] & v->reached[state];
        if (lost != 0)
            note_bad(v, state / v->n, state % v->n, b->first + (uint32_t)__builtin_ctzll(lost));
    }
}

/* The channels that these lanes ask for next, at a state that they come to. */
static uint32_t next_channels(const struct verifier *v, size_t state, uint64_t lanes)
{
    const uint64_t *forward = v->forward + state * v->width;
    uint32_t next = 0;
    for (uint32_t todo = v->taken[state]; todo != 0; todo &= todo - 1) {
        unsigned i = (unsigned)__builtin_ctz(todo);
        next |= (uint32_t)((forward[i] & lanes) != 0) << i;
    }
    return next;
}

static void add_dependencies(struct verifier *v)
{
    const unsigned n_vcs = v->graph.n_vcs;
    for (unsigned plane = 0; plane < v->planes; plane++) {
        for (uint32_t chip = 0; chip < v->n; chip++) {
            size_t state = (size_t)plane * v->n + chip;
            for (uint32_t todo = v->taken[state]; todo != 0; todo &= todo - 1) {
                unsigned i = (unsigned)__builtin_ctz(todo);
                uint64_t go = v->forward[state * v->width + i] & v->reached[state];
                if (go == 0)
                    continue;
                uint32_t channel = chip * v->width + i;
                size_t to = (size_t)v->tables->plane[TPUNET_VC0 + i % n_vcs] * v->n +
                            channel_far_end(&v->graph, channel);
                v->graph.used[channel] = true;
                v->graph.next[channel] |= next_channels(v, to, go);
            }
        }
    }
}

/* ------------------------------------------------------------- traffic -- */

/* Sends what `from` holds in some lanes on to `to`; returns the packets. */
static uint32_t send(const struct traffic *from, struct traffic *to, uint64_t lanes)
{
    const vector bit = {1, 2, 4, 8, 16, 32, 64, 128};
    wide_vector sum = {0};
    for (unsigned i = 0; i < VECTORS; i++, lanes >>= VECTOR_LANES) {
        vector some = bit & (int16_t)(lanes & 0xFF);
        vector go = some == bit;
        vector packets = from->packets[i] & go;
        vector hops = (from->hops[i] + 1) & go;
        vector longer = hops > to->hops[i];
        to->packets[i] += packets;
        to->hops[i] = (hops & longer) | (to->hops[i] & ~longer);
        sum += ((wide_vector)packets & 0xFFFF) + ((wide_vector)packets >> 16);
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static void inject(struct verifier *v)
{
    uint32_t plane = v->tables->plane[TPUNET_INJECT];
    memset(v->traffic, 0, (size_t)v->planes * v->n * sizeof *v->traffic);
    for (uint32_t chip = 0; chip < v->n; chip++) {
        struct traffic *t = &v->traffic[(size_t)plane * v->n + chip];
        for (unsigned i = 0; i < VECTORS && !v->topology->dead[chip]; i++)
            t->packets[i] += 1;
    }
}

static void send_all(struct verifier *v)
{
    for (uint32_t i = 0; i < v->graph.n_order; i++) {
        struct turn turn = v->turns[i];
        const uint64_t *forward = v->forward + turn.channel;
        for (unsigned plane = 0; plane < v->planes; plane++) {
            size_t state = (size_t)plane * v->n + turn.from;
            uint64_t go = forward[(size_t)plane * v->n * v->width] & v->reached[state];
            if (go == 0)
                continue;
            uint32_t to = turn.to_plane * v->n + turn.to;
            v->load[turn.link] += send(&v->traffic[state], &v->traffic[to], go);
            v->reached[to] |= go;
        }
    }
}

/* Counts what came to the block's destinations, less the packet that each has
 * for itself. */
static void count_arrivals(struct verifier *v, const struct block *b)
{
    for (uint32_t dst = b->first; dst < v->n && lane_of(b, dst) != 0; dst++) {
        if (v->topology->dead[dst])
            continue;
        unsigned lane = dst - b->first;
        uint32_t missing = v->n - v->topology->n_dead - 1;
        for (unsigned plane = 0; plane < v->planes; plane++) {
            const struct traffic *t = &v->traffic[(size_t)plane * v->n + dst];
            if (v->tables->rows[((size_t)plane * v->n + dst) * v->n + dst] != TPUNET_ARRIVED)
                continue;
            int hops = t->hops[lane / VECTOR_LANES][lane % VECTOR_LANES];
            int packets = t->packets[lane / VECTOR_LANES][lane % VECTOR_LANES];
            missing -= (uint32_t)packets - (plane == v->tables->plane[TPUNET_INJECT]);
            if ((uint32_t)hops > v->proof->max_hops)
                v->proof->max_hops = (uint32_t)hops;
        }
        v->proof->unreachable_pairs += missing;
    }
}

static int make_turns(struct verifier *v, struct tpunet_error *err)
{
    const unsigned n_vcs = v->graph.n_vcs;
    v->turns = malloc((v->graph.n_order + 1) * sizeof *v->turns);
    if (v->turns == NULL)
        return tpunet_fail_nomem(err);
    for (uint32_t i = 0; i < v->graph.n_order; i++) {
        uint32_t channel = v->graph.order[i];
        v->turns[i] = (struct turn){
            .channel = channel,
            .from = (uint16_t)(channel / v->width),
            .to = (uint16_t)channel_far_end(&v->graph, channel),
            .link = (uint16_t)(channel / n_vcs),
            .to_plane = v->tables->plane[TPUNET_VC0 + channel % n_vcs],
        };
    }
    return 0;
}

static int measure(struct verifier *v, struct tpunet_error *err)
{
    int rc = make_turns(v, err);
    if (rc < 0)
        return rc;
    for (uint32_t first = 0; first < v->n; first += LANES) {
        struct block b = load_block(v, first);
        reach_injection(v, &b);
        inject(v);
        send_all(v);
        count_arrivals(v, &b);
    }
    uint64_t hops = 0;
    for (uint32_t link = 0; link < v->n * TPUNET_PORTS; link++) {
        hops += v->load[link];
        if (v->load[link] > v->proof->max_link_load)
            v->proof->max_link_load = v->load[link];
    }
    if (v->proof->pairs > 0)
        v->proof->mean_hops = (double)hops / (double)v->proof->pairs;
    return 0;
}

/* ------------------------------------------------------------- verdict -- */

static int check_form(const struct tpunet_tables *t, const struct tpunet_topology *topology,
                      struct tpunet_error *err)
{
    if (t->n_chips != topology->n_chips)
        return tpunet_fail(err, TPUNET_EINVAL, "tables of %u chips for a slice of %u", t->n_chips,
                           topology->n_chips);
    if (t->n_vcs < 1 || t->n_vcs >= TPUNET_CLASSES)
        return tpunet_fail(err, TPUNET_EINVAL, "tables with %u virtual channels", t->n_vcs);
    if (t->n_planes < 1 || t->n_planes > TPUNET_CLASSES)
        return tpunet_fail(err, TPUNET_EINVAL, "tables with %u planes", t->n_planes);
    for (unsigned cls = 0; cls <= t->n_vcs; cls++) {
        if (t->plane[cls] >= t->n_planes)
            return tpunet_fail(err, TPUNET_EINVAL, "class %u is on plane %u of %u", cls,
                               t->plane[cls], t->n_planes);
    }
    return 0;
}

static void verifier_fini(struct verifier *v)
{
    channel_graph_fini(&v->graph);
    free(v->forward);
    free(v->taken);
    free(v->silent);
    free(v->reached);
    free(v->fresh);
    free(v->queue.states);
    free(v->traffic);
    free(v->turns);
    free(v->load);
}

static int verifier_init(struct verifier *v, const struct tpunet_tables *tables,
                         const struct tpunet_topology *topology, struct tpunet_proof *proof,
                         struct tpunet_error *err)
{
    size_t n = tables->n_chips, states = n * tables->n_planes;
    *v = (struct verifier){
        .tables = tables,
        .topology = topology,
        .proof = proof,
        .n = tables->n_chips,
        .planes = tables->n_planes,
        .width = TPUNET_PORTS * tables->n_vcs,
        .first_bad = UINT64_MAX,
    };
    int rc = channel_graph_init(&v->graph, topology, tables->n_vcs, err);
    if (rc < 0)
        return rc;
    v->forward = calloc(states * v->width, sizeof *v->forward);
    v->taken = calloc(states, sizeof *v->taken);
    v->silent = malloc(states * sizeof *v->silent);
    v->reached = malloc(states * sizeof *v->reached);
    v->fresh = calloc(states, sizeof *v->fresh);
    v->queue.states = malloc(states * sizeof *v->queue.states);
    v->queue.capacity = (uint32_t)states;
    v->traffic = malloc(states * sizeof *v->traffic);
    v->load = calloc(n * TPUNET_PORTS, sizeof *v->load);
    if (v->forward == NULL || v->taken == NULL || v->silent == NULL || v->reached == NULL ||
        v->fresh == NULL || v->queue.states == NULL || v->traffic == NULL || v->load == NULL) {
        verifier_fini(v);
        return tpunet_fail_nomem(err);
    }
    memset(v->channel_of, NOT_A_HOP, sizeof v->channel_of);
    for (unsigned port = 0; port < TPUNET_PORTS; port++) {
        for (unsigned vc = 0; vc < tables->n_vcs; vc++)
            v->channel_of[tpunet_entry(port, vc)] = (uint8_t)(port * tables->n_vcs + vc);
    }
    return 0;
}

static int fail_entry(const struct verifier *v, struct tpunet_error *err)
{
    static const char *const classes[TPUNET_CLASSES] = {"at injection", "on VC0", "on VC1",
                                                        "on VC2"};
    unsigned plane = (unsigned)(v->first_bad % v->planes), cls = 0;
    uint32_t chip = v->proof->bad_chip, dst = v->proof->bad_dst;
    uint8_t e = v->tables->rows[((size_t)plane * v->n + chip) * v->n + dst];
    unsigned port = tpunet_entry_port(e);
    while (cls < v->tables->n_vcs && v->tables->plane[cls] != plane)
        cls++;
    const char *what = "no such port or virtual channel";
    if (v->topology->dead[chip] || v->topology->dead[dst])
        what = "the chip is dead: only \"no route\" is right";
    else if (chip == dst)
        what = "a packet for the chip itself must be \"arrived\"";
    else if (e == TPUNET_NO_ROUTE)
        what = "no route";
    else if (e == TPUNET_ARRIVED)
        what = "\"arrived\" at the wrong chip";
    else if (v->channel_of[e] != NOT_A_HOP)
        what = "the link is down";
    return tpunet_fail(err, TPUNET_EUNREACHABLE,
                       "logical chip %u, destination %u, %s: %s (entry 0x%02x, port %s, VC%u)",
                       chip, dst, classes[cls], what, e, tpunet_port_name(port),
                       tpunet_entry_vc(e));
}

static int fail_cycle(const struct tpunet_proof *proof, struct tpunet_error *err)
{
    return tpunet_fail(err, TPUNET_ECYCLE,
                       "a cycle of %u channels, from logical chip %u port %s VC%u",
                       proof->cycle_len, proof->cycle[0].chip,
                       tpunet_port_name(proof->cycle[0].port), proof->cycle[0].vc);
}

int tpunet_verify(const struct tpunet_tables *tables, const struct tpunet_topology *topology,
                  struct tpunet_proof *proof, struct tpunet_error *err)
{
    struct verifier v;
    *proof = (struct tpunet_proof){0};
    int rc = check_form(tables, topology, err);
    if (rc != 0)
        return rc;
    rc = verifier_init(&v, tables, topology, proof, err);
    if (rc != 0)
        return rc;
    uint64_t live = v.n - topology->n_dead;
    proof->pairs = live > 0 ? live * (live - 1) : 0;
    for (uint32_t first = 0; first < v.n; first += LANES) {
        struct block b = load_block(&v, first);
        find_reached(&v, &b);
        check_silent(&v, &b);
        add_dependencies(&v);
    }
    rc = channel_graph_sort(&v.graph, proof, err);
    if (rc == 0 && proof->acyclic)
        rc = measure(&v, err);
    if (rc == 0 && v.first_bad != UINT64_MAX) {
        proof->bad_chip = (uint32_t)(v.first_bad / v.planes / v.n);
        proof->bad_dst = (uint32_t)(v.first_bad / v.planes % v.n);
        rc = fail_entry(&v, err);
    } else if (rc == 0 && !proof->acyclic) {
        rc = fail_cycle(proof, err);
    }
    verifier_fini(&v);
    return rc;
}
