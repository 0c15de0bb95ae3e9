/* Years are added up. */
#include "year.h"

double tally_lost(const struct tally *t)
{
    double lost = 0;

    for (int c = 0; c < CAUSE_COUNT; c++) {
        lost += t->lost[c];
    }
    return lost;
}

double tally_availability(const struct tally *t)
{
    return t->asked > 0 ? 1 - tally_lost(t) / t->asked : 1;
}

static void add_causes(struct tally *sum, const struct tally *one)
{
    for (int c = 0; c < CAUSE_COUNT; c++) {
        sum->lost[c] += one->lost[c];
        sum->faults[c] += one->faults[c];
        sum->hits[c] += one->hits[c];
        sum->watchdog[c] += one->watchdog[c];
    }
    for (int n = 0; n < NOISE_COUNT; n++) {
        sum->noises[n] += one->noises[n];
    }
    for (unsigned i = 0; i < one->n_samples && sum->n_samples < SAMPLES_MAX; i++) {
        sum->samples[sum->n_samples++] = one->samples[i];
    }
}

void tally_add(struct tally *sum, const struct tally *one)
{
    sum->days += one->days;
    sum->asked += one->asked;
    sum->running += one->running;
    sum->degraded += one->degraded;
    sum->waited += one->waited;
    sum->restarts += one->restarts;
    sum->jobs += one->jobs;
    sum->jobs_touched += one->jobs_touched;
    sum->swaps += one->swaps;
    sum->reroutes += one->reroutes;
    sum->failed_slices += one->failed_slices;
    sum->resubmitted += one->resubmitted;
    sum->refused += one->refused;
    sum->tickets += one->tickets;
    sum->incidents += one->incidents;
    sum->merged += one->merged;
    sum->reopened += one->reopened;
    sum->breaker_trips += one->breaker_trips;
    sum->cleared_by_walk += one->cleared_by_walk;
    sum->healed_by_walk += one->healed_by_walk;
    sum->touched_by_noise += one->touched_by_noise;
    sum->cross_connects += one->cross_connects;
    sum->batches += one->batches;
    sum->steps += one->steps;
    add_causes(sum, one);
}
