/* Fail-slow: a part that works without an error, but slower than its peers and
 * than itself before (Gunawi et al., "Fail-Slow at Scale", FAST'18).
 *
 * Against a fixed number no limit fits: what is slow on one kind of hardware is
 * normal on another.  So each round compares the cost of every part (a time, or
 * one over a rate) with the median of all its peers, in units of their median
 * absolute deviation, and with its own past:
 *
 *   1. Slow: above the median by more than 6 deviations, and above 1.1 times its
 *      own past.  Both: peers that differ by nature are not slow, and a whole
 *      set that slows down together (a busy fabric) is not a failing part.
 *   2. Fine: above the median by less than 3 deviations.
 *   3. In between, or slow against its peers alone: not said.
 *   4. Unknown: without a value, with fewer than 4 peers that have one, or before
 *      16 rounds of past.
 *   5. The past is learned from rounds that are fine, so a part does not get
 *      used to being slow.  One that was slow from the beginning has no past and
 *      stays unknown: that is for the golden limits of the preflight.
 *   6. A deviation is at least 1 % of the median: peers that are equal to the
 *      last digit make nobody slow. */
#ifndef HEALTHD_FAILSLOW_H
#define HEALTHD_FAILSLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slowness { SLOW_UNKNOWN, SLOW_FINE, SLOW_BETWEEN, SLOW_SLOW };

struct failslow; /* the past of a set of peers */
struct failslow *failslow_create(size_t n_parts);
void failslow_destroy(struct failslow *f);
/* One round: cost of each part, NAN if unknown, positive otherwise. */
void failslow_round(struct failslow *f, const double *cost, enum slowness *out);
/* For evidence: of the last round. */
double failslow_median(const struct failslow *f);
double failslow_past(const struct failslow *f, size_t part);

#endif
