/* What many seeds came to, and the table that says so. */
#ifndef TESTS_SIM_TABLE_H
#define TESTS_SIM_TABLE_H

#include "sim.h"

struct durations {
    int64_t *ns;
    size_t n, cap;
};
struct sums {
    uint64_t seeds, hash, events, acked, activated[F_COUNT], repairs[R_COUNT], found[V_COUNT],
        failed;
    uint64_t discarded[DISCARD_COUNT];
    int64_t simulated_ns;
    struct durations converged, recovery[C_COUNT];
};

unsigned sums_found(const struct outcome *out);
void sums_add(struct sums *sums, const struct outcome *out); /* in the order of seeds */
void sums_print(struct sums *sums, double took_s);
void sums_fini(struct sums *sums);

#endif
