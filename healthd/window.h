/* Counters into events, and events in a sliding window.  Pure: time comes in. */
#ifndef HEALTHD_WINDOW_H
#define HEALTHD_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* A counter as last read; starts as all zeros. */
struct counter {
    double last;
    unsigned long long incarnation;
    bool known;
};
/* How much was counted since the last reading that knew; NAN at the first, or
 * when `value` is unknown.  A counter that fell has wrapped around if it has
 * `bits` (0: it cannot) and went from its last quarter to its first; else it was
 * reset, as with a new incarnation, and what it shows is new. */
double counter_take(struct counter *c, double value, unsigned long long incarnation, unsigned bits);

/* Events of the last `span_ms`, in eighths: an event counts for at least 7/8 of
 * the span and at most all of it.  Starts as all zeros. */
enum { WINDOW_BUCKETS = 8 };
struct window {
    float bucket[WINDOW_BUCKETS];
    int64_t turn; /* number of the newest bucket */
};
void window_add(struct window *w, unsigned span_ms, int64_t now_ms, double n);
double window_sum(struct window *w, unsigned span_ms, int64_t now_ms);

#endif
