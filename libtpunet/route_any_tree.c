/* The routes of all chips to one destination, legal in the order of channels.
 *
 * Dijkstra's algorithm backwards from the destination over states (VC, chip).
 * A settled state says by which channel its packets go on, so it also says
 * which packets may come: any on a lower VC, and on its own VC those that came
 * up, or came down if they need not go up again.  Of two ways that cost the
 * same, the one that lets all come is taken.
 *
 * Choosing the cheapest way for each state may shut a chip out: all its ways
 * on may lead, downwards, to states that go up.  Then the search is done again
 * with this rule for the last VC: whoever can go down all the way does.  The
 * other chips go up until they meet one of these, the root at the latest, from
 * which every chip is down all the way; so nobody is shut out.
 */
#include "route_any.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, NO_STATE = 0xFFFF, FAR = INT32_MAX };
enum flag { QUEUED = 1, SETTLED = 2, OPEN = 4 /* packets that came down may come */ };

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
        .order = malloc(states * sizeof *s->order),
        .fixed = malloc(states * sizeof *s->fixed),
    };
    if (s->cost == NULL || s->next == NULL || s->flags == NULL || s->later == NULL ||
        s->sooner == NULL || s->bucket == NULL || s->order == NULL || s->fixed == NULL) {
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
    free(s->order);
    free(s->fixed);
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

/* Offers a state a way on. */
static void offer(struct any_search *s, uint16_t state, uint32_t cost, uint8_t entry, bool open)
{
    uint8_t *flags = &s->flags[state];
    if ((*flags & SETTLED) != 0 || cost > s->cost[state])
        return;
    if (cost == s->cost[state]) {
        if (!open || (*flags & OPEN) != 0)
            return;
        s->next[state] = entry;
        *flags |= OPEN;
        return;
    }
    if ((*flags & QUEUED) != 0)
        dequeue(s, state);
    s->cost[state] = cost;
    s->next[state] = entry;
    *flags = (uint8_t)((*flags & ~OPEN) | (open ? OPEN : 0));
    enqueue(s, state);
}

/* Offers the way over a settled state to those before it; with `down_only`,
 * just the ways that lead down on one VC. */
static void offer_before(struct any_search *s, const struct any_net *net, uint16_t state,
                         bool down_only)
{
    const uint32_t chip = state % net->n, vc = state / net->n;
    const bool open = (s->flags[state] & OPEN) != 0;
    for (unsigned out = 0; out < TPUNET_PORTS; out++) {
        uint16_t from = net->topology->peer[chip * TPUNET_PORTS + out];
        unsigned port = tpunet_port_peer(out);
        if (from == TPUNET_NONE)
            continue;
        bool down = (net->up[from] & 1U << port) == 0;
        if (down ? !open : down_only)
            continue;
        uint8_t entry = tpunet_entry(port, vc);
        uint32_t cost = s->cost[state] + net->cost[(size_t)from * TPUNET_PORTS + port];
        offer(s, (uint16_t)(vc * net->n + from), cost, entry, down);
        for (unsigned lower = 0; lower < vc && !down_only; lower++)
            offer(s, (uint16_t)(lower * net->n + from), cost, entry, true);
    }
}

/* Settles all that is queued, and on the way offers the ways over the first
 * n_fixed of fixed[], which are settled already. */
static void settle_all(struct any_search *s, const struct any_net *net, bool down_only,
                       uint32_t n_fixed)
{
    unsigned empty = 0;
    uint32_t k = 0;
    for (uint32_t at = 0; empty < BUCKETS || k < n_fixed;) {
        uint16_t state = s->bucket[at % BUCKETS];
        if (k < n_fixed && s->cost[s->fixed[k]] == at) {
            state = s->fixed[k++];
        } else if (state != NO_STATE) {
            dequeue(s, state);
            s->flags[state] |= SETTLED;
        } else {
            at++;
            empty++;
            continue;
        }
        empty = 0;
        s->order[s->n_order++] = state;
        offer_before(s, net, state, down_only);
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
    s->n_order = 0;
    for (unsigned vc = 0; vc < net->vcs; vc++)
        offer(s, (uint16_t)(vc * net->n + dst), 0, TPUNET_ARRIVED, true);
}

static bool serves_all(const struct any_search *s, const struct any_net *net)
{
    for (uint32_t chip = 0; chip < net->n; chip++) {
        if ((s->flags[chip] & SETTLED) == 0 && !net->topology->dead[chip])
            return false;
    }
    return true;
}

/* The search with the rule for the last VC: what goes down all the way is
 * settled first, by a search of its own. */
static void search_down_first(struct any_search *s, const struct any_net *net, uint32_t dst)
{
    begin(s, net, dst);
    for (unsigned vc = 0; vc + 1 < net->vcs; vc++)
        dequeue(s, (uint16_t)(vc * net->n + dst));
    settle_all(s, net, true, 0);
    uint32_t n_fixed = s->n_order;
    memcpy(s->fixed, s->order, n_fixed * sizeof *s->fixed);
    s->n_order = 0;
    for (unsigned vc = 0; vc + 1 < net->vcs; vc++)
        enqueue(s, (uint16_t)(vc * net->n + dst));
    settle_all(s, net, false, n_fixed);
}

void any_search_run(struct any_search *s, const struct any_net *net, uint32_t dst)
{
    begin(s, net, dst);
    settle_all(s, net, false, 0);
    if (!serves_all(s, net))
        search_down_first(s, net, dst);
    assert(serves_all(s, net));
}
