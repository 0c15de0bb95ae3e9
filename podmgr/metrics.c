#include "podmgr.h"

const double metrics_le_s[METRICS_BUCKETS] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                              0.05,   0.1,   0.25,   0.5,   1,    5};

void histogram_add(struct histogram *h, double seconds)
{
    for (int i = 0; i < METRICS_BUCKETS; i++) {
        h->le[i] += seconds <= metrics_le_s[i];
    }
    h->count++;
    h->sum_s += seconds;
}
