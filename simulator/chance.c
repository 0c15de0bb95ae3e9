#include "chance.h"

#include <math.h>

static const double Z99 = 2.3263; /* 99th percentile of the normal distribution */

uint64_t chance_mix(uint64_t z) /* the finisher of SplitMix64 */
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

double chance_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    return (double)(chance_mix(*state) >> 11) * 0x1p-53;
}

double chance_gaussian(double u1, double u2)
{
    return sqrt(-2 * log(1 - u1)) * cos(2 * M_PI * u2);
}

int64_t chance_mirror_ns(uint64_t *state, double median_ms, double p99_ms)
{
    if (median_ms <= 0) {
        return 0;
    }
    double sigma = p99_ms > median_ms ? log(p99_ms / median_ms) / Z99 : 0;
    double u1 = chance_next(state), u2 = chance_next(state);
    return (int64_t)(median_ms * exp(sigma * chance_gaussian(u1, u2)) * 1e6);
}

double chance_pair_loss_db(uint64_t seed, unsigned ocs, unsigned north, unsigned south)
{
    uint64_t h = chance_mix(seed ^ chance_mix((ocs * 1024ULL + north) * 1024ULL + south));
    double u1 = (double)(h >> 40) * 0x1p-24, u2 = (double)(h & 0xffffff) * 0x1p-24;
    double loss_db = 1.3 + 0.2 * chance_gaussian(u1, u2);
    return fmin(fmax(loss_db, 0.5), 1.9);
}
