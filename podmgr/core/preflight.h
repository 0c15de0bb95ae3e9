/* Preflight: before a slice is ACTIVE, the observers of its hosts say whether
 * they are fit.  The rules stand in preflight.c.
 *
 *    tables proved and installed
 *             │
 *             v         all fit, or nobody to ask
 *      orders to observers ───────────────────────> ACTIVE
 *             │ verdicts, or none in time
 *             v
 *      findings, cubes SUSPECT ──> other cubes, or FAILED with the reason
 *
 * Volatile: after a restart a slice that is not ACTIVE yet is brought up, and
 * so checked, anew; one that is ACTIVE stays so (A5). */
#ifndef PODMGR_CORE_PREFLIGHT_H
#define PODMGR_CORE_PREFLIGHT_H

#include "core/core.h"

enum { PREFLIGHT_UNFIT = 64 }; /* of a verdict, and kept of a preflight */

struct unfit {
    uint16_t host;
    enum finding_scope scope;
    uint8_t index;
    bool unplaced; /* seen from this part; which one is to blame is not known */
    char text[240];
};

/* What an observer found at some of its hosts (EV_PREFLIGHT). */
struct fitness {
    uint32_t observer;
    uint64_t epoch, order;
    struct id slice;
    uint64_t generation;
    uint16_t *hosts; /* owned */
    size_t n_hosts;
    uint64_t checked, unknown, transfers, computations, failures;
    struct unfit *unfit; /* owned */
    size_t n_unfit;
};

/* One under way; of slice->preflight. */
struct preflight {
    uint64_t order;  /* rises with each */
    uint32_t *asked; /* of the slice's hosts, in logical order: the observer whose
                      * verdict is awaited, 0 = none or no more */
    size_t n_hosts, open, unobserved;
    bool pattern;
    struct mono_ns began, until;
    uint64_t checked, transfers, computations, failures;
    struct unfit unfit[PREFLIGHT_UNFIT];
    size_t n_unfit;
};
void preflight_free(struct preflight *p); /* NULL is fine */

/* Does an order wait for the observer that is newer than `taken`?  The oldest such
 * slice, or NULL. */
const struct slice *preflight_next(const struct model *m, uint32_t observer, uint64_t taken);
/* The slice's host number at that place of its logical order. */
uint16_t preflight_host(const struct slice *slice, size_t place);

#endif
