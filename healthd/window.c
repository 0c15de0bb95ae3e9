#include "window.h"

#include <assert.h>
#include <math.h>
#include <string.h>

double counter_take(struct counter *c, double value, unsigned long long incarnation, unsigned bits)
{
    double last = c->last, delta;
    bool known = c->known, same = c->incarnation == incarnation;

    if (isnan(value)) {
        return value;
    }
    *c = (struct counter){.last = value, .incarnation = incarnation, .known = true};
    if (!known) {
        return (double)NAN;
    }
    if (same && value >= last) {
        return value - last;
    }
    double size = ldexp(1, (int)bits);
    bool wrapped = same && bits > 0 && last >= 0.75 * size && value < 0.25 * size;
    delta = wrapped ? value + size - last : value;
    assert(delta >= 0);
    return delta;
}

/* Lets time pass: buckets that it leaves behind are empty again. */
static void turn_to(struct window *w, unsigned span_ms, int64_t now_ms)
{
    assert(span_ms >= WINDOW_BUCKETS && now_ms >= 0);
    int64_t turn = now_ms / (span_ms / WINDOW_BUCKETS);

    if (turn - w->turn >= WINDOW_BUCKETS) {
        memset(w->bucket, 0, sizeof w->bucket);
        w->turn = turn;
    }
    while (w->turn < turn) {
        w->turn++;
        w->bucket[w->turn % WINDOW_BUCKETS] = 0;
    }
}

void window_add(struct window *w, unsigned span_ms, int64_t now_ms, double n)
{
    turn_to(w, span_ms, now_ms);
    w->bucket[w->turn % WINDOW_BUCKETS] += (float)n;
}

double window_sum(struct window *w, unsigned span_ms, int64_t now_ms)
{
    double sum = 0;

    turn_to(w, span_ms, now_ms);
    for (unsigned i = 0; i < WINDOW_BUCKETS; i++) {
        sum += (double)w->bucket[i];
    }
    return sum;
}
