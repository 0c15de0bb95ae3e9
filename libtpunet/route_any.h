/* The two halves of the general method: the tree of one destination
 * (route_any_tree.c) and the balance of all (route_any.c).
 *
 * A state is (class, chip): where a packet is and the VC it came on, injection
 * counting as VC 0.  State s = vc * n + chip. */
#ifndef LIBTPUNET_ROUTE_ANY_H
#define LIBTPUNET_ROUTE_ANY_H

#include "routes.h"

/* What all trees share: the order of the channels, and what links cost. */
struct any_net {
    const struct tpunet_topology *topology;
    uint32_t n;
    unsigned vcs;
    uint32_t *label; /* [n] breadth-first from a root, all different */
    uint8_t *up;     /* [n] bit p: port p leads to a lower label */
    uint8_t *cost;   /* [n * 6] of a link, 1..255 */
};

/* Room for one search. */
struct any_search {
    uint32_t *cost;  /* [vcs * n] to the destination */
    uint8_t *next;   /* [vcs * n] entries */
    uint8_t *flags;  /* [vcs * n] */
    uint16_t *later; /* [vcs * n] doubly linked list of a bucket */
    uint16_t *sooner;
    uint16_t *bucket; /* [256] first state */
};
int any_search_init(struct any_search *s, const struct any_net *net, struct tpunet_error *err);
void any_search_fini(struct any_search *s);

/* Finds cheap routes from every chip to `dst`: fills next[]. */
void any_search_run(struct any_search *s, const struct any_net *net, uint32_t dst);

#endif
