/* The halves of the method for woven slices: the tree of one destination
 * (route_woven_tree.c) and the balance of all (route_woven.c).
 *
 * A state is (class, node): where a packet is and how it arrived, injected or on
 * VC c - 1.  State s = class * n + node. */
#ifndef LIBTPUNET_ROUTE_WOVEN_H
#define LIBTPUNET_ROUTE_WOVEN_H

#include "lift.h"
#include "routes.h"

enum {
    WOVEN_PHASES = 5,      /* of one VC; see woven_rank() */
    WOVEN_COST_MAX = 1023, /* of a link, at least 1 */
    WOVEN_ANY = UINT8_MAX, /* after a state of this rank all packets may come */
};

/* The order of the channels, which every route follows: VC by VC, and on one VC
 *   0  copper towards the cube's corner (0, 0, 0): the coordinate sum falls,
 *   1  copper away from it: the sum rises,
 *   2, 3, 4  fibres of x, of y, of z.
 * So a packet makes its way to a face, hops over fibres in the order of the axes
 * and starts afresh on a higher VC. */
static inline uint8_t woven_rank(unsigned vc, uint32_t node, unsigned port)
{
    bool minus = tpunet_port_minus(port);
    unsigned axis = tpunet_port_axis(port), at = node >> 2 * axis & 3U;
    bool fibre = at == (minus ? 0 : TPUNET_CUBE_DIM - 1);
    return (uint8_t)(vc * WOVEN_PHASES + (fibre ? 2 + axis : !minus));
}

/* May a packet that came on a channel of rank `in` go on by one of rank `out`?  On
 * copper a phase follows itself, its sum falling or rising hop by hop.  A fibre
 * follows none of its axis: in a cube four chips wide that could only be the way
 * back. */
static inline bool woven_follows(uint8_t in, uint8_t out)
{
    return in < out || (in == out && in % WOVEN_PHASES < 2);
}

/* The tree of one destination in cube 0: how every node gets there. */
struct woven_tree {
    uint8_t *next; /* [classes * n] entries */
    uint8_t *rank; /* [classes * n] of the channel that next[] names */
};

/* Room for one search. */
struct woven_search {
    const struct lift *lift;
    unsigned vcs;
    uint16_t cost[LIFT_LINKS]; /* of a link, 1..WOVEN_COST_MAX */
    uint32_t *dist;            /* [classes * n] */
    uint16_t *later, *sooner;  /* [classes * n] doubly linked list of a bucket */
    uint16_t *bucket;          /* [WOVEN_COST_MAX + 1] first state */
    bool *queued;              /* [classes * n] */
    struct woven_tree tree;    /* being made */
};
int woven_search_init(struct woven_search *s, const struct lift *lift, unsigned vcs,
                      struct tpunet_error *err);
void woven_search_fini(struct woven_search *s);

/* Finds cheap routes to node `dst`: fills *tree, arrays of (vcs + 1) * n.  False if
 * some node has none. */
bool woven_search_run(struct woven_search *s, struct woven_tree *tree, uint32_t dst);

#endif
