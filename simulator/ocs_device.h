/* One switch and its agent: a partial bijection of north to south ports (D1),
 * changed by batches, break before make, each operation whole or not at all. */
#ifndef SIMULATOR_OCS_DEVICE_H
#define SIMULATOR_OCS_DEVICE_H

#include "world.h"

struct sim_xc {
    uint16_t north, south;
};
struct sim_op {
    uint64_t epoch, sequence;
    struct sim_xc *breaks, *makes;
    size_t n_breaks, n_makes;
    /* set by sim_ocs_begin() */
    struct sim_op_result result;
    bool replayed;
};

/* Takes the claim if it is newer than the one on record, or the same. */
bool sim_ocs_claim(struct sim_ocs *o, uint64_t epoch, uint64_t instance);
bool sim_ocs_holds(const struct sim_ocs *o, uint64_t epoch, uint64_t instance);

/* Judges all operations and breaks what the good ones break; mirrors then move
 * for world_mirror_time_ns().  True if anything changes. */
bool sim_ocs_begin(struct world *w, unsigned ocs, struct sim_op *ops, size_t n);
/* The mirrors have settled: makes, new generation, results on record. */
void sim_ocs_finish(struct world *w, unsigned ocs, struct sim_op *ops, size_t n, bool changed);

/* Power is gone: so is the map, for good; a new boot id when it is back. */
void sim_ocs_lose_power(struct world *w, unsigned ocs);

#endif
