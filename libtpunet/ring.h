/* Arithmetic on rings and tori.  This header and coord.c are the only places
 * where a coordinate wraps around; everything else asks here. */
#ifndef LIBTPUNET_RING_H
#define LIBTPUNET_RING_H

#include <assert.h>

#include "tpunet.h"

/* Position `by` steps after p on a ring of n, 0 <= by <= n. */
static inline unsigned ring_add(unsigned p, unsigned by, unsigned n)
{
    assert(p < n && by <= n);
    unsigned q = p + by;
    return q < n ? q : q - n;
}

/* One step in the direction of a + or - port. */
static inline unsigned ring_step(unsigned p, bool minus, unsigned n)
{
    return ring_add(p, minus ? n - 1 : 1, n);
}

/* Does that step cross the wraparound between n - 1 and 0? */
static inline bool ring_wraps(unsigned p, bool minus, unsigned n)
{
    return p == (minus ? 0 : n - 1);
}

/* The shortest signed way from one position to another: -n/2 < d <= n/2, so
 * the tie of half an even ring comes out positive. */
static inline int ring_delta(unsigned from, unsigned to, unsigned n)
{
    unsigned d = ring_add(to, n - from, n);
    return d <= n / 2 ? (int)d : (int)d - (int)n;
}

/* Moves `at` one step through `port` on a torus of lengths len, in chips or in
 * cubes alike.  When twisted (k x k x 2k or k x 2k x 2k), crossing the
 * wraparound of a short axis also shifts every long axis by k. */
void torus_step(const uint16_t len[static TPUNET_AXES], bool twisted,
                uint16_t at[static TPUNET_AXES], unsigned port);

/* Moves `at` by a vector 0 <= by[k] < len[k]: the sum in the group that the
 * torus, twisted or not, is. */
void torus_add(const uint16_t len[static TPUNET_AXES], bool twisted,
               uint16_t at[static TPUNET_AXES], const uint16_t by[static TPUNET_AXES]);

#endif
