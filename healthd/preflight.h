/* Is a set of hosts fit for a slice?  Two parts:
 *
 *   intent      every metric of every part against its golden limit;
 *   end to end  every chip sends to those 1, 2, 4, ... places further on in the
 *               list (so all of them send and receive, and each ring and every
 *               distance is used) over the installed tables, and computes
 *               something whose answer is known.
 *
 * A library function: `healthd --preflight` is one caller. */
#ifndef HEALTHD_PREFLIGHT_H
#define HEALTHD_PREFLIGHT_H

#include "golden.h"
#include "probe.h"

enum { PREFLIGHT_LINES = 64 };

struct preflight_result {
    size_t checked, unknown, failures; /* values, transfers and computations */
    size_t transfers, computations;
    char lines[PREFLIGHT_LINES][240]; /* the first failures, for a person */
};
typedef void preflight_fn(void *arg, const struct preflight_result *result);

/* Calls `done` exactly once, perhaps before it returns.  `hosts` and `golden`
 * must outlive the call; a chip's order in the pattern is the order of `hosts`.
 * `pattern` false: the intent part alone (no tables are installed). */
void preflight_run(struct probe *probe, const struct golden *golden, const uint16_t *hosts,
                   size_t n_hosts, bool pattern, uint64_t seed, preflight_fn *done, void *arg);

#endif
