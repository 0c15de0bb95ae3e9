/* A token bucket for each source of log lines: `burst` lines at once, then
 * `per_second`.  The table has a fixed size: when a source is new and its set
 * of slots is full, the source that was silent longest gives up its slot.  Pure:
 * time comes in. */
#ifndef COMMON_LIMIT_H
#define COMMON_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum { LIMIT_SETS = 64, LIMIT_WAYS = 4, LIMIT_PER_SECOND = 20, LIMIT_BURST = 50 };

struct limit_slot {
    char source[48];     /* "" when free; a longer name is cut */
    struct mono_ns last; /* when the source last asked */
    double tokens;
    unsigned suppressed; /* lines refused and not yet told */
};

struct limit { /* starts as all zeros */
    struct limit_slot slots[LIMIT_SETS][LIMIT_WAYS];
};

struct limit_verdict {
    bool pass;
    unsigned suppressed;       /* lines of this source refused since the last that passed */
    struct limit_slot evicted; /* whose slot was taken, if its suppressed is not 0 */
};

struct limit_verdict limit_ask(struct limit *limit, const char *source, struct mono_ns now);

#endif
