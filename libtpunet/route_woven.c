/* Routes over a weave whose cubes are all alike (lift.h), with the load of
 * all-to-all traffic balanced.
 *
 * Deadlock is excluded by the order of the channels (woven_rank()).  It is one
 * that woven slices have use for: a cube reaches most others over one fibre or two,
 * and a packet crosses a fibre of each axis and one cube on one VC, so next to no
 * minimal route is lost with three VCs, and few are with two.
 *
 *  1. The cubes being alike, the load of a link depends on its place and port
 *     alone, and 64 destinations stand for all: 384 loads in place of 6 N.
 *  2. Trees.  The trees of the 64 destinations are ripped up and routed again, pass
 *     after pass.  A link costs its price, which rises after each pass with the
 *     load above the mean and falls below it (multiplicative weights: Plotkin,
 *     Shmoys and Tardos 1995), and a little more the more it carries right now.
 *  3. Injection.  A source may leave by any port, on any VC, wherever a tree takes
 *     its packet on: up to 18 ways a pair.  Local search on the sum of
 *     (load - target)^2 over the links above the target, as in
 *     route_wild_search.c.  The target is the mean load, taken anew each sweep.
 *
 * Everything goes in a fixed order and nothing by chance: the same slice gets the
 * same routes again. */
#include "route_woven.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* IDLE_COST is a link's cost at price 1.  VISITS bounds the pairs that the local
 * search looks at, PASS_NODES sets how many passes there are. */
enum {
    IDLE_COST = 128,
    PASSES_MIN = 6,
    PASSES_MAX = 16,
    PASS_NODES = 1 << 14,
    SWEEPS_MIN = 8,
    SWEEPS_MAX = 32,
    VISITS = 1 << 21,
    HOPS_MAX = 255,
};

struct woven {
    struct lift lift;
    struct woven_search search;
    uint32_t states;                           /* of a tree: classes * n */
    struct woven_tree tree[TPUNET_CUBE_CHIPS]; /* of each node of cube 0 */
    double price[LIFT_LINKS];
    int32_t load[LIFT_LINKS]; /* of a link of each cube: all packets to all */
    int32_t target;
};

/* The links of a route by place and port. */
struct way {
    unsigned hops;
    uint16_t link[HOPS_MAX];
};

/* ----------------------------------------------------------------- loads -- */

/* False: it is longer than any route worth taking. */
static bool walk(const struct woven *w, uint32_t dst, uint32_t src, uint8_t entry, struct way *way)
{
    const uint32_t n = w->lift.n;
    for (way->hops = 0; src != dst; way->hops++) {
        unsigned port = tpunet_entry_port(entry), cls = TPUNET_VC0 + tpunet_entry_vc(entry);
        if (way->hops == HOPS_MAX)
            return false;
        assert(port < TPUNET_PORTS);
        way->link[way->hops] = lift_link(src, port);
        src = w->lift.peer[src * TPUNET_PORTS + port];
        entry = w->tree[dst].next[cls * n + src];
    }
    return true;
}

static void add(struct woven *w, const struct way *way, int32_t packets)
{
    for (unsigned i = 0; i < way->hops; i++)
        w->load[way->link[i]] += packets;
}

static bool add_tree(struct woven *w, uint32_t dst, int32_t packets)
{
    struct way way;
    for (uint32_t src = 0; src < w->lift.n; src++) {
        if (!walk(w, dst, src, w->tree[dst].next[src], &way))
            return false;
        add(w, &way, packets);
    }
    return true;
}

static int64_t sum_load(const struct woven *w)
{
    int64_t sum = 0;
    for (unsigned link = 0; link < LIFT_LINKS; link++)
        sum += w->load[link];
    return sum;
}

/* Rounded up, so that it can be reached. */
static int32_t mean_load(const struct woven *w)
{
    return (int32_t)((sum_load(w) + w->lift.n_links - 1) / w->lift.n_links);
}

/* ----------------------------------------------------------------- trees -- */

static void set_costs(struct woven *w)
{
    double share = mean_load(w);
    for (unsigned link = 0; link < LIFT_LINKS; link++) {
        double fill = share > 0 ? w->load[link] / share : 0;
        double cost = IDLE_COST * w->price[link] * (1 + fill * fill / 16);
        w->search.cost[link] = (uint16_t)(cost < WOVEN_COST_MAX ? cost : WOVEN_COST_MAX);
    }
}

/* A price may move by an eighth at first, later by less; never to nothing. */
static void set_prices(struct woven *w, unsigned pass)
{
    const double mean = (double)sum_load(w) / w->lift.n_links, gain = 0.5 / (pass + 2);
    for (unsigned link = 0; link < LIFT_LINKS; link++) {
        double price = w->price[link] * (1 + gain * (w->load[link] / mean - 1));
        w->price[link] = price < 0.125 ? 0.125 : price;
    }
}

static unsigned clamp(size_t n, unsigned least, unsigned most)
{
    return n < least ? least : n > most ? most : (unsigned)n;
}

/* Destinations take turns in strides, so that no corner of the cube is served
 * before the others. */
static int route_trees(struct woven *w, struct tpunet_error *err)
{
    const unsigned passes = clamp(PASS_NODES / w->lift.n, PASSES_MIN, PASSES_MAX);
    for (unsigned pass = 0; pass < passes; pass++) {
        for (unsigned i = 0; i < TPUNET_CUBE_CHIPS; i++) {
            uint32_t dst = i * 37 % TPUNET_CUBE_CHIPS;
            if (pass > 0)
                (void)add_tree(w, dst, -1);
            set_costs(w);
            if (!woven_search_run(&w->search, &w->tree[dst], dst) || !add_tree(w, dst, 1))
                return tpunet_fail(err, TPUNET_EUNREACHABLE,
                                   "the order of channels of woven slices serves not all pairs");
        }
        set_prices(w, pass);
    }
    return 0;
}

/* ------------------------------------------------------------- injection -- */

static int64_t square_above(int64_t excess)
{
    return excess > 0 ? excess * excess : 0;
}

static bool is_over(const struct woven *w, const struct way *way)
{
    bool over = false;
    for (unsigned i = 0; i < way->hops; i++)
        over |= w->load[way->link[i]] > w->target;
    return over;
}

/* What one packet more on each link adds; above `limit` any number above it. */
static int64_t price_of(const struct woven *w, const struct way *way, int64_t limit)
{
    int64_t price = 0;
    for (unsigned i = 0; i < way->hops && price <= limit; i++) {
        int64_t excess = w->load[way->link[i]] - w->target;
        price += square_above(excess + 1) - square_above(excess);
    }
    return price;
}

/* May a packet for dst leave src like that?  The tree must take it on. */
static bool possible(const struct woven *w, uint32_t dst, uint32_t src, uint8_t entry)
{
    unsigned port = tpunet_entry_port(entry), vc = tpunet_entry_vc(entry);
    uint16_t peer = w->lift.peer[src * TPUNET_PORTS + port];
    size_t state = (size_t)(TPUNET_VC0 + vc) * w->lift.n + peer;
    return peer != TPUNET_NONE && tpunet_entry_port(w->tree[dst].next[state]) != TPUNET_NO_ROUTE &&
           woven_follows(woven_rank(vc, src, port), w->tree[dst].rank[state]);
}

/* The cheapest way out; of equals the last, so that what is above the target
 * wanders until it meets a gap, but for the first sweep, where the shortest counts. */
static void improve(struct woven *w, uint32_t dst, uint32_t src, struct way *old, unsigned turn,
                    bool shortest)
{
    const unsigned ways = TPUNET_PORTS * w->search.vcs;
    uint8_t *entry = &w->tree[dst].next[src];
    struct way other, best = *old;
    add(w, old, -1);
    int64_t least = price_of(w, old, INT64_MAX);
    for (unsigned i = 0; i < ways; i++) {
        unsigned k = (i + turn) % ways;
        uint8_t e = tpunet_entry(k % TPUNET_PORTS, k / TPUNET_PORTS);
        if (!possible(w, dst, src, e) || !walk(w, dst, src, e, &other))
            continue;
        int64_t price = price_of(w, &other, least);
        if (price < least || (price == least && (!shortest || other.hops < best.hops))) {
            least = price;
            best = other;
            *entry = e;
        }
    }
    add(w, &best, 1);
}

/* Neighbours use their link: rings of an all-reduce would pay for a detour. */
static void join_neighbours(struct woven *w)
{
    for (uint32_t dst = 0; dst < TPUNET_CUBE_CHIPS; dst++) {
        for (unsigned out = 0; out < TPUNET_PORTS; out++) {
            uint16_t src = w->lift.peer[dst * TPUNET_PORTS + out];
            struct way way;
            if (src == TPUNET_NONE)
                continue;
            uint8_t *entry = &w->tree[dst].next[src];
            bool routed = walk(w, dst, src, *entry, &way);
            assert(routed);
            add(w, &way, -1);
            *entry = tpunet_entry(tpunet_port_peer(out), tpunet_entry_vc(*entry));
            w->load[lift_link(src, tpunet_port_peer(out))]++;
        }
    }
}

static void balance_injection(struct woven *w)
{
    static const uint64_t stride = 2654435761; /* a prime above any number of pairs */
    const uint64_t pairs = (uint64_t)TPUNET_CUBE_CHIPS * w->lift.n;
    const unsigned sweeps = clamp(VISITS / pairs, SWEEPS_MIN, SWEEPS_MAX);
    struct way way;
    for (unsigned sweep = 0; sweep < sweeps; sweep++) {
        uint64_t pair = sweep % pairs;
        bool over = false;
        w->target = mean_load(w);
        for (uint64_t i = 0; i < pairs; i++, pair = (pair + stride) % pairs) {
            uint32_t dst = (uint32_t)(pair % TPUNET_CUBE_CHIPS);
            uint32_t src = (uint32_t)(pair / TPUNET_CUBE_CHIPS);
            bool routed = walk(w, dst, src, w->tree[dst].next[src], &way);
            assert(routed);
            if (way.hops < 2 || !is_over(w, &way))
                continue;
            over = true;
            improve(w, dst, src, &way, (unsigned)(i % (TPUNET_PORTS * w->search.vcs)), sweep == 0);
        }
        if (!over)
            break;
    }
}

/* ---------------------------------------------------------------- tables -- */

static void write_rows(const struct woven *w, struct tpunet_tables *t)
{
    const struct lift *l = &w->lift;
    const size_t n = l->n;
    for (uint32_t dst = 0; dst < n; dst++) {
        const uint16_t *to = &l->to[(size_t)(dst / TPUNET_CUBE_CHIPS) * l->n_cubes];
        const uint8_t *next = w->tree[dst % TPUNET_CUBE_CHIPS].next;
        for (size_t cls = 0; cls <= w->search.vcs; cls++) {
            for (uint32_t node = 0; node < n; node++) {
                uint32_t image = (uint32_t)to[node / TPUNET_CUBE_CHIPS] * TPUNET_CUBE_CHIPS +
                                 node % TPUNET_CUBE_CHIPS;
                t->rows[(cls * n + l->logical[image]) * n + l->logical[dst]] = next[cls * n + node];
            }
        }
    }
}

static void woven_fini(struct woven *w)
{
    woven_search_fini(&w->search);
    for (unsigned dst = 0; dst < TPUNET_CUBE_CHIPS; dst++) {
        free(w->tree[dst].next);
        free(w->tree[dst].rank);
    }
    lift_fini(&w->lift);
    free(w);
}

/* Takes the lift over. */
static struct woven *woven_create(const struct lift *lift, unsigned vcs, struct tpunet_error *err)
{
    struct woven *w = calloc(1, sizeof *w);
    if (w == NULL) {
        struct lift own = *lift;
        lift_fini(&own);
        (void)tpunet_fail_nomem(err);
        return NULL;
    }
    w->lift = *lift;
    w->states = (vcs + 1) * lift->n;
    bool complete = woven_search_init(&w->search, &w->lift, vcs, err) == 0;
    for (unsigned dst = 0; dst < TPUNET_CUBE_CHIPS; dst++) {
        w->tree[dst].next = malloc(w->states);
        w->tree[dst].rank = malloc(w->states);
        complete = complete && w->tree[dst].next != NULL && w->tree[dst].rank != NULL;
    }
    for (unsigned link = 0; link < LIFT_LINKS; link++)
        w->price[link] = 1;
    if (complete)
        return w;
    woven_fini(w);
    (void)tpunet_fail_nomem(err);
    return NULL;
}

int route_woven(struct tpunet_tables **out, const struct tpunet_topology *topology, unsigned vcs,
                struct tpunet_error *err)
{
    struct tpunet_tables *t;
    struct lift lift;
    int rc = lift_init(&lift, topology, err);
    if (rc == false)
        return tpunet_fail(err, TPUNET_EUNREACHABLE, "the cubes of the weave are not alike");
    if (rc < 0)
        return rc;
    struct woven *w = woven_create(&lift, vcs, err);
    if (w == NULL)
        return TPUNET_ENOMEM;
    rc = route_trees(w, err);
    if (rc == 0)
        rc = tables_create(&t, topology->n_chips, vcs + 1, vcs, "woven", err);
    if (rc == 0) {
        for (unsigned cls = 0; cls <= vcs; cls++)
            t->plane[cls] = (uint8_t)cls;
        join_neighbours(w);
        balance_injection(w);
        write_rows(w, t);
        *out = t;
    }
    woven_fini(w);
    return rc;
}
