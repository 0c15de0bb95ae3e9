/* Golden limits: what each metric of sound hardware shows, in a YAML file that a
 * person writes and reviews (packaging/healthd-golden.yaml.example).
 *
 *     limits:
 *       chip-step: {max: 1.1 ms, required: true}
 *       link-light: {min: -6 dBm}
 *       transfer: {max: 40 us}
 *
 * Every number has a unit of the metric's own dimension; none, or another, is
 * refused where it stands, since a limit that is wrong by a thousand lets
 * everything pass. */
#ifndef HEALTHD_GOLDEN_H
#define HEALTHD_GOLDEN_H

#include <stdbool.h>

#include "err.h"
#include "metric.h"

struct golden_limit {
    bool there, required; /* required: unknown is a failure */
    double min, max;      /* in the metric's unit; -INFINITY and INFINITY: none */
};
struct golden {
    struct golden_limit metrics[N_METRICS];
    struct golden_limit transfer; /* us of one flit */
};

/* E_IO, or E_CONFIG with "file:line:column: path: what". */
int golden_load(struct golden *out, const char *file, struct error *err);

enum golden_outcome { GOLDEN_GOOD, GOLDEN_BAD, GOLDEN_UNKNOWN };
enum golden_outcome golden_judge(const struct golden_limit *limit, double value);

#endif
