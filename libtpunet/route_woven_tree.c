/* The general idea of route_any_tree.c with the channels in another order:
 * Dijkstra's algorithm backwards over states (class, node).
 *
 * An entry of a table holds for all packets in its state.  Since it says by which
 * channel they go on, it also says which may come (woven_follows()).  Of two ways
 * that cost the same, the one that lets more come is taken.
 *
 * Unlike there, nobody promises that all are served: who is not makes the run
 * fail, and route_around.c falls back.  With three VCs and the weaves of
 * weave_search.c that has not been seen; with two it is the rule from about 20
 * cubes on, where packets cross more cubes. */
#include "route_woven.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = WOVEN_COST_MAX + 1, NO_STATE = 0xFFFF, FAR = INT32_MAX };

static_assert(TPUNET_CLASSES * TPUNET_CHIPS_MAX < NO_STATE, "a state fits 16 bits");

int woven_search_init(struct woven_search *s, const struct lift *lift, unsigned vcs,
                      struct tpunet_error *err)
{
    size_t states = (size_t)(vcs + 1) * lift->n;
    *s = (struct woven_search){
        .lift = lift,
        .vcs = vcs,
        .dist = malloc(states * sizeof *s->dist),
        .later = malloc(states * sizeof *s->later),
        .sooner = malloc(states * sizeof *s->sooner),
        .bucket = malloc(BUCKETS * sizeof *s->bucket),
        .queued = malloc(states * sizeof *s->queued),
    };
    if (s->dist == NULL || s->later == NULL || s->sooner == NULL || s->bucket == NULL ||
        s->queued == NULL) {
        woven_search_fini(s);
        return tpunet_fail_nomem(err);
    }
    return 0;
}

void woven_search_fini(struct woven_search *s)
{
    free(s->dist);
    free(s->later);
    free(s->sooner);
    free(s->bucket);
    free(s->queued);
}

/* ---------------------------------------------------------------- queue -- */

/* Dial's queue: costs in it differ by less than the largest link cost, so a
 * ring of lists, one a cost, is a priority queue. */
static void enqueue(struct woven_search *s, uint16_t state)
{
    uint16_t *first = &s->bucket[s->dist[state] % BUCKETS];
    s->later[state] = *first;
    s->sooner[state] = NO_STATE;
    if (*first != NO_STATE)
        s->sooner[*first] = state;
    *first = state;
    s->queued[state] = true;
}

static void dequeue(struct woven_search *s, uint16_t state)
{
    uint16_t before = s->sooner[state], after = s->later[state];
    if (before == NO_STATE)
        s->bucket[s->dist[state] % BUCKETS] = after;
    else
        s->later[before] = after;
    if (after != NO_STATE)
        s->sooner[after] = before;
    s->queued[state] = false;
}

/* --------------------------------------------------------------- search -- */

/* Offers a state a way on.  What is settled costs less than what is offered. */
static inline void offer(struct woven_search *s, uint32_t state, uint32_t dist, uint8_t entry,
                         uint8_t rank)
{
    struct woven_tree *tree = &s->tree;
    if (dist > s->dist[state] || (dist == s->dist[state] && rank <= tree->rank[state]))
        return;
    bool nearer = dist < s->dist[state];
    if (nearer && s->queued[state])
        dequeue(s, (uint16_t)state);
    s->dist[state] = dist;
    tree->next[state] = entry;
    tree->rank[state] = rank;
    if (nearer)
        enqueue(s, (uint16_t)state);
}

/* Offers the way over a settled state to those before it. */
static void offer_before(struct woven_search *s, uint16_t state)
{
    const uint32_t n = s->lift->n, node = state % n, cls = state / n;
    if (cls == TPUNET_INJECT)
        return;
    for (unsigned out = 0; out < TPUNET_PORTS; out++) {
        uint16_t from = s->lift->peer[node * TPUNET_PORTS + out];
        unsigned port = tpunet_port_peer(out), vc = cls - TPUNET_VC0;
        if (from == TPUNET_NONE)
            continue;
        uint8_t rank = woven_rank(vc, from, port);
        if (!woven_follows(rank, s->tree.rank[state]))
            continue;
        uint32_t dist = s->dist[state] + s->cost[lift_link(from, port)];
        for (unsigned before = 0; before <= s->vcs; before++)
            offer(s, before * n + from, dist, tpunet_entry(port, vc), rank);
    }
}

bool woven_search_run(struct woven_search *s, struct woven_tree *tree, uint32_t dst)
{
    const uint32_t n = s->lift->n;
    const size_t states = (size_t)(s->vcs + 1) * n;
    s->tree = *tree;
    for (size_t i = 0; i < states; i++)
        s->dist[i] = FAR;
    memset(s->queued, 0, states * sizeof *s->queued);
    memset(tree->next, TPUNET_NO_ROUTE, states);
    memset(tree->rank, 0, states);
    memset(s->bucket, 0xFF, BUCKETS * sizeof *s->bucket);
    for (unsigned cls = 0; cls <= s->vcs; cls++)
        offer(s, cls * n + dst, 0, TPUNET_ARRIVED, WOVEN_ANY);

    uint32_t empty = 0;
    for (uint32_t at = 0; empty < BUCKETS; at++, empty++) {
        uint16_t state;
        while ((state = s->bucket[at % BUCKETS]) != NO_STATE) {
            dequeue(s, state);
            offer_before(s, state);
            empty = 0;
        }
    }
    bool served = true;
    for (uint32_t node = 0; node < n; node++)
        served = served && s->dist[node] != FAR;
    return served;
}
