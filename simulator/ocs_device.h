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

/* For a person: what the result says of its port; returns buf. */
const char *sim_op_text(const struct sim_op_result *result, char buf[static 64]);

/* Takes the claim if it is newer than the one on record, or the same. */
bool sim_ocs_claim(struct sim_ocs *o, struct sim_claim claim);
bool sim_ocs_holds(const struct sim_ocs *o, struct sim_claim claim);

/* True if every operation is on record: then the batch changes nothing, and its
 * results stand whatever the generation is by now (D5). */
bool sim_ocs_all_replayed(const struct sim_ocs *o, const struct sim_op *ops, size_t n);
/* No two operations of a batch may have the same id. */
bool sim_ocs_ids_differ(const struct sim_op *ops, size_t n);

/* Judges all operations and breaks what the good ones break; mirrors then move
 * for world_mirror_time_ns().  True if anything changes. */
bool sim_ocs_begin(struct world *w, unsigned ocs, struct sim_op *ops, size_t n);
/* The mirrors have settled: makes, new generation, results on record. */
void sim_ocs_finish(struct world *w, unsigned ocs, struct sim_op *ops, size_t n, bool changed);

/* Power is gone, and with it the map and a batch under way, which is then not
 * to be finished.  Claim and records are kept (D4, D5). */
void sim_ocs_lose_power(struct world *w, unsigned ocs);

#endif
