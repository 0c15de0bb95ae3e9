/* Routes around one dead switch: what its files share (route_wild*.c).
 *
 * The switch of axis f at in-face position (a, b) joins, for every cube, the
 * chips whose coordinates on the two other axes are a and b modulo 4.  Chips
 * at these coordinates along f are a *dead line*: it is cut at every border of
 * two cubes.  The pattern repeats every four chips along every axis, so chips
 * fall into 64 classes, their coordinates modulo 4; and since moving the whole
 * picture moves the routes with it, all work is done for (a, b) = (0, 0).
 *
 * A pair is a chip and a *difference*, the vector from it to its destination,
 * numbered as the chip that it leads to from chip 0.
 *
 *  - Base routes (route_wild_base.c): dimension-ordered, f first, the shortest
 *    over live links, one per (class, difference); where a dead line would
 *    have to be crossed, there is none.
 *  - The plan (route_wild_search.c): each pair takes its base route, or first
 *    one *wild* hop and then the base route of the chip it comes to (Zu et
 *    al., NSDI'24, with one wild hop), such that the busiest link carries as
 *    little as can be.
 *  - Tables (route_wild.c): the plan is the plane of injection, the base
 *    routes are the plane of all other classes.
 *
 * Why it is free of deadlock: a wild hop takes a channel that no base route
 * takes, VC2 or, with two VCs, one that the dateline rule leaves unused.  Only
 * injection leads to these channels, so no cycle passes through them; and base
 * routes are dimension-ordered with datelines.  Where no such channel is left
 * on a port, a hop through it that keeps the order of the axes may come first
 * nevertheless: that is one more dimension-ordered route. */
#ifndef LIBTPUNET_ROUTE_WILD_H
#define LIBTPUNET_ROUTE_WILD_H

#include "routes.h"

enum { CLASSES = TPUNET_CUBE_CHIPS };

struct base_routes {
    struct tpunet_shape shape;
    uint8_t axis;                        /* of the dead switch */
    uint8_t rank[TPUNET_AXES];           /* of each axis in the order of routing */
    uint32_t n;                          /* differences, as many as chips */
    uint16_t *left;                      /* [n][6] the difference that a hop leaves */
    uint8_t *port;                       /* [CLASSES][n] first hop, ARRIVED or NO_ROUTE */
    uint16_t *run;                       /* [CLASSES][n] hops on the first axis */
    uint16_t *length;                    /* [CLASSES][n] hops */
    uint8_t next[CLASSES][TPUNET_PORTS]; /* class at the far end */
    uint8_t dead[CLASSES];               /* mask of ports */
};
int base_routes_init(struct base_routes *base, const struct tpunet_shape *shape, unsigned axis,
                     struct tpunet_error *err);
void base_routes_fini(struct base_routes *base);

/* A hop through `port`, and then the base route: is that in order and nearing,
 * and how many hops does it go along its first axis? */
bool is_in_order(const struct base_routes *base, unsigned cls, uint32_t d, unsigned port);
unsigned run_in_order(const struct base_routes *base, unsigned cls, uint32_t d, unsigned port);

/* Where along `axis` the chip at `at` is, counted from the dateline of its ring.
 * (Datelines are not all at the wraparound: see route_wild_base.c.) */
unsigned from_dateline(const struct base_routes *base, const uint16_t at[static TPUNET_AXES],
                       unsigned axis);

/* Where wild hops are free depends on the class alone with three VCs; with two
 * it also depends on how far away the datelines are, so more has to be told
 * apart.  A place is what is told apart: a chip modulo period[]. */
struct places {
    uint32_t n;
    uint16_t period[TPUNET_AXES];
    uint8_t *cls;                   /* [n] */
    uint16_t (*next)[TPUNET_PORTS]; /* [n] place at the far end */
    uint8_t (*wild)[TPUNET_PORTS];  /* [n] table entry of a wild hop, NO_ROUTE if not free */
};
int places_init(struct places *places, const struct base_routes *base, unsigned n_vcs,
                struct tpunet_error *err);
void places_fini(struct places *places);
uint32_t place_of(const struct places *places, const uint16_t at[static TPUNET_AXES]);

/* One plan: for each (place, difference) AS_BASE, or the port of the hop to make
 * first: a wild one if places.wild has an entry, else one in order. */
enum { AS_BASE = TPUNET_ARRIVED };
struct tpunet_route_solution {
    struct tpunet_route_key key;
    struct tpunet_route_figures figures;
    size_t n_choices;
    uint8_t choice[]; /* [places][n] */
};
/* Checks a key; *n_choices is what a solution of it has. */
int solution_check(const struct tpunet_route_key *key, size_t *n_choices, struct tpunet_error *err);
/* With unset choices; checks the key. */
int solution_create(struct tpunet_route_solution **out, const struct tpunet_route_key *key,
                    struct tpunet_error *err);

/* Fills choices and figures. */
int wild_search(struct tpunet_route_solution *s, const struct base_routes *base,
                const struct places *places, struct tpunet_error *err);

#endif
