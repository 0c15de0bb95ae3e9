/* Is a set of hosts fit for a slice?  Two parts:
 *
 *   intent      every metric of every part against its golden limit;
 *   end to end  every chip sends to those 1, 2, 4, ... places further on in the
 *               list (so all of them send and receive, and each ring and every
 *               distance is used) over the installed tables, and computes
 *               something whose answer is known.
 *
 * A slice has more hosts than one observer stands for: each checks its own and
 * sends from them to all of the slice.
 *
 * A library function: `healthd --preflight` is one caller, podmgr's orders
 * (orders.c) are the other. */
#ifndef HEALTHD_PREFLIGHT_H
#define HEALTHD_PREFLIGHT_H

#include "golden.h"
#include "probe.h"

enum { PREFLIGHT_LINES = 64 };

/* One failure, and the part to blame; `unplaced`: it was seen from this part, and
 * which is to blame is not known. */
struct preflight_unfit {
    uint16_t host;
    enum finding_scope scope;
    uint8_t index;
    bool unplaced;
    char text[240]; /* for a person */
};
struct preflight_result {
    size_t checked, unknown, failures; /* values, transfers and computations */
    size_t transfers, computations;
    struct preflight_unfit unfit[PREFLIGHT_LINES]; /* the first failures */
};
typedef void preflight_fn(void *arg, const struct preflight_result *result);

struct preflight_job {
    const struct golden *golden; /* NULL: no limits */
    const uint16_t *hosts;       /* to check and to send from */
    size_t n_hosts;
    const uint16_t *all; /* the slice; a chip's order in the pattern is the order here */
    size_t n_all;        /* `hosts` are among them */
    bool pattern;        /* false: the intent part alone (no tables are installed) */
    uint64_t seed;
};
/* Calls `done` exactly once, perhaps before it returns.  What the job points to
 * must outlive the call. */
void preflight_run(struct probe *probe, const struct preflight_job *job, preflight_fn *done,
                   void *arg);

#endif
