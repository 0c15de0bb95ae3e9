/* The routes of all chips to one destination, legal in the order of channels.
 *
 * Dijkstra's algorithm backwards from the destination over states (VC, chip).
 * A settled state says by which channel its packets go on, so it also says
 * which packets may come: any on a lower VC, and on its own VC those that came
 * up, or came down if they need not go up again.  Of two ways that cost the
 * same, the one that lets all come is taken.
 *
 * Nobody is shut out, although a state chosen for its cost may turn packets
 * away.  Look at the last VC, and at the settled chip m of the lowest label:
 *
 *  1. m lets all come: else it would go up on this VC, to a settled chip of a
 *     lower label.
 *  2. m is the root: else its neighbour of a lower label could come down to m,
 *     and would be settled.
 *  3. Every other chip has a neighbour of a lower label, which by induction from
 *     the root is settled; going up is always let in; so it is settled too.
 *
 * And what is settled on the last VC has a way on for those on any other.
 */
#include "route_any.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, NO_STATE = 0xFFFF, FAR = INT32_MAX };
enum flag { QUEUED = 1, OPEN = 2 /* lets packets come that came down */ };

static_assert(3 * TPUNET_CHIPS_MAX < NO_STATE, "a state fits 16 bits");

int any_search_init(struct any_search *s, const struct any_net *net, struct tpunet_error *err)
{
    size_t states = (size_t)net->vcs * net->n;
    *s = (struct any_search){
        .cost = malloc(states * sizeof *s->cost),
        .next = malloc(states * sizeof *s->next),
        .flags = malloc(states * sizeof *s->flags),
        .later = malloc(states * sizeof *s->later),
        .sooner = malloc(states * sizeof *s->sooner),
        .bucket = malloc(BUCKETS * sizeof *s->bucket),
    };
    if (s->cost == NULL || s->next == NULL || s->flags == NULL || s->later == NULL ||
        s->sooner == NULL || s->bucket == NULL) {
        any_search_fini(s);
        return tpunet_fail_nomem(err);
    }
    return 0;
}

void any_search_fini(struct any_search *s)
{
    free(s->cost);
    free(s->next);
    free(s->flags);
    free(s->later);
    free(s->sooner);
    free(s->bucket);
}

/* ---------------------------------------------------------------- queue -- */

/* Dial's queue: costs in it differ by less than the largest link cost, so a
 * ring of lists, one a cost, is a priority queue. */
static void enqueue(struct any_search *s, uint16_t state)
{
    uint16_t *first = &s->bucket[s->cost[state] % BUCKETS];
    s->later[state] = *first;
    s->sooner[state] = NO_STATE;
    if (*first != NO_STATE)
        s->sooner[*first] = state;
    *first = state;
    s->flags[state] |= QUEUED;
}

static void dequeue(struct any_search *s, uint16_t state)
{
    uint16_t before = s->sooner[state], after = s->later[state];
    if (before == NO_STATE)
        s->bucket[s->cost[state] % BUCKETS] = after;
    else
        s->later[before] = after;
    if (after != NO_STATE)
        s->sooner[after] = before;
    s->flags[state] &= (uint8_t)~QUEUED;
}

/* --------------------------------------------------------------- search -- */

/* Offers a state a way on.  What is settled costs less than what is offered. */
static inline void offer(struct any_search *s, uint16_t state, uint32_t cost, uint8_t entry,
                         bool open)
{
    if (cost > s->cost[state])
        return;
    uint8_t *flags = &s->flags[state];
    if (cost == s->cost[state]) {
        if (open && (*flags & OPEN) == 0) {
            s->next[state] = entry;
            *flags |= OPEN;
        }
        return;
    }
    if ((*flags & QUEUED) != 0)
        dequeue(s, state);
    s->cost[state] = cost;
    s->next[state] = entry;
    *flags = (uint8_t)((*flags & ~OPEN) | (open ? OPEN : 0));
    enqueue(s, state);
}

/* Offers the way over a settled state to those before it. */
static void offer_before(struct any_search *s, const struct any_net *net, uint16_t state)
{
    const uint32_t chip = state % net->n, vc = state / net->n;
    const bool open = (s->flags[state] & OPEN) != 0;
    for (unsigned out = 0; out < TPUNET_PORTS; out++) {
        uint16_t from = net->topology->peer[chip * TPUNET_PORTS + out];
        unsigned port = tpunet_port_peer(out);
        if (from == TPUNET_NONE)
            continue;
        bool down = (net->up[from] & 1U << port) == 0;
        if (down && !open)
            continue;
        uint8_t entry = tpunet_entry(port, vc);
        uint32_t cost = s->cost[state] + net->cost[(size_t)from * TPUNET_PORTS + port];
        offer(s, (uint16_t)(vc * net->n + from), cost, entry, down);
        for (unsigned lower = 0; lower < vc; lower++)
            offer(s, (uint16_t)(lower * net->n + from), cost, entry, true);
    }
}

static void settle_all(struct any_search *s, const struct any_net *net)
{
    uint32_t empty = 0;
    for (uint32_t at = 0; empty < BUCKETS; at++, empty++) {
        uint16_t state;
        while ((state = s->bucket[at % BUCKETS]) != NO_STATE) {
            dequeue(s, state);
            offer_before(s, net, state);
            empty = 0;
        }
    }
}

static void begin(struct any_search *s, const struct any_net *net, uint32_t dst)
{
    size_t states = (size_t)net->vcs * net->n;
    for (size_t i = 0; i < states; i++)
        s->cost[i] = FAR;
    memset(s->flags, 0, states);
    memset(s->next, TPUNET_NO_ROUTE, states);
    memset(s->bucket, 0xFF, BUCKETS * sizeof *s->bucket);
    for (unsigned vc = 0; vc < net->vcs; vc++)
        offer(s, (uint16_t)(vc * net->n + dst), 0, TPUNET_ARRIVED, true);
}

static bool serves_all(const struct any_search *s, const struct any_net *net)
{
    for (uint32_t chip = 0; chip < net->n; chip++) {
        if (s->cost[chip] == FAR && !net->topology->dead[chip])
            return false;
    }
    return true;
}

void any_search_run(struct any_search *s, const struct any_net *net, uint32_t dst)
{
    begin(s, net, dst);
    settle_all(s, net);
    assert(serves_all(s, net));
}
