#include "failslow.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "mem.h"

enum { PEERS_MIN = 4, ROUNDS_MIN = 16 };
static const double DEVIATIONS_SLOW = 6, DEVIATIONS_FINE = 3;
static const double OWN_RATIO = 1.1, DEVIATION_MIN = 0.01;
static const double MAD_TO_SIGMA = 1.4826; /* of a normal distribution */
static const double LEARN = 0.02;          /* half of the past is 35 rounds old */

struct past {
    float cost;
    uint16_t rounds; /* learned from, as far as ROUNDS_MIN */
};
struct failslow {
    size_t n;
    double median;
    struct past *past;
    double *sorted;
};

struct failslow *failslow_create(size_t n_parts)
{
    struct failslow *f = xcalloc(1, sizeof *f);

    f->n = n_parts;
    f->past = xcalloc(n_parts, sizeof *f->past);
    f->sorted = xcalloc(n_parts, sizeof *f->sorted);
    return f;
}

void failslow_destroy(struct failslow *f)
{
    if (f != NULL) {
        free(f->past);
        free(f->sorted);
        free(f);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void learn(struct past *past, double cost)
{
    double share = past->rounds < ROUNDS_MIN ? 1.0 / (past->rounds + 1) : LEARN;

    past->cost = (float)((double)past->cost + share * (cost - (double)past->cost));
    past->rounds = (uint16_t)(past->rounds + (past->rounds < ROUNDS_MIN));
}

static enum slowness judge(struct past *past, double cost, double median, double deviation)
{
    double above = (cost - median) / deviation;
    bool has_past = past->rounds >= ROUNDS_MIN;
    double before = (double)past->cost;

    if (above < DEVIATIONS_FINE) {
        learn(past, cost);
        return has_past ? SLOW_FINE : SLOW_UNKNOWN;
    }
    if (!has_past) {
        return SLOW_UNKNOWN;
    }
    return above > DEVIATIONS_SLOW && cost > OWN_RATIO * before ? SLOW_SLOW : SLOW_BETWEEN;
}

void failslow_round(struct failslow *f, const double *cost, enum slowness *out)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        assert(isnan(cost[i]) || cost[i] > 0);
        out[i] = SLOW_UNKNOWN;
        if (!isnan(cost[i])) {
            f->sorted[n++] = cost[i];
        }
    }
    if (n < PEERS_MIN) {
        return;
    }
    f->median = median_of(f->sorted, n);
    for (size_t i = 0; i < n; i++) {
        f->sorted[i] = fabs(f->sorted[i] - f->median);
    }
    double deviation = fmax(MAD_TO_SIGMA * median_of(f->sorted, n), DEVIATION_MIN * f->median);
    for (size_t i = 0; i < f->n; i++) {
        if (!isnan(cost[i])) {
            out[i] = judge(&f->past[i], cost[i], f->median, deviation);
        }
    }
}

double failslow_median(const struct failslow *f)
{
    return f->median;
}

double failslow_past(const struct failslow *f, size_t part)
{
    return (double)f->past[part].cost;
}
