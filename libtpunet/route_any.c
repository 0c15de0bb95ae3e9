/* Routes over any links that leave the live chips connected.
 *
 * Deadlock is excluded by an order of the channels, chosen before any route:
 * every route follows it upwards.  Chips are numbered breadth-first from a
 * root; a link leads "up" when it leads to a lower number.  On one VC all
 * links up come before all links down (up*-down*: Schroeder et al., "Autonet",
 * 1991), and all channels of a VC before those of the next (Sancho et al.,
 * "Effective Methodology for Deadlock-Free Minimal Routing in InfiniBand",
 * 2002).  So a route goes up, down, changes VC, goes up and down again: on a
 * torus two VCs allow a minimal route between any two chips, for along each
 * axis that is a run towards the root, away from it, or one after the other.
 * The order holds for the whole table set; no table can break it, so each
 * destination is free to route as it likes.
 *
 * The load is balanced by rip-up and reroute: trees of destinations are routed
 * one after the other, at link costs that grow with the load so far; then each
 * in turn is taken out and routed again, and the best of all passes is kept.
 */
#include "route_any.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A pass costs n^2; what it wins, it wins on small slices too, where links are
 * shared by fewer packets and so more unevenly. */
enum { PASSES_MIN = 1, PASSES_MAX = 24, PASSES_CHIPS = 3072, IDLE_COST = 16 };

struct balance {
    struct any_net net;
    struct any_search search;
    size_t tree_bytes; /* vcs * n */
    uint8_t *trees;    /* [n destinations][tree_bytes] entries */
    uint32_t *load;    /* [n * 6] of a link, all trees */
};

/* ---------------------------------------------------------------- labels -- */

/* The chips are known to be connected. */
static int label_chips(struct any_net *net, struct tpunet_error *err)
{
    const struct tpunet_topology *t = net->topology;
    uint16_t *queue = malloc(net->n * sizeof *queue);
    if (queue == NULL)
        return tpunet_fail_nomem(err);
    uint32_t head = 0, tail = 0, root = 0;
    while (root + 1 < net->n && t->dead[root])
        root++;
    memset(net->label, 0xFF, net->n * sizeof *net->label);
    net->label[root] = tail;
    queue[tail++] = (uint16_t)root;
    while (head < tail) {
        uint16_t chip = queue[head++];
        net->up[chip] = 0;
        for (unsigned port = 0; port < TPUNET_PORTS; port++) {
            uint16_t peer = t->peer[(size_t)chip * TPUNET_PORTS + port];
            if (peer == TPUNET_NONE)
                continue;
            if (net->label[peer] == UINT32_MAX) {
                net->label[peer] = tail;
                queue[tail++] = peer;
            }
            net->up[chip] |= (uint8_t)((net->label[peer] < net->label[chip]) << port);
        }
    }
    free(queue);
    return 0;
}

/* ------------------------------------------------------------------ load -- */

/* Puts the packets of a tree, one a chip, on the links, or takes them off. */
static void load_tree(struct balance *b, uint32_t dst, bool off)
{
    const struct any_net *net = &b->net;
    const uint8_t *tree = b->trees + dst * b->tree_bytes;
    for (uint32_t src = 0; src < net->n; src++) {
        if (net->topology->dead[src])
            continue;
        uint32_t chip = src, vc = 0;
        while (chip != dst) {
            uint8_t entry = tree[vc * net->n + chip];
            size_t link = (size_t)chip * TPUNET_PORTS + tpunet_entry_port(entry);
            b->load[link] += off ? UINT32_MAX : 1;
            chip = net->topology->peer[link];
            vc = tpunet_entry_vc(entry);
        }
    }
}

/* A link at its share of the load costs twice an idle one; above, it is soon
 * worth a detour. */
static void set_costs(struct balance *b, double share)
{
    const double scale = IDLE_COST / (share * share);
    for (size_t link = 0; link < (size_t)b->net.n * TPUNET_PORTS; link++) {
        double cost = IDLE_COST + (double)b->load[link] * b->load[link] * scale;
        b->net.cost[link] = (uint8_t)(cost < UINT8_MAX ? cost : UINT8_MAX);
    }
}

static uint32_t largest_load(const struct balance *b)
{
    uint32_t most = 0;
    for (size_t link = 0; link < (size_t)b->net.n * TPUNET_PORTS; link++)
        most = b->load[link] > most ? b->load[link] : most;
    return most;
}

/* Destinations take turns in strides, so that no corner of the slice is served
 * before the others. */
static void route_pass(struct balance *b, bool first, double bound)
{
    const uint32_t n = b->net.n, stride = n / 8 * 5 | 1; /* prime to n */
    uint32_t dst = 0;
    for (uint32_t i = 0; i < n; i++, dst = (dst + stride) % n) {
        if (b->net.topology->dead[dst])
            continue;
        if (!first)
            load_tree(b, dst, true);
        set_costs(b, first ? bound * (i + 1) / n : bound);
        any_search_run(&b->search, &b->net, dst);
        memcpy(b->trees + dst * b->tree_bytes, b->search.next, b->tree_bytes);
        load_tree(b, dst, false);
    }
}

/* ---------------------------------------------------------------- tables -- */

static void write_rows(const struct balance *b, struct tpunet_tables *t)
{
    const size_t n = b->net.n;
    for (unsigned vc = 0; vc < b->net.vcs; vc++) {
        for (size_t chip = 0; chip < n; chip++) {
            uint8_t *row = t->rows + (vc * n + chip) * n;
            for (size_t dst = 0; dst < n; dst++) {
                row[dst] = b->net.topology->dead[dst]
                               ? TPUNET_NO_ROUTE
                               : b->trees[dst * b->tree_bytes + vc * n + chip];
            }
        }
    }
}

static void balance_fini(struct balance *b)
{
    any_search_fini(&b->search);
    free(b->net.label);
    free(b->net.up);
    free(b->net.cost);
    free(b->trees);
    free(b->load);
}

static int balance_init(struct balance *b, const struct tpunet_topology *t, unsigned vcs,
                        struct tpunet_error *err)
{
    size_t n = t->n_chips;
    *b = (struct balance){.net = {.topology = t, .n = t->n_chips, .vcs = vcs},
                          .tree_bytes = vcs * n};
    int rc = any_search_init(&b->search, &b->net, err);
    if (rc < 0)
        return rc;
    b->net.label = malloc(n * sizeof *b->net.label);
    b->net.up = malloc(n);
    b->net.cost = malloc(n * TPUNET_PORTS);
    b->trees = malloc(n * b->tree_bytes);
    b->load = calloc(n * TPUNET_PORTS, sizeof *b->load);
    if (b->net.label == NULL || b->net.up == NULL || b->net.cost == NULL || b->trees == NULL ||
        b->load == NULL) {
        balance_fini(b);
        return tpunet_fail_nomem(err);
    }
    return 0;
}

/* Passes go on while they help; the tables are those of the best. */
static void improve(struct balance *b, struct tpunet_tables *t, double bound)
{
    uint32_t best = UINT32_MAX, passes = PASSES_CHIPS / b->net.n;
    passes = passes < PASSES_MIN ? PASSES_MIN : passes;
    passes = passes > PASSES_MAX ? PASSES_MAX : passes;
    for (uint32_t pass = 0; pass < passes && best > bound; pass++) {
        route_pass(b, pass == 0, bound);
        if (largest_load(b) >= best)
            continue;
        best = largest_load(b);
        write_rows(b, t);
    }
}

int route_any(struct tpunet_tables **out, const struct tpunet_topology *topology, unsigned vcs,
              struct tpunet_error *err)
{
    struct tpunet_bounds bounds;
    struct tpunet_tables *t;
    struct balance b;
    int rc = tpunet_bound(&bounds, topology, err);
    if (rc == 0)
        rc = balance_init(&b, topology, vcs, err);
    if (rc != 0)
        return rc;
    rc = label_chips(&b.net, err);
    if (rc == 0)
        rc = tables_create(&t, topology->n_chips, vcs, vcs, "up-down", err);
    if (rc == 0) {
        for (unsigned vc = 0; vc < vcs; vc++)
            t->plane[TPUNET_VC0 + vc] = (uint8_t)vc; /* as injection is on plane 0 */
        improve(&b, t, bounds.cut > bounds.hop ? bounds.cut : bounds.hop);
        *out = t;
    }
    balance_fini(&b);
    return rc;
}
